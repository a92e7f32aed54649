//! Predictions as people read them.

use serde::Serialize;
use tl_data::Items;
use tl_train::Predictions;
use tl_train::metrics::{argmax, softmax_at};

/// What a run answers for one image or text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The name of the image, or the number of the text's line.
    pub file: String,
    pub label: String,
    /// Of the label, 0..1.
    pub probability: f64,
    /// Of every class, in the order of the run's labels.
    pub probabilities: Vec<f64>,
    pub logits: Vec<f32>,
}

/// Labels and probabilities of every item that could be read.
pub fn predictions(found: &Predictions, items: &dyn Items, labels: &[String]) -> Vec<Prediction> {
    predictions_at(found, items, labels, 1.0)
}

/// The same with probabilities at a temperature above 0, which changes no label.
pub fn predictions_at(
    found: &Predictions,
    items: &dyn Items,
    labels: &[String],
    temperature: f64,
) -> Vec<Prediction> {
    found
        .rows()
        .map(|(item, logits)| Prediction::of(items.name(item), logits, labels, temperature))
        .collect()
}

impl Prediction {
    /// What these logits say of the image or text called `file`, at a temperature above 0.
    pub(crate) fn of(file: &str, logits: &[f32], labels: &[String], temperature: f64) -> Self {
        let probabilities = softmax_at(logits, temperature);
        let best = argmax(logits);
        Self {
            file: file.to_string(),
            label: labels.get(best).cloned().unwrap_or_default(),
            probability: probabilities.get(best).copied().unwrap_or_default(),
            probabilities,
            logits: logits.to_vec(),
        }
    }
}

/// `file,label,predicted,probability`, one line for each item.
pub(crate) fn to_csv(found: &Predictions, items: &dyn Items) -> String {
    let mut table = String::from("file,label,predicted,probability\n");
    let answers = predictions(found, items, items.classes());
    for (prediction, &item) in answers.iter().zip(&found.items) {
        table += &format!(
            "{},{},{},{:.6}\n",
            quoted(&prediction.file),
            quoted(items.class(item)),
            quoted(&prediction.label),
            prediction.probability
        );
    }
    table
}

/// A field of a CSV file (RFC 4180).
pub(crate) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}
