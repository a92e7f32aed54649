//! The sizes of one convolution.

use crate::extension::ConvShape;

/// The sizes of one convolution, checked against each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub kernel: [usize; 2],
    pub shape: ConvShape,
}

impl Geometry {
    /// The sizes for an input `[batch, in, height, width]` and a weight `[out, in / groups, height, width]`; `None`
    /// where they do not fit each other.
    pub fn new(x: [usize; 4], w: [usize; 4], shape: ConvShape) -> Option<Self> {
        let ConvShape { stride, padding, dilation, groups } = shape;
        let fits = groups > 0
            && x.iter().chain(&w).all(|&size| size > 0)
            && x[1] == w[1] * groups
            && w[0].is_multiple_of(groups)
            && !stride.contains(&0)
            && !dilation.contains(&0);
        if !fits {
            return None;
        }
        let mut output = [0; 2];
        for axis in 0..2 {
            let reach = (w[2 + axis] - 1) * dilation[axis];
            let room = (x[2 + axis] + 2 * padding[axis]).checked_sub(reach + 1)?;
            output[axis] = room / stride[axis] + 1;
        }
        Some(Self {
            batch: x[0],
            channels: [x[1], w[0]],
            input: [x[2], x[3]],
            output,
            kernel: [w[2], w[3]],
            shape,
        })
    }

    /// Shape of the result.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.channels[1], self.output[0], self.output[1]]
    }

    /// Pixels of one input plane.
    pub fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Pixels of one output plane.
    pub fn output_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Input channels that one output channel sees.
    pub fn channels_per_group(&self) -> usize {
        self.channels[0] / self.shape.groups
    }

    /// Values that one output value is a sum over.
    pub fn depth(&self) -> usize {
        self.channels_per_group() * self.kernel[0] * self.kernel[1]
    }

    /// Every channel is convolved with one filter of its own.
    pub fn is_depthwise(&self) -> bool {
        self.shape.groups == self.channels[0] && self.channels[0] == self.channels[1]
    }

    /// A window is one pixel and windows are all pixels in order: the convolution is a matrix product.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.shape.stride == [1, 1] && self.shape.padding == [0, 0]
    }
}
