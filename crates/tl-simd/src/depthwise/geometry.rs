//! The sizes of a depthwise convolution.

/// The sizes of a depthwise convolution: height first, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Depthwise {
    pub batch: usize,
    pub channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// From 1.
    pub kernel: [usize; 2],
    /// From 1.
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    /// From 1.
    pub dilation: [usize; 2],
}

impl Depthwise {
    /// Height and width of the output; 0 where the window does not fit into the padded input.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let room = (self.input[axis] + 2 * self.padding[axis]).checked_sub(reach);
            room.map_or(0, |room| room / self.stride[axis] + 1)
        })
    }

    /// Values of the weight.
    pub fn weight_values(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Which positions of the input, by which of the window, each position of the output sums along `axis`.
    pub(super) fn forward_taps(&self, axis: usize) -> Taps {
        let mut taps = Taps::default();
        for output in 0..self.output()[axis] {
            for kernel in 0..self.kernel[axis] {
                let position = output * self.stride[axis] + kernel * self.dilation[axis];
                if let Some(input) = position.checked_sub(self.padding[axis])
                    && input < self.input[axis]
                {
                    taps.list.push((input, kernel));
                }
            }
            taps.ends.push(taps.list.len());
        }
        taps
    }

    /// Which positions of the output, by which of the window, each position of the input goes to along `axis`, by
    /// rising position of the output.
    pub(super) fn backward_taps(&self, axis: usize) -> Taps {
        let outputs = self.output()[axis];
        let mut taps = Taps::default();
        for input in 0..self.input[axis] {
            for kernel in (0..self.kernel[axis]).rev() {
                let reach = kernel * self.dilation[axis];
                let Some(start) = (input + self.padding[axis]).checked_sub(reach) else {
                    continue;
                };
                let output = start / self.stride[axis];
                if start.is_multiple_of(self.stride[axis]) && output < outputs {
                    taps.list.push((output, kernel));
                }
            }
            taps.ends.push(taps.list.len());
        }
        taps
    }
}

/// For each target position the source positions that it sums, each with its position in the window.
#[derive(Debug, Default)]
pub(super) struct Taps {
    list: Vec<(usize, usize)>,
    ends: Vec<usize>,
}

impl Taps {
    /// Of target position `index`.
    pub fn of(&self, index: usize) -> &[(usize, usize)] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.list[start..self.ends[index]]
    }

    /// The number of target positions.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}
