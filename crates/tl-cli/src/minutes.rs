//! `tl finetune --minutes M`: the best plan that a time suffices for.

use serde::Serialize;
use tl::train::TrainError;
use tl::{Budget, Error, MinutesRecord, Request, prepare_within};

use crate::failure::Failure;
use crate::finetune::resume_words;
use crate::finetune_flags::Finetune;
use crate::finetune_summary::Outcome;
use crate::output;

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    outcome: Outcome,
    /// What was tried, and what chose.
    minutes: &'a Option<MinutesRecord>,
}

/// Fits as `request` says within `budget`.
pub fn run(verb: &Finetune, request: Request, budget: Budget) -> Result<(), Failure> {
    let resume = resume_words(verb.run.out.is_some(), verb.run.resume);
    let mut prepared = prepare_within(request, budget)?;
    let fitted = {
        let mut display = verb.machine.display();
        prepared.fit(&mut display)
    };
    let run = fitted.map_err(|error| match (error, prepared.folder()) {
        (error @ Error::Train(TrainError::Interrupted { .. }), Some(folder)) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(folder)))
        }
        (error, _) => error.into(),
    })?;
    let minutes = &run.record.minutes;
    let outcome = Outcome::new(&run);
    if verb.machine.json {
        return output::object(&Answer { outcome, minutes });
    }
    let mut text = outcome.text();
    if let Some(found) = minutes {
        let lines = found.tried.iter().map(|tried| format!("  {}\n", tried.line()));
        text += &format!("tried:\n{}{}\n", lines.collect::<String>(), found.line());
    }
    output::print(&text)
}
