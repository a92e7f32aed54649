//! What is asked of a ranking.

use burn::tensor::Device;
use tl_ssl::knn::Neighbours;

use super::{Candidate, Score};
use crate::{Examples, FinetuneOptions, TextOptions};

/// A ranking that is asked for.
#[derive(Clone, Debug)]
pub struct RankRequest {
    pub candidates: Vec<Candidate>,
    pub examples: Examples,
    /// What the data is called.
    pub data: String,
    /// The first one ranks, the others stand beside it.
    pub scores: Vec<Score>,
    /// Whether it is told what fine-tuning would cost.
    pub costs: bool,
    pub partial_weights: bool,
    /// Pixels on a side of the images; what each network's weights expect where it is not given.
    pub image_size: Option<usize>,
    pub resize: Option<usize>,
    /// The shares of training, validation and test part, where the data is not divided already.
    pub split: [f64; 3],
    /// Training examples of each class; all where it is not given.
    pub shots: Option<usize>,
    pub text: TextOptions,
    pub batch_size: usize,
    pub neighbours: Neighbours,
    pub seed: u64,
    pub device: Device,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    pub strict: bool,
}

impl RankRequest {
    /// A ranking of `candidates` on `examples`, called `data`, by the default score.
    pub fn new(
        candidates: Vec<Candidate>,
        examples: impl Into<Examples>,
        data: &str,
        device: &Device,
    ) -> Self {
        Self {
            candidates,
            examples: examples.into(),
            data: data.to_string(),
            scores: vec![Score::default()],
            costs: true,
            partial_weights: false,
            image_size: None,
            resize: None,
            split: [0.7, 0.15, 0.15],
            shots: None,
            text: TextOptions::default(),
            batch_size: 128,
            neighbours: Neighbours::default(),
            seed: 0,
            device: device.clone(),
            threads: 0,
            strict: false,
        }
    }

    /// What a fitting of `candidate` would be told; the preprocessing of the pass follows from it too.
    pub(super) fn options(&self, candidate: &Candidate) -> FinetuneOptions {
        let mut options = FinetuneOptions {
            network: candidate.network.clone(),
            weights: candidate.weights.clone(),
            partial_weights: self.partial_weights,
            image_size: self.image_size,
            resize: self.resize,
            shots: self.shots,
            split: self.split,
            text: self.text.clone(),
            strict: self.strict,
            ..FinetuneOptions::default()
        };
        options.settings.seed = self.seed;
        options
    }
}
