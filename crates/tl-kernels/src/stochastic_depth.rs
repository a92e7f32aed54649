//! Stochastic depth: whole branches of a residual network left out at random.

use burn::module::{Flag, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Pass, rng};

/// Leaves out a branch for some images of a batch, with `probability`, and divides it by what remains for the others
/// (Huang et al. 2016, arXiv 1603.09382; torchvision's mode `row`).
///
/// Active where the branch is on an autodiff device and `training` is on. What happens to an image is a function of the
/// pass, of `name` and of its place in the batch, whatever ran before.
#[derive(Module, Debug)]
pub struct StochasticDepth {
    pub training: Param<Flag>,
    #[module(skip)]
    probability: f64,
    #[module(skip)]
    name: String,
}

impl StochasticDepth {
    /// One whose draws belong to `name`.
    pub fn new(name: &str, probability: f64) -> Self {
        Self { training: Param::<Flag>::from_bool(true), probability, name: name.to_string() }
    }

    /// Whether it does anything to this branch.
    pub fn is_active<const D: usize>(&self, branch: &Tensor<D>) -> bool {
        self.probability > 0.0 && self.training.is_enabled() && branch.device().is_autodiff()
    }

    /// `branch`, whose first axis is the batch.
    pub fn forward<const D: usize>(&self, branch: Tensor<D>, pass: Pass) -> Tensor<D> {
        if !self.is_active(&branch) {
            return branch;
        }
        let mut dims = [1; D];
        dims[0] = branch.dims()[0];
        let keep = (1.0 / (1.0 - self.probability)) as f32;
        let factor = |image: usize| {
            let mut random = rng(pass.seed, &self.name, pass.step, image as u64);
            if random.uniform_f64() < self.probability { 0.0 } else { keep }
        };
        let factors: Vec<f32> = (0..dims[0]).map(factor).collect();
        let device = branch.device().without_autodiff();
        branch * Tensor::<D>::from_data(TensorData::new(factors, dims), &device).autodiff()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    const IMAGES: usize = 4000;

    fn rows(depth: &StochasticDepth, device: &Device, pass: Pass) -> Vec<Vec<f32>> {
        let branch = Tensor::<3>::ones([IMAGES, 1, 2], device);
        let left = depth.forward(branch, pass).without_autodiff();
        let values = left.into_data().try_into_vec::<f32>().unwrap();
        values.chunks(2).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn an_image_s_branch_is_left_out_whole_or_divided_by_what_remains() {
        let depth = StochasticDepth::new("block", 0.2);
        let rows = rows(&depth, &Device::flex().autodiff(), Pass { seed: 3, step: 5 });
        assert!(rows.iter().all(|row| row == &[0.0, 0.0] || row == &[1.25, 1.25]));
        let share = rows.iter().filter(|row| row[0] == 0.0).count() as f64 / IMAGES as f64;
        // Four standard deviations of 4,000 draws are .025.
        assert!((share - 0.2).abs() < 0.025, "{share}");
    }

    #[test]
    fn the_draws_are_those_of_the_pass_and_the_name() {
        let device = Device::flex().autodiff();
        let depth = StochasticDepth::new("block", 0.5);
        let first = rows(&depth, &device, Pass { seed: 3, step: 5 });
        assert_eq!(rows(&depth, &device, Pass { seed: 3, step: 5 }), first);
        assert_ne!(rows(&depth, &device, Pass { seed: 3, step: 6 }), first);
        assert_ne!(rows(&depth, &device, Pass { seed: 4, step: 5 }), first);
        let other = StochasticDepth::new("other", 0.5);
        assert_ne!(rows(&other, &device, Pass { seed: 3, step: 5 }), first);
    }

    #[test]
    fn nothing_is_left_out_of_a_frozen_or_an_evaluated_branch() {
        let pass = Pass { seed: 3, step: 5 };
        let whole = vec![vec![1.0f32; 2]; IMAGES];
        let depth = StochasticDepth::new("block", 0.5);
        assert_eq!(rows(&depth, &Device::flex(), pass), whole);
        let mut frozen = depth;
        frozen.training = frozen.training.with_value(false);
        assert_eq!(rows(&frozen, &Device::flex().autodiff(), pass), whole);
    }
}
