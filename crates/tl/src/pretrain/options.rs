//! What a pre-training may be told, as one value that a run keeps.

use serde::{Deserialize, Serialize};
use tl_core::{OptimizerConfig, Phase, Plan, Schedule};
use tl_ssl::ViewOptions;

use crate::{Error, FinetuneOptions, NetworkChoice, PatchOptions};

/// Everything that decides what a pre-training does, beside the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainOptions {
    /// An algorithm of `tl-ssl`.
    pub method: String,
    /// The network's name.
    pub network: String,
    /// What is said about a network of patches.
    pub patches: PatchOptions,
    /// Where its weights come from: `random`, or anything that a fitting may begin with.
    pub weights: String,
    /// Accept weights that lack parameters of the stages, or hold others.
    pub partial_weights: bool,
    /// Height and width of the images in pixels; what the weights expect where it is not given.
    pub image_size: Option<usize>,
    /// The length of the shorter side after resizing, before the centre is cut out for the probe.
    pub resize: Option<usize>,
    pub epochs: usize,
    /// `adamw`, or `lars` for large batches.
    pub optimizer: String,
    /// The highest rate; where it is not given 1e-3, with LARS .3 for every 256 images in a step.
    pub learning_rate: Option<f64>,
    pub weight_decay: f64,
    /// The decay at the end of the run, to which it moves along half a cosine; as at the beginning where it
    /// is not given.
    pub last_weight_decay: Option<f64>,
    /// The share of the steps in which the rate rises.
    pub warmup: f64,
    pub batch_size: usize,
    /// Parts in which a batch is embedded one after another, for less memory.
    #[serde(alias = "accumulate")]
    pub parts: usize,
    pub seed: u64,
    /// The share of the patches that a masked method hides; the method's own where it is not given.
    pub mask_ratio: Option<f64>,
    /// What a contrastive method divides similarities by; the method's own where it is not given.
    pub temperature: Option<f64>,
    /// How much of itself a moving average keeps at the first step; the method's own where it is not given.
    pub momentum: Option<f64>,
    /// Small parts of an image beside two large ones; the method's own where it is not given.
    pub local_views: Option<usize>,
    /// Changes to the method's views.
    pub views: ViewOptions,
    /// Whether a collapse of the features ends the run.
    pub monitor: bool,
    /// Labelled images among which neighbours are found after each epoch, and those that are asked for;
    /// 0 for none.
    pub probe: [usize; 2],
    /// An image that cannot be read is an error instead of being skipped.
    pub strict: bool,
}

impl Default for PretrainOptions {
    fn default() -> Self {
        Self {
            method: "mae".into(),
            network: "vit_tiny".into(),
            patches: PatchOptions::default(),
            weights: "random".into(),
            partial_weights: false,
            image_size: None,
            resize: None,
            epochs: 20,
            optimizer: "adamw".into(),
            learning_rate: None,
            weight_decay: 0.05,
            last_weight_decay: None,
            warmup: 0.1,
            batch_size: 128,
            parts: 1,
            seed: 0,
            mask_ratio: None,
            temperature: None,
            momentum: None,
            local_views: None,
            views: ViewOptions::default(),
            monitor: true,
            probe: [2000, 500],
            strict: false,
        }
    }
}

/// AdamW's rate where none is given.
const RATE: f64 = 1e-3;
/// LARS's rate for 256 images in a step, by which it grows (Chen et al. 2020, SimCLR, section 2.3).
const LARS_RATE: f64 = 0.3;

impl PretrainOptions {
    /// The network that is asked for.
    pub fn choice(&self) -> NetworkChoice {
        let (name, image_size) = (self.network.clone(), self.image_size);
        NetworkChoice { name, patches: self.patches, image_size, ..NetworkChoice::default() }
    }

    /// Refuses what the method takes no notice of.
    pub(super) fn check(&self) -> Result<(), Error> {
        let coloured: &[&str] = &["simclr", "byol", "simsiam", "barlow_twins", "vicreg", "dino"];
        let given: [(&str, bool, &[&str]); 5] = [
            ("--mask-ratio", self.mask_ratio.is_some(), &["mae", "simmim"]),
            ("--temperature", self.temperature.is_some(), &["simclr"]),
            ("--momentum", self.momentum.is_some(), &["byol", "dino"]),
            ("--local-views", self.local_views.is_some(), &["dino"]),
            ("--jitter", self.views.jitter.is_some(), coloured),
        ];
        for (flag, given, methods) in given {
            if given && !methods.contains(&self.method.as_str()) {
                let problem = format!("{flag} says nothing to {}", self.method);
                let mend = format!("leave it out, or give --method {}", methods.join(" or "));
                return Err(Error::options(problem, &mend));
            }
        }
        Ok(())
    }

    /// One phase that trains everything: AdamW as for the masked autoencoder or LARS as in SimCLR, up on a
    /// straight line, down along half a cosine.
    ///
    /// # Errors
    /// No epochs, an optimizer that is not known.
    pub(super) fn plan(&self) -> Result<Plan, Error> {
        if self.epochs == 0 {
            return Err(Error::options("0 epochs train nothing", "give --epochs from 1"));
        }
        let weight_decay = self.weight_decay;
        let (optimizer, own) = match self.optimizer.as_str() {
            "adamw" => {
                let (beta1, beta2, epsilon) = (0.9, 0.95, 1e-8);
                (OptimizerConfig::AdamW { beta1, beta2, epsilon, weight_decay }, RATE)
            }
            "lars" => {
                let lars = OptimizerConfig::Lars { momentum: 0.9, trust: 1e-3, weight_decay };
                (lars, LARS_RATE * self.batch_size as f64 / 256.0)
            }
            other => {
                let problem = format!("no optimizer is called \"{other}\" here");
                return Err(Error::options(problem, "give --optimizer adamw or lars"));
            }
        };
        let rate = self.learning_rate.unwrap_or(own);
        let schedule = Schedule::WarmupCosine { warmup: self.warmup };
        let phase = Phase::finetune(self.epochs).named("pretrain").rates(rate, rate);
        let phase = phase.schedule(schedule).augment(true).label_smoothing(0.0);
        Ok(Plan::new(vec![phase]).optimizer(optimizer))
    }

    /// What the other verbs need to know of a pre-trained run.
    pub(super) fn as_finetune(&self) -> FinetuneOptions {
        let mut found = FinetuneOptions {
            network: self.network.clone(),
            patches: self.patches,
            weights: self.weights.clone(),
            partial_weights: self.partial_weights,
            image_size: self.image_size,
            resize: self.resize,
            strict: self.strict,
            ..FinetuneOptions::default()
        };
        found.settings.seed = self.seed;
        found.settings.batch_size = self.batch_size;
        found
    }
}
