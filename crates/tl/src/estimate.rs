//! What a plan will cost, before anything is trained.

use burn::module::Module;
use burn::tensor::Device;
use tl_core::{Activation, Backbone, Pass, ResolvedPhase, RowShape, TrainableReport};
use tl_models::Classifier;
use tl_train::TrainError;

use crate::{Error, Network};

/// Notes down for each phase the bytes that the outputs of its frozen prefix take for `images` images
/// of `size` pixels; where no stage is frozen, the bytes of the images themselves.
///
/// One empty image runs through the stages up to the deepest cut.
///
/// # Errors
/// A device that fails.
pub(crate) fn cache_sizes(
    report: &mut TrainableReport,
    phases: &[ResolvedPhase],
    model: &Classifier<Network>,
    images: usize,
    size: usize,
    device: &Device,
) -> Result<(), Error> {
    let plain = model.valid();
    let stages = plain.backbone.stages().len();
    let shape = RowShape::Image { channels: 3, height: size, width: size };
    let mut activation = Activation::from_rows(shape, vec![0.0; shape.elements()], device);
    let mut elements = vec![shape.elements()];
    let deepest = phases.iter().map(|phase| phase.cut).max().unwrap_or(0);
    for stage in 0..deepest.min(stages) {
        activation = plain.backbone.forward_stages(activation, stage..stage + 1, Pass::default())?;
        elements.push(activation.row_shape().elements());
    }
    if deepest == stages {
        let vector = tl_core::Head::features(&plain.head, activation);
        let row = Activation::Vector(vector).into_rows().map_err(TrainError::Device)?;
        elements[stages] = row.len();
    }
    for (phase, row) in phases.iter().zip(&mut report.phases) {
        if phase.cut > 0 || !phase.phase.augment {
            row.cached_bytes = (elements[phase.cut] * images * size_of::<f32>()) as u64;
        }
    }
    Ok(())
}
