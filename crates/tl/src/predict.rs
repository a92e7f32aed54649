//! Predictions as people read them.

use serde::Serialize;
use tl_data::Images;
use tl_train::Predictions;
use tl_train::metrics::argmax;

/// What a run answers for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    pub file: String,
    pub label: String,
    /// Of the label, 0..1.
    pub probability: f64,
    /// Of every class, in the order of the run's labels.
    pub probabilities: Vec<f64>,
    pub logits: Vec<f32>,
}

/// Labels and probabilities of every image that could be read.
pub fn predictions(found: &Predictions, images: &Images, labels: &[String]) -> Vec<Prediction> {
    found
        .rows()
        .map(|(item, logits)| {
            let probabilities = softmax(logits);
            let best = argmax(logits);
            Prediction {
                file: images.items.get(item).map(|item| item.name.clone()).unwrap_or_default(),
                label: labels.get(best).cloned().unwrap_or_default(),
                probability: probabilities.get(best).copied().unwrap_or_default(),
                probabilities,
                logits: logits.to_vec(),
            }
        })
        .collect()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// `file,label,predicted,probability`, one line for each image.
pub(crate) fn to_csv(found: &Predictions, images: &Images, labels: &[Option<usize>]) -> String {
    let mut table = String::from("file,label,predicted,probability\n");
    let truth: Vec<Option<usize>> =
        found.items.iter().map(|&item| labels.get(item).copied().flatten()).collect();
    for (prediction, truth) in predictions(found, images, &images.classes).iter().zip(truth) {
        let truth = truth.and_then(|label| images.classes.get(label)).map_or("", String::as_str);
        table += &format!(
            "{},{},{},{:.6}\n",
            quoted(&prediction.file),
            quoted(truth),
            quoted(&prediction.label),
            prediction.probability
        );
    }
    table
}

/// A field of a CSV file (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}
