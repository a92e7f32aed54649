//! Looking for a learning rate, before anything is fitted.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tl_core::{Solver, rng};
use tl_train::Progress;
use tl_train::files::{make_folder, write_bytes};
use tl_train::fit::sweep;
use tl_train::report::{Line, Place, Plot, ReportInput, Section, Value, render};

use crate::record::RUN_FILE;
use crate::{Error, Request, prepare};

/// The first and the last rate.
const RATES: [f64; 2] = [1e-7, 10.0];
/// The most batches.
const BATCHES: usize = 100;

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
    /// Where the smoothed loss fell fastest; nothing where it never fell.
    pub suggestion: Option<f64>,
    pub steps: Vec<RateStep>,
}

/// Trains for at most 100 batches with rates that grow from 10⁻⁷ to 10, as the request's plan would, and suggests one. Nothing of
/// the validation and the test part is looked at, and nothing is written.
///
/// # Errors
/// As [`prepare`]; a probe that is trained to convergence, which has no rate.
pub fn find_rate(mut request: Request, progress: &mut dyn Progress) -> Result<FoundRate, Error> {
    request.options.tuning.learning_rate = Some(RATES[1]);
    let settings = request.options.settings.clone();
    let network = request.options.network.clone();
    let mut prepared = prepare(request)?;
    if prepared.plan.phases.iter().all(|phase| phase.solver != Solver::Gradient) {
        return Err(Error::options(
            "a probe that is trained to convergence has no learning rate",
            "add --epochs N to train it by gradient, or give another --recipe",
        ));
    }
    let split = &mut prepared.split;
    split.validation.clear();
    split.test.clear();
    // Texts in windows have more rows than texts.
    let (rows, most) = (prepared.data.rows(&split.train).len(), BATCHES * settings.batch_size);
    if rows > most {
        let count = (split.train.len() * most / rows).max(1);
        let order = rng(settings.seed, "find-lr", 0, 0).permutation(split.train.len());
        let mut kept: Vec<usize> =
            order.into_iter().take(count).map(|at| split.train[at]).collect();
        kept.sort_unstable();
        split.train = kept;
    }
    let (model, plan) = (prepared.model.clone(), prepared.plan.clone());
    let found = sweep(model, &prepared.task(), &plan, &settings, RATES[1] / RATES[0], progress)?;
    let step = |it: &tl_train::fit::SweptStep| RateStep {
        learning_rate: RATES[1] * it.factor,
        loss: it.loss,
        smoothed: it.smoothed,
    };
    Ok(FoundRate {
        network,
        suggestion: found.steepest().map(|factor| RATES[1] * factor),
        steps: found.steps.iter().map(step).collect(),
    })
}

impl FoundRate {
    /// Writes `report.html` into `folder` and answers its path.
    ///
    /// # Errors
    /// A folder that holds a run, or cannot be written.
    pub fn write_page(&self, folder: &Path, command: &str) -> Result<PathBuf, Error> {
        if folder.join(RUN_FILE).exists() {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: "holds a run, which has a report of its own".into(),
                mend: "choose another --out",
            });
        }
        make_folder(folder)?;
        let path = folder.join("report.html");
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
        let page = render(&ReportInput {
            title: format!("A learning rate for {}", self.network),
            command: command.to_string(),
            sections: vec![Section {
                title: "The loss while the rate grows".into(),
                lines: vec![self.sentence()],
                plots: vec![Plot {
                    title: "Training loss".into(),
                    lines,
                    place: Place::Rate,
                    value: Value::Number,
                }],
                ..Section::default()
            }],
            ..ReportInput::default()
        });
        write_bytes(&path, page.as_bytes())?;
        Ok(path)
    }

    /// The suggestion in words.
    pub fn sentence(&self) -> String {
        let steps = self.steps.len();
        match self.suggestion {
            Some(rate) => format!(
                "suggestion: --lr {rate:.1e}, where the loss falls fastest, of {steps} steps"
            ),
            None => format!("no suggestion: the loss never fell in {steps} steps"),
        }
    }
}
