//! LEEP (Nguyen et al. 2020, *LEEP: A New Measure to Evaluate Transferability of Learned Representations*).

use super::ScoreError;
use super::labelled_features::present;

/// How far the probabilities of an example may be from summing to 1.
const SLACK: f64 = 1e-3;

/// The mean logarithm of the probability of the right class, as the source's probabilities foretell it; 0 at most.
///
/// With the probabilities `θ(x)` `[n, source classes]` in row order, `P(y, z) = 1/n·Σ_{i: yᵢ = y} θ(xᵢ)_z` and `P(y | z)` from it,
/// it is `1/n·Σᵢ ln Σ_z P(yᵢ | z)·θ(xᵢ)_z`. The labels are below `classes`.
///
/// # Errors
/// No example, shapes that do not fit, a label out of range, a single class, rows that are no probabilities.
pub fn leep<T: Copy + Into<f64>>(
    probabilities: &[T],
    labels: &[usize],
    classes: usize,
) -> Result<f64, ScoreError> {
    let (labels, counts) = present(labels, classes)?;
    let sources = check(probabilities, labels.len())?;
    let rows = || probabilities.chunks_exact(sources).zip(&labels);
    let mut joint = vec![0.0; counts.len() * sources];
    for (row, label) in rows() {
        let sums = &mut joint[label * sources..][..sources];
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += number(value));
    }
    let mut whole = vec![0.0; sources];
    for sums in joint.chunks_exact(sources) {
        whole.iter_mut().zip(sums).for_each(|(whole, sum)| *whole += sum);
    }
    for sums in joint.chunks_exact_mut(sources) {
        // A source class that nothing falls into tells nothing.
        let given = |(sum, whole): (&mut f64, &f64)| *sum /= whole.max(f64::MIN_POSITIVE);
        sums.iter_mut().zip(&whole).for_each(given);
    }
    let logarithms = rows().map(|(row, label)| {
        let given = &joint[label * sources..][..sources];
        let foretold: f64 = row.iter().zip(given).map(|(value, given)| number(value) * given).sum();
        foretold.ln()
    });
    Ok(logarithms.sum::<f64>() / labels.len() as f64)
}

/// The number of source classes, where every row holds probabilities of them.
fn check<T: Copy + Into<f64>>(probabilities: &[T], examples: usize) -> Result<usize, ScoreError> {
    let values = probabilities.len();
    if values == 0 || !values.is_multiple_of(examples) {
        return Err(ScoreError::Shape { what: "probabilities", values, examples });
    }
    let sources = values / examples;
    for (example, row) in probabilities.chunks_exact(sources).enumerate() {
        let row = || row.iter().map(number);
        let (sum, negative) = (row().sum::<f64>(), row().any(|value| value < 0.0));
        // A sum that is no number is not near 1 either.
        let near = (sum - 1.0).abs() <= SLACK;
        if negative || !near {
            return Err(ScoreError::Probabilities { example });
        }
    }
    Ok(sources)
}

fn number<T: Copy + Into<f64>>(value: &T) -> f64 {
    (*value).into()
}
