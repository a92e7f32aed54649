//! `tl finetune`: from images or texts to a run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tl::burn::tensor::Device;
use tl::core::Regulariser;
use tl::finetune::Request;
use tl::train::{Progress, TrainError};
use tl::{Budget, EarlierTask, Error, Examples, FinetuneOptions, Run, prepare};

use crate::failure::Failure;
use crate::finetune_flags::Finetune;
use crate::finetune_summary::{self as summary, Outcome};
use crate::flags::Machine;
use crate::{dry_run, interruption, language, minutes, output, seeds};

pub fn run(verb: &Finetune) -> Result<(), Failure> {
    let budget = verb.minutes.map(Budget::minutes).transpose()?;
    let request = request(verb)?;
    if verb.is_unlabelled()? {
        return language::fit(verb, request);
    }
    if verb.run.dry_run {
        interruption::end_at_once();
        let examples = request.examples.clone();
        let prepared = prepare(request)?;
        return dry_run::show(&prepared, &examples, verb.machine.json);
    }
    if verb.run.seeds.is_some() && request.options.text.columns.are_several() {
        return Err(Failure::input(
            "--seeds has no mean of several labels; give --seed N run by run",
        ));
    }
    let mut request = request;
    request.stop = interruption::stop_flag();
    if let Some(budget) = budget {
        return minutes::run(verb, request, budget);
    }
    if let Some(count) = verb.run.seeds {
        return seeds::run(verb, request, count);
    }
    let resume = resume_words(verb.run.out.is_some(), verb.run.resume);
    let run = fit(request, &resume, &mut verb.machine.display())?;
    let outcome = Outcome::new(&run);
    if verb.machine.json { output::object(&outcome) } else { output::print(&outcome.text()) }
}

/// What the flags ask for; the data is listed here.
fn request(verb: &Finetune) -> Result<Request, Failure> {
    request_on(verb, &verb.machine, verb.machine.start()?)
}

/// The same on a device of `machine` that was opened already.
pub fn request_on(verb: &Finetune, machine: &Machine, device: Device) -> Result<Request, Failure> {
    let options = verb.options()?;
    let name = verb.data.to_string_lossy();
    let labelled = !verb.is_unlabelled()?;
    let examples = Examples::open(&name, &options.network, &options.text, labelled)?;
    output::notes(examples.notes());
    let earlier = earlier(verb, &options)?;
    Ok(Request {
        earlier,
        options,
        examples,
        data: name.into_owned(),
        out: verb.run.out.clone(),
        device,
        device_name: machine.device.clone(),
        threads: machine.threads(),
        checkpoint_every: verb.run.checkpoint_every,
        resume: verb.run.resume,
        cache_memory: verb.run.cache_bytes(),
        stop: Arc::new(AtomicBool::new(false)),
        command: output::command_line(&words()),
        timed: verb.run.dry_run,
        look: verb.run.dry_run,
    })
}

/// The earlier tasks that are named, each as `RUN` or `RUN=DATA`.
fn earlier(verb: &Finetune, options: &FinetuneOptions) -> Result<Vec<EarlierTask>, Failure> {
    let holds = |term: &Regulariser| {
        matches!(term, Regulariser::Lwf { .. } | Regulariser::Rehearsal { .. })
    };
    if !verb.tuning.earlier.is_empty() && !options.tuning.regularisers.iter().any(holds) {
        return Err(Failure::input(
            "--earlier says nothing without --regularise lwf or rehearsal; add one of them, or leave it out",
        ));
    }
    let task = |text: &String| {
        let (run, data) = match text.split_once('=') {
            Some((run, data)) if !Path::new(text).is_dir() => (run, Some(data)),
            _ => (text.as_str(), None),
        };
        Ok(EarlierTask::of(Path::new(run), data)?)
    };
    verb.tuning.earlier.iter().map(task).collect()
}

/// Fits; an interruption is told with the command that goes on.
pub fn fit(
    request: Request,
    resume: &dyn Fn(&Path) -> String,
    progress: &mut dyn Progress,
) -> Result<Run, Failure> {
    let mut prepared = prepare(request)?;
    output::notes(&prepared.data.notes());
    let folder = prepared.claim()?;
    progress.say(&summary::headline(&prepared, &folder));
    summary::earlier(&prepared).iter().for_each(|line| progress.say(line));
    prepared.fit(progress).map_err(|error| match error {
        Error::Train(TrainError::Interrupted { .. }) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(&folder)))
        }
        other => other.into(),
    })
}

/// The command line of this program, with its plain name.
pub fn words() -> Vec<String> {
    let given = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("tl".to_string()).chain(given).collect()
}

/// The command that goes on with a run in a folder: whether this one `named` a folder and was `resuming` already.
pub fn resume_words(named: bool, resuming: bool) -> impl Fn(&Path) -> String {
    move |folder| {
        let mut words = words();
        let mut more = Vec::new();
        if !named {
            more.extend(["--out".to_string(), folder.to_string_lossy().into_owned()]);
        }
        if !resuming {
            more.push("--resume".to_string());
        }
        // Behind `--` everything is a name.
        let place = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.splice(place..place, more);
        output::command_line(&words)
    }
}

/// The same for several runs, which lie in folders of one folder.
pub fn resume_all(verb: &Finetune, parent: &Path) -> impl Fn(&Path) -> String {
    let parent = parent.to_path_buf();
    let resume = resume_words(verb.run.out.is_some(), verb.run.resume);
    move |_| resume(&parent)
}
