//! Feature maps of a flex device, channels last in memory.
//!
//! Their shape is Burn's `[batch, channels, height, width]`; the strides alone say where the channels lie, so that
//! every operation of Burn works on them as they are.

use burn::prelude::*;
use burn_flex::{FlexTensor, Layout};

use crate::memory::unwritten;

/// Height, width and channels of a map, and the batch, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapShape {
    pub batch: usize,
    pub channels: usize,
    pub size: [usize; 2],
}

impl MapShape {
    pub fn of(tensor: &FlexTensor) -> Self {
        let shape = tensor.layout().shape();
        Self { batch: shape[0], channels: shape[1], size: [shape[2], shape[3]] }
    }

    pub fn elements(&self) -> usize {
        self.batch * self.channels * self.pixels()
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn dims(&self) -> [usize; 4] {
        [self.batch, self.channels, self.size[0], self.size[1]]
    }

    /// The strides of a map that lies channels last.
    fn strides(&self) -> [usize; 4] {
        let row = self.size[1] * self.channels;
        [self.size[0] * row, 1, row, self.channels]
    }
}

/// The values of a tensor that fills its storage.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// A contiguous tensor.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A map over values that lie channels last.
pub(super) fn map(values: Vec<f32>, shape: MapShape) -> FlexTensor {
    let tensor = tensor(values, shape.dims());
    if tensor.layout().is_contiguous() && is_channels_last(&tensor, shape) {
        return tensor;
    }
    let strides = shape.strides().map(|stride| stride as isize).to_vec();
    tensor.with_layout(Layout::new(Shape::new(shape.dims()), strides, 0))
}

/// The map with its storage channels last; what already is so is not copied.
pub(super) fn channels_last(map_: FlexTensor) -> FlexTensor {
    let shape = MapShape::of(&map_);
    if is_channels_last(&map_, shape) {
        return map_;
    }
    let first = map_.to_contiguous();
    drop(map_);
    if is_channels_last(&first, shape) {
        return first;
    }
    let mut last = unwritten(shape.elements());
    let (level, dims) = (tl_simd::Level::best(), shape.dims());
    tl_simd::layout::to_channels_last(level, values(&first), dims, &mut last);
    map(last, shape)
}

fn is_channels_last(tensor: &FlexTensor, shape: MapShape) -> bool {
    let layout = tensor.layout();
    let strides = layout.strides().iter().zip(shape.strides());
    layout.start_offset() == 0
        && tensor.bytes().len() == shape.elements() * size_of::<f32>()
        // The stride of a single value is never taken.
        && strides.zip(shape.dims()).all(|((&found, wanted), size)| size <= 1 || found == wanted as isize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: MapShape) -> Vec<f32> {
        (0..shape.elements()).map(|value| value as f32).collect()
    }

    #[test]
    fn a_map_is_the_same_for_burn_wherever_its_channels_lie() {
        for (channels, size) in [(3, [4, 5]), (1, [4, 5]), (6, [1, 1]), (2, [1, 7])] {
            let shape = MapShape { batch: 2, channels, size };
            let first = tensor(counted(shape), shape.dims());
            let last = channels_last(first.clone());
            assert!(is_channels_last(&last, shape), "{shape:?}");
            assert_eq!(values(&last.to_contiguous()), values(&first), "{shape:?}");
            let again = channels_last(last.clone());
            assert_eq!(values(&again).as_ptr(), values(&last).as_ptr(), "copied: {shape:?}");
        }
    }
}
