//! Fitting within a time, for real.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tl_core::Backbone;
use tl_train::{Clock, Conduct, Deadline, Later, Progress, TrainError, WallClock};

use super::candidates::{Candidate, check};
use super::cost::Cost;
use super::kept::{Kept, TRIED_FOLDER};
use super::planner::{Found, Limit, Work, carry_out};
use super::record::MinutesRecord;
use super::score::{score, standard_error_of};
use crate::folder::{Claimed, claim};
use crate::outcome::FittedNetwork;
use crate::record::{RUN_FILE, RunRecord, Status};
use crate::{Error, Prepared, Request, Run, prepare};

/// A time that a fitting keeps to.
#[derive(Clone, Debug)]
pub struct Budget {
    seconds: f64,
    clock: Arc<dyn Clock>,
}

impl Budget {
    /// So many minutes from now on.
    ///
    /// # Errors
    /// No time, or no number.
    pub fn minutes(minutes: f64) -> Result<Self, Error> {
        Self::with_clock(minutes, Arc::new(WallClock::start()))
    }

    /// The same by another clock, which begins at 0.
    ///
    /// # Errors
    /// As there.
    pub fn with_clock(minutes: f64, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        if !minutes.is_finite() || minutes <= 0.0 {
            return Err(Error::options(
                format!("{minutes} minutes are no time to fit in"),
                "give --minutes a number above 0",
            ));
        }
        Ok(Self { seconds: 60.0 * minutes, clock })
    }
}

/// A fitting within a time that was checked.
pub struct PreparedWithin {
    budget: Budget,
    candidates: Vec<Candidate>,
    kept: Kept,
    fitting: Fitting,
}

/// Checks a request that is to be fitted within a time.
///
/// What the options say is tried first, with as many epochs as fit; where they say nothing of a recipe, other plans follow while
/// there is time. The validation part chooses, and the test part is measured once, in the end. Resumed, the time that was used
/// before counts, and the result need not be the same as without an interruption.
///
/// # Errors
/// Options that need time after the last step; a run to resume that was made otherwise.
pub fn prepare_within(request: Request, budget: Budget) -> Result<PreparedWithin, Error> {
    check(&request.options)?;
    let resumed =
        request.out.as_deref().filter(|out| request.resume && out.join(RUN_FILE).exists());
    let kept = match resumed {
        Some(out) => to_resume(out)?,
        None => Kept::default(),
    };
    let candidates = Candidate::all(&request.options);
    let fitting = Fitting { request, folder: None, stages: Vec::new(), laid: None, by: "" };
    Ok(PreparedWithin { budget, candidates, kept, fitting })
}

/// What the run in `folder` goes on from.
fn to_resume(folder: &Path) -> Result<Kept, Error> {
    let finished = RunRecord::read(folder).is_ok_and(|run| run.status == Status::Finished);
    if finished {
        return Err(Error::Run {
            path: folder.to_path_buf(),
            problem: "holds a run that is finished".into(),
            mend: "choose another --out to fit anew",
        });
    }
    Kept::read(folder)
}

impl PreparedWithin {
    /// The run's folder, once something is fitted.
    pub fn folder(&self) -> Option<&Path> {
        self.fitting.folder.as_ref().map(|claimed| claimed.path.as_path())
    }

    /// Tries what there is time for, keeps the best on the validation part, measures it once on the test part and writes the run's
    /// folder.
    ///
    /// # Errors
    /// As [`prepare`] and [`Prepared::fit`]; a time that is too short for anything.
    pub fn fit(&mut self, progress: &mut dyn Progress) -> Result<Run, Error> {
        let Self { budget, candidates, kept, fitting } = self;
        if fitting.request.out.as_deref().is_some_and(|out| out.join(RUN_FILE).exists()) {
            // Under the lock, so that no other run goes on with what is read.
            *kept = to_resume(&fitting.claim()?)?;
        }
        let clock: Arc<dyn Clock> =
            Arc::new(Later { clock: Arc::clone(&budget.clock), before: kept.used });
        let limit = Limit { seconds: budget.seconds, clock: Arc::clone(&clock) };
        let chosen = carry_out(candidates, fitting, &limit, kept, progress);
        let concluded = chosen.and_then(|(candidate, (mut prepared, fitted))| {
            let folder = fitting.claim()?;
            let outcome = prepared.measure(fitted, progress)?;
            let record = MinutesRecord {
                minutes: budget.seconds / 60.0,
                seconds: clock.seconds(),
                chosen: candidate.name().to_string(),
                chosen_by: fitting.by.to_string(),
                tried: kept.tried.clone(),
            };
            progress.say(&record.line());
            prepared.record.minutes = Some(record);
            let run = prepared.conclude(&folder, outcome, progress)?;
            // There is nothing left to go on with.
            let _ = std::fs::remove_dir_all(folder.join(TRIED_FOLDER));
            Ok(run)
        });
        concluded.map_err(|error| {
            kept.used = clock.seconds();
            fitting.ended_with(error, kept)
        })
    }
}

/// Fits candidates, each in a folder of its own in that of the run.
struct Fitting {
    request: Request,
    folder: Option<Claimed>,
    /// The names of the network's stages, once one was laid out.
    stages: Vec<String>,
    laid: Option<Prepared>,
    /// The figure that chooses.
    by: &'static str,
}

impl Fitting {
    /// Makes the run's folder, or accepts the one that is resumed.
    fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(claimed) = &self.folder {
            return Ok(claimed.path.clone());
        }
        let out = self.request.out.as_deref();
        // Which plan the record holds is a matter of what was tried last.
        let there = out.filter(|out| self.request.resume && out.join(RUN_FILE).exists());
        let before = there.map(RunRecord::read).transpose()?;
        let claimed = claim(out, before.map(|record| record.plan).as_ref())?;
        let folder = claimed.path.clone();
        self.folder = Some(claimed);
        Ok(folder)
    }

    /// Notes down that the run ended with `error`, which it gives back.
    fn ended_with(&mut self, error: Error, kept: &Kept) -> Error {
        let Some(folder) = self.folder.as_ref().map(|it| it.path.clone()) else { return error };
        // The first error is the one to tell.
        let _ = kept.write(&folder);
        match &mut self.laid {
            Some(prepared) => prepared.ended_with(error, &folder),
            None => match RunRecord::read(&folder) {
                Ok(mut record) => record.ended_with(error, &folder),
                Err(_) => error,
            },
        }
    }
}

/// The names of the network's stages.
fn stages_of(prepared: &Prepared) -> Vec<String> {
    prepared.model.backbone.stages().into_iter().map(|stage| stage.name).collect()
}

impl Work for Fitting {
    type Fit = (Prepared, FittedNetwork);

    fn lay_out(&mut self, candidate: Candidate) -> Result<Result<Cost, String>, Error> {
        self.laid = None;
        if candidate == Candidate::LastStages && self.stages.is_empty() {
            // A resume may begin with it.
            let request = Request { resume: false, ..self.request.clone() };
            self.stages = stages_of(&prepare(request)?);
        }
        let asked = &self.request.options.tuning;
        let Some(tuning) = candidate.tuning(asked, &self.stages) else {
            return Ok(Err("the network has too few stages".into()));
        };
        let mut request = Request { timed: true, resume: false, ..self.request.clone() };
        request.options.tuning = tuning;
        request.options.settings = candidate.settings(&self.request.options.settings);
        let prepared = match prepare(request) {
            Ok(prepared) => prepared,
            // What was asked for has to be possible. Of the others some are not with every network and every option, which is no
            // fault.
            Err(error) if !matches!(candidate, Candidate::AsAsked(_)) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        if prepared.split.validation.is_empty() {
            return Err(Error::options(
                "there is no validation part, which chooses among what is tried",
                "give --split a share for it, or leave out --minutes",
            ));
        }
        self.by = match (prepared.data.answers(), prepared.data.numbers()) {
            (Some(_), _) => "validation F1 of entities",
            (None, Some(_)) => "validation R²",
            (None, None) if prepared.data.several().is_some() => "validation mAP",
            (None, None) => "validation accuracy",
        };
        self.stages = stages_of(&prepared);
        let (split, settings) = (&prepared.split, &prepared.record.options.settings);
        let parts = [&split.validation, &split.test].map(|part| part.len() as f64);
        let share = parts[0] / (parts[0] + parts[1]);
        let cost = Cost::of(&prepared.report, settings.validate_every, share)
            .with_intervals(parts, prepared.record.labels.len());
        self.laid = Some(prepared);
        Ok(Ok(cost))
    }

    fn fit(
        &mut self,
        candidate: Candidate,
        epochs: usize,
        resume: bool,
        deadline: Deadline,
        progress: &mut dyn Progress,
    ) -> Result<Found<Self::Fit>, Error> {
        let folder = self.claim()?;
        let Some(prepared) = &mut self.laid else {
            return Err(Error::Failed("nothing was laid out to fit".into()));
        };
        if epochs > 0 {
            prepared.set_epochs(epochs);
        }
        prepared.begin(&folder)?;
        let own = folder.join(TRIED_FOLDER).join(candidate.name());
        tl_train::files::make_folder(&own)?;
        let conduct = Conduct { resume, deadline: Some(deadline), ..prepared.conduct(Some(&own)) };
        let fitted = prepared.fit_with(&conduct, progress);
        // An interrupted one goes on with what it kept.
        if !matches!(fitted, Err(Error::Train(TrainError::Interrupted { .. }))) {
            let _ = std::fs::remove_dir_all(own.join("cache"));
        }
        let fitted = fitted?;
        if fitted.out_of_time && fitted.steps == 0 && fitted.rows.is_empty() {
            return Err(TrainError::OutOfTime { step: 0 }.into());
        }
        let score = score(prepared, &fitted, progress)?;
        let error = standard_error_of(score, prepared);
        let (kept, out_of_time) = (fitted.kept.clone(), fitted.out_of_time);
        let Some(prepared) = self.laid.take() else {
            return Err(Error::Failed("nothing was laid out to fit".into()));
        };
        Ok(Found { score, error, kept, out_of_time, fit: (prepared, fitted) })
    }

    fn note(&mut self, kept: &Kept) -> Result<(), Error> {
        kept.write(&self.claim()?)
    }
}
