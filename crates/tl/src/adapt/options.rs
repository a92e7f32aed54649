//! What an adaptation may be told, as one value that a run keeps.

use serde::{Deserialize, Serialize};
use tl_adapt::Settings;
use tl_core::{NormPolicy, OptimizerConfig, Phase, Plan};

use super::methods::{FDA, unfit_for_texts};
use crate::recipe::TEXT_RATE;
use crate::{EMBEDDED_NETWORK, Error, NetworkChoice, PatchOptions, TextOptions};

/// The head's rate for a network with pretrained stages, and the stages' share of it.
const PRETRAINED_RATE: f64 = 1e-3;
const BODY_SHARE: f64 = 0.3;
/// The rate of everything where nothing is pretrained.
const RANDOM_RATE: f64 = 3e-3;
/// What a method begins with has learned already.
const METHOD_SHARE: f64 = 0.3;
/// AdamW's β₁ while a method is at work. An adversary changes what the gradient means from step to step; momentum goes on with
/// what it meant before.
const METHOD_BETA1: f64 = 0.5;
/// Epochs on the source alone, and epochs of the method.
const SOURCE_EPOCHS: usize = 5;
const EPOCHS: usize = 8;
/// The same for texts, whose networks know the language already.
const TEXT_EPOCHS: usize = 3;

/// Everything that decides what an adaptation does, beside the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptOptions {
    /// The network's name.
    pub network: String,
    /// What is said about a network of patches.
    pub patches: PatchOptions,
    /// Where its weights come from, as for a fitting.
    pub weights: String,
    pub partial_weights: bool,
    /// The methods to choose from; [`super::CORE`] where none is named.
    pub methods: Vec<String>,
    /// Epochs on the source alone, before every method.
    pub source_epochs: Option<usize>,
    /// Epochs of each method.
    pub epochs: Option<usize>,
    /// The head's rate on the source; a method begins with three tenths of it.
    pub learning_rate: Option<f64>,
    /// The stages up to and with this one stay frozen.
    pub freeze_through: Option<String>,
    /// Height and width of the images in pixels; what the weights expect where it is not given.
    pub image_size: Option<usize>,
    /// Whether each batch of the source has every class in equal numbers, to within one image, instead of as they come.
    pub balanced: bool,
    /// Whether images of both domains are varied at random while they train.
    pub augment: bool,
    /// The length of the shorter side after resizing, before the centre is cut out.
    pub resize: Option<usize>,
    /// Source training images of each class; all where it is not given.
    pub shots: Option<usize>,
    /// The shares of the source's parts, where it is not divided already.
    pub split: [f64; 3],
    /// Whether target labels, where the data has some, are measured against, under the name oracle.
    pub oracle: bool,
    pub settings: Settings,
    /// An image that cannot be read is an error instead of being skipped.
    pub strict: bool,
    /// How texts are read, where they are what is adapted to.
    pub text: TextOptions,
}

impl Default for AdaptOptions {
    fn default() -> Self {
        Self {
            network: EMBEDDED_NETWORK.to_string(),
            patches: PatchOptions::default(),
            weights: "embedded".to_string(),
            partial_weights: false,
            methods: Vec::new(),
            source_epochs: None,
            epochs: None,
            learning_rate: None,
            freeze_through: None,
            image_size: None,
            balanced: false,
            augment: false,
            resize: None,
            shots: None,
            split: [0.7, 0.15, 0.15],
            oracle: true,
            settings: Settings::default(),
            strict: false,
            text: TextOptions::default(),
        }
    }
}

impl AdaptOptions {
    /// The network that is asked for.
    pub fn choice(&self) -> NetworkChoice {
        let (name, image_size) = (self.network.clone(), self.image_size);
        NetworkChoice { name, patches: self.patches, image_size, ..NetworkChoice::default() }
    }

    /// The plan on the source alone and the plan of a method. Norms move in both: each domain has its own statistics.
    ///
    /// # Errors
    /// A number of epochs that makes no sense.
    pub fn plans(&self, pretrained: bool, is_text: bool) -> Result<[Plan; 2], Error> {
        let rate = self.learning_rate.unwrap_or(match (pretrained, is_text) {
            (true, true) => TEXT_RATE,
            (true, false) => PRETRAINED_RATE,
            (false, _) => RANDOM_RATE,
        });
        let body = if pretrained { rate * BODY_SHARE } else { rate };
        let plan = |name: &str, epochs: usize, share: f64| {
            if epochs == 0 {
                return Err(Error::options(
                    format!("0 epochs of the phase \"{name}\" train nothing"),
                    "give --epochs and --source-epochs from 1",
                ));
            }
            let mut phase = Phase::finetune(epochs).named(name).norm(NormPolicy::Train);
            phase.augment = self.augment;
            phase = phase.rates(rate, body).scale_rates(share).label_smoothing(0.0);
            if let Some(stage) = &self.freeze_through {
                phase = phase.freeze_through(stage);
            }
            Ok(Plan::new(vec![phase]))
        };
        let adversarial = OptimizerConfig::AdamW {
            beta1: METHOD_BETA1,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: OptimizerConfig::default().weight_decay(),
        };
        let usual = |of_images| if is_text { TEXT_EPOCHS } else { of_images };
        let method = plan("adapt", self.epochs.unwrap_or(usual(EPOCHS)), METHOD_SHARE)?;
        Ok([
            plan("source", self.source_epochs.unwrap_or(usual(SOURCE_EPOCHS)), 1.0)?,
            Plan { optimizer: adversarial, ..method },
        ])
    }

    /// The methods that take part, each once.
    pub fn methods(&self, is_text: bool) -> Vec<String> {
        if self.methods.is_empty() {
            // Behind frozen stages nothing is varied at the input.
            let frozen = self.freeze_through.is_some();
            let takes_part = |name: &&&str| match is_text {
                true => unfit_for_texts(name).is_none(),
                false => !(frozen && **name == FDA),
            };
            return super::CORE.iter().filter(takes_part).map(|name| name.to_string()).collect();
        }
        let mut found: Vec<String> = Vec::new();
        for name in &self.methods {
            if !found.contains(name) {
                found.push(name.clone());
            }
        }
        found
    }
}
