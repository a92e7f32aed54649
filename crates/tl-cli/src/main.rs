//! The program `tl`: a shell over the crate of the same name. Each verb has a file of its own.

mod adapt;
mod adapt_flags;
mod adapt_seeds;
mod adapt_summary;
mod chain;
mod chain_summary;
mod chain_toml;
mod class_counts;
mod compare;
mod completions;
mod dashboard;
mod demo;
mod demo_table;
mod dry_run;
mod embed;
mod evaluate;
mod export;
mod failure;
mod find_lr;
mod finetune;
mod finetune_flags;
mod finetune_summary;
mod finetune_task;
mod flags;
mod generate;
mod inspect;
mod interruption;
mod language;
mod merge;
mod minutes;
mod models;
mod output;
mod panics;
mod predict;
mod pretrain;
mod pretrain_texts;
mod probe;
mod progress;
mod rank;
mod seeds;
mod table_flags;
mod terminal;
mod tuning_flags;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;

/// Memory is counted, so that the report before a run can say how much it will take.
#[global_allocator]
static ALLOCATOR: tl::kernels::memory::CountingAllocator = tl::kernels::memory::CountingAllocator;

/// Transfer learning: bring a pretrained network to your own images.
#[derive(Parser)]
#[command(name = "tl", version, after_help = EXAMPLES)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  tl demo                                  what it gives on a small real data set
  tl finetune photos/                      one folder of images per class; the result goes to runs/1
  tl evaluate runs/1 more-photos/          accuracy with its 95 % interval
  tl predict runs/1 new.jpg holidays/      a label and its probability for every image
  tl finetune photos/ --recipe probe       a new head on frozen features, the fastest
  tl find-lr photos/                       a learning rate, before anything is fitted
  tl chain chain.toml                      several tasks one after another, and what is forgotten
  tl adapt --source day/ --target night/   to images without labels from elsewhere
  tl pretrain images/                      on images or texts without labels; the result is a source of weights
  tl probe photos/                         what features are good for: k-NN, a linear head
  tl rank photos/                          which network to begin with, without tuning any
  tl merge runs/1 --out whole.safetensors  one file of a base and its adapters
  tl export runs/1 --to timm               the network with its head under timm's names
  tl generate runs/2 --prompt 'It was'     a language model goes on with a text
  tl models                                the networks, what each costs, where its weights are from
  tl inspect resnet50.pth                  what a weights file holds
  tl compare runs/1 runs/2                 finished runs side by side

Exit codes: 0 done, 2 the input is at fault, 1 anything else, 130 interrupted.
`tl VERB --help` says more about a verb.";

#[derive(Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Finetune(Box<finetune_flags::Finetune>),
    FindLr(Box<find_lr::FindLr>),
    Chain(chain::Chain),
    Adapt(Box<adapt_flags::Adapt>),
    Pretrain(Box<pretrain::Pretrain>),
    Probe(probe::Probe),
    Rank(rank::Rank),
    Merge(merge::Merge),
    Export(export::Export),
    Evaluate(evaluate::Evaluate),
    Predict(predict::Predict),
    Embed(embed::Embed),
    Generate(generate::Generate),
    Models(models::Models),
    Inspect(inspect::Inspect),
    Compare(compare::Compare),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    panics::silence();
    let code = match std::panic::catch_unwind(run) {
        Ok(Ok(())) => 0,
        Ok(Err(failure)) => {
            output::tell(&format!("error: {failure}"));
            failure.code
        }
        Err(payload) => {
            output::tell(&format!("error: {}", panics::describe(&*payload)));
            1
        }
    };
    ExitCode::from(code)
}

fn run() -> Result<(), Failure> {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(message) => return usage(&message),
    };
    if !matches!(
        program.verb,
        Verb::Finetune(_) | Verb::Chain(_) | Verb::Adapt(_) | Verb::Pretrain(_)
    ) {
        interruption::end_at_once();
    }
    match program.verb {
        Verb::Demo(verb) => demo::run(&verb),
        Verb::Finetune(verb) => finetune::run(&verb),
        Verb::FindLr(verb) => find_lr::run(&verb),
        Verb::Chain(verb) => chain::run(&verb),
        Verb::Adapt(verb) => adapt::run(&verb),
        Verb::Pretrain(verb) => pretrain::run(&verb),
        Verb::Probe(verb) => probe::run(&verb),
        Verb::Rank(verb) => rank::run(&verb),
        Verb::Merge(verb) => merge::run(&verb),
        Verb::Export(verb) => export::run(&verb),
        Verb::Evaluate(verb) => evaluate::run(&verb),
        Verb::Predict(verb) => predict::run(&verb),
        Verb::Embed(verb) => embed::run(&verb),
        Verb::Generate(verb) => generate::run(&verb),
        Verb::Models(verb) => models::run(&verb),
        Verb::Inspect(verb) => inspect::run(&verb),
        Verb::Compare(verb) => compare::run(&verb),
        Verb::Completions(verb) => completions::run(&verb, Program::command()),
    }
}

/// Help goes to standard output; a command line that cannot be understood becomes one line.
fn usage(message: &clap::Error) -> Result<(), Failure> {
    let text = message.render();
    match message.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => output::print(&text.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::input("no verb was given; see `tl --help`"))
        }
        _ => {
            let said = failure::said(message);
            Err(Failure::input(format!("{said}; see `tl --help` and `tl VERB --help`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::completions::{SHELLS, script};

    #[test]
    fn the_command_line_is_well_formed() {
        super::Program::command().debug_assert();
    }

    #[test]
    fn the_completions_of_each_shell_name_every_verb_and_a_flag() {
        let verbs: Vec<String> = super::Program::command()
            .get_subcommands()
            .map(|verb| verb.get_name().to_string())
            .collect();
        assert!(verbs.contains(&"find-lr".to_string()) && verbs.len() > 15, "{verbs:?}");
        for (name, shell) in SHELLS {
            let script = script(shell, super::Program::command());
            for verb in &verbs {
                assert!(script.contains(verb.as_str()), "{name} does not know {verb}");
            }
            assert!(script.contains("layer-decay"), "{name} knows no flags");
        }
    }
}
