//! MixStyle across domains (Zhou et al. 2021, arXiv 2104.02008): early feature maps of the source
//! take on a mixture of their own style and that of a target image, style being each channel's mean
//! and deviation.

use burn::prelude::*;
use tl_core::{Activation, Pass, rng};

use super::pieces::constant;
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// Trains on the source with the target's styles.
#[derive(Clone, Debug, PartialEq)]
pub struct MixStyle {
    /// How many leading stages it follows.
    pub stages: usize,
    /// The share of batches that are mixed.
    pub probability: f64,
    /// Mixtures are drawn from Beta(α, α).
    pub alpha: f64,
}

impl Default for MixStyle {
    /// The paper's probability .5 and α = .1; two stages.
    fn default() -> Self {
        Self { stages: 2, probability: 0.5, alpha: 0.1 }
    }
}

impl Method for MixStyle {
    fn name(&self) -> &'static str {
        "mixstyle"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn terms(&self, _: &Step<'_>) -> Result<Terms, AdaptError> {
        Ok(Terms::default())
    }

    fn touched_stages(&self) -> usize {
        self.stages
    }

    fn after_stage(
        &self,
        activation: Activation,
        stage: usize,
        sources: usize,
        pass: Pass,
    ) -> Result<Activation, AdaptError> {
        let mut random = rng(pass.seed, "mixstyle", pass.step, stage as u64);
        let rows = activation.batch();
        let mixed = 0 < sources && sources < rows;
        if f64::from(random.uniform()) >= self.probability || !mixed {
            return Ok(activation);
        }
        let map = activation.into_image("MixStyle")?.into_channels_first();
        let own: Vec<f32> = (0..sources).map(|_| random.beta(self.alpha) as f32).collect();
        Ok(Activation::image(mix_styles(map, sources, &own)))
    }
}

/// Gives row i of the first `sources` rows the style `own[i]`·(its own) + (1 − `own[i]`)·(that of
/// row `sources` + i, counted round), equations 3 to 5; the other rows stay as they are. Styles are
/// constants.
///
/// Shapes: `map` is `[batch, channels, height, width]`, as is the result.
pub fn mix_styles(map: Tensor<4>, sources: usize, own: &[f32]) -> Tensor<4> {
    let [rows, channels, height, width] = map.dims();
    let flat = map.clone().reshape([rows, channels, height * width]);
    let mean = flat.clone().detach().mean_dim(2);
    let centred = flat.clone() - mean.clone();
    let square = centred.clone().detach();
    let deviation = (square.clone() * square).mean_dim(2).add_scalar(1e-6).sqrt();
    let targets = rows - sources;
    let partners: Vec<i32> = (0..sources).map(|row| (sources + row % targets) as i32).collect();
    let device = map.device().without_autodiff();
    let partners = Tensor::<1, Int>::from_ints(partners.as_slice(), &device);
    let own: Tensor<3> = constant(own.to_vec(), [sources, 1, 1], &map);
    let blend = |style: &Tensor<3>| {
        let theirs = style.clone().select(0, partners.clone());
        let mine = style.clone().narrow(0, 0, sources);
        theirs.clone() + (mine - theirs) * own.clone()
    };
    let normed = centred.narrow(0, 0, sources) / deviation.clone().narrow(0, 0, sources);
    let mixed = normed * blend(&deviation) + blend(&mean);
    let all = Tensor::cat(vec![mixed, flat.narrow(0, sources, targets)], 0);
    all.reshape([rows, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_the_style_of_its_partner() {
        let device = Device::flex();
        let map = Tensor::<4>::from_data([[[[1.0f32, 3.0]]], [[[10.0, 30.0]]]], &device);
        let read =
            |own: f32| mix_styles(map.clone(), 1, &[own]).into_data().try_to_vec::<f32>().unwrap();
        let close = |found: Vec<f32>, expected: [f32; 4]| {
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-3), "{found:?}");
        };
        close(read(1.0), [1.0, 3.0, 10.0, 30.0]);
        close(read(0.0), [10.0, 30.0, 10.0, 30.0]);
        close(read(0.5), [5.5, 16.5, 10.0, 30.0]);
    }
}
