//! `tl find-lr`: a learning rate, before anything is fitted.

use clap::Args;
use tl::find_rate::{FoundRate, check_folder, find_rate};

use crate::failure::Failure;
use crate::finetune::{request_on, words};
use crate::finetune_flags::Finetune;
use crate::output;

/// Suggest a learning rate: train for at most 100 steps while it grows from 1e-7 to 10
///
/// Takes the flags of `tl finetune`. The loss of the training part is smoothed (an exponential mean that keeps 0.98), and the
/// suggestion is the rate at which it falls fastest over the logarithm of the rate (Smith 2017; steepest descent), leaving out
/// the first tenth of the steps and the last five. The sweep ends where the smoothed loss is 4 times its lowest, or is not
/// finite. It works on a copy of the weights: the validation and the test part are not looked at, and nothing is kept but, with
/// --out, a report.html and its drawing, loss.svg.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl find-lr photos/                                          for the embedded network, the recipe auto
  tl find-lr photos/ --recipe finetune --out rates            also rates/report.html with the curve
  tl find-lr photos/ --model resnet50 --weights resnet50.pth --batch-size 16
  tl find-lr reviews.csv --model bert --weights MiniLM/ --json
  tl find-lr novel.txt --task lm --model gpt2 --weights gpt2/
  tl finetune photos/ --lr 2e-3                               and then")]
pub struct FindLr {
    #[command(flatten)]
    pub fit: Finetune,
}

pub fn run(verb: &FindLr) -> Result<(), Failure> {
    let fit = &verb.fit;
    refuse(fit)?;
    if let Some(out) = &fit.run.out {
        check_folder(out)?;
    }
    let request = request_on(fit, &fit.machine, fit.machine.start()?)?;
    let found = find_rate(request, fit.is_unlabelled()?, &mut fit.machine.display())?;
    let page = match &fit.run.out {
        Some(out) => Some(found.write_page(out, &output::command_line(&words()))?),
        None => None,
    };
    if fit.machine.json {
        return output::object(&found);
    }
    let mut text = output::table(&FoundRate::COLUMNS, &[found.row()]);
    text += &format!("{}\n", found.sentence());
    if let Some(page) = page {
        text += &format!("report: {}\n", page.display());
    }
    output::print(&text)
}

/// Refuses flags of a fitting that say nothing here.
fn refuse(fit: &Finetune) -> Result<(), Failure> {
    let tuning = &fit.tuning;
    let given = [
        ("--lr", tuning.lr.is_some()),
        ("--keep", tuning.keep.is_some()),
        ("--ema", tuning.ema.is_some()),
        ("--patience", tuning.patience.is_some()),
        ("--validate-every", tuning.validate_every.is_some()),
        ("--importance", tuning.importance.is_some()),
        ("--interpolate", tuning.interpolate),
        ("--seeds", fit.run.seeds.is_some()),
        ("--resume", fit.run.resume),
        ("--dry-run", fit.run.dry_run),
        ("--minutes", fit.minutes.is_some()),
        ("--near-duplicates", fit.near_duplicates.is_some()),
        ("--checkpoint-every", fit.run.checkpoint_every.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Failure::input(format!("{flag} says nothing to find-lr; leave it out")))
        }
        None => Ok(()),
    }
}
