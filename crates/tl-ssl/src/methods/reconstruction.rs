//! Pictures of what a masked method sees and predicts.

use burn::prelude::*;
use tl_core::PatchGrid;
use tl_core::parameters::values;

use super::Mask;
use crate::SslError;
use crate::contract::Shown;

/// Each of `images` `[batch, 3, size, size]` as it is, with its hidden patches grey, and with them as
/// `predicted` `[batch, hidden, values]` has them.
pub(super) fn reconstructed(
    grid: &PatchGrid,
    images: Tensor<4>,
    masks: &[Mask],
    predicted: Tensor<3>,
) -> Result<Vec<Shown>, SslError> {
    let [batch, channels, height, width] = images.dims();
    let patches = grid.patchify(images.clone());
    let [_, count, values] = patches.dims();
    let (own, predicted) = (host(patches)?, host(predicted)?);
    let (mut masked, mut filled) = (own.clone(), own);
    for (image, mask) in masks.iter().enumerate() {
        for (place, patch) in mask.hidden.iter().enumerate() {
            let at = (image * count + patch) * values;
            let from = (image * mask.hidden.len() + place) * values;
            masked[at..at + values].fill(0.0);
            filled[at..at + values].copy_from_slice(&predicted[from..from + values]);
        }
    }
    let device = images.device();
    let whole = |pixels: Vec<f32>| {
        let data = TensorData::new(pixels, [batch, count, values]);
        grid.unpatchify(Tensor::<3>::from_data(data, &device), channels)
    };
    let parts = [
        ("original", images.clone()),
        ("masked", whole(masked)),
        ("reconstruction", whole(filled)),
    ];
    let mut shown: Vec<Shown> = vec![Shown::new(); batch];
    for (name, pictures) in parts {
        let pixels = host(pictures)?;
        let each = pixels.chunks_exact(channels * height * width);
        for (own, picture) in shown.iter_mut().zip(each) {
            own.push((name, picture.to_vec()));
        }
    }
    Ok(shown)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, SslError> {
    let elements = tensor.shape().num_elements();
    values(tensor.reshape([elements])).map_err(SslError::device)
}
