//! Looking for a learning rate, before anything is fitted.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tl_core::{Head, Model, Plan, Solver, rng};
use tl_data::Split;
use tl_train::files::{make_folder, write_bytes};
use tl_train::fit::{STEPS, SweepEnd, SweptStep, sweep};
use tl_train::report::{Line, Place, Plot, ReportInput, Section, Value, picture, render};
use tl_train::{Progress, Settings, Task};

use crate::record::RUN_FILE;
use crate::{Error, Network, Request, prepare, prepare_language};

/// The first and the last rate.
const RATES: [f64; 2] = [1e-7, 10.0];
/// The fewest steps of which a fall can be told: the first tenth and the last five are left out.
const FEWEST: usize = 8;
/// The rule by which a rate is suggested.
pub const RULE: &str = "steepest descent of the smoothed loss over the logarithm of the rate";
/// The page and the drawing in it.
pub const REPORT_FILE: &str = "report.html";
pub const PICTURE_FILE: &str = "loss.svg";

/// A step of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateStep {
    /// As `--lr` says it: of a new head.
    pub learning_rate: f64,
    pub loss: f64,
    pub smoothed: f64,
}

/// The loss while the rate grew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundRate {
    pub network: String,
    /// What the data are called.
    pub data: String,
    pub rule: &'static str,
    /// By the rule; nothing where the loss never fell.
    pub suggestion: Option<f64>,
    /// Where the smoothed loss was lowest: a rate that is too high already.
    pub lowest: Option<RateStep>,
    pub ended: SweepEnd,
    pub steps: Vec<RateStep>,
}

/// Trains for at most 100 steps with rates that grow from 10⁻⁷ to 10, as the request's plan would, and suggests one: of
/// examples with labels, or `unlabelled` ones as [`prepare_language`] takes them. It begins with the weights that a fitting would
/// begin with, and none of what it makes of them is kept. Nothing of the validation and the test part is looked at, and
/// nothing is written.
///
/// # Errors
/// As [`prepare`] and [`prepare_language`]; a probe that is trained to convergence, which has no rate.
pub fn find_rate(
    mut request: Request,
    unlabelled: bool,
    progress: &mut dyn Progress,
) -> Result<FoundRate, Error> {
    request.options.tuning.learning_rate = Some(RATES[1]);
    let settings = request.options.settings.clone();
    let names = [request.options.network.clone(), request.data.clone()];
    if unlabelled {
        let mut prepared = prepare_language(request)?;
        prepared.split = shortened(&prepared.task(), &settings);
        let (model, plan) = (prepared.model.clone(), prepared.plan.clone());
        return swept(model, &prepared.task(), &plan, &settings, names, progress);
    }
    let mut prepared = prepare(request)?;
    prepared.split = shortened(&prepared.task(), &settings);
    let (model, plan) = (prepared.model.clone(), prepared.plan.clone());
    swept(model, &prepared.task(), &plan, &settings, names, progress)
}

/// No more of the training part than the sweep looks at, and nothing else.
fn shortened(task: &Task<'_>, settings: &Settings) -> Split {
    let mut train = task.split.train.clone();
    // Texts in windows have more rows than texts.
    let rows = task.data.rows(&train).len();
    let most = STEPS.saturating_mul(settings.batch_size).saturating_mul(settings.accumulate);
    if rows > most {
        let count = ((train.len() as f64 * most as f64 / rows as f64) as usize).max(1);
        let order = rng(settings.seed, "find-lr", 0, 0).permutation(train.len());
        let mut kept: Vec<usize> = order.into_iter().take(count).map(|at| train[at]).collect();
        kept.sort_unstable();
        train = kept;
    }
    Split { train, ..Split::default() }
}

fn swept<H: Head>(
    model: Model<Network, H>,
    task: &Task<'_>,
    plan: &Plan,
    settings: &Settings,
    [network, data]: [String; 2],
    progress: &mut dyn Progress,
) -> Result<FoundRate, Error> {
    if plan.phases.iter().all(|phase| phase.solver != Solver::Gradient) {
        return Err(Error::options(
            "a probe that is trained to convergence has no learning rate",
            "add --epochs N to train it by gradient, or give another --recipe",
        ));
    }
    let found = sweep(model, task, plan, settings, RATES[1] / RATES[0], progress)?;
    let step = |it: &SweptStep| RateStep {
        learning_rate: RATES[1] * it.factor,
        loss: it.loss,
        smoothed: it.smoothed,
    };
    let steps: Vec<RateStep> = found.steps.iter().map(step).collect();
    Ok(FoundRate {
        network,
        data,
        rule: RULE,
        suggestion: found.steepest().map(|factor| RATES[1] * factor),
        lowest: steps.iter().copied().min_by(|one, other| one.smoothed.total_cmp(&other.smoothed)),
        ended: found.end,
        steps,
    })
}

impl FoundRate {
    /// Writes `report.html` and `loss.svg` into `folder` and answers the page's path.
    ///
    /// # Errors
    /// A folder that holds a run, or cannot be written.
    pub fn write_page(&self, folder: &Path, command: &str) -> Result<PathBuf, Error> {
        check_folder(folder)?;
        make_folder(folder)?;
        let plot = self.plot();
        if let Some(drawn) = picture(&plot) {
            write_bytes(&folder.join(PICTURE_FILE), drawn.as_bytes())?;
        }
        let page = render(&ReportInput {
            title: format!("A learning rate for {} on {}", self.network, self.data),
            command: command.to_string(),
            status: self.ending().to_string(),
            sections: vec![Section {
                title: "The loss while the rate grows".into(),
                lines: vec![self.sentence(), format!("The rule is the {RULE}.")],
                plots: vec![plot],
                ..Section::default()
            }],
            ..ReportInput::default()
        });
        let path = folder.join(REPORT_FILE);
        write_bytes(&path, page.as_bytes())?;
        Ok(path)
    }

    fn plot(&self) -> Plot {
        let points = |of: fn(&RateStep) -> f64| {
            self.steps.iter().map(|it| (Place::of_rate(it.learning_rate), of(it))).collect()
        };
        let mut lines =
            vec![Line { name: "smoothed loss".into(), points: points(|it| it.smoothed) }];
        let chosen = self.steps.iter().find(|it| Some(it.learning_rate) == self.suggestion);
        lines.extend(chosen.map(|it| Line {
            name: "suggestion".into(),
            points: vec![(Place::of_rate(it.learning_rate), it.smoothed)],
        }));
        Plot { title: "Training loss".into(), lines, place: Place::Rate, value: Value::Number }
    }

    /// The columns of [`FoundRate::row`]; a name that ends in `#` is one of numbers.
    pub const COLUMNS: [&str; 7] =
        ["network", "data", "suggestion#", "lowest loss#", "at rate#", "steps#", "end"];

    /// The sweep as a line of a table.
    pub fn row(&self) -> Vec<String> {
        let written =
            |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.1e}"));
        let lowest = self.lowest.map_or("–".into(), |it| format!("{:.4}", it.smoothed));
        vec![
            self.network.clone(),
            self.data.clone(),
            written(self.suggestion),
            lowest,
            written(self.lowest.map(|it| it.learning_rate)),
            self.steps.len().to_string(),
            self.ending().to_string(),
        ]
    }

    /// The suggestion in words.
    pub fn sentence(&self) -> String {
        match (self.suggestion, self.ended) {
            (Some(rate), _) => {
                format!("suggestion: --lr {rate:.1e}, where the smoothed loss falls fastest")
            }
            (None, SweepEnd::NotFinite) if self.steps.is_empty() => {
                "no suggestion: the loss is not finite at the lowest rate already; see what is wrong with weights or data"
                    .to_string()
            }
            (None, _) if self.steps.len() < FEWEST => {
                let steps = self.steps.len();
                format!("no suggestion: {steps} are too few steps to tell where the loss falls")
            }
            (None, _) => {
                let steps = self.steps.len();
                format!("no suggestion: the smoothed loss never fell in {steps} steps")
            }
        }
    }

    fn ending(&self) -> &'static str {
        match self.ended {
            SweepEnd::Done => "all steps done",
            SweepEnd::Diverged => "diverged",
            SweepEnd::NotFinite => "not finite",
        }
    }
}

/// Whether a page may be written into `folder`.
///
/// # Errors
/// A folder that holds a run.
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    if folder.join(RUN_FILE).exists() {
        return Err(Error::Run {
            path: folder.to_path_buf(),
            problem: "holds a run, which has a report of its own".into(),
            mend: "choose another --out",
        });
    }
    Ok(())
}
