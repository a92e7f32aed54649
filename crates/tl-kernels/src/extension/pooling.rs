//! Pooling of channels-last maps, and its way back.

use burn_flex::FlexTensor;
use tl_simd::Level;
use tl_simd::pool::{self, Window};

use super::images::{MapShape, channels_last, map, values};
use super::nodes::Kept;
use crate::memory::unwritten;

fn dims(shape: MapShape) -> [usize; 4] {
    [shape.batch, shape.size[0], shape.size[1], shape.channels]
}

/// The greatest of each window; into `taps` where in its window each was.
pub(super) fn max(x: &FlexTensor, window: Window, taps: Option<&mut Vec<u8>>) -> FlexTensor {
    let shape = MapShape::of(x);
    let pooled = MapShape { size: window.output_size(shape.size), ..shape };
    let mut output = unwritten(pooled.elements());
    let taps = taps.map(|taps| {
        taps.resize(pooled.elements(), 0);
        &mut taps[..]
    });
    pool::max(Level::best(), values(x), dims(shape), window, &mut output, taps);
    map(output, pooled)
}

/// Means over windows that cover the map in `size` parts.
pub(super) fn average(x: &FlexTensor, size: [usize; 2]) -> FlexTensor {
    let shape = MapShape::of(x);
    let pooled = MapShape { size, ..shape };
    let mut output = unwritten(pooled.elements());
    pool::adaptive_average(Level::best(), values(x), dims(shape), size, &mut output);
    map(output, pooled)
}

/// What max pooling keeps for the way back: a byte for each output.
#[derive(Clone, Debug)]
pub(super) struct MaxPool {
    pub taps: Vec<u8>,
    pub shape: MapShape,
    pub window: Window,
}

impl Kept for MaxPool {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = channels_last(gradient);
        let mut target = unwritten(self.shape.elements());
        let (taps, shape) = (&self.taps, dims(self.shape));
        let level = Level::best();
        pool::max_backward(level, values(&gradient), taps, shape, self.window, &mut target);
        vec![Some(map(target, self.shape))]
    }
}

/// What average pooling keeps for the way back: sizes.
#[derive(Clone, Debug)]
pub(super) struct AveragePool {
    pub shape: MapShape,
    pub size: [usize; 2],
}

impl Kept for AveragePool {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = channels_last(gradient);
        let mut target = unwritten(self.shape.elements());
        let (level, shape) = (Level::best(), dims(self.shape));
        pool::adaptive_average_backward(level, values(&gradient), shape, self.size, &mut target);
        vec![Some(map(target, self.shape))]
    }
}
