//! What networks that divide an image into patches can do: see some of them alone.

use burn::prelude::*;

use crate::{CoreError, Pass, Tokens};

/// How an image divides into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGrid {
    /// Pixels on a side of a patch.
    pub patch: usize,
    pub rows: usize,
    pub columns: usize,
}

impl PatchGrid {
    /// The grid over images of `height` by `width` pixels.
    ///
    /// # Errors
    /// When they do not divide into whole patches, or there is not even one; `place` is named.
    pub fn over(patch: usize, height: usize, width: usize, place: &str) -> Result<Self, CoreError> {
        let whole = |side: usize| patch > 0 && side >= patch && side.is_multiple_of(patch);
        if whole(height) && whole(width) {
            return Ok(Self { patch, rows: height / patch, columns: width / patch });
        }
        Err(CoreError::NoWholePatches { place: place.to_string(), patch, height, width })
    }

    /// The number of patches.
    pub fn patches(&self) -> usize {
        self.rows * self.columns
    }

    /// `[batch, channels, height, width]` to `[batch, patches, channels · patch · patch]`: patches in
    /// row order, the values of each as a convolution's weight has them.
    pub fn patchify(&self, images: Tensor<4>) -> Tensor<3> {
        let [batch, channels, ..] = images.dims();
        let Self { patch, rows, columns } = *self;
        images
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * columns, channels * patch * patch])
    }

    /// The reverse of [`PatchGrid::patchify`].
    pub fn unpatchify(&self, patches: Tensor<3>, channels: usize) -> Tensor<4> {
        let [batch, ..] = patches.dims();
        let Self { patch, rows, columns } = *self;
        patches
            .reshape([batch, rows, columns, channels, patch, patch])
            .permute([0, 3, 1, 4, 2, 5])
            .reshape([batch, channels, rows * patch, columns * patch])
    }
}

/// A network of patches that can encode some of an image's patches as if the others did not exist
/// (masked autoencoders).
pub trait VisibleTokens {
    /// How images of `height` by `width` pixels divide.
    ///
    /// # Errors
    /// When they do not divide into whole patches, or the network knows none.
    fn patch_grid(&self, height: usize, width: usize) -> Result<PatchGrid, CoreError>;

    /// Encodes the patches `visible` of each image, in that order: all stages, on `prefix + kept` tokens.
    ///
    /// `images` is `[batch, channels, height, width]`; `visible` holds for each image the numbers of its
    /// patches, equally many for all.
    ///
    /// # Errors
    /// Images that the network cannot work on, patches that do not exist.
    fn encode_visible(
        &self,
        images: Tensor<4>,
        visible: &[Vec<usize>],
        pass: Pass,
    ) -> Result<Tokens, CoreError>;
}

/// The tokens `chosen` of each sequence of `tokens` `[batch, count, width]`, in that order:
/// `[batch, kept, width]`, where every list has `kept` entries below `count`.
pub fn gather_tokens(tokens: Tensor<3>, chosen: &[Vec<usize>]) -> Tensor<3> {
    let [batch, count, width] = tokens.dims();
    let kept = chosen.first().map_or(0, Vec::len);
    let device = tokens.device().without_autodiff();
    // One selection of whole rows: a gather by element would need an index for each value.
    let rows: Vec<i64> = chosen
        .iter()
        .enumerate()
        .flat_map(|(image, patches)| {
            patches.iter().map(move |patch| (image * count + patch) as i64)
        })
        .collect();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [batch * kept]), &device);
    tokens.reshape([batch * count, width]).select(0, rows).reshape([batch, kept, width])
}

/// Checks that `chosen` names equally many different patches of `patches` for each of `batch` images.
///
/// # Errors
/// When it does not.
pub fn check_visible(chosen: &[Vec<usize>], patches: usize, batch: usize) -> Result<(), CoreError> {
    let kept = chosen.first().map_or(0, Vec::len);
    let whole = |list: &Vec<usize>| {
        let mut seen = vec![false; patches];
        list.len() == kept
            && list.iter().all(|&patch| {
                seen.get_mut(patch).is_some_and(|seen| !std::mem::replace(seen, true))
            })
    };
    if chosen.len() == batch && kept > 0 && chosen.iter().all(whole) {
        return Ok(());
    }
    Err(CoreError::BadVisible { kept, patches, batch })
}

/// Sines and cosines of the place in the grid, `[rows · columns, width]`: the first half of the values
/// for the column, the second for the row, each half sines before cosines of
/// `place / 10000^(2k / (width / 2))` (He et al. 2021, masked autoencoders). What a `width` that is no
/// multiple of 4 leaves over is 0.
pub fn sine_positions(rows: usize, columns: usize, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let mut values = vec![0.0; rows * columns * width];
    for (patch, embedding) in values.chunks_exact_mut(width.max(1)).enumerate() {
        let (row, column) = (patch / columns.max(1), patch % columns.max(1));
        for (half, place) in [column, row].into_iter().enumerate() {
            for k in 0..quarter {
                let angle = place as f64 / 10_000f64.powf(k as f64 / quarter as f64);
                embedding[2 * half * quarter + k] = angle.sin() as f32;
                embedding[(2 * half + 1) * quarter + k] = angle.cos() as f32;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_of_a_place_is_its_column_s_then_its_row_s() {
        let values = sine_positions(2, 3, 8);
        // Row 1, column 2: quarter 2, frequencies 1 and 1/100.
        let place = &values[5 * 8..];
        let expected = [2f64, 0.02].map(f64::sin).into_iter().chain([2f64, 0.02].map(f64::cos));
        let expected = expected.chain([1f64, 0.01].map(f64::sin)).chain([1f64, 0.01].map(f64::cos));
        for (value, expected) in place.iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-7);
        }
    }
}
