//! Scores of predictions alone: accuracy on the source; entropy, information and nuclear norm on
//! the target.

use crate::linear_algebra::nuclear_norm;
use crate::outputs::{LabelledOutputs, Outputs, entropy};

/// The share of examples predicted right.
pub fn accuracy(labelled: &LabelledOutputs) -> f64 {
    let predictions = labelled.outputs.predictions();
    let right = predictions.iter().zip(&labelled.labels).filter(|(found, label)| found == label);
    right.count() as f64 / predictions.len().max(1) as f64
}

/// Minus the mean entropy of the predictions in nats (Morerio, Cavazza and Murino 2018): 0 where
/// all are sure. It alone prefers a model that says one class for everything.
pub fn entropy_score(target: &Outputs) -> f64 {
    let rows = target.probabilities();
    -rows.iter().map(|row| entropy(row)).sum::<f64>() / rows.len().max(1) as f64
}

/// The entropy of the mean prediction less the mean entropy (the mutual information of Musgrave,
/// Belongie and Lim 2022, arXiv 2208.07360): at most ln K, reached where predictions are sure and
/// classes equally frequent.
pub fn information_score(target: &Outputs) -> f64 {
    let rows = target.probabilities();
    let mut mean = vec![0.0; target.classes];
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(sum, p)| *sum += p / rows.len() as f64);
    }
    entropy(&mean) + entropy_score(target)
}

/// The nuclear norm of the probabilities divided by √(rows · min(rows, classes)), its largest
/// value: from 0 to 1 (batch nuclear-norm, Cui et al. 2020; as a validator Musgrave, Belongie and
/// Lim 2022).
pub fn nuclear_score(target: &Outputs) -> f64 {
    let rows = target.rows();
    let flat: Vec<f64> = target.probabilities().concat();
    let (norm, _) = nuclear_norm(&flat, rows, target.classes);
    norm / ((rows * rows.min(target.classes)).max(1) as f64).sqrt()
}
