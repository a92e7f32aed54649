//! The temperature that makes a run's answers as sure as they are right: fitted on the validation part, told on the test part.

use serde::{Deserialize, Serialize};
use tl_train::metrics::{Evaluation, MetricsError, fit_temperature, reliability};
use tl_train::report::{Reliability, Section};
use tl_train::{Dataset, Predictions};

use crate::outcome::Outcome;
use crate::{Error, RunRecord};

/// The temperature of a run, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRecord {
    /// What all logits are divided by.
    pub temperature: f64,
    /// On the validation part, on which it was fitted.
    pub validation: Calibrated,
    /// On the test part, which chose nothing.
    pub test: Option<Calibrated>,
}

/// One part without and with the temperature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Number of examples.
    pub n: u64,
    /// The expected calibration error over 15 bins, before and after.
    pub ece: [f64; 2],
    /// The mean negative log-likelihood in nats, before and after.
    pub nll: [f64; 2],
}

/// Logits of a part and its classes.
struct Part {
    logits: Vec<f32>,
    truth: Vec<usize>,
}

impl Part {
    fn of(found: &Predictions, data: &dyn Dataset) -> Self {
        let (logits, truth) = found.labelled(&data.items().labels());
        Self { logits, truth }
    }

    fn calibrated(&self, labels: &[String], temperature: f64) -> Result<Calibrated, MetricsError> {
        let Self { logits, truth } = self;
        let ece = |at: f64| reliability(logits, labels.len(), truth, at).1;
        let nll =
            |at: f64| Evaluation::from_logits_at(labels, logits, truth, at).map(|found| found.loss);
        Ok(Calibrated {
            n: truth.len() as u64,
            ece: [ece(1.0), ece(temperature)],
            nll: [nll(1.0)?, nll(temperature)?],
        })
    }
}

/// The record of what was fitted, and a section of the report; nothing where items have no label of their own or the
/// validation part knows no temperature.
///
/// # Errors
/// Labels that are no class.
pub(crate) fn of(
    outcome: &Outcome,
    data: &dyn Dataset,
) -> Result<Option<(CalibrationRecord, Section)>, Error> {
    if data.answers().is_some() || data.numbers().is_some() {
        return Ok(None);
    }
    let labels = data.items().classes();
    let validation = Part::of(&outcome.validation_logits, data);
    if validation.truth.is_empty() {
        return Ok(None);
    }
    let failed = tl_train::TrainError::from;
    let found = fit_temperature(labels, &validation.logits, &validation.truth).map_err(failed)?;
    let Some(temperature) = found else { return Ok(None) };
    let test = Part::of(&outcome.test_logits, data);
    let told = |part: &Part| part.calibrated(labels, temperature).map_err(failed);
    let record = CalibrationRecord {
        temperature,
        validation: told(&validation)?,
        test: (!test.truth.is_empty()).then(|| told(&test)).transpose()?,
    };
    let (name, part, figures) = match &record.test {
        Some(figures) => ("test", &test, figures),
        None => ("validation", &validation, &record.validation),
    };
    Ok(Some((record, section(name, part, labels.len(), temperature, figures))))
}

fn section(
    name: &str,
    part: &Part,
    classes: usize,
    temperature: f64,
    figures: &Calibrated,
) -> Section {
    let Calibrated { n, ece: [before, after], nll: [loss, loss_after] } = figures;
    let diagram = |title: &str, at: f64| Reliability {
        title: title.to_string(),
        bins: reliability(&part.logits, classes, &part.truth, at).0,
    };
    let own = match name {
        "test" => "",
        _ => {
            " There is no test part: the figures after it are of the examples that it was fitted on."
        }
    };
    Section {
        title: format!("Calibration on the {name} part"),
        lines: vec![
            format!(
                "The expected calibration error is {:.1}\u{a0}%. Divided by the temperature {temperature:.3}, which was fitted on the \
                 validation part, the logits have one of {:.1}\u{a0}%; the negative log-likelihood goes from {loss:.4} to {loss_after:.4} \
                 (n = {n}). No label changes.{own}",
                100.0 * before,
                100.0 * after
            ),
            "Each bar is a fifteenth of the confidences: how many of its answers are right. On the dashed line they would be as \
             often right as they are sure. With --calibrated, tl predict and tl evaluate apply the temperature."
                .into(),
        ],
        reliability: vec![
            diagram("Without a temperature", 1.0),
            diagram("With the temperature", temperature),
        ],
        ..Section::default()
    }
}

impl RunRecord {
    /// The temperature of the run, for who asks for calibrated probabilities.
    ///
    /// # Errors
    /// A run without one.
    pub fn temperature(&self) -> Result<f64, Error> {
        if self.adaptation.is_some() {
            return Err(Error::options(
                "an adaptation fits no temperature",
                "leave out --calibrated",
            ));
        }
        let found = self.calibration.map(|found| found.temperature).filter(|it| *it > 0.0);
        found.ok_or_else(|| {
            Error::options(
                "the run has no temperature: it was fitted without a labelled validation part, by which no answer is wrong or none right, \
                 or it answers with no single class",
                "leave out --calibrated, or fit it again with a larger validation part",
            )
        })
    }
}
