//! From a weights file into a network.

use std::collections::{HashMap, HashSet};

use tl_core::parameters::{map_values, parameters};

use crate::architecture::{Architecture, Classifier};
use crate::channels::refit_channels;
use crate::weights::{LoadReport, Reshaped, WeightsError, WeightsFile, looks_untrained};

/// What a load may leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Leave the head at its initial values, whatever the file holds for it: the task is a new one.
    pub fresh_head: bool,
    /// Accept a file that lacks parameters of the stages, or holds others.
    pub partial: bool,
}

/// Why a file does not fit a network.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(
        "{file} does not fit {network}: {name} is {found:?} there and {expected:?} here; give the weights of {network}, \
         or another --model"
    )]
    Shape {
        file: String,
        network: &'static str,
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "{file} does not fit {network}: it lacks {} of its tensors ({}) and holds {} others ({}); give the weights of \
         {network}, or another --model",
        .missing.len(), first(.missing), .unused.len(), first(.unused)
    )]
    Names { file: String, network: &'static str, missing: Vec<String>, unused: Vec<String> },
}

/// Only TensorFlow puts `/` into names.
const OF_TENSORFLOW: &str = "The names are TensorFlow's: its network may have seen images otherwise (Keras's VGG: blue, green, red, \
     less their means, up to 255), and trained layers have to get used to these.";

fn first(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        [one] => one.clone(),
        [one, ..] => format!("{one} …"),
    }
}

/// The origin's name of the parameter at `path` of a classifier.
pub fn origin_name<B: Architecture>(backbone: &B, path: &str) -> String {
    match (path.strip_prefix("backbone."), path.strip_prefix("head.linear.")) {
        (Some(inner), _) => backbone.origin_name(inner),
        (_, Some(value)) => format!("{}.{value}", backbone.head_name()),
        _ => path.to_string(),
    }
}

/// The shape in which the origin keeps the parameter at `path` of a classifier, which is of `shape` here.
pub fn origin_shape<B: Architecture>(backbone: &B, path: &str, shape: &[usize]) -> Vec<usize> {
    match *shape {
        [rows, columns] if transposed(backbone, path) => vec![columns, rows],
        [classes, width] if path.starts_with("head.") && backbone.head_is_convolution() => {
            vec![classes, width, 1, 1]
        }
        _ => shape.to_vec(),
    }
}

/// The values of the parameter at `path` of a classifier, of `shape`, in the order in which the origin keeps them.
pub fn origin_order<B: Architecture>(
    backbone: &B,
    path: &str,
    shape: &[usize],
    values: Vec<f32>,
) -> Vec<f32> {
    match shape {
        &[rows, columns] if transposed(backbone, path) => transpose(&values, rows, columns),
        _ => values,
    }
}

/// The other way round: values of the origin's for the parameter at `path`, which is of `shape` here.
pub fn order_here<B: Architecture>(
    backbone: &B,
    path: &str,
    shape: &[usize],
    values: Vec<f32>,
) -> Vec<f32> {
    match shape {
        &[rows, columns] if transposed(backbone, path) => transpose(&values, columns, rows),
        _ => values,
    }
}

fn transposed<B: Architecture>(backbone: &B, path: &str) -> bool {
    path.strip_prefix("backbone.").is_some_and(|inner| backbone.is_transposed(inner))
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = vec![0.0; values.len()];
    // In tiles that stay in the nearest cache.
    const TILE: usize = 32;
    for first in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for row in first..(first + TILE).min(rows) {
                for column in left..(left + TILE).min(columns) {
                    turned[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    turned
}

/// Fills `model` from `file`.
///
/// A head of another shape keeps its initial values and is reported as reshaped, one that is to stay
/// fresh although its shape fits as unused. All names and shapes
/// are checked before a value is set.
///
/// # Errors
/// A stage's tensor of another shape; missing or unknown tensors beyond the head, unless
/// `options.partial`; a tensor that cannot be read.
pub fn load<B: Architecture>(
    model: Classifier<B>,
    file: &WeightsFile,
    options: LoadOptions,
) -> Result<(Classifier<B>, LoadReport), LoadError> {
    let network = model.backbone.name();
    let mut report = LoadReport {
        source: file.description().to_string(),
        untrained: looks_untrained(file).unwrap_or(false),
        ..LoadReport::default()
    };
    let mut values: HashMap<String, Vec<f32>> = HashMap::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut lacking: Vec<String> = Vec::new();
    let held: HashMap<String, &str> =
        file.names().map(|name| (model.backbone.present_name(name), name)).collect();
    let all = parameters(&model);
    // What sees the images is the first kernel of all.
    let first = all.iter().position(|info| info.shape.len() == 4);
    for (at, info) in all.into_iter().enumerate() {
        let name = origin_name(&model.backbone, &info.path);
        let inner = info.path.strip_prefix("backbone.").unwrap_or(&info.path);
        let head = info.path.starts_with("head.") || model.backbone.answers(inner);
        known.insert(name.clone());
        let in_file = held.get(&name).copied().unwrap_or(&name);
        let wanted = origin_shape(&model.backbone, &info.path, &info.shape);
        match file.shape(in_file) {
            None => {
                report.missing.push(name.clone());
                if !head && !model.backbone.may_lack(inner) {
                    lacking.push(name);
                }
            }
            Some(found) if head && options.fresh_head && found == wanted => {
                report.unused.push(name);
            }
            Some(found) if head && found != wanted => {
                let from = found.to_vec();
                report.reshaped.push(Reshaped { name, from, to: wanted });
            }
            Some(found) if found != wanted => {
                let (found, to) = (found.to_vec(), wanted);
                let read = file.values(in_file)?;
                let refitted = match first == Some(at) {
                    true => refit_channels(&read, &found, &to),
                    false => None,
                };
                let refitted = refitted.or_else(|| model.backbone.refit(inner, &found, &read));
                let Some(fitting) = refitted.filter(|values| values.len() == info.elements())
                else {
                    let file = file.description().to_string();
                    return Err(LoadError::Shape { file, network, name, found, expected: to });
                };
                values.insert(info.path.clone(), fitting);
                report.reshaped.push(Reshaped { name, from: found, to });
                report.applied += 1;
            }
            Some(_) => {
                let read = file.values(in_file)?;
                let read = order_here(&model.backbone, &info.path, &info.shape, read);
                values.insert(info.path.clone(), read);
                report.applied += 1;
                if info.path.starts_with("head.") {
                    report.note = model.backbone.head_note().map(str::to_string);
                }
            }
        }
    }
    if held.iter().any(|(present, name)| name.contains('/') && known.contains(present)) {
        report.note = Some(OF_TENSORFLOW.to_string());
    }
    let mut strange = Vec::new();
    for name in file.names().filter(|name| !name.ends_with("num_batches_tracked")) {
        let present = model.backbone.present_name(name);
        if !known.contains(&present) {
            report.unused.push(name.to_string());
            let head = present.strip_prefix(model.backbone.head_name());
            let head = head.is_some_and(|rest| rest.starts_with('.'));
            if !head && !model.backbone.passes_over(&present) {
                strange.push(name.to_string());
            }
        }
    }
    let complete = lacking.is_empty() && strange.is_empty();
    if !(complete || options.partial) {
        return Err(LoadError::Names {
            file: file.description().to_string(),
            network,
            missing: lacking,
            unused: strange,
        });
    }
    Ok((map_values(model, |info| values.remove(&info.path)), report))
}
