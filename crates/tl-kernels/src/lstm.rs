//! Long short-term memory: one layer of a recurrent network, in one direction or both.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::{sigmoid, tanh};

#[cfg(feature = "flex")]
use crate::extension;
use crate::{Linear, count};

/// One layer (Hochreiter and Schmidhuber 1997) with PyTorch's numerics.
///
/// The products of all inputs are one product; what follows of the state before goes step by step, and back again in as
/// many steps.
#[derive(Module, Debug)]
pub struct Lstm {
    pub forward: Direction,
    /// From the last step to the first.
    pub reverse: Option<Direction>,
}

/// One way through a sequence.
#[derive(Module, Debug)]
pub struct Direction {
    /// `weight_ih` and `bias_ih`: `[4·hidden, in]`, the gates i, f, g and o below each other.
    pub input: Linear,
    /// `weight_hh`: `[4·hidden, hidden]`
    pub hidden_weight: Param<Tensor<2>>,
    /// `bias_hh`: `[4·hidden]`
    pub hidden_bias: Param<Tensor<1>>,
}

impl Lstm {
    /// From `input` values to `hidden` in each direction, all weights 0.
    pub fn new(input: usize, hidden: usize, both_directions: bool, device: &Device) -> Self {
        let direction = || Direction {
            input: Linear::new(input, 4 * hidden, device),
            hidden_weight: Param::from_tensor(Tensor::zeros([4 * hidden, hidden], device)),
            hidden_bias: Param::from_tensor(Tensor::zeros([4 * hidden], device)),
        };
        Self { forward: direction(), reverse: both_directions.then(direction) }
    }

    /// `[batch, steps, in]` to `[batch, steps, hidden]`, or twice as wide where both directions lie side by side.
    ///
    /// Behind `lengths` is padding: its outputs are 0, and the way back begins at each sequence's own end.
    pub fn forward(&self, input: Tensor<3>, lengths: Option<&[usize]>) -> Tensor<3> {
        let [batch, steps, _] = input.dims();
        let whole = vec![steps; batch];
        let lengths = lengths.unwrap_or(&whole);
        let input = input.swap_dims(0, 1);
        let ahead = self.forward.forward(input.clone(), lengths, false);
        let both = match &self.reverse {
            None => ahead,
            Some(reverse) => {
                let back = reverse.forward(input, lengths, true);
                Tensor::cat(vec![ahead, back], 2)
            }
        };
        both.swap_dims(0, 1)
    }

    /// The width of its outputs.
    pub fn width(&self) -> usize {
        let directions = 1 + usize::from(self.reverse.is_some());
        self.forward.hidden_weight.dims()[1] * directions
    }
}

impl Direction {
    /// `[steps, batch, in]` to `[steps, batch, hidden]`.
    fn forward(&self, input: Tensor<3>, lengths: &[usize], reverse: bool) -> Tensor<3> {
        let gates = self.input.forward_with(input, Some(self.hidden_bias.val()));
        let weight = self.hidden_weight.val();
        let ([steps, batch, rows], [_, hidden]) = (gates.dims(), weight.dims());
        if let Some(zeros) = count::instead([steps, batch, hidden], rows, &gates.device()) {
            return zeros;
        }
        #[cfg(feature = "flex")]
        {
            let ([_, batch, width], [rows, hidden]) = (gates.dims(), weight.dims());
            let fits = batch == lengths.len() && [width, rows] == [4 * hidden; 2];
            if fits
                && !gates.dims().contains(&0)
                && extension::runs_on_flex(&gates)
                && extension::runs_on_flex(&weight)
            {
                return extension::lstm_unit(gates, weight, lengths.to_vec(), reverse);
            }
        }
        composed(gates, weight, lengths, reverse)
    }
}

/// The same of Burn's operations.
fn composed(gates: Tensor<3>, weight: Tensor<2>, lengths: &[usize], reverse: bool) -> Tensor<3> {
    let [steps, batch, _] = gates.dims();
    let [_, hidden] = weight.dims();
    let weight = weight.transpose();
    let padded = lengths.iter().any(|length| *length < steps);
    let (mut state, mut outputs): (Option<[Tensor<2>; 2]>, _) = (None, Vec::with_capacity(steps));
    let mut inputs: Vec<(usize, Tensor<3>)> = apart(gates).into_iter().enumerate().collect();
    if reverse {
        inputs.reverse();
    }
    for (step, input) in inputs {
        let mut sum = input.reshape([batch, 4 * hidden]);
        if let Some([_, output]) = &state {
            sum = sum + output.clone().matmul(weight.clone());
        }
        let gate = |at: usize| sum.clone().narrow(1, at * hidden, hidden);
        let new = sigmoid(gate(0)) * tanh(gate(2));
        let mut cell = match state {
            Some([cell, _]) => sigmoid(gate(1)) * cell + new,
            None => new,
        };
        let mut output = sigmoid(gate(3)) * tanh(cell.clone());
        if padded {
            let within = lengths.iter().map(|length| f32::from(step < *length)).collect();
            let within = TensorData::new::<f32, _>(within, [batch, 1]);
            let within = Tensor::<2>::from_data(within, &output.device().without_autodiff());
            let within = if output.is_autodiff() { within.autodiff() } else { within };
            [cell, output] = [cell * within.clone(), output * within];
        }
        outputs.push(output.clone());
        state = Some([cell, output]);
    }
    if reverse {
        outputs.reverse();
    }
    Tensor::stack(outputs, 0)
}

/// The slices of the first axis, by halves: the gradient of a slice is as large as what it was cut from, so that cutting
/// each from the whole would cost the square of their number.
fn apart(whole: Tensor<3>) -> Vec<Tensor<3>> {
    let [steps, _, _] = whole.dims();
    if steps <= 1 {
        return vec![whole];
    }
    let half = steps / 2;
    let mut parts = apart(whole.clone().narrow(0, 0, half));
    parts.extend(apart(whole.narrow(0, half, steps - half)));
    parts
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn values(count: usize, salt: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * 0.7311 + salt).sin() * 0.7).collect()
    }

    #[test]
    fn the_fused_layer_equals_the_composed_one_and_their_gradients_too() {
        let device = Device::flex().autodiff();
        for (steps, lengths, hidden) in [(7, [7, 3, 5], 12), (1, [1, 1, 1], 3), (6, [6, 6, 6], 20)]
        {
            for reverse in [false, true] {
                let leaf = |shape: Vec<usize>, salt| {
                    let count = shape.iter().product();
                    TensorData::new(values(count, salt), shape)
                };
                let gates = Tensor::<3>::from_data(leaf(vec![steps, 3, 4 * hidden], 0.4), &device);
                let weight = Tensor::<2>::from_data(leaf(vec![4 * hidden, hidden], 1.9), &device);
                let by = Tensor::<3>::from_data(leaf(vec![steps, 3, hidden], 3.1), &device);
                let both = [true, false].map(|fused| {
                    let (gates, weight) =
                        (gates.clone().require_grad(), weight.clone().require_grad());
                    let output = match fused {
                        true => extension::lstm_unit(
                            gates.clone(),
                            weight.clone(),
                            lengths.to_vec(),
                            reverse,
                        ),
                        false => composed(gates.clone(), weight.clone(), &lengths, reverse),
                    };
                    let gradients = (output.clone() * by.clone()).sum().backward();
                    let list = |data: TensorData| data.try_into_vec::<f32>().unwrap();
                    [
                        list(output.into_data()),
                        list(gates.grad(&gradients).unwrap().into_data()),
                        // Of a single step the composition does not look at the weight.
                        weight
                            .grad(&gradients)
                            .map_or(vec![0.0; 4 * hidden * hidden], |it| list(it.into_data())),
                    ]
                });
                let [fused, composed] = both;
                for (what, (found, expected)) in fused.iter().zip(&composed).enumerate() {
                    for (found, expected) in found.iter().zip(expected) {
                        assert!((found - expected).abs() < 5e-6, "{what}: {found} {expected}");
                    }
                }
            }
        }
    }
}
