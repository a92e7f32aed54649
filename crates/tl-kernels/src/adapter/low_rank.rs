//! The low-rank path beside a layer.

use burn::module::Param;
use burn::prelude::*;
use tl_core::Pass;

use crate::extension::{ConvShape, conv2d_unit, linear_unit};
use crate::{Dropout, Linear, Nonlinearity, Shared};

/// `s·B·A` beside a weight `W`: `y = W·x + s·B·A·dropout(x)` (Hu et al. 2021, arXiv 2106.09685, equation 3), and with a
/// magnitude `y = m/‖W + s·BA‖ · (W·x + s·B·A·dropout(x))`, norms of rows, which are no part of the gradient (Liu et al.
/// 2024, arXiv 2402.09353, equations 5 and 11).
///
/// `a` is `[rank, in]` (of a convolution `[rank, in·height·width]`), `b` `[out, rank]`, `magnitude` `[out]`.
#[derive(Module, Debug)]
pub struct LowRank {
    pub a: Param<Tensor<2>>,
    pub b: Param<Tensor<2>>,
    pub magnitude: Option<Param<Tensor<1>>>,
    pub dropout: Dropout,
    #[module(skip)]
    scaling: f64,
}

impl LowRank {
    /// A path with these matrices; its dropout's masks belong to `name`.
    pub fn new(a: Tensor<2>, b: Tensor<2>, scaling: f64, (name, dropout): (&str, f64)) -> Self {
        Self {
            a: Param::from_tensor(a),
            b: Param::from_tensor(b),
            magnitude: None,
            dropout: Dropout::new(name, dropout),
            scaling,
        }
    }

    /// With a magnitude for each output.
    pub fn with_magnitude(mut self, magnitude: Tensor<1>) -> Self {
        self.magnitude = Some(Param::from_tensor(magnitude));
        self
    }

    /// `s`
    pub fn scaling(&self) -> f64 {
        self.scaling
    }

    /// The rank.
    pub fn rank(&self) -> usize {
        self.b.dims()[1]
    }

    fn scaled_b(&self) -> Tensor<2> {
        self.b.val().mul_scalar(self.scaling)
    }

    /// `A·dropout(x)`
    fn inner(&self, input: Tensor<2>) -> Tensor<2> {
        linear_unit(self.dropout.forward(input, Pass::current()), self.a.val(), None, None)
    }

    /// `s·B·A·x`, `[rows, in]` to `[rows, out]`.
    pub(super) fn linear(&self, input: Tensor<2>) -> Tensor<2> {
        linear_unit(self.inner(input), self.scaled_b(), None, None)
    }

    /// What all outputs are multiplied by, `[out]`, where there is a magnitude.
    pub(super) fn gain(&self, weight: &Param<Tensor<2>>) -> Option<Tensor<1>> {
        let magnitude = self.magnitude.as_ref()?;
        let norm = self.norms(weight.val().without_autodiff());
        let norm = match magnitude.val().is_autodiff() {
            true => norm.autodiff(),
            false => norm,
        };
        Some(magnitude.val() / norm)
    }

    /// The norms of the rows of `W + s·BA`, plain.
    pub fn norms(&self, weight: Tensor<2>) -> Tensor<1> {
        let [output, _] = weight.dims();
        let (a, b) = (self.a.val().without_autodiff(), self.scaled_b().without_autodiff());
        let whole = weight + b.matmul(a);
        (whole.clone() * whole).sum_dim(1).sqrt().reshape([output])
    }

    /// The path beside a convolution, plus `residual`: `kernel` is `[in, height, width]`; `gain`, one for each output,
    /// is what a norm makes of it.
    pub(crate) fn convolve(
        &self,
        input: Tensor<4>,
        kernel: [usize; 3],
        shape: ConvShape,
        gain: Option<Tensor<1>>,
        residual: Option<Shared>,
    ) -> Shared {
        let [output, rank] = self.b.dims();
        let [channels, height, width] = kernel;
        let input = self.dropout.forward(input, Pass::current());
        let a = self.a.val().reshape([rank, channels, height, width]);
        let inner = conv2d_unit(input, a, None, None, shape, Nonlinearity::None);
        let mut b = self.scaled_b();
        if let Some(gain) = gain {
            b = b * gain.reshape([output, 1]);
        }
        let b = b.reshape([output, rank, 1, 1]);
        conv2d_unit(inner, b, None, residual, ConvShape::POINTWISE, Nonlinearity::None).into()
    }
}

/// The low-rank paths of layers side by side, `[rows, in]` to `[rows, out + out + …]`, by one product behind all the
/// inner ones; nothing where no layer has one.
pub(crate) fn joint_delta<const N: usize>(
    layers: [&Linear; N],
    input: &Tensor<2>,
) -> Option<Tensor<2>> {
    let paths = layers.map(|layer| layer.adapter.get().and_then(|it| it.low_rank.as_ref()));
    let ranks = paths.map(|path| path.map_or(0, LowRank::rank));
    let total: usize = ranks.iter().sum();
    if total == 0 {
        return None;
    }
    let inner: Vec<Tensor<2>> =
        paths.iter().flatten().map(|path| path.inner(input.clone())).collect();
    let device = input.device().without_autodiff();
    let mut before = 0;
    // Each layer's rows hold its own B at the place of its own inner values, and 0 elsewhere.
    let rows = (0..N).map(|at| {
        let output = layers[at].weight.dims()[0];
        let zeros = |width| Tensor::<2>::zeros([output, width], &device);
        let Some(path) = paths[at] else { return zeros(total) };
        let behind = total - before - ranks[at];
        let mut parts = Vec::new();
        if before > 0 {
            parts.push(zeros(before));
        }
        parts.push(path.scaled_b());
        if behind > 0 {
            parts.push(zeros(behind));
        }
        before += ranks[at];
        Tensor::cat(parts, 1)
    });
    let outer = Tensor::cat(rows.collect(), 0);
    Some(linear_unit(Tensor::cat(inner, 1), outer, None, None))
}
