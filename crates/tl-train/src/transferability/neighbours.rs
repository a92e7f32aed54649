//! The classes of the nearest neighbours.

use burn::tensor::Device;

use crate::TrainError;
use crate::knn::{Labelled, Neighbours, accuracy, leave_one_out};

/// The share of examples whose class their nearest neighbours tell: of `others` by those of `examples`, or, where there are no
/// others, of each of `examples` by all but itself.
///
/// # Errors
/// As [`accuracy`] and [`leave_one_out`].
pub fn neighbours_accuracy(
    examples: &Labelled,
    others: Option<&Labelled>,
    neighbours: Neighbours,
    device: &Device,
) -> Result<f64, TrainError> {
    if let Some(others) = others {
        return accuracy(examples, others, neighbours, device);
    }
    let found = leave_one_out(examples, neighbours, device)?;
    let right = found.iter().zip(&examples.labels).filter(|(one, other)| one == other).count();
    Ok(right as f64 / found.len().max(1) as f64)
}
