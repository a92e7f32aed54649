//! Walking over the parameters of a module by their paths.

use burn::module::Flag;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::TensorData;

/// Where a visitor stands: the names of the modules it has entered.
#[derive(Clone, Debug, Default)]
pub struct ModulePath {
    segments: Vec<String>,
}

impl ModulePath {
    /// Enters a module.
    pub fn enter(&mut self, name: &str) {
        self.segments.push(name.to_string());
    }

    /// Leaves it.
    pub fn exit(&mut self) {
        self.segments.pop();
    }

    /// `layer1.0.conv1.weight`
    pub fn joined(&self) -> String {
        self.segments.join(".")
    }
}

/// A parameter or a statistic of a module.
#[derive(Clone, Debug)]
pub struct ParameterInfo {
    /// `layer1.0.conv1.weight`
    pub path: String,
    pub id: ParamId,
    pub shape: Vec<usize>,
    /// Whether it takes part in training now.
    pub trained: bool,
}

impl ParameterInfo {
    /// The number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Whether `path` names a running statistic of a norm: state that moves without a gradient.
pub fn is_statistic(path: &str) -> bool {
    path.ends_with("running_mean") || path.ends_with("running_var")
}

/// Whether `path` lies in the slot of an adapter.
pub fn is_adapter(path: &str) -> bool {
    path.split('.').any(|segment| segment == "adapter")
}

/// Calls `visit` with every parameter and statistic of `module`, in the order of its fields; the
/// tensor is flat and plain.
pub fn visit_parameters<M: Module>(module: &M, visit: impl FnMut(&ParameterInfo, Tensor<1>)) {
    struct Visitor<F> {
        path: ModulePath,
        visit: F,
    }
    impl<F: FnMut(&ParameterInfo, Tensor<1>)> ModuleVisitor for Visitor<F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val().without_autodiff();
            let info = ParameterInfo {
                path: self.path.joined(),
                id: param.id,
                shape: tensor.dims().to_vec(),
                trained: param.is_require_grad(),
            };
            let elements = info.elements();
            (self.visit)(&info, tensor.reshape([elements]));
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.visit(&mut Visitor { path: ModulePath::default(), visit });
}

/// Every parameter and statistic of `module`, without its values.
pub fn parameters<M: Module>(module: &M) -> Vec<ParameterInfo> {
    let mut all = Vec::new();
    visit_parameters(module, |info, _| all.push(info.clone()));
    all
}

/// Replaces values: `map` gets each parameter and statistic and answers its new values in row order,
/// or nothing to leave it as it is. Whether it is trained stays as it was.
pub fn map_values<M: Module>(module: M, map: impl FnMut(&ParameterInfo) -> Option<Vec<f32>>) -> M {
    struct Mapper<F> {
        path: ModulePath,
        map: F,
    }
    impl<F: FnMut(&ParameterInfo) -> Option<Vec<f32>>> ModuleMapper for Mapper<F> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let info = ParameterInfo {
                path: self.path.joined(),
                id: param.id,
                shape: param.lazy_shape().to_vec(),
                trained: param.is_require_grad(),
            };
            let Some(values) = (self.map)(&info) else {
                return param;
            };
            param.map(|old| {
                let device = old.device().without_autodiff();
                let plain = Tensor::from_data(TensorData::new(values, old.dims()), &device);
                like(plain, old.is_autodiff(), info.trained)
            })
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.map(&mut Mapper { path: ModulePath::default(), map })
}

/// `plain`, on an autodiff device as a leaf that asks for a gradient if `trained`.
pub(crate) fn like<const D: usize>(plain: Tensor<D>, autodiff: bool, trained: bool) -> Tensor<D> {
    if autodiff { plain.autodiff().set_require_grad(trained) } else { plain }
}

/// Sets absolutely, by path, which parameters ask for a gradient and which `training` flags are on.
pub fn set_trained<M: Module>(module: M, decide: impl FnMut(&str, Control) -> bool) -> M {
    struct Mapper<F> {
        path: ModulePath,
        decide: F,
    }
    impl<F: FnMut(&str, Control) -> bool> ModuleMapper for Mapper<F> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let trained = (self.decide)(&self.path.joined(), Control::Gradient);
            param.set_require_grad(trained)
        }
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            let on = (self.decide)(&self.path.joined(), Control::Flag);
            flag.with_value(on)
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.map(&mut Mapper { path: ModulePath::default(), decide })
}

/// What [`set_trained`] asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Whether a tensor asks for a gradient.
    Gradient,
    /// Whether a `training` flag is on.
    Flag,
}

/// The values of a parameter on the host.
///
/// # Errors
/// When the device cannot be read.
pub fn values(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec::<f32>()
        .map_err(|reason| format!("{reason:?}"))
}
