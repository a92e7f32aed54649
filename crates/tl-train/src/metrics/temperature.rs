//! Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2): one number by which all logits are divided, so that
//! answers are as sure as they are right. It changes no answer.

use super::reliability::{Bin, Reliability, bin};
use super::{Evaluation, MetricsError, argmax};

/// Temperatures beyond these say that there is none: nothing is ever wrong, or nothing better than chance.
const SMALLEST: f64 = 1.0 / 64.0;
const LARGEST: f64 = 64.0;
/// The relative width at which the search ends.
const EXACT: f64 = 1e-12;
const STEPS: usize = 200;

/// The temperature whose probabilities make the true classes of logits `[examples, classes]` likeliest.
///
/// The mean negative log-likelihood is convex in β = 1 / temperature: its slope Σ (E\[z\] − z of the true class) / n only rises. Newton's
/// steps find where it is 0; one that leaves the bracket is replaced by its middle. Nothing where the minimum does not lie at a
/// temperature from 1/64 to 64.
///
/// # Errors
/// As [`Evaluation::from_logits`].
pub fn fit_temperature(
    labels: &[String],
    logits: &[f32],
    truth: &[usize],
) -> Result<Option<f64>, MetricsError> {
    // What it checks holds below.
    Evaluation::from_logits(labels, logits, truth)?;
    let rows = || logits.chunks_exact(labels.len()).zip(truth);
    let slope_and_curvature = |beta: f64| {
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (row, &class) in rows() {
            let probabilities = super::softmax_at(row, 1.0 / beta);
            let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
                row.iter().zip(&probabilities).map(|(z, p)| p * of(f64::from(*z))).sum()
            };
            let expected = mean(&|z| z);
            slope += expected - f64::from(row[class]);
            curvature += mean(&|z| (z - expected).powi(2));
        }
        (slope / truth.len() as f64, curvature / truth.len() as f64)
    };
    let (mut low, mut high) = (1.0 / LARGEST, 1.0 / SMALLEST);
    if slope_and_curvature(low).0 >= 0.0 || slope_and_curvature(high).0 <= 0.0 {
        return Ok(None);
    }
    let mut beta = 1.0;
    for _ in 0..STEPS {
        let (slope, curvature) = slope_and_curvature(beta);
        if slope == 0.0 {
            break;
        }
        if slope < 0.0 {
            low = beta
        } else {
            high = beta
        }
        let newton = beta - slope / curvature;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        let done = (next - beta).abs() <= EXACT * beta;
        beta = next;
        if done {
            break;
        }
    }
    Ok(Some(1.0 / beta))
}

/// The bins of the reliability diagram of logits `[examples, classes]` at a temperature, and their calibration error.
pub fn reliability(
    logits: &[f32],
    classes: usize,
    truth: &[usize],
    temperature: f64,
) -> (Vec<Bin>, f64) {
    let mut found = Reliability::default();
    for (row, class) in logits.chunks_exact(classes.max(1)).zip(truth) {
        let answer = argmax(row);
        let confidence = super::softmax_at(row, temperature).get(answer).copied();
        let confidence = confidence.unwrap_or_default();
        found.add(bin(confidence), confidence, answer == *class, 1.0);
    }
    (found.bins(), found.error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(count: usize) -> Vec<String> {
        (0..count).map(|class| class.to_string()).collect()
    }

    #[test]
    fn answers_of_one_confidence_become_as_sure_as_they_are_right() {
        // Logits 0 and 4, right three times of four: the best probability is ¾, whose logit is ln 3 = 4 / T.
        let logits = [0.0, 4.0].repeat(4);
        let found = fit_temperature(&labels(2), &logits, &[1, 1, 1, 0]).unwrap().unwrap();
        assert!((found - 4.0 / 3f64.ln()).abs() < 1e-10, "{found}");
        let (bins, error) = reliability(&logits, 2, &[1, 1, 1, 0], found);
        assert!(error < 1e-10 && bins.iter().map(|bin| bin.n).sum::<u64>() == 4);
        let (_, before) = reliability(&logits, 2, &[1, 1, 1, 0], 1.0);
        assert!((before - (1.0 / (1.0 + (-4f64).exp()) - 0.75)).abs() < 1e-12);
    }

    #[test]
    fn the_loss_is_larger_on_both_sides() {
        let truth: Vec<usize> = (0..90).map(|at| at % 3).collect();
        let logits: Vec<f32> = (0..270)
            .map(|at: usize| {
                let pull = if at % 3 == at / 3 % 3 { 3.0 } else { 0.0 };
                pull + (at * 7919 % 101) as f32 / 20.0
            })
            .collect();
        let found = fit_temperature(&labels(3), &logits, &truth).unwrap().unwrap();
        let loss = |at| Evaluation::from_logits_at(&labels(3), &logits, &truth, at).unwrap().loss;
        assert!(loss(found) < loss(found * 1.01) && loss(found) < loss(found / 1.01), "{found}");
        // Twice the logits, twice the temperature.
        let doubled: Vec<f32> = logits.iter().map(|logit| 2.0 * logit).collect();
        let other = fit_temperature(&labels(3), &doubled, &truth).unwrap().unwrap();
        assert!((other / found - 2.0).abs() < 1e-9);
    }

    #[test]
    fn where_nothing_is_wrong_or_nothing_known_there_is_none() {
        let right = fit_temperature(&labels(2), &[0.0, 1.0, 2.0, 0.0], &[1, 0]).unwrap();
        assert_eq!(right, None);
        let wrong = fit_temperature(&labels(2), &[0.0, 1.0, 2.0, 0.0], &[0, 1]).unwrap();
        assert_eq!(wrong, None);
        assert_eq!(fit_temperature(&labels(2), &[0.0; 4], &[0, 1]).unwrap(), None);
        assert!(fit_temperature(&labels(2), &[], &[]).is_err());
        assert!(fit_temperature(&labels(2), &[f32::NAN, 0.0], &[0]).is_err());
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let found = fit_temperature(&labels(2), &[0.0, 40.0].repeat(4), &[1, 1, 1, 0]);
        let found = found.unwrap().unwrap();
        assert!((found - 40.0 / 3f64.ln()).abs() < 1e-8, "{found}");
        assert_eq!(fit_temperature(&labels(2), &[0.0, 1e30], &[0]).unwrap(), None);
    }
}
