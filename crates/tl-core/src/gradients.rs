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

/// Makes `sum` of the gradients of `module` into `kept · sum + added · more`; a gradient that one of them lacks is 0 there.
pub fn mix_gradients<M: Module>(
    module: &M,
    (sum, kept): (&mut Gradients, f64),
    (more, added): (&Gradients, f64),
) {
    struct Visitor<'a> {
        sum: &'a mut Gradients,
        kept: f64,
        more: &'a Gradients,
        added: f64,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                return;
            }
            let value = param.val();
            let old = value.grad(self.sum).map(|gradient| gradient.mul_scalar(self.kept));
            let new = value.grad(self.more).map(|gradient| gradient.mul_scalar(self.added));
            let mixed = match (old, new) {
                (Some(old), Some(new)) => old + new,
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return,
            };
            value.grad_replace(self.sum, mixed);
        }
    }
    module.visit(&mut Visitor { sum, kept, more, added });
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[derive(Module, Debug)]
    struct Pair {
        one: Param<Tensor<1>>,
        other: Param<Tensor<1>>,
    }

    #[test]
    fn mixed_gradients_are_sums_in_which_what_is_missing_is_0() {
        let device = Device::flex().autodiff();
        let param = |values: [f32; 2]| Param::from_tensor(Tensor::from_floats(values, &device));
        let pair = Pair { one: param([1.0, 2.0]), other: param([-1.0, 3.0]) };
        // Of 3·Σ one, of Σ one² + Σ other, and of 5·Σ other.
        let mut sum = pair.one.val().mul_scalar(3.0).sum().backward();
        let both = (pair.one.val() * pair.one.val()).sum() + pair.other.val().sum();
        let other = pair.other.val().mul_scalar(5.0).sum().backward();
        mix_gradients(&pair, (&mut sum, 0.5), (&both.backward(), 2.0));
        let read = |sum: &Gradients| {
            let mut found = Vec::new();
            visit_gradients(&pair, sum, |path, gradient| {
                found.push((path.to_string(), gradient.into_data().try_to_vec::<f32>().unwrap()));
            });
            found
        };
        let named = |one: [f32; 2], other: [f32; 2]| {
            vec![("one".to_string(), one.to_vec()), ("other".to_string(), other.to_vec())]
        };
        // ½·3 + 2·2·one, and 2·1 where there was none before.
        assert_eq!(read(&sum), named([5.5, 9.5], [2.0, 2.0]));
        mix_gradients(&pair, (&mut sum, 2.0), (&other, 1.0));
        assert_eq!(read(&sum), named([11.0, 19.0], [9.0, 9.0]));
    }
}
