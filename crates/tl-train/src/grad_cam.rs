//! Where a network looks: Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2).
//!
//! ```text
//! α_k = 1/Z Σ_ij ∂y_c / ∂A_k,ij        map_ij = ReLU(Σ_k α_k A_k,ij)
//! ```
//!
//! A are the features of the last stage that has places, y_c is the logit of class c. The gradient is computed through the
//! stages behind it and the head.

use burn::prelude::*;
use tl_core::parameters::set_trained;
use tl_core::{Activation, Backbone, Head, Model, Pass};

use crate::TrainError;

/// Where a network looks in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaze {
    pub height: usize,
    pub width: usize,
    /// `[height, width]` in row order, none below 0; in the unit of the logit.
    pub values: Vec<f32>,
}

impl Gaze {
    /// The value at a place of the image, from 0 to 1 across and down, interpolated between the centres of the places around it.
    pub fn at(&self, across: f64, down: f64) -> f64 {
        let axis = |share: f64, length: usize| {
            let place = (share * length as f64 - 0.5).clamp(0.0, length.saturating_sub(1) as f64);
            let first = place.floor() as usize;
            (first, (first + 1).min(length.saturating_sub(1)), place - place.floor())
        };
        let (left, right, x) = axis(across, self.width);
        let (top, bottom, y) = axis(down, self.height);
        let value = |row: usize, column: usize| {
            let found = self.values.get(row * self.width + column);
            f64::from(found.copied().unwrap_or_default())
        };
        let row = |at: usize| (1.0 - x) * value(at, left) + x * value(at, right);
        (1.0 - y) * row(top) + y * row(bottom)
    }
}

/// The maps of some images, and the stage whose output they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Gazes {
    pub stage: String,
    pub maps: Vec<Gaze>,
}

/// How many stages may be gone back: behind the last one with places may be a pooling, a norm, and a layer from which the class
/// token alone is read.
const BACK: usize = 4;

/// Where a plain model looks in each image of a batch when it answers with the class of the same place among `classes`.
///
/// Taken is the output of the last stage that has more than one place whose features the class depends on: of a transformer that
/// answers by its class token, the tokens at which its last block looks. If there is none, the last output with places is taken,
/// and nothing is found where no stage has places.
///
/// # Errors
/// A class that the head does not know, a device that fails.
pub fn grad_cam<B: Backbone, H: Head>(
    model: &Model<B, H>,
    images: &Activation,
    classes: &[usize],
) -> Result<Option<Gazes>, TrainError> {
    let known = model.head.classes();
    if let Some(class) = classes.iter().find(|class| **class >= known) {
        let value = class.to_string();
        return Err(TrainError::BadOption {
            what: "the class that is looked for",
            value,
            expected: "one of the head's",
        });
    }
    let stages = model.backbone.stages();
    let tracked = set_trained(model.clone().train(), |_, _| false);
    let last = model.backbone.embedding_stages().min(stages.len());
    let mut fallback = None;
    for cut in (1..=last).rev().take(BACK) {
        let Some(Places { values, gradients, prefix, height, width }) =
            places(model, &tracked, images, classes, cut)?
        else {
            continue;
        };
        let depends = gradients.clone().abs().max();
        let depends = Activation::Vector(depends.reshape([1, 1])).into_rows();
        let depends = depends.map_err(TrainError::Device)?.iter().any(|value| *value > 0.0);
        let maps = maps(values, gradients, height, width)?;
        let found = Gazes { stage: stages[cut - 1].name.clone(), maps };
        if depends && height * width > 1 {
            return Ok(Some(found));
        }
        // What does not reach the class, as the patches behind the last block of some transformers, tells nothing.
        if depends || prefix == 0 {
            fallback.get_or_insert(found);
        }
    }
    Ok(fallback)
}

/// The features of a stage by place, `[batch, channels, height · width]`, and the gradients of the classes.
struct Places {
    values: Tensor<3>,
    gradients: Tensor<3>,
    /// Tokens before the places.
    prefix: usize,
    height: usize,
    width: usize,
}

/// Nothing where what stands before stage `cut` has no places.
fn places<B: Backbone, H: Head>(
    model: &Model<B, H>,
    tracked: &Model<B, H>,
    images: &Activation,
    classes: &[usize],
    cut: usize,
) -> Result<Option<Places>, TrainError> {
    let pass = Pass::default();
    let front = model.backbone.forward_stages(images.clone(), 0..cut, pass)?;
    match front.without_autodiff() {
        Activation::Image(map) => {
            let [batch, channels, height, width] = map.dims();
            let leaf = map.into_channels_first().autodiff().require_grad();
            let logits = tracked.forward_from(Activation::image(leaf.clone()), cut, pass)?;
            let gradients = chosen(logits, classes).backward();
            let shape = [batch, channels, height * width];
            let values = leaf.clone().inner().reshape(shape);
            let gradients = leaf.grad(&gradients).map(|found| found.reshape(shape));
            let gradients = gradients.unwrap_or_else(|| values.zeros_like());
            Ok(Some(Places { values, gradients, prefix: 0, height, width }))
        }
        Activation::Tokens(mut tokens) => {
            let prefix = tokens.prefix;
            let [_, count, _] = tokens.hidden.dims();
            let places = count.saturating_sub(prefix);
            let side = places.isqrt();
            if side == 0 || side * side != places || tokens.lengths.is_some() {
                return Ok(None);
            }
            let leaf = tokens.hidden.autodiff().require_grad();
            tokens.hidden = leaf.clone();
            let logits = tracked.forward_from(Activation::Tokens(tokens), cut, pass)?;
            let gradients = chosen(logits, classes).backward();
            let own = |all: Tensor<3>| all.narrow(1, prefix, places).swap_dims(1, 2);
            let values = own(leaf.clone().inner());
            let gradients = leaf.grad(&gradients).map(own);
            let gradients = gradients.unwrap_or_else(|| values.zeros_like());
            Ok(Some(Places { values, gradients, prefix, height: side, width: side }))
        }
        _ => Ok(None),
    }
}

/// The sum over the batch of each image's own logit: images do not see each other, so that its gradient is each one's own.
fn chosen(logits: Tensor<2>, classes: &[usize]) -> Tensor<1> {
    let [batch, known] = logits.dims();
    let mut marks = vec![0f32; batch * known];
    for (row, class) in classes.iter().enumerate().take(batch) {
        marks[row * known + class] = 1.0;
    }
    let device = logits.device().without_autodiff();
    let marks = Tensor::<2>::from_data(TensorData::new(marks, [batch, known]), &device).autodiff();
    (logits * marks).sum()
}

fn maps(
    values: Tensor<3>,
    gradients: Tensor<3>,
    height: usize,
    width: usize,
) -> Result<Vec<Gaze>, TrainError> {
    let [batch, _, places] = values.dims();
    let weights = gradients.mean_dim(2);
    let map = (values * weights).sum_dim(1).clamp_min(0.0).reshape([batch, places]);
    let rows = Activation::Vector(map).into_rows().map_err(TrainError::Device)?;
    let gaze = |row: &[f32]| Gaze { height, width, values: row.to_vec() };
    Ok(rows.chunks(places.max(1)).map(gaze).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_centres_values_are_interpolated() {
        let gaze = Gaze { height: 1, width: 2, values: vec![1.0, 3.0] };
        let row = [0.0, 0.25, 0.5, 0.625, 0.75, 1.0].map(|across| gaze.at(across, 0.3));
        assert_eq!(row, [1.0, 1.0, 2.0, 2.5, 3.0, 3.0]);
        let single = Gaze { height: 1, width: 1, values: vec![4.0] };
        assert_eq!([single.at(0.0, 0.0), single.at(0.9, 1.0)], [4.0, 4.0]);
    }
}
