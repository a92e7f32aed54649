//! How near numbers that were foretold are to the true ones.

use serde::{Deserialize, Serialize};

use super::MetricsError;
use super::ranking::mean_ranks;
use super::statistics::QUANTILE;

/// Answers that are numbers, measured on one part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Number of answers.
    pub n: u64,
    /// The coefficient of determination: 1 less the squared errors over those of the part's own mean, so that 1 is right,
    /// 0 no better than the mean, and below it worse. Nothing where the true numbers are all the same.
    pub r2: Option<f64>,
    /// In the numbers' own unit.
    pub root_mean_squared_error: f64,
    /// In the numbers' own unit.
    pub mean_absolute_error: f64,
    /// Pearson's correlation of answers and numbers; nothing where either are all the same.
    pub pearson: Option<f64>,
    /// The 95 % interval of it, `[low, high]`: `tanh(atanh r ± 1.96 / √(n − 3))` (Fisher 1921). Nothing for up to 3 answers.
    pub pearson_interval: Option<[f64; 2]>,
    /// Spearman's correlation: Pearson's of the ranks, those of equal numbers being their mean.
    pub spearman: Option<f64>,
}

impl Regression {
    /// Of numbers and the answers to them, in the same order.
    ///
    /// # Errors
    /// None at all, not as many answers as numbers, an answer or a number that is not finite.
    pub fn of(truth: &[f64], answers: &[f64]) -> Result<Self, MetricsError> {
        let (images, scores) = (truth.len(), answers.len());
        if images == 0 {
            return Err(MetricsError::Empty);
        }
        if scores != images {
            return Err(MetricsError::Shape { scores, images, classes: 1 });
        }
        for (item, (number, answer)) in truth.iter().zip(answers).enumerate() {
            if let Some(value) = [number, answer].into_iter().find(|value| !value.is_finite()) {
                return Err(MetricsError::Number { item, value: *value });
            }
        }
        let n = images as f64;
        let errors = truth.iter().zip(answers).map(|(number, answer)| answer - number);
        let squares: f64 = errors.clone().map(|error| error * error).sum();
        let mean = truth.iter().sum::<f64>() / n;
        let around: f64 = truth.iter().map(|number| (number - mean).powi(2)).sum();
        let differ = truth.iter().any(|number| *number != truth[0]);
        let pearson = correlation(truth, answers);
        Ok(Self {
            n: images as u64,
            r2: (differ && around > 0.0).then(|| 1.0 - squares / around),
            root_mean_squared_error: (squares / n).sqrt(),
            mean_absolute_error: errors.map(f64::abs).sum::<f64>() / n,
            pearson,
            pearson_interval: pearson.filter(|_| images > 3).map(|pearson| {
                let half = QUANTILE / (n - 3.0).sqrt();
                [pearson.atanh() - half, pearson.atanh() + half].map(f64::tanh)
            }),
            spearman: correlation(&mean_ranks(truth), &mean_ranks(answers)),
        })
    }
}

/// Pearson's correlation; nothing where either values are all the same.
fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let centred = |values: &[f64]| -> Option<Vec<f64>> {
        let first = values.first()?;
        if values.iter().all(|value| value == first) {
            return None;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
        // To the size of 1, so that no square is too large or too small for an f64.
        let largest = centred.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        (largest > 0.0).then(|| centred.into_iter().map(|value| value / largest).collect())
    };
    let (one, other) = (centred(one)?, centred(other)?);
    let product = |one: &[f64], other: &[f64]| -> f64 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    };
    let size = (product(&one, &one) * product(&other, &other)).sqrt();
    Some((product(&one, &other) / size).clamp(-1.0, 1.0))
}

impl std::fmt::Display for Regression {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = |value: Option<f64>| value.map_or("–".to_string(), |it| format!("{it:.3}"));
        let [root, absolute] =
            [self.root_mean_squared_error, self.mean_absolute_error].map(significant);
        write!(
            out,
            "R² {} (n = {}), root mean squared error {root}, mean absolute error {absolute}, Pearson {}",
            known(self.r2),
            self.n,
            known(self.pearson)
        )?;
        if let Some([low, high]) = self.pearson_interval {
            write!(out, " (95 % interval {low:.3} to {high:.3})")?;
        }
        write!(out, ", Spearman {}", known(self.spearman))
    }
}

/// With four significant digits, whatever the unit.
fn significant(value: f64) -> String {
    let rounded = format!("{value:.3e}").parse::<f64>().unwrap_or(value);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: Option<f64>, right: f64) {
        assert!(left.is_some_and(|left| (left - right).abs() < 1e-12), "{left:?} is not {right}");
    }

    #[test]
    fn figures_of_a_few_numbers_are_those_by_hand() {
        let found = Regression::of(&[1.0, 2.0, 3.0, 6.0], &[2.0, 2.0, 4.0, 4.0]).unwrap();
        // Errors 1, 0, 1, −2; around the mean 3: 4 + 1 + 0 + 9.
        close(found.r2, 1.0 - 6.0 / 14.0);
        close(Some(found.root_mean_squared_error), 1.5f64.sqrt());
        close(Some(found.mean_absolute_error), 1.0);
        // Products of deviations 2 + 1 + 0 + 3, squares 14 and 4.
        let pearson = 6.0 / 56f64.sqrt();
        close(found.pearson, pearson);
        // Ranks 1 2 3 4 and 1.5 1.5 3.5 3.5: products 1.5 + .5 + .5 + 1.5, squares 5 and 4.
        close(found.spearman, 4.0 / 20f64.sqrt());
        let [low, high] = found.pearson_interval.unwrap();
        // By definition of the interval, of one degree of freedom.
        for (end, sign) in [(low, -1.0), (high, 1.0)] {
            let z = 0.5 * ((1.0 + end) / (1.0 - end)).ln();
            let middle = 0.5 * ((1.0 + pearson) / (1.0 - pearson)).ln();
            close(Some((z - middle) * sign), 1.959_963_984_540_054);
        }
    }

    #[test]
    fn what_is_not_defined_is_left_out_and_never_no_number() {
        let same = Regression::of(&[2.0; 4], &[1.0, 2.0, 3.0, 2.0]).unwrap();
        assert_eq!((same.r2, same.pearson, same.spearman), (None, None, None));
        let one = Regression::of(&[2.0], &[1.0]).unwrap();
        assert_eq!((one.n, one.r2, one.pearson_interval), (1, None, None));
        assert_eq!(one.root_mean_squared_error, 1.0);
        let flat = Regression::of(&[1.0, 2.0], &[0.1; 2]).unwrap();
        assert!(flat.r2.is_some() && flat.pearson.is_none());
        let right = Regression::of(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((right.r2, right.pearson_interval), (Some(1.0), Some([1.0, 1.0])));
        let large = Regression::of(&[1e38, 2e38, 4e38], &[2e38, 1e38, 5e38]).unwrap();
        assert!(large.pearson.is_some_and(f64::is_finite) && large.r2.is_some_and(f64::is_finite));
        let small = Regression::of(&[1e-300, 2e-300], &[1e-300, 3e-300]).unwrap();
        assert_eq!((small.pearson, small.r2), (Some(1.0), None));
    }

    #[test]
    fn what_cannot_be_measured_is_an_error_that_says_why() {
        let told = |truth: &[f64], answers: &[f64]| {
            Regression::of(truth, answers).unwrap_err().to_string()
        };
        assert!(told(&[], &[]).contains("nothing to evaluate"));
        assert!(told(&[1.0, 2.0], &[1.0]).contains("1 scores for 2 images"));
        assert!(told(&[1.0, 2.0], &[1.0, f64::INFINITY]).contains("number 1: inf is not finite"));
    }

    #[test]
    fn a_line_of_figures_has_four_digits_in_any_unit() {
        let found = Regression::of(&[1e6, 2e6], &[1.5e6, 1.234_567e6]).unwrap();
        let line = found.to_string();
        assert!(line.contains("error 646500,") && line.contains("error 632700,"), "{line}");
        assert_eq!([0.000_123_456, 0.0, 12.345].map(significant), ["0.0001235", "0", "12.35"]);
    }
}
