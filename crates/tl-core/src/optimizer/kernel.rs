//! The arithmetic of a step, apart from what is stepped and how fast.

use std::fmt::Debug;

use burn::prelude::*;

use super::OptimizerConfig;
use crate::parameters;

/// The largest piece that is summed at once. Burn's CPU backend sums four million values or more in an
/// order that varies from run to run.
const CHUNK: usize = 1 << 20;
/// How many squares are summed in f32: adding a million of them one by one loses four digits.
const ROW: usize = 1 << 10;

/// The numbers of one step of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepNumbers {
    pub config: OptimizerConfig,
    pub rate: f64,
    /// Of this parameter; that of `config` is not read.
    pub weight_decay: f64,
    /// Dimensions of the parameter.
    pub rank: usize,
    /// Of the parameter's own steps, from 1.
    pub step: u64,
    /// Multiplies the gradient before all else.
    pub scale: f64,
}

/// A parameter's values and moments, flat, on the plain device.
#[derive(Clone, Debug)]
pub struct Slot {
    pub value: Tensor<1>,
    /// The velocity of SGD and LARS, or AdamW's first moment; none before the first step, or where nothing is kept.
    pub first: Option<Tensor<1>>,
    /// AdamW's second moment.
    pub second: Option<Tensor<1>>,
}

/// What computes steps: [`Composed`] on any device, or operations made for one.
pub trait OptimizerKernel: Debug + Send + Sync {
    /// The values and moments after a step, in the order of operations of PyTorch's single-tensor loops.
    fn step(&self, slot: Slot, gradient: Tensor<1>, numbers: StepNumbers) -> Slot;

    /// The sum of the squares of `values`, in an order that depends on their number alone.
    ///
    /// # Errors
    /// When the device cannot be read.
    fn sum_of_squares(&self, values: Tensor<1>) -> Result<f64, String>;
}

/// Steps by Burn's own operations.
#[derive(Clone, Copy, Debug)]
pub struct Composed;

impl OptimizerKernel for Composed {
    fn step(&self, slot: Slot, gradient: Tensor<1>, numbers: StepNumbers) -> Slot {
        let StepNumbers { config, rate, weight_decay, rank, step, scale } = numbers;
        let Slot { value, first, second } = slot;
        let gradient = if scale == 1.0 { gradient } else { gradient.mul_scalar(scale) };
        let decayed = |gradient: Tensor<1>| match weight_decay > 0.0 {
            true => gradient + value.clone().mul_scalar(weight_decay),
            false => gradient,
        };
        match config {
            OptimizerConfig::Sgd { momentum, nesterov, .. } => {
                let gradient = decayed(gradient);
                if momentum == 0.0 {
                    let value = value - gradient.mul_scalar(rate);
                    return Slot { value, first: None, second: None };
                }
                let velocity = match first {
                    Some(old) => old.mul_scalar(momentum) + gradient.clone(),
                    None => gradient.clone(),
                };
                let first = Some(velocity.clone());
                let direction =
                    if nesterov { gradient + velocity.mul_scalar(momentum) } else { velocity };
                Slot { value: value - direction.mul_scalar(rate), first, second: None }
            }
            OptimizerConfig::Lars { momentum, trust, .. } => {
                let gradient = decayed(gradient);
                let fresh = match rank > 1 {
                    true => gradient.clone() * adapted(&value, &gradient, trust).mul_scalar(rate),
                    false => gradient.mul_scalar(rate),
                };
                let velocity = match first {
                    Some(old) => old.mul_scalar(momentum) + fresh,
                    None => fresh,
                };
                Slot { value: value - velocity.clone(), first: Some(velocity), second: None }
            }
            OptimizerConfig::AdamW { beta1, beta2, epsilon, .. } => {
                let decayed = if weight_decay > 0.0 {
                    value.mul_scalar(1.0 - rate * weight_decay)
                } else {
                    value
                };
                let square = (gradient.clone() * gradient.clone()).mul_scalar(1.0 - beta2);
                let fresh = gradient.mul_scalar(1.0 - beta1);
                let (first, second) = match (first, second) {
                    (Some(first), Some(second)) => {
                        (first.mul_scalar(beta1) + fresh, second.mul_scalar(beta2) + square)
                    }
                    _ => (fresh, square),
                };
                let [correction1, correction2] = corrections(beta1, beta2, step);
                let denominator =
                    second.clone().sqrt().div_scalar(correction2.sqrt()).add_scalar(epsilon);
                let direction = first.clone() / denominator;
                let value = decayed - direction.mul_scalar(rate / correction1);
                Slot { value, first: Some(first), second: Some(second) }
            }
        }
    }

    fn sum_of_squares(&self, values: Tensor<1>) -> Result<f64, String> {
        sum_of_squares(values)
    }
}

/// LARS's factor of the rate, `[1]`: `trust·‖value‖/‖gradient‖`, or 1 where either is 0.
fn adapted(value: &Tensor<1>, gradient: &Tensor<1>, trust: f64) -> Tensor<1> {
    let [value, gradient] = [value, gradient].map(norm);
    let nothing = (value.clone() * gradient.clone()).equal_elem(0.0);
    (value / gradient).mul_scalar(trust).mask_fill(nothing, 1.0)
}

/// The length of a vector, `[1]`, in an order that depends on its number of values alone: rows first, of
/// which there are never so many that Burn's CPU backend would sum them in any order.
fn norm(flat: &Tensor<1>) -> Tensor<1> {
    let count = flat.dims()[0];
    let (rows, even) = (count / ROW, count / ROW * ROW);
    let squares = flat.clone() * flat.clone();
    let mut sums = Vec::new();
    if even < count {
        sums.push(squares.clone().narrow(0, even, count - even).sum());
    }
    if rows > 0 {
        sums.push(squares.narrow(0, 0, even).reshape([rows, ROW]).sum_dim(1).sum());
    }
    Tensor::cat(sums, 0).sum().sqrt()
}

/// What the moments lack after `step` steps from 0.
fn corrections(beta1: f64, beta2: f64, step: u64) -> [f64; 2] {
    let exponent = i32::try_from(step).unwrap_or(i32::MAX);
    [beta1, beta2].map(|beta| 1.0 - beta.powi(exponent))
}

/// The sum of squares in fixed chunks and a fixed order: rows on the device, their sums in f64.
fn sum_of_squares(flat: Tensor<1>) -> Result<f64, String> {
    let count = flat.dims()[0];
    let mut total = 0.0;
    for start in (0..count).step_by(CHUNK) {
        let piece = flat.clone().narrow(0, start, CHUNK.min(count - start));
        let squares = piece.clone() * piece;
        let length = squares.dims()[0];
        let (rows, even) = (length / ROW, length / ROW * ROW);
        if rows > 0 {
            let sums = squares.clone().narrow(0, 0, even).reshape([rows, ROW]).sum_dim(1);
            let sums = parameters::values(sums.reshape([rows]))?;
            total += sums.into_iter().map(f64::from).sum::<f64>();
        }
        if even < length {
            let sum = parameters::values(squares.narrow(0, even, length - even).sum())?;
            total += f64::from(sum.first().copied().unwrap_or(0.0));
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_counts_each_value_once_whatever_their_number() {
        for count in [1, ROW - 1, ROW, ROW + 1, 2 * ROW, 36 * ROW, CHUNK, CHUNK + ROW] {
            let flat = Tensor::<1>::ones([count], &Device::flex());
            let found: f32 = norm(&flat).into_scalar();
            assert!((f64::from(found).powi(2) / count as f64 - 1.0).abs() < 1e-5, "{count}");
            assert_eq!(sum_of_squares(flat).unwrap(), count as f64);
        }
    }
}
