//! The norm of all gradients together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;

use crate::parameters::ModulePath;

/// The largest piece that is summed at once. Burn's CPU backend sums four million values or more in an
/// order that varies from run to run.
const CHUNK: usize = 1 << 20;
/// How many squares are summed in f32: adding a million of them one by one loses four digits.
const ROW: usize = 1 << 10;

/// The Euclidean norm of all gradients of a module, and the paths of those that are not finite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradientNorm {
    pub norm: f64,
    pub not_finite: Vec<String>,
}

impl GradientNorm {
    /// The factor that brings the norm down to `largest`, or 1, as `torch.nn.utils.clip_grad_norm_`
    /// has it.
    pub fn clip_scale(&self, largest: Option<f64>) -> f64 {
        largest.map_or(1.0, |largest| (largest / (self.norm + 1e-6)).min(1.0))
    }
}

/// Measures the gradients of `module`.
///
/// # Errors
/// When the device cannot be read.
pub fn gradient_norm<M: Module>(module: &M, gradients: &Gradients) -> Result<GradientNorm, String> {
    struct Visitor<'a> {
        path: ModulePath,
        gradients: &'a Gradients,
        squares: f64,
        not_finite: Vec<String>,
        failure: Option<String>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() || self.failure.is_some() {
                return;
            }
            let Some(gradient) = param.val().grad(self.gradients) else {
                return;
            };
            let count = gradient.shape().num_elements();
            match sum_of_squares(gradient.without_autodiff().reshape([count])) {
                Ok(sum) if sum.is_finite() => self.squares += sum,
                Ok(_) => self.not_finite.push(self.path.joined()),
                Err(reason) => self.failure = Some(reason),
            }
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    let mut visitor = Visitor {
        path: ModulePath::default(),
        gradients,
        squares: 0.0,
        not_finite: Vec::new(),
        failure: None,
    };
    module.visit(&mut visitor);
    match visitor.failure {
        Some(reason) => Err(reason),
        None => Ok(GradientNorm { norm: visitor.squares.sqrt(), not_finite: visitor.not_finite }),
    }
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
            let sums = crate::parameters::values(sums.reshape([rows]))?;
            total += sums.into_iter().map(f64::from).sum::<f64>();
        }
        if even < length {
            let sum = crate::parameters::values(squares.narrow(0, even, length - even).sum())?;
            total += f64::from(sum.first().copied().unwrap_or(0.0));
        }
    }
    Ok(total)
}
