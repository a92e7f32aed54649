//! `tl find-lr`: a learning rate, before anything is fitted.

use clap::Args;
use tl::find_rate::find_rate;

use crate::failure::Failure;
use crate::finetune::{request_on, words};
use crate::finetune_flags::Finetune;
use crate::output;
use crate::progress::Display;

/// Suggest a learning rate: train for at most 100 batches while it grows from 1e-7 to 10
///
/// Takes the flags of `tl finetune`. The loss of the training part is smoothed, and the suggestion is the rate at which it falls fastest
/// (Smith 2015); the sweep ends where the loss is 4 times its lowest. The validation and the test part are not looked at, and nothing is
/// kept but, with --out, a report.html.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl find-lr photos/                                          for the embedded network, the recipe auto
  tl find-lr photos/ --recipe finetune --out rates            also rates/report.html with the curve
  tl find-lr photos/ --model resnet50 --weights resnet50.pth --batch-size 16
  tl find-lr reviews.csv --model bert --weights MiniLM/ --json
  tl finetune photos/ --lr 2e-3                               and then")]
pub struct FindLr {
    #[command(flatten)]
    pub fit: Finetune,
}

pub fn run(verb: &FindLr) -> Result<(), Failure> {
    let fit = &verb.fit;
    refuse(fit)?;
    let request = request_on(fit, &fit.machine, fit.machine.start()?)?;
    let found = find_rate(request, &mut Display::new())?;
    let page = match &fit.run.out {
        Some(out) => Some(found.write_page(out, &output::command_line(&words()))?),
        None => None,
    };
    if fit.machine.json {
        return output::object(&found);
    }
    let page = page.map(|page| format!("report: {}\n", page.display())).unwrap_or_default();
    output::print(&format!("{}\n{page}", found.sentence()))
}

/// Refuses flags of a fitting that say nothing here.
fn refuse(fit: &Finetune) -> Result<(), Failure> {
    let given = [
        ("--lr", fit.lr.is_some()),
        ("--keep", fit.keep.is_some()),
        ("--ema", fit.ema.is_some()),
        ("--patience", fit.patience.is_some()),
        ("--validate-every", fit.validate_every.is_some()),
        ("--importance", fit.importance.is_some()),
        ("--interpolate", fit.interpolate),
        ("--seeds", fit.run.seeds.is_some()),
        ("--resume", fit.run.resume),
        ("--dry-run", fit.run.dry_run),
        ("--checkpoint-every", fit.run.checkpoint_every.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        return Err(Failure::input(format!("{flag} says nothing to find-lr; leave it out")));
    }
    if fit.is_unlabelled()? {
        return Err(Failure::input(
            "find-lr takes data with labels; leave out --task lm or embedding",
        ));
    }
    Ok(())
}
