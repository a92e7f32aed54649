//! Trying what there is time for, in order of value.

use std::sync::Arc;

use tl_train::metrics::MetricsError;
use tl_train::{Clock, Deadline, Progress, TrainError};

use super::candidates::Candidate;
use super::cost::Cost;
use super::kept::{Kept, Running};
use super::pace::Paced;
use super::record::Tried;
use crate::Error;

/// What carries candidates out.
pub(super) trait Work {
    /// A candidate that was fitted.
    type Fit;

    /// Lays a candidate out and measures what it will take; the reason where it has no place.
    fn lay_out(&mut self, candidate: Candidate) -> Result<Result<Cost, String>, Error>;

    /// Fits what was laid out last, over so many epochs, and goes on with it where it was begun. Where the time is up before anything
    /// is fitted, it is [`TrainError::OutOfTime`].
    fn fit(
        &mut self,
        candidate: Candidate,
        epochs: usize,
        resume: bool,
        deadline: Deadline,
        progress: &mut dyn Progress,
    ) -> Result<Found<Self::Fit>, Error>;

    /// Writes down how far it is.
    fn note(&mut self, kept: &Kept) -> Result<(), Error>;
}

/// What a candidate gave.
pub(super) struct Found<F> {
    /// On the validation part; more is better.
    pub score: f64,
    /// Its standard error; 0 where nothing is known of it.
    pub error: f64,
    pub kept: String,
    pub out_of_time: bool,
    pub fit: F,
}

/// The time that there is.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub seconds: f64,
    /// Shows what was used so far.
    pub clock: Arc<dyn Clock>,
}

/// What is kept free for more than was expected: of the end, and of a plan.
pub(super) const OF_END: f64 = 1.25;
const OF_PLAN: f64 = 1.1;
/// How much more laying out may take than it took last.
const OF_LAYING: f64 = 2.0;
/// How much faster or slower than expected the machine may be found to be.
const PACES: [f64; 2] = [0.5, 4.0];

/// Tries `candidates` in their order while the time allows, and answers the [best](Kept::best) on the validation part. What diverges
/// is left with its reason, and is the error where nothing else came out.
pub(super) fn carry_out<W: Work>(
    candidates: &[Candidate],
    work: &mut W,
    limit: &Limit,
    kept: &mut Kept,
    progress: &mut dyn Progress,
) -> Result<(Candidate, W::Fit), Error> {
    let mut course = Course { limit, pace: 1.0, end: 0.0, laying: 0.0, least: f64::INFINITY };
    let mut best: Option<(Candidate, W::Fit)> = None;
    let mut diverged = None;
    let mut fitted = false;
    let mut order = candidates.to_vec();
    // What was under way goes on first.
    if let Some(running) = &kept.running {
        order.sort_by_key(|candidate| candidate.name() != running.name);
    }
    for candidate in order {
        let any = kept.best().is_some();
        if kept.has(candidate) || candidate.is_last_resort() && any {
            continue;
        }
        let name = candidate.name();
        let mut leave = |note: String, cost: Cost, kept: &mut Kept| {
            let (name, wanted) = (name.to_string(), cost.epochs);
            let expected = cost.of_epochs(wanted);
            let tried = Tried { name, wanted, expected, note: Some(note), ..Tried::default() };
            progress.say(&tried.line());
            kept.tried.push(tried);
        };
        // Where nothing was fitted yet all are laid out, so that the least time that suffices can be told.
        if (any || fitted) && !course.may_lay_out() {
            leave("no time is left".into(), Cost::default(), kept);
            continue;
        }
        let cost = match course.lay_out(candidate, work)? {
            Ok(cost) => cost,
            Err(note) => {
                leave(note, Cost::default(), kept);
                continue;
            }
        };
        let begun = kept.running.as_ref().filter(|running| running.name == name);
        let resume = begun.is_some();
        let epochs = match begun {
            Some(running) => Some(running.epochs),
            None => cost.epochs_within(course.left() / (course.pace * OF_PLAN)),
        };
        let Some(epochs) = epochs else {
            let seconds = cost.least() * course.pace;
            leave(format!("it takes at least about {seconds:.0} s"), cost, kept);
            continue;
        };
        let expected = cost.of_epochs(epochs);
        let over = if cost.epochs > 0 { format!(", {epochs} epochs") } else { String::new() };
        progress.say(&format!("trying {name}{over}: about {:.0} s", expected * course.pace));
        let before = limit.clock.seconds();
        kept.used = before;
        kept.running = Some(Running { name: name.to_string(), epochs });
        work.note(kept)?;
        let deadline = course.deadline();
        let mut paced = Paced::new(progress, &deadline, [limit.seconds, course.reserve()]);
        let found = work.fit(candidate, epochs, resume, deadline, &mut paced);
        fitted = true;
        let seconds = limit.clock.seconds() - before;
        let tried = Tried {
            name: name.to_string(),
            epochs,
            wanted: cost.epochs,
            expected,
            seconds,
            ..Tried::default()
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let Some(note) = in_vain(&error) else { return Err(error) };
                let tried = Tried { note: Some(note), ..tried };
                progress.say(&tried.line());
                kept.tried.push(tried);
                kept.running = None;
                kept.used = limit.clock.seconds();
                work.note(kept)?;
                if !matches!(error, Error::Train(TrainError::OutOfTime { .. })) {
                    diverged.get_or_insert(error);
                }
                continue;
            }
        };
        if !resume && expected > 0.0 {
            let pace = (seconds / expected).clamp(PACES[0], PACES[1]);
            // Of what was ended by the time it is known that it takes at least as long.
            course.pace = if found.out_of_time { course.pace.max(pace) } else { pace };
        }
        let tried = Tried {
            validation: Some(found.score),
            error: found.error,
            kept: Some(found.kept),
            out_of_time: found.out_of_time,
            ..tried
        };
        progress.say(&format!("tried {}", tried.line()));
        kept.tried.push(tried);
        kept.running = None;
        kept.used = limit.clock.seconds();
        work.note(kept)?;
        if kept.best().is_some_and(|best| best.name == name) {
            best = Some((candidate, found.fit));
        }
    }
    let Some(chosen) = kept.best().cloned() else {
        return Err(diverged.unwrap_or_else(|| course.too_short()));
    };
    match best.filter(|(candidate, _)| candidate.name() == chosen.name) {
        Some(best) => Ok(best),
        None => recover(candidates, &chosen, work, &course, progress),
    }
}

/// Why nothing came of a candidate, where that says nothing of the others.
fn in_vain(error: &Error) -> Option<String> {
    let Error::Train(error) = error else { return None };
    match error {
        TrainError::OutOfTime { .. } => Some("the time was up before its first step".into()),
        // Weights that diverged in the last step are found when they are measured.
        TrainError::NotFinite { .. }
        | TrainError::Metric(MetricsError::Score { .. } | MetricsError::Number { .. }) => {
            Some(error.to_string())
        }
        _ => None,
    }
}

/// What was tried before an interruption: its checkpoint holds the weights.
fn recover<W: Work>(
    candidates: &[Candidate],
    chosen: &Tried,
    work: &mut W,
    course: &Course<'_>,
    progress: &mut dyn Progress,
) -> Result<(Candidate, W::Fit), Error> {
    let candidate = candidates.iter().copied().find(|it| it.name() == chosen.name);
    let other = || {
        let what = format!("{} was tried, and is nothing that these options try", chosen.name);
        Error::options(what, "resume with the options that the run was made with")
    };
    let candidate = candidate.ok_or_else(other)?;
    work.lay_out(candidate)?.map_err(|reason| {
        let what = format!("{}, which was tried, cannot be laid out again: {reason}", chosen.name);
        Error::options(what, "resume with the options that the run was made with")
    })?;
    let found = work.fit(candidate, chosen.epochs, true, course.deadline(), progress)?;
    Ok((candidate, found.fit))
}

/// How the time goes.
struct Course<'l> {
    limit: &'l Limit,
    /// What a second that was expected took last.
    pace: f64,
    /// The longest end of what was laid out.
    end: f64,
    /// What laying out took last.
    laying: f64,
    /// The least that anything takes.
    least: f64,
}

impl Course<'_> {
    /// What is kept for the end.
    fn reserve(&self) -> f64 {
        self.end * self.pace.max(1.0) * OF_END
    }

    /// The seconds until no further step may be taken.
    fn left(&self) -> f64 {
        self.limit.seconds - self.limit.clock.seconds() - self.reserve()
    }

    fn may_lay_out(&self) -> bool {
        self.left() > OF_LAYING * self.laying
    }

    fn lay_out<W: Work>(
        &mut self,
        candidate: Candidate,
        work: &mut W,
    ) -> Result<Result<Cost, String>, Error> {
        let before = self.limit.clock.seconds();
        let laid = work.lay_out(candidate)?;
        self.laying = self.limit.clock.seconds() - before;
        if let Ok(cost) = &laid {
            self.end = self.end.max(cost.end);
            self.least = self.least.min(cost.least());
        }
        Ok(laid)
    }

    fn deadline(&self) -> Deadline {
        let at = self.limit.seconds - self.reserve();
        Deadline::new(Arc::clone(&self.limit.clock), at)
    }

    /// Nothing was tried.
    fn too_short(&self) -> Error {
        let used = self.limit.clock.seconds();
        let needed = used + self.least * OF_PLAN * OF_END;
        let what = format!("{:.2} minutes are too short", self.limit.seconds / 60.0);
        if !needed.is_finite() {
            return Error::options(what, "give --minutes more");
        }
        // Rounded up to hundredths, and one more for what varies.
        let minutes = ((needed / 60.0 * 100.0).ceil() + 1.0) / 100.0;
        Error::options(
            format!(
                "{what}: the cheapest that can be tried takes about {needed:.0} s, loading and measuring included"
            ),
            format!("give --minutes {minutes:.2} or more"),
        )
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
