//! What a training run may be told beside its plan.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::{Deadline, TrainError};

/// Which weights a run keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the epoch with the best validation accuracy, of tagged words the best F1 of entities, of numbers the best R², of several labels the best mAP (the lower loss decides a tie); the last
    /// ones where there is no validation part.
    #[default]
    Best,
    /// Those of the last step.
    Last,
    /// The moving average.
    Ema,
}

/// The settings of a run that decide its result; a checkpoint holds them and a resume compares them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub seed: u64,
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one step, each by the number of its labels.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    pub keep: Keep,
    /// The decay of a moving average of the weights.
    pub ema: Option<f64>,
    /// Ends a phase after this many epochs without a better validation accuracy, or what stands for it.
    pub patience: Option<usize>,
    /// Whether the outputs of the frozen prefix are kept.
    pub cache: bool,
    /// Whether the frozen prefix may multiply in bf16, where the processor can.
    #[serde(default)]
    pub half_prefix: bool,
    /// Whether each class weighs the same in the loss, however many training examples it has: `n / (classes · n of the
    /// class)` for each example, as scikit-learn's `class_weight="balanced"`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub balanced: bool,
    /// Whether the weights that are kept at the end go back part of the way to the first ones, as far as the validation part
    /// likes it (WiSE-FT).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interpolate: bool,
    /// Whether it is noted on the way what each weight of the stages does for the loss (SI).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_integral: bool,
    /// α of Mixup: images of a batch are mixed by shares of Beta(α, α), and so are the losses of their labels; only in phases
    /// whose images run through every stage. 0 mixes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixup: Option<f64>,
    /// The same of CutMix, which puts a rectangle of one image into another. With both, each comes in half of the batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutmix: Option<f64>,
    /// Views of each training image whose outputs are kept behind a frozen prefix, in phases that vary images: the image as it is
    /// and others drawn once; epoch e of a phase is trained on view e mod their number.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cached_views: usize,
    /// Epochs between two validations; the last one of a phase is always validated.
    pub validate_every: usize,
}

/// The most views of an image that are kept.
const MOST_VIEWS: usize = 1000;

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            batch_size: 32,
            accumulate: 1,
            keep: Keep::Best,
            ema: None,
            patience: None,
            cache: true,
            half_prefix: false,
            balanced: false,
            interpolate: false,
            path_integral: false,
            mixup: None,
            cutmix: None,
            cached_views: 1,
            validate_every: 1,
        }
    }
}

impl Settings {
    /// α of Mixup and of CutMix, as far as images are mixed by them.
    pub fn mixing(&self) -> [Option<f64>; 2] {
        [self.mixup, self.cutmix].map(|alpha| alpha.filter(|alpha| *alpha != 0.0))
    }

    /// Whether images are mixed.
    pub fn mixes(&self) -> bool {
        self.mixing().iter().any(Option::is_some)
    }

    /// # Errors
    /// A number that makes no sense, or settings that need another.
    pub fn validate(&self) -> Result<(), TrainError> {
        let bad =
            |what, value: String, expected| Err(TrainError::BadOption { what, value, expected });
        if self.batch_size == 0 {
            return bad("the batch size", "0".into(), "a whole number from 1");
        }
        if self.accumulate == 0 {
            return bad("the number of batches in a step", "0".into(), "a whole number from 1");
        }
        if !(1..=MOST_VIEWS).contains(&self.cached_views) {
            let views = self.cached_views.to_string();
            return bad("the number of cached views", views, "a whole number from 1 to 1000");
        }
        if self.validate_every == 0 {
            return bad("epochs between two validations", "0".into(), "a whole number from 1");
        }
        if let Some(decay) = self.ema.filter(|decay| !(0.0..1.0).contains(decay)) {
            return bad(
                "the moving average's decay",
                decay.to_string(),
                "a number from 0, below 1",
            );
        }
        for (what, alpha) in [("α of mixup", self.mixup), ("α of cutmix", self.cutmix)] {
            if let Some(alpha) = alpha.filter(|it| *it != 0.0 && !(0.01..=100.0).contains(it)) {
                return bad(what, alpha.to_string(), "0 for none, or a number from 0.01 to 100");
            }
        }
        if self.patience == Some(0) {
            return bad("the patience", "0".into(), "a whole number of epochs from 1");
        }
        if self.keep == Keep::Ema && self.ema.is_none() {
            return bad("keep", "ema".into(), "a decay for the moving average with it");
        }
        Ok(())
    }
}

/// How a run works; none of it changes its result.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// Where checkpoints and a cache on disk go.
    pub out: Option<PathBuf>,
    /// Steps between two checkpoints; without it one is written after every epoch.
    pub checkpoint_every: Option<u64>,
    /// Go on from the checkpoint in `out`, if there is one.
    pub resume: bool,
    /// The most bytes of prefix outputs that are kept in memory; more go to `out`.
    pub cache_memory: u64,
    /// Set from outside to end the run after the current step, with a checkpoint.
    pub stop: Arc<AtomicBool>,
    /// When the run takes no further step and ends with the best weights so far; it has all the time it needs without one.
    pub deadline: Option<Deadline>,
    /// What identifies the weights that the run begins with.
    pub weights_key: String,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            out: None,
            checkpoint_every: None,
            resume: false,
            cache_memory: 2 << 30,
            stop: Arc::default(),
            deadline: None,
            weights_key: String::new(),
        }
    }
}

impl Conduct {
    /// Whether a checkpoint is to be written after `step`, though no epoch ends.
    pub fn due(&self, step: u64) -> bool {
        self.checkpoint_every.is_some_and(|every| step.is_multiple_of(every))
    }

    /// Whether the run is to end now.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Fails where the run is to end after `step`: [`TrainError::Interrupted`] or [`TrainError::OutOfTime`].
    pub(crate) fn check_end(&self, step: u64) -> Result<(), TrainError> {
        if self.stopping() {
            return Err(TrainError::Interrupted { step });
        }
        if self.out_of_time() {
            return Err(TrainError::OutOfTime { step });
        }
        Ok(())
    }

    /// Whether the time of the run is up.
    pub fn out_of_time(&self) -> bool {
        self.deadline.as_ref().is_some_and(Deadline::passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_kept_from_one_up_to_a_thousand() {
        let validated = |cached_views| Settings { cached_views, ..Settings::default() }.validate();
        assert!(validated(1).is_ok() && validated(1000).is_ok());
        for number in [0, 1001, usize::MAX] {
            let error = validated(number).unwrap_err().to_string();
            assert!(error.contains(&format!("cached views is {number}; give")), "{error}");
            assert!(error.ends_with("a whole number from 1 to 1000"), "{error}");
        }
    }
}
