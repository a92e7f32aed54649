//! What may be tried within a time.

use tl_train::Settings;

use crate::recipe::{Recipe, Tuning};
use crate::{Error, FinetuneOptions};

/// A way to tune a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// As the options say.
    AsAsked(Recipe),
    /// A new head on frozen stages: where the time is too short for what was asked.
    Probe,
    /// The first two thirds of the stages frozen, the others tuned after a probe.
    LastStages,
    /// Adapters in frozen stages.
    Lora,
}

impl Candidate {
    /// What is fitted where nobody says how.
    pub const DEFAULT: Self = Self::AsAsked(Recipe::Auto);

    /// What may be tried, the most valuable first; only what was asked for where that is not the default.
    pub fn all(options: &FinetuneOptions) -> Vec<Self> {
        let tuning = &options.tuning;
        let asked = Self::AsAsked(tuning.recipe);
        if tuning.recipe != Recipe::Auto {
            return vec![asked];
        }
        let mut all = vec![asked];
        let fresh = options.weights == "random" || options.weights.starts_with("random:");
        let free = tuning.freeze_through.is_none() && tuning.freeze_matching.is_none();
        // Random stages are worth nothing while they are frozen, and numbers and several labels have no solver.
        let solved = !options.text.numbers && !options.text.columns.are_several();
        if !fresh && solved {
            all.push(Self::Probe);
        }
        if !fresh && free {
            all.push(Self::LastStages);
        }
        if !fresh && free && tuning.regularisers.is_empty() {
            all.push(Self::Lora);
        }
        all
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsAsked(Recipe::Auto) => "auto",
            Self::AsAsked(Recipe::Probe) => "probe",
            Self::AsAsked(Recipe::Finetune) => "finetune",
            Self::AsAsked(Recipe::Gradual) => "gradual",
            Self::AsAsked(Recipe::Lora) => "lora",
            Self::Probe => "probe",
            Self::LastStages => "last-stages",
            Self::Lora => "lora",
        }
    }

    /// Whether it is tried only where nothing else was.
    pub fn is_last_resort(self) -> bool {
        self == Self::Probe
    }

    /// How `asked` changes for it, for a network with these stages; nothing where it would be no other than what was asked.
    pub fn tuning(self, asked: &Tuning, stages: &[String]) -> Option<Tuning> {
        let mut tuning = asked.clone();
        match self {
            Self::AsAsked(_) => {}
            Self::Probe => {
                tuning = Tuning { recipe: Recipe::Probe, epochs: None, ..tuning };
                tuning.augment = false;
                tuning.regularisers.clear();
            }
            Self::LastStages => {
                let last = (2 * stages.len() / 3).checked_sub(1)?;
                tuning.freeze_through = Some(stages.get(last)?.clone());
                // Behind frozen stages nothing is varied.
                tuning.augment = false;
            }
            Self::Lora => tuning.recipe = Recipe::Lora,
        }
        Some(tuning)
    }

    /// How `asked` changes for it: images are not mixed behind frozen stages, and there are no views of what is not varied there.
    pub fn settings(self, asked: &Settings) -> Settings {
        let mut settings = asked.clone();
        match self {
            Self::AsAsked(_) => {}
            Self::Probe | Self::LastStages => {
                (settings.mixup, settings.cutmix, settings.cached_views) = (None, None, 1);
            }
            Self::Lora => settings.cached_views = 1,
        }
        settings
    }
}

/// Refuses what would be measured or chosen after the time is up.
pub(super) fn check(options: &FinetuneOptions) -> Result<(), Error> {
    let late = [
        ("--importance", options.importance.is_some()),
        ("--interpolate", options.settings.interpolate),
    ];
    match late.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::options(
            format!("{flag} takes time after the last step, of which nobody knows how much"),
            format!("leave out {flag}, or --minutes"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &FinetuneOptions) -> Vec<&'static str> {
        Candidate::all(options).into_iter().map(Candidate::name).collect()
    }

    #[test]
    fn the_default_comes_first_and_what_was_asked_for_comes_alone() {
        let mut options = FinetuneOptions::default();
        assert_eq!(names(&options), ["auto", "probe", "last-stages", "lora"]);
        options.tuning.freeze_through = Some("stem".into());
        assert_eq!(names(&options), ["auto", "probe"]);
        options.tuning = Tuning { recipe: Recipe::Gradual, ..Tuning::default() };
        assert_eq!(names(&options), ["gradual"]);
        let options = FinetuneOptions { weights: "random".into(), ..FinetuneOptions::default() };
        assert_eq!(names(&options), ["auto"]);
    }

    #[test]
    fn a_head_that_no_solver_finds_is_not_probed() {
        let mut options = FinetuneOptions::default();
        options.text.columns.separator = Some("|".into());
        assert_eq!(names(&options), ["auto", "last-stages", "lora"]);
        let mut options = FinetuneOptions::default();
        options.text.numbers = true;
        assert_eq!(names(&options), ["auto", "last-stages", "lora"]);
    }

    #[test]
    fn images_are_mixed_where_the_first_stage_is_trained_alone() {
        let asked = Settings {
            mixup: Some(0.2),
            cutmix: Some(1.0),
            cached_views: 3,
            ..Settings::default()
        };
        assert_eq!(Candidate::AsAsked(Recipe::Auto).settings(&asked), asked);
        for candidate in [Candidate::Probe, Candidate::LastStages] {
            assert_eq!(candidate.settings(&asked), Settings::default());
        }
        let found = Candidate::Lora.settings(&asked);
        assert_eq!((found.mixes(), found.cached_views), (true, 1));
    }

    #[test]
    fn two_thirds_of_the_stages_stay_frozen_where_the_last_are_tuned() {
        let stages = ["a", "b", "c", "d", "e", "f"].map(str::to_string);
        let asked = Tuning { augment: true, ..Tuning::default() };
        let found = Candidate::LastStages.tuning(&asked, &stages).unwrap();
        assert_eq!((found.freeze_through.as_deref(), found.augment), (Some("d"), false));
        assert_eq!(Candidate::LastStages.tuning(&asked, &stages[..1]), None);
    }
}
