//! The figure that chooses among what was tried, and how sure it is.

use tl_train::{Dataset, EpochRow, Progress, predict};

use crate::outcome::FittedNetwork;
use crate::{Error, Prepared};

/// The standard error of such a figure; 0 of R², which is no share of anything.
pub(super) fn standard_error_of(score: f64, prepared: &Prepared) -> f64 {
    match prepared.data.numbers() {
        None => standard_error(score, prepared.split.validation.len()),
        Some(_) => 0.0,
    }
}

/// The standard error of a share of `count` items, `√(p (1 − p) / n)`; 0 of what is no share.
fn standard_error(share: f64, count: usize) -> f64 {
    match (0.0..=1.0).contains(&share) && count > 0 {
        true => (share * (1.0 - share) / count as f64).sqrt(),
        false => 0.0,
    }
}

/// The figure on the validation part of the weights that are kept: of its epoch where validation chose one, else measured now.
pub(super) fn score(
    prepared: &Prepared,
    fitted: &FittedNetwork,
    progress: &mut dyn Progress,
) -> Result<f64, Error> {
    let row = fitted.best_epoch.and_then(|epoch| fitted.rows.get(epoch.checked_sub(1)?));
    let (data, part) = (&*prepared.data, &prepared.split.validation);
    if let Some(known) = row.and_then(|row| score_of(row, data)) {
        return Ok(known);
    }
    let (size, device) = (prepared.record.options.settings.batch_size, &prepared.request.device);
    let found = predict(&fitted.model, data, part, size, device, progress)?;
    let classes = data.items().classes();
    let score = match (data.numbers(), data.several()) {
        (Some(numbers), _) => found.regression(&numbers.values, numbers.scale)?.map(|found| {
            let error = found.root_mean_squared_error / numbers.scale.deviation;
            found.r2.unwrap_or(-error.powi(2))
        }),
        (None, Some(several)) => found
            .several(classes, several)?
            .map(|found| found.mean_average_precision.unwrap_or(-found.loss)),
        (None, None) => found.measure(data, classes, part)?.map(|found| found.score()),
    };
    score.ok_or_else(|| {
        Error::options(
            "the validation part holds nothing that can be measured",
            "give --split another share for it, or leave out --minutes",
        )
    })
}

/// The figure of an epoch; of numbers and several labels, whose figure a small part may leave undefined, its loss.
fn score_of(row: &EpochRow, data: &dyn Dataset) -> Option<f64> {
    let known = row.validation_f1.or(row.validation_map).or(row.validation_r2);
    match data.numbers().is_some() || data.several().is_some() {
        true => known.or(row.validation_loss.map(|loss| -loss)),
        false => known.or(row.validation_accuracy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_that_of_a_share() {
        assert!((standard_error(0.9, 100) - 0.03).abs() < 1e-12);
        let none = [(0.0, 9), (1.0, 9), (0.5, 0), (-0.7, 9), (f64::NAN, 9)];
        assert!(none.iter().all(|(share, count)| standard_error(*share, *count) == 0.0));
    }
}
