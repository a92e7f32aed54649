//! What a fitting gave: a model, and how good it is.

use burn::tensor::Device;
use tl_core::TrainableReport;
use tl_data::Split;
use tl_models::Classifier;
use tl_train::ema::Snapshot;
use tl_train::metrics::Evaluation;
use tl_train::{Conduct, Dataset, EpochRow, Fitted, Predictions, Progress, Scale, fit, predict};

use crate::numbers::{NumbersRecord, into_units};
use crate::several::SeveralRecord;
use crate::{Error, Network, Prepared};

/// What a fitting gave.
pub struct Outcome {
    pub model: Classifier<Network>,
    pub rows: Vec<EpochRow>,
    pub report: TrainableReport,
    pub kept: String,
    pub steps: u64,
    pub validation: Option<Evaluation>,
    pub test: Option<Evaluation>,
    /// Of texts that are answered with numbers, in place of both.
    pub numbers: Option<NumbersRecord>,
    /// Of images that may have several labels, in place of both.
    pub several: Option<SeveralRecord>,
    /// How much each weight matters by the path that it went, where that was asked for.
    pub(crate) importance: Option<Snapshot>,
    pub(crate) validation_logits: Predictions,
    pub(crate) test_logits: Predictions,
}

impl Outcome {
    /// Measures what was fitted on the validation part and once on the test part; numbers in their own unit.
    ///
    /// # Errors
    /// A device that fails, an answer that is not finite.
    pub(crate) fn of(
        fitted: FittedNetwork,
        data: &dyn Dataset,
        split: &Split,
        batch_size: usize,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let Fitted { mut model, rows, report, kept, steps, importance, .. } = fitted;
        if let Some(numbers) = data.numbers() {
            model = into_units(model, numbers.scale)?;
        }
        let mut answer = |part: &[usize]| predict(&model, data, part, batch_size, device, progress);
        let validation_logits = answer(&split.validation)?;
        let test_logits = answer(&split.test)?;
        let (mut validation, mut test, mut numbers, mut several) = (None, None, None, None);
        if let Some(known) = data.numbers() {
            let near = |found: &Predictions| found.regression(&known.values, Scale::default());
            let (validation, test) = (near(&validation_logits)?, near(&test_logits)?);
            numbers = Some(NumbersRecord { scale: known.scale, validation, test });
        } else if let Some(known) = data.several() {
            let classes = data.items().classes();
            let good = |found: &Predictions| found.several(classes, known);
            let (validation, test) = (good(&validation_logits)?, good(&test_logits)?);
            several = Some(SeveralRecord { validation, test });
        } else {
            let classes = data.items().classes();
            let measure = |found: &Predictions, part| found.measure_all(data, classes, part, 1.0);
            validation = measure(&validation_logits, &split.validation)?;
            test = measure(&test_logits, &split.test)?;
        }
        Ok(Self {
            model,
            rows,
            report,
            kept,
            steps,
            validation,
            test,
            numbers,
            several,
            importance,
            validation_logits,
            test_logits,
        })
    }

    /// The part that speaks for new data, and the answers for it: the test part where it was measured, else validation.
    pub(crate) fn last(&self) -> (&'static str, &Predictions) {
        let numbers = self.numbers.as_ref().is_some_and(|found| found.test.is_some());
        let several = self.several.as_ref().is_some_and(|found| found.test.is_some());
        match self.test.is_some() || numbers || several {
            true => ("test", &self.test_logits),
            false => ("validation", &self.validation_logits),
        }
    }
}

/// A network that was fitted, with its head.
pub(crate) type FittedNetwork = Fitted<Network, tl_kernels::LinearHead>;

impl Prepared {
    /// Refuses to fit what was prepared to be looked at.
    pub(crate) fn check_look(&self) -> Result<(), Error> {
        match self.request.look {
            true => Err(Error::options(
                "this was prepared to be looked at, not to be fitted",
                "leave `look` of the request false",
            )),
            false => Ok(()),
        }
    }

    /// Trains as `conduct` says, and measures nothing but what chooses among epochs.
    pub(crate) fn fit_with(
        &self,
        conduct: &Conduct,
        progress: &mut dyn Progress,
    ) -> Result<FittedNetwork, Error> {
        self.check_look()?;
        let settings = self.request.options.settings();
        let model = self.model.clone();
        Ok(fit(model, &self.task(), &self.plan, &settings, conduct, progress)?)
    }

    /// Measures what was fitted on validation and test part.
    pub(crate) fn measure(
        &self,
        fitted: FittedNetwork,
        progress: &mut dyn Progress,
    ) -> Result<Outcome, Error> {
        let (size, device) = (self.request.options.settings.batch_size, &self.request.device);
        Outcome::of(fitted, &*self.data, &self.split, size, device, progress)
    }
}
