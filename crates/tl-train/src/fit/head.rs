//! A head on frozen features, trained to convergence.

use burn::prelude::*;
use tl_core::{Backbone, Head, Model};

use super::feed::Feed;
use crate::logistic::{Examples, Options, fit, fit_chosen_while};
use crate::{Answers, TrainError};

/// The strengths of regularisation that the validation part chooses from, scikit-learn's C.
pub const CANDIDATES: [f64; 7] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];

/// The features of some images and their labels.
pub(crate) struct Features {
    pub values: Vec<f32>,
    pub labels: Vec<usize>,
}

/// What is known of the items: a label each, or several answers.
pub(crate) struct Known<'k> {
    pub labels: &'k [Option<usize>],
    pub answers: Option<&'k Answers>,
    /// Fails where the run is to end between two batches.
    pub check: &'k dyn Fn() -> Result<(), TrainError>,
}

/// Runs `items` up to the vectors that the head's linear layer multiplies.
pub(crate) fn features<B: Backbone, H: Head>(
    model: &Model<B, H>,
    feed: &Feed<'_>,
    cut: usize,
    items: &[usize],
    known: &Known<'_>,
    batch_size: usize,
    device: &Device,
) -> Result<Features, TrainError> {
    let model = model.valid();
    let stages = model.backbone.stages().len();
    let mut found = Features { values: Vec::new(), labels: Vec::new() };
    for batch in feed.batches(items.to_vec(), batch_size, None, device) {
        (known.check)()?;
        let (indices, activation) = batch?;
        if Answers::none(known.answers, &indices) {
            continue;
        }
        let output =
            model.backbone.forward_stages(activation, cut..stages, tl_core::Pass::default())?;
        let rows = Answers::of(known.answers, model.head.features(output)?, &indices);
        let rows = tl_core::Activation::Vector(rows);
        found.values.extend(rows.into_rows().map_err(TrainError::Device)?);
        match known.answers {
            Some(answers) => found.labels.extend(answers.labels(&indices)),
            None => found.labels.extend(indices.iter().filter_map(|&index| known.labels[index])),
        }
    }
    Ok(found)
}

/// The head that converged: its values, the mean training loss, and what was chosen.
pub(crate) struct SolvedHead {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub loss: f64,
    pub note: String,
}

/// Multinomial logistic regression; C is chosen on the validation part among those that are tried while `go_on` says so, 1 where
/// there is none.
pub(crate) fn solve(
    training: &Features,
    validation: Option<&Features>,
    classes: usize,
    options: &Options,
    go_on: &dyn Fn() -> bool,
) -> Result<SolvedHead, TrainError> {
    let (head, c) = match validation.filter(|part| !part.labels.is_empty()) {
        Some(part) => {
            let chosen = fit_chosen_while(
                Examples { features: &training.values, labels: &training.labels },
                Examples { features: &part.values, labels: &part.labels },
                classes,
                &CANDIDATES,
                options,
                go_on,
            )?;
            (chosen.head, chosen.c)
        }
        None => (fit(&training.values, &training.labels, classes, options)?, 1.0),
    };
    let logits = head.logits(&training.values);
    let loss = logits
        .chunks(classes)
        .zip(&training.labels)
        .map(|(row, &label)| crate::metrics::cross_entropy(row, label))
        .sum::<f64>()
        / training.labels.len().max(1) as f64;
    let note = format!(
        "the head {} after {} iterations at C = {c}",
        if head.converged { "converged" } else { "stopped without converging" },
        head.iterations
    );
    Ok(SolvedHead { weight: head.weight, bias: head.bias, loss, note })
}
