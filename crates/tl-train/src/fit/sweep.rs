//! The loss while the learning rate grows (Smith 2017, arXiv 1506.01186, section 3.3), and the rate that it suggests, with the
//! smoothing and the ends of fastai's finder.

use serde::{Deserialize, Serialize};
use tl_core::{Backbone, Head, Model, Plan, Schedule, Solver};

use super::session::Session;
use super::{Task, mixing};
use crate::progress::{Progress, Silent};
use crate::{Conduct, Settings, TrainError};

/// The most steps of a sweep.
pub const STEPS: usize = 100;
/// How much of the mean so far each new one keeps.
const KEPT: f64 = 0.98;
/// A smoothed loss so many times the lowest ends the sweep.
const DIVERGED: f64 = 4.0;
/// A fall of less than this share of the loss is rounding.
const FLAT: f64 = 1e-6;
/// Steps at the end that suggest nothing: the loss rises.
const END: usize = 5;

/// A step of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweptStep {
    /// By which the phase's rates were multiplied.
    pub factor: f64,
    /// Of the batch, before the step.
    pub loss: f64,
    /// The exponential mean of the losses so far, without its bias to 0.
    pub smoothed: f64,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepEnd {
    /// Its steps were done.
    #[default]
    Done,
    /// The smoothed loss went up to four times its lowest.
    Diverged,
    /// The loss or a gradient was not finite.
    NotFinite,
}

/// The steps so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    pub steps: Vec<SweptStep>,
    pub end: SweepEnd,
    mean: f64,
    lowest: Option<f64>,
}

impl Sweep {
    /// Notes down the loss of a step.
    pub fn note(&mut self, factor: f64, loss: f64) {
        self.mean = KEPT * self.mean + (1.0 - KEPT) * loss;
        let smoothed = self.mean / (1.0 - KEPT.powi(self.steps.len() as i32 + 1));
        self.steps.push(SweptStep { factor, loss, smoothed });
        let lowest = self.lowest.map_or(smoothed, |lowest| lowest.min(smoothed));
        self.lowest = Some(lowest);
        if smoothed > DIVERGED * lowest {
            self.end = SweepEnd::Diverged;
        }
    }

    /// Whether higher rates say nothing more, or all steps are done.
    pub fn is_over(&self) -> bool {
        self.end != SweepEnd::Done || self.steps.len() >= STEPS
    }

    /// The steps that may suggest a rate: without the first tenth, in which nothing moves yet, and the last five.
    fn middle(&self) -> &[SweptStep] {
        let end = self.steps.len().saturating_sub(END);
        self.steps.get(self.steps.len() / 10..end).unwrap_or_default()
    }

    /// The factor where the smoothed loss falls fastest over the logarithm of the rate; nothing where it never falls.
    pub fn steepest(&self) -> Option<f64> {
        let slope = |pair: &[SweptStep]| {
            (pair[1].smoothed - pair[0].smoothed) / (pair[1].factor / pair[0].factor).ln()
        };
        let slopes = self.middle().windows(2).map(|pair| (pair[0], slope(pair)));
        let (step, slope) = slopes.min_by(|one, other| one.1.total_cmp(&other.1))?;
        (slope < -FLAT * step.smoothed.abs()).then_some(step.factor)
    }
}

/// Trains with rates that grow by the same factor at every step, from 1/`ratio` of those of the plan's last phase by gradient to
/// these, over at most [`STEPS`] steps on the training part. Heads that the plan solves before are solved. Nothing else of the
/// plan is carried out, and no other part of the data is looked at.
///
/// # Errors
/// A plan without a phase by gradient; as [`super::fit`], but for a loss that is not finite, which ends the sweep.
pub fn sweep<B: Backbone + Sync + 'static, H: Head>(
    model: Model<B, H>,
    task: &Task<'_>,
    plan: &Plan,
    settings: &Settings,
    ratio: f64,
    progress: &mut dyn Progress,
) -> Result<Sweep, TrainError> {
    settings.validate()?;
    let by_gradient = |phase: &tl_core::Phase| phase.solver == Solver::Gradient;
    let Some(last) = plan.phases.iter().rposition(by_gradient) else {
        return Err(TrainError::BadOption {
            what: "the number of phases by gradient, which have a learning rate,",
            value: "0".into(),
            expected: "epochs by gradient (--epochs N)",
        });
    };
    let train = task.split.train.clone();
    let split = tl_data::Split { train, ..tl_data::Split::default() };
    let task = Task {
        data: task.data,
        split: &split,
        augment: task.augment.clone(),
        earlier: task.earlier.clone(),
    };
    let together = settings.batch_size.saturating_mul(settings.accumulate);
    let steps = task.data.rows(&split.train).len().div_ceil(together).max(1);
    let mut plan = plan.clone();
    let epochs = (STEPS / steps).max(1);
    plan.phases[last].epochs = epochs;
    plan.phases[last].schedule = Schedule::Exponential { ratio };
    let phases = plan.resolve(&model.backbone.stages())?;
    mixing::check(settings, task.data, &phases)?;
    // What is looked at once is not worth the memory that it would be kept in.
    let cache = settings.cache && epochs > 1;
    let settings = &Settings { cache, cached_views: 1, ..settings.clone() };
    let conduct = Conduct::default();
    let mut session = Session::begin(model, &task, &plan, settings, &conduct, progress)?;
    for (index, phase) in phases.iter().enumerate().take(last) {
        if phase.phase.solver == Solver::LogisticRegression {
            session.enter(index, phase)?;
            session.run_phase(phase, progress)?;
        }
    }
    let phase = &phases[last];
    session.enter(last, phase)?;
    let feed = session.feed(phase, progress)?;
    session.memories = session.remember(phase)?;
    session.sweep = Some(Sweep::default());
    for _ in 0..phase.phase.epochs {
        match session.train_epoch(phase, &feed, progress) {
            Err(TrainError::NotFinite { .. }) => {
                session.sweep.iter_mut().for_each(|sweep| sweep.end = SweepEnd::NotFinite);
                break;
            }
            done => done?,
        }
        if session.sweep.as_ref().is_some_and(Sweep::is_over) {
            break;
        }
        session.close_epoch(phase, &feed, false, &mut Silent)?;
    }
    progress.end();
    Ok(session.sweep.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss by the logarithm of the factor, as it is.
    fn of(losses: &[f64]) -> Sweep {
        let step = |(at, loss): (usize, &f64)| SweptStep {
            factor: 10f64.powf(at as f64 / 10.0 - 8.0),
            loss: *loss,
            smoothed: *loss,
        };
        Sweep { steps: losses.iter().enumerate().map(step).collect(), ..Sweep::default() }
    }

    #[test]
    fn the_suggestion_is_where_a_known_curve_falls_fastest() {
        // A logistic fall around step 40, then a rise.
        let loss = |at: usize| {
            let at = at as f64;
            2.0 / (1.0 + ((at - 40.5) / 3.0).exp()) + ((at - 80.0) / 4.0).exp()
        };
        let losses: Vec<f64> = (0..81).map(loss).collect();
        let found = of(&losses).steepest().unwrap();
        assert!((found.log10() + 4.0).abs() < 1e-9, "{found}");
        // What never falls suggests nothing, nor do too few steps.
        assert_eq!(of(&[1.0; 40]).steepest(), None);
        assert_eq!(of(&[3.0, 2.0, 1.0]).steepest(), None);
        assert_eq!(Sweep::default().steepest(), None);
    }

    #[test]
    fn losses_are_smoothed_without_bias_and_four_times_the_lowest_ends_the_sweep() {
        let mut sweep = Sweep::default();
        sweep.note(0.1, 2.0);
        assert!((sweep.steps[0].smoothed - 2.0).abs() < 1e-12);
        sweep.note(0.2, 1.0);
        // (.98 · 2 + 1) / (.98 + 1)
        assert!((sweep.steps[1].smoothed - 2.96 / 1.98).abs() < 1e-12);
        assert!(!sweep.is_over());
        sweep.note(0.3, 100.0);
        assert!(sweep.is_over());
        assert_eq!(sweep.end, SweepEnd::Diverged);
    }

    #[test]
    fn a_flat_loss_ends_after_all_steps_and_suggests_nothing() {
        let mut sweep = Sweep::default();
        for step in 0..STEPS {
            assert!(!sweep.is_over(), "after {step} steps");
            sweep.note(10f64.powi(step as i32), 0.5);
        }
        assert!(sweep.is_over());
        assert_eq!((sweep.end, sweep.steepest()), (SweepEnd::Done, None));
    }
}
