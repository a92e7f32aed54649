//! What a model answers for both domains: features, predictions, and accuracies on target labels.

use burn::tensor::Device;
use tl_adapt::methods::adapt_norms;
use tl_adapt::{Domains, Examples, LabelledExamples, Oracle, Outputs, Part, View};
use tl_core::{Activation, Backbone, Head, Pass};
use tl_models::Classifier;
use tl_train::metrics::Evaluation;
use tl_train::{Dataset, Predictions, Progress, TrainError, predict};

use super::ClassChange;
use super::target::Target;
use crate::{Error, Network};

/// Examples of each domain on a map.
const POINTS: usize = 300;
/// Examples that the oracle is measured on after each epoch.
const ORACLE_EXAMPLES: usize = 2000;
const BATCH: usize = 64;
/// Source images that norm statistics are estimated on for the map.
const NORM_IMAGES: usize = 1024;

/// Features and logits of some examples of a domain, spread evenly over it.
pub(super) fn outputs(
    model: &Classifier<Network>,
    domains: &dyn Domains,
    part: Part,
    count: usize,
) -> Result<Outputs, Error> {
    let stages = model.backbone.stages().len();
    let frozen = model.backbone.compile(0..stages);
    let shown = count.min(POINTS);
    let items: Vec<usize> = (0..shown).map(|place| place * count / shown.max(1)).collect();
    let mut found = Outputs {
        width: model.backbone.head_input_width(),
        classes: model.head.classes(),
        ..Outputs::default()
    };
    let host = |rows| Activation::Vector(rows).into_rows().map_err(TrainError::Device);
    for chunk in items.chunks(BATCH) {
        let output = frozen.forward(domains.batch(part, chunk, View::Plain)?)?;
        let features = model.head.features(output)?;
        let logits = model.head.forward(Activation::Vector(features.clone()), Pass::default())?;
        found.logits.extend(host(logits)?);
        found.features.extend(host(features)?);
    }
    Ok(found)
}

/// The model as it answers on the source: kept weights have the target's norm statistics, which would set the source apart.
pub(super) fn for_source(
    model: &Classifier<Network>,
    domains: &dyn Domains,
) -> Result<Classifier<Network>, Error> {
    let count = domains.source_labels().len();
    let mut order = tl_random::rng(0, "norms of the source", 0, 0).permutation(count);
    // A remainder would have another weight, and a single image no variance.
    order.truncate((count.min(NORM_IMAGES) / BATCH).max(1) * BATCH);
    let batches =
        order.chunks(BATCH).map(|items| domains.batch(Part::SourceTraining, items, View::Plain));
    Ok(adapt_norms(model.clone(), batches)?)
}

/// Labelled target examples for the oracle; nothing where there is none.
pub(super) fn oracle(
    data: &dyn Dataset,
    target: &Target,
    device: &Device,
) -> Result<Option<Oracle>, Error> {
    let count = target.test.len();
    let shown = count.min(ORACLE_EXAMPLES);
    let items = (0..shown).map(|place| target.test[place * count / shown]).collect();
    let (mut texts, mut rows, mut labels) = (Vec::new(), None, Vec::new());
    for batch in data.batches(items, BATCH, None, &device.clone().without_autodiff()) {
        let (indices, batch) = batch?;
        // Every example of the part has a label.
        labels.extend(indices.into_iter().filter_map(|item| data.items().label(item)));
        match batch {
            Activation::Texts(more) => texts.extend(more),
            batch => {
                let (_, values) =
                    rows.get_or_insert_with(|| (batch.row_shape(), Vec::<f32>::new()));
                values.extend(batch.into_rows().map_err(TrainError::Device)?);
            }
        }
    }
    if labels.is_empty() {
        return Ok(None);
    }
    let examples = match rows {
        Some((shape, values)) => Examples::Rows { shape, values },
        None => Examples::Texts(texts),
    };
    Ok(Some(Oracle::new(LabelledExamples { examples, labels })?))
}

/// Predictions for the target: its test part where it has one of its own, else the images that the methods saw; and how many
/// of those with a label are right.
pub(super) fn measure(
    model: &Classifier<Network>,
    data: &dyn Dataset,
    target: &Target,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<(Predictions, Option<Evaluation>), Error> {
    let own = target.own_test_part && !target.test.is_empty();
    let items = if own { &target.test } else { &target.adapted };
    let found = predict(model, data, items, batch_size.max(BATCH), device, progress)?;
    let known = target.examples.items();
    // Labels beyond those that are set aside for the oracle are not looked at.
    let evaluation = match target.test.is_empty() {
        true => None,
        false => found.evaluate(known.classes(), &known.labels())?,
    };
    Ok((found, evaluation))
}

/// Class by class what is predicted on the target, and by target labels what is found.
pub(super) fn changes(
    classes: &[String],
    predicted: [&[usize]; 2],
    measured: [Option<&Evaluation>; 2],
) -> Vec<ClassChange> {
    let recall = |measured: Option<&Evaluation>, class: usize| {
        let score = measured?.per_class.get(class)?;
        (score.n > 0).then_some(score.recall)
    };
    let of = |(class, name): (usize, &String)| ClassChange {
        class: name.clone(),
        predicted: predicted.map(|counts| counts.get(class).copied().unwrap_or(0)),
        oracle_recall: recall(measured[0], class)
            .zip(recall(measured[1], class))
            .map(|(before, after)| [before, after]),
    };
    classes.iter().enumerate().map(of).collect()
}
