//! Negative conditional entropy (Tran et al. 2019, *Transferability and Hardness of Supervised Classification Tasks*).

use std::collections::BTreeMap;

use super::ScoreError;
use super::labelled_features::present;

/// `−H(Y | Z) = Σ_{y,z} P(y, z)·ln P(y | z)` of the classes `y` given the source's labels `z` of the same examples; 0 at most,
/// and then `z` tells `y`. The labels are below `classes`.
///
/// # Errors
/// No example, numbers of labels that differ, a label out of range, a single class.
pub fn nce(source: &[usize], labels: &[usize], classes: usize) -> Result<f64, ScoreError> {
    let (labels, _) = present(labels, classes)?;
    let examples = labels.len();
    if source.len() != examples {
        return Err(ScoreError::Shape { what: "source labels", values: source.len(), examples });
    }
    let mut both: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut alone: BTreeMap<usize, f64> = BTreeMap::new();
    for (source, label) in source.iter().zip(labels) {
        *both.entry((*source, label)).or_default() += 1.0;
        *alone.entry(*source).or_default() += 1.0;
    }
    let terms = both.iter().map(|((source, _), count)| {
        let whole = alone.get(source).copied().unwrap_or(*count);
        count * (count / whole).ln()
    });
    Ok(terms.sum::<f64>() / examples as f64)
}

/// The likeliest source class of each example, from probabilities `[n, sources]` in row order; of equals the first.
pub fn source_labels(probabilities: &[f32], sources: usize) -> Vec<usize> {
    probabilities.chunks_exact(sources.max(1)).map(crate::metrics::argmax).collect()
}
