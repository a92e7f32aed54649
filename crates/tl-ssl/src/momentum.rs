//! The teacher: a moving average of the network that is trained.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use tl_core::parameters::{Control, ModulePath, is_statistic, set_trained, visit_parameters};

/// `last + (first − last) · (cos(π·progress) + 1) / 2`: from `first` to `last` along half a cosine.
pub fn cosine(first: f64, last: f64, progress: f64) -> f64 {
    last + (first - last) * ((PI * progress).cos() + 1.0) / 2.0
}

/// A copy of `student` that asks for no gradient; its norms stay in training, with statistics of their own.
pub(crate) fn teacher_of<M: Module>(student: &M) -> M {
    set_trained(student.clone(), |_, control| control == Control::Flag)
}

/// `teacher ← keep·teacher + (1 − keep)·student` for every parameter. Statistics of norms stay the
/// teacher's own: they describe what its own weights make of the images.
pub(crate) fn follow<M: Module>(teacher: M, student: &M, keep: f64) -> M {
    let mut targets = BTreeMap::new();
    visit_parameters(student, |info, value| {
        if !is_statistic(&info.path) {
            targets.insert(info.path.clone(), value);
        }
    });
    teacher.map(&mut Follow { path: ModulePath::default(), targets, keep })
}

struct Follow {
    path: ModulePath,
    targets: BTreeMap<String, Tensor<1>>,
    keep: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(target) = self.targets.remove(&self.path.joined()) else { return param };
        param.map(|old| {
            let (dims, autodiff) = (old.dims(), old.is_autodiff());
            let old = old.without_autodiff();
            // In this form what is already there stays there, to the last bit.
            let moved = old.clone() + (target.reshape(dims) - old).mul_scalar(1.0 - self.keep);
            if autodiff { moved.autodiff().set_require_grad(false) } else { moved }
        })
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use tl_kernels::BatchNorm2d;

    fn of(weight: f32, mean: f32) -> BatchNorm2d {
        let device = Device::flex();
        tl_core::parameters::map_values(BatchNorm2d::new(2, &device), |info| {
            Some(vec![if is_statistic(&info.path) { mean } else { weight }; 2])
        })
    }

    #[test]
    fn parameters_follow_and_statistics_are_the_teachers_own() {
        let student = of(3.0, 7.0).train();
        let teacher = follow(teacher_of(&of(1.0, 5.0).train()), &student, 0.75);
        let mut found = BTreeMap::new();
        visit_parameters(&teacher, |info, value| {
            assert!(!info.trained, "{}", info.path);
            let value = tl_core::parameters::values(value).unwrap();
            found.insert(info.path.clone(), value[0]);
        });
        assert_eq!(found["weight"], 1.5);
        assert_eq!(found["running_mean"], 5.0);
        assert!(teacher.training.val().is_enabled());
    }

    #[test]
    fn the_cosine_goes_from_one_end_to_the_other() {
        assert_eq!(cosine(0.996, 1.0, 0.0), 0.996);
        assert!((cosine(0.996, 1.0, 1.0) - 1.0).abs() < 1e-12);
        assert!((cosine(0.04, 0.4, 0.5) - 0.22).abs() < 1e-12);
    }
}
