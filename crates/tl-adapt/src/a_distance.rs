//! The proxy A-distance between two sets of features (Ben-David et al. 2007).

use crate::AdaptError;
use crate::outputs::Outputs;
use crate::validators::{domain_classifier, thinned};

/// Rows of each domain beyond it are thinned.
const MOST_ROWS: usize = 2000;

/// 2·(1 − 2ε), where ε is the error of a linear domain classifier on examples that it was not
/// fitted on (every other one): 0 where it cannot tell, 2 where it always can.
///
/// # Errors
/// When a domain has fewer than two examples, or the classifier cannot be fitted.
pub fn a_distance(source: &Outputs, target: &Outputs) -> Result<f64, AdaptError> {
    let (source, target) = (thinned(source, MOST_ROWS), thinned(target, MOST_ROWS));
    let half = |outputs: &Outputs, from: usize| {
        let items: Vec<usize> = (from..outputs.rows()).step_by(2).collect();
        outputs.select(&items).features
    };
    if source.rows() < 2 || target.rows() < 2 {
        return Err(AdaptError::Empty { part: "second half of a domain" });
    }
    let classifier = domain_classifier(&half(&source, 0), &half(&target, 0), source.width)?;
    let missed = |features: &[f32], own: usize| {
        let found = classifier.predict(features);
        let wrong = found.iter().filter(|domain| **domain != own).count();
        wrong as f64 / found.len().max(1) as f64
    };
    // Each domain has the same weight, however many examples it has; below chance is chance.
    let error = 0.5 * (missed(&half(&source, 1), 0) + missed(&half(&target, 1), 1));
    Ok(2.0 * (1.0 - 2.0 * error.min(0.5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(shift: f32) -> Outputs {
        let features: Vec<f32> = (0..60).map(|i| (i * 7 % 20) as f32 / 10.0 + shift).collect();
        Outputs { logits: vec![0.0; 120], features, width: 1, classes: 2 }
    }

    #[test]
    fn equal_domains_are_near_and_separate_ones_far() {
        assert!(a_distance(&outputs(0.0), &outputs(0.0)).unwrap() < 0.3);
        assert!(a_distance(&outputs(0.0), &outputs(10.0)).unwrap() > 1.99);
        assert!(a_distance(&outputs(0.0), &outputs(0.0).select(&[0])).is_err());
    }
}
