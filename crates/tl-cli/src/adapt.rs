//! `tl adapt`: from two domains to a run.

use std::path::Path;

use tl::adapt::{TargetData, open_sources_as, open_texts};
use tl::train::{Progress, TrainError};
use tl::{AdaptRequest, Error, Run, prepare_adaptation, works_on_texts};

use crate::adapt_flags::Adapt;
use crate::adapt_summary::{self as summary, Outcome};
use crate::failure::Failure;
use crate::finetune::{resume_words, words};
use crate::{adapt_seeds, interruption, output};

pub fn run(verb: &Adapt) -> Result<(), Failure> {
    let mut request = request(verb)?;
    if verb.run.dry_run {
        interruption::end_at_once();
        let prepared = prepare_adaptation(request)?;
        return summary::dry_run(&prepared, verb.machine.json);
    }
    request.stop = interruption::stop_flag();
    if let Some(count) = verb.run.seeds {
        return adapt_seeds::run(verb, request, count);
    }
    let resume = resume_words(verb.run.out.is_some(), verb.run.resume);
    let run = fit(request, &resume, &mut verb.machine.display())?;
    let outcome = Outcome::new(&run.folder, &run.record)?;
    if verb.compare.is_some() {
        outcome.write_table(&run.folder)?;
    }
    if verb.machine.json { output::object(&outcome) } else { output::print(&outcome.text()) }
}

/// What the flags ask for; the data is listed here.
fn request(verb: &Adapt) -> Result<AdaptRequest, Failure> {
    let device = verb.machine.start()?;
    let options = verb.options()?;
    let columns = &options.text.columns;
    let open = |names: &[String], labelled: bool| match works_on_texts(&options.network) {
        true => open_texts(names, columns, labelled),
        false => Ok(open_sources_as(names, columns, labelled)?.into()),
    };
    let source = open(&verb.source, true)?;
    output::notes(source.notes());
    let target = match (&verb.target, &verb.target_shift) {
        (_, Some(shift)) => TargetData::Shift(shift.clone()),
        (Some(name), None) => {
            let examples = open(std::slice::from_ref(name), false)?;
            TargetData::Given { examples, name: name.clone() }
        }
        (None, None) => return Err(Failure::input("give --target or --target-shift")),
    };
    Ok(AdaptRequest {
        options,
        out: verb.run.out.clone(),
        device_name: verb.machine.device.clone(),
        threads: verb.machine.threads(),
        checkpoint_every: verb.run.checkpoint_every,
        resume: verb.run.resume,
        source_shift: verb.source_shift.clone(),
        cache_memory: verb.run.cache_bytes(),
        command: output::command_line(&words()),
        ..AdaptRequest::new(source, &verb.source.join(" and "), target, &device)
    })
}

/// Adapts; an interruption is told with the command that goes on.
pub fn fit(
    request: AdaptRequest,
    resume: &dyn Fn(&Path) -> String,
    progress: &mut dyn Progress,
) -> Result<Run, Failure> {
    let mut prepared = prepare_adaptation(request)?;
    let folder = prepared.claim()?;
    prepared.notes.iter().for_each(|note| progress.say(&format!("note: {note}")));
    progress.say(&summary::headline(&prepared, &folder));
    prepared.fit(progress).map_err(|error| match error {
        Error::Train(TrainError::Interrupted { .. }) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(&folder)))
        }
        other => other.into(),
    })
}
