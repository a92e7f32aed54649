//! The norm of all gradients together, and their change before a step.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;

use crate::optimizer::OptimizerKernel;
use crate::parameters::ModulePath;

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

/// Measures the gradients of `module` by `kernel`.
///
/// # Errors
/// When the device cannot be read.
pub fn gradient_norm<M: Module>(
    module: &M,
    gradients: &Gradients,
    kernel: &dyn OptimizerKernel,
) -> Result<GradientNorm, String> {
    let mut squares = 0.0;
    let mut not_finite = Vec::new();
    let mut failure = None;
    visit_gradients(module, gradients, |path, gradient| {
        if failure.is_some() {
            return;
        }
        match kernel.sum_of_squares(gradient) {
            Ok(sum) if sum.is_finite() => squares += sum,
            Ok(_) => not_finite.push(path.to_string()),
            Err(reason) => failure = Some(reason),
        }
    });
    match failure {
        Some(reason) => Err(reason),
        None => Ok(GradientNorm { norm: squares.sqrt(), not_finite }),
    }
}

/// Replaces gradients of `module`: `change` gets the path, the value and the gradient of each trained parameter that has one, flat
/// and plain, and answers the new gradient, or nothing to leave it as it is.
pub fn change_gradients<M: Module>(
    module: &M,
    gradients: &mut Gradients,
    change: impl FnMut(&str, Tensor<1>, Tensor<1>) -> Option<Tensor<1>>,
) {
    struct Visitor<'a, F> {
        path: ModulePath,
        gradients: &'a mut Gradients,
        change: F,
    }
    impl<F> ModuleVisitor for Visitor<'_, F>
    where
        F: FnMut(&str, Tensor<1>, Tensor<1>) -> Option<Tensor<1>>,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                return;
            }
            let value = param.val();
            let Some(gradient) = value.grad(self.gradients) else {
                return;
            };
            let (dims, count) = (value.dims(), value.shape().num_elements());
            let plain = value.clone().without_autodiff().reshape([count]);
            let gradient = gradient.without_autodiff().reshape([count]);
            if let Some(changed) = (self.change)(&self.path.joined(), plain, gradient) {
                value.grad_replace(self.gradients, changed.reshape(dims));
            }
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.visit(&mut Visitor { path: ModulePath::default(), gradients, change });
}

/// Calls `visit` with the path and the gradient of each trained parameter of `module` that has one, flat and plain.
pub fn visit_gradients<M: Module>(
    module: &M,
    gradients: &Gradients,
    visit: impl FnMut(&str, Tensor<1>),
) {
    struct Visitor<'a, F> {
        path: ModulePath,
        gradients: &'a Gradients,
        visit: F,
    }
    impl<F: FnMut(&str, Tensor<1>)> ModuleVisitor for Visitor<'_, F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                return;
            }
            if let Some(gradient) = param.val().grad(self.gradients) {
                let count = gradient.shape().num_elements();
                let gradient = gradient.without_autodiff().reshape([count]);
                (self.visit)(&self.path.joined(), gradient);
            }
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.visit(&mut Visitor { path: ModulePath::default(), gradients, visit });
}
