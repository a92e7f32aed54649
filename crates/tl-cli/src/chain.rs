//! `tl chain`: tasks one after another, and what is forgotten.

use std::path::PathBuf;

use clap::Args;
use tl::Error;
use tl::chain::{ChainRequest, Link, prepare_chain};
use tl::train::TrainError;

use crate::chain_summary::text;
use crate::chain_toml::ChainFile;
use crate::failure::Failure;
use crate::finetune::{request_on, resume_words, words};
use crate::flags::Machine;
use crate::{interruption, output};

/// Fit one network to several tasks, one after another, and measure what it forgets
///
/// CHAIN.TOML lists the tasks. [defaults] and each [[task]] take the long flags of `tl finetune` as keys; a task's keys win. Each
/// task begins with the weights that the one before it left or, with begin = "base" and adapters, with the chain's first
/// weights. After each task all tasks so far are measured on their test parts: the matrix.
#[derive(Args, Debug)]
#[command(after_help = "\
A chain.toml; paths are relative to it:
  [chain]
  begin = \"previous\"         # or \"base\": one small adapter for each task on one trunk
  probe = true               # measure before each task what the features are worth to it (forward transfer)

  [defaults]
  model = \"resnet18\"
  weights = \"resnet18.pth\"   # of the first task; the others begin with what the one before left
  recipe = \"finetune\"
  importance = \"ewc\"
  regularise = [\"ewc\"]       # or si, mas, lwf, rehearsal; of the first task, which has none before it, it is left out

  [[task]]
  name = \"birds\"
  data = \"birds/\"

  [[task]]
  name = \"flowers\"
  data = \"flowers/\"
  epochs = 5

Examples:
  tl chain chain.toml                            the result goes to runs/1: report.html, chain.json, a run for each task
  tl chain chain.toml --out chained --resume     go on with an interrupted chain
  tl chain chain.toml --json                     the matrix and its figures as one object

A chain's folder holds a run for each task (01-birds, 02-flowers: sources of weights, opened by tl evaluate and tl predict),
matrix.json (what was measured so far), chain.json and report.html.")]
pub struct Chain {
    /// The file that lists the tasks
    #[arg(value_name = "CHAIN.TOML")]
    pub file: PathBuf,

    /// The chain's folder [default: the next free number under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,

    /// Go on with the chain in --out: what is finished stays, what was interrupted goes on
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,

    #[command(flatten)]
    pub machine: Machine,
}

pub fn run(verb: &Chain) -> Result<(), Failure> {
    let ChainFile { begin, probe, tasks } = ChainFile::read(&verb.file)?;
    let device = verb.machine.start()?;
    let mut links = Vec::new();
    for task in &tasks {
        let of_task = |failure: Failure| failure.of(&format!("task \"{}\"", task.name));
        if task.flags.is_unlabelled()? {
            let problem =
                "a chain takes tasks that answer each image or text with one class; leave out task";
            return Err(of_task(Failure::input(problem)));
        }
        let request = request_on(&task.flags, &verb.machine, device.clone()).map_err(of_task)?;
        links.push(Link { name: task.name.clone(), request });
    }
    let mut prepared = prepare_chain(ChainRequest {
        links,
        begin,
        probe,
        out: verb.out.clone(),
        resume: verb.resume,
        command: output::command_line(&words()),
    })?;
    let folder = prepared.claim()?;
    prepared.stop_with(&interruption::stop_flag());
    let resume = resume_words(verb.out.is_some(), verb.resume);
    let record = prepared.fit(&mut verb.machine.display()).map_err(|error| match error {
        Error::Train(TrainError::Interrupted { .. }) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(&folder)))
        }
        other => other.into(),
    })?;
    match verb.machine.json {
        true => output::object(&record),
        false => output::print(&text(&record, &folder)),
    }
}
