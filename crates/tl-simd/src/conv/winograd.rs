//! 3×3 convolutions by fewer products, for weights that stand still.
//!
//! F(4×4, 3×3) of Lavin and Gray (2016, arXiv 1509.09308): a tile of 4×4 outputs is `Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` of the
//! 6×6 inputs `d` and the weights `g`. Summed over channels, the product in the middle is 36 matrix products, with a
//! quarter of the multiplications of the sum over the window. `G g Gᵀ` is computed once, in f64.
//!
//! The transforms subtract values of like size: results are off by about ten times as much as those of the plain sum,
//! and a value that is no number spoils its tile. That is why only frozen weights go this way.

mod transform;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use rayon::prelude::*;

use super::correlate::{Epilogue, multiply};
use super::filters::Filters;
use super::geometry::Geometry;
use crate::{Level, streaming};
use transform::{FromProducts, ToProducts};

/// Outputs of a tile's side.
const TILE: usize = 4;
/// Inputs of a tile's side.
const PATCH: usize = TILE + 2;
/// Matrix products.
const POINTS: usize = PATCH * PATCH;
/// Tiles of a task, about: enough to pay for reading the weights, few enough that their transforms stay in the caches.
const TASK_TILES: usize = 52;
/// Channels are whole registers at every level.
const CHANNELS: usize = 16;
/// The least channels and output pixels of a side for which the transforms pay.
const LEAST_CHANNELS: usize = 32;
const LEAST_SIDE: usize = 10;
/// The most transformed weights: beyond, reading them costs what the products save.
const MOST_WEIGHTS: usize = 3 << 20;

/// The weights of a 3×3 convolution, transformed and packed once for any number of calls.
#[derive(Clone, Debug)]
pub struct Winograd {
    level: Level,
    /// Of the 36 products, those of a row of the transform one after the other.
    products: Vec<Filters>,
}

#[derive(Default)]
struct Scratch {
    /// `[36, tiles, input channels]`
    inputs: Vec<f32>,
    /// `[36, tiles, output channels of one panel]`
    outputs: Vec<f32>,
    /// One patch that reaches beyond the image.
    patch: Vec<f32>,
}

thread_local! {
    // Kept from call to call: a fresh allocation of this size costs as much as filling it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Whether a convolution can go this way and gains by it.
    pub fn suits(geometry: &Geometry) -> bool {
        let window = geometry.window;
        let [input, output] = geometry.channels;
        window.kernel == [3, 3]
            && window.stride == [1, 1]
            && window.dilation == [1, 1]
            && window.groups == 1
            && geometry
                .channels
                .iter()
                .all(|count| count.is_multiple_of(CHANNELS) && *count >= LEAST_CHANNELS)
            && geometry.output.iter().all(|&side| side >= LEAST_SIDE)
            && POINTS * input * output <= MOST_WEIGHTS
    }

    /// Transforms the weights `[out, in, 3, 3]`, each output channel times its `scale`. `None` where the convolution
    /// does not suit.
    pub fn new(
        level: Level,
        geometry: &Geometry,
        weight: &[f32],
        scale: Option<&[f32]>,
    ) -> Option<Self> {
        let [input, output] = geometry.channels;
        let product = Geometry::product(1, geometry.channels)?;
        if !Self::suits(geometry) || weight.len() != input * output * 9 {
            return None;
        }
        let mut points = vec![vec![0.0; input * output]; POINTS];
        for (index, filter) in weight.chunks_exact(9).enumerate() {
            let scale = scale.map_or(1.0, |scale| f64::from(scale[index / input]));
            for (point, value) in points.iter_mut().zip(transform::of_filter(filter)) {
                point[index] = (value * scale) as f32;
            }
        }
        let pack = |point: &Vec<f32>| Filters::forward(level, &product, point, None);
        Some(Self { level, products: points.iter().map(pack).collect() })
    }

    /// `act(conv(x, w) + bias + residual)`: `x` is `[batch, height, width, in]`, `output` `[batch, height, width, out]`
    /// by `geometry`, which has the channels that the weights were made for.
    pub fn forward(&self, geometry: &Geometry, x: &[f32], epilogue: Epilogue, output: &mut [f32]) {
        let [height, width] = geometry.output;
        let tiles = [height, width].map(|side| side.div_ceil(TILE));
        let lines = (TASK_TILES / tiles[1]).clamp(1, tiles[0]);
        // Of equal size within an image.
        let lines = tiles[0].div_ceil(tiles[0].div_ceil(lines));
        let row = width * geometry.channels[1];
        let (image_values, input_values) = (height * row, geometry.input_values());
        let streams = streaming::suits(self.level, output);
        output.par_chunks_mut(image_values).enumerate().for_each(|(image, output)| {
            let x = &x[image * input_values..][..input_values];
            output.par_chunks_mut(lines * TILE * row).enumerate().for_each(|(band, output)| {
                let start = image * image_values + band * lines * TILE * row;
                let residual = epilogue.residual.map(|it| &it[start..][..output.len()]);
                let epilogue = Epilogue { residual, ..epilogue };
                let band = Band {
                    geometry,
                    row: band * lines * TILE,
                    rows: output.len() / row,
                    columns: tiles[1],
                    streams,
                };
                SCRATCH.with_borrow_mut(|scratch| self.fill(band, x, epilogue, output, scratch));
            });
        });
    }

    fn fill(
        &self,
        band: Band,
        x: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let [depth, channels] = band.geometry.channels;
        let tiles = band.tiles();
        let panel = self.products[0].panel();
        let Scratch { inputs, outputs, patch } = scratch;
        let sizes = [POINTS * tiles * depth, POINTS * tiles * panel, POINTS * depth];
        for (buffer, size) in [&mut *inputs, &mut *outputs, &mut *patch].into_iter().zip(sizes) {
            buffer.resize(buffer.len().max(size), 0.0);
        }
        self.level.run(ToProducts { band, x, patch, inputs });
        for first in (0..channels).step_by(panel) {
            let count = panel.min(channels - first);
            for (point, filters) in self.products.iter().enumerate() {
                let source = &inputs[point * tiles * depth..][..tiles * depth];
                let target = &mut outputs[point * tiles * count..][..tiles * count];
                multiply(filters, first..first + count, source, target);
            }
            self.level.run(FromProducts { band, outputs, first, count, epilogue, output });
        }
    }
}

/// Some whole lines of tiles of one image.
#[derive(Clone, Copy)]
struct Band<'a> {
    geometry: &'a Geometry,
    /// The first output row, and how many.
    row: usize,
    rows: usize,
    /// Tiles of a line.
    columns: usize,
    /// Whether the whole output is to go past the caches.
    streams: bool,
}

impl Band<'_> {
    fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE) * self.columns
    }

    /// The first output row and column of a tile, within the image.
    fn place(&self, tile: usize) -> [usize; 2] {
        [self.row + tile / self.columns * TILE, tile % self.columns * TILE]
    }
}
