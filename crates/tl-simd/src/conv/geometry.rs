//! The sizes of one convolution, and the sums that its output and its gradients are.

/// How a convolution's window moves: height first, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

/// The sizes of one convolution, checked against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    pub batch: usize,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub window: Window,
}

impl Geometry {
    /// The sizes for `batch` images of `input` pixels; `None` where they do not fit each other.
    pub fn new(
        batch: usize,
        channels: [usize; 2],
        input: [usize; 2],
        window: Window,
    ) -> Option<Self> {
        let Window { kernel, stride, padding, dilation, groups } = window;
        let sizes = [channels, input, kernel, stride, dilation];
        let fits = sizes.iter().flatten().all(|&size| size > 0)
            && groups > 0
            && channels.iter().all(|count| count.is_multiple_of(groups));
        if !fits {
            return None;
        }
        let mut output = [0; 2];
        for axis in 0..2 {
            let reach = (kernel[axis] - 1) * dilation[axis];
            let room = (input[axis] + 2 * padding[axis]).checked_sub(reach + 1)?;
            output[axis] = room / stride[axis] + 1;
        }
        Some(Self { batch, channels, input, output, window })
    }

    /// A matrix product: each of `rows` rows of `channels[0]` values becomes one of `channels[1]`.
    pub fn product(rows: usize, channels: [usize; 2]) -> Option<Self> {
        let (stride, padding, dilation) = ([1; 2], [0; 2], [1; 2]);
        let window = Window { kernel: [1; 2], stride, padding, dilation, groups: 1 };
        Self::new(rows, channels, [1, 1], window)
    }

    /// The same products with the batch as one tall image, where every pixel is on its own.
    pub(crate) fn flattened(self) -> Self {
        if !(self.forward().is_pointwise() && self.window.groups == 1) {
            return self;
        }
        let size = [1, self.batch * self.input[0] * self.input[1]];
        Self { batch: 1, input: size, output: size, ..self }
    }

    /// Values of one input image.
    pub fn input_values(&self) -> usize {
        self.channels[0] * self.input[0] * self.input[1]
    }

    /// Values of one output image.
    pub fn output_values(&self) -> usize {
        self.channels[1] * self.output[0] * self.output[1]
    }

    /// Shape of the weight, `[out, in / groups, height, width]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        let Window { kernel, groups, .. } = self.window;
        [self.channels[1], self.channels[0] / groups, kernel[0], kernel[1]]
    }

    /// Every channel is convolved with one filter of its own.
    pub fn is_depthwise(&self) -> bool {
        self.window.groups == self.channels[0] && self.channels[0] == self.channels[1]
    }

    /// The sums that make the output of the input.
    pub(crate) fn forward(&self) -> Correlation {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        let mut taps = Vec::new();
        for row in 0..kernel[0] {
            for column in 0..kernel[1] {
                taps.push(Tap {
                    offset: [
                        (row * dilation[0]) as isize - padding[0] as isize,
                        (column * dilation[1]) as isize - padding[1] as isize,
                    ],
                    weight: row * kernel[1] + column,
                });
            }
        }
        Correlation {
            source: self.input,
            target: self.output,
            step: stride,
            passes: vec![Pass { first: [0, 0], every: [1, 1], taps }],
        }
    }

    /// The sums that make the gradient of the input of that of the output: one pass for each place of an input pixel
    /// between the strides, over the taps that reach it.
    pub(crate) fn backward(&self) -> Correlation {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        // The taps along one axis that reach the pixels `place`, `place + stride`, …: offset into the output, and tap.
        let reaching = |axis: usize, place: usize| -> Vec<(isize, usize)> {
            let mut found: Vec<(isize, usize)> = (0..kernel[axis])
                .filter_map(|tap| {
                    let distance =
                        (place + padding[axis]) as isize - (tap * dilation[axis]) as isize;
                    let step = stride[axis] as isize;
                    (distance.rem_euclid(step) == 0).then_some((distance.div_euclid(step), tap))
                })
                .collect();
            found.sort_unstable();
            found
        };
        let mut passes = Vec::new();
        for row in 0..stride[0].min(self.input[0]) {
            for column in 0..stride[1].min(self.input[1]) {
                let (rows, columns) = (reaching(0, row), reaching(1, column));
                let taps = rows
                    .iter()
                    .flat_map(|&(y, tap_row)| {
                        columns.iter().map(move |&(x, tap_column)| Tap {
                            offset: [y, x],
                            weight: tap_row * kernel[1] + tap_column,
                        })
                    })
                    .collect();
                passes.push(Pass { first: [row, column], every: stride, taps });
            }
        }
        Correlation { source: self.output, target: self.input, step: [1, 1], passes }
    }
}

/// Sums over the pixels of a source, seen from each pixel of a target.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    /// Height and width.
    pub source: [usize; 2],
    pub target: [usize; 2],
    /// Source pixels between the windows of a pass's neighbouring target pixels.
    pub step: [usize; 2],
    pub passes: Vec<Pass>,
}

/// The target pixels `first + i·every` and the taps that make each of them.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub first: [usize; 2],
    pub every: [usize; 2],
    /// By offset, row by row.
    pub taps: Vec<Tap>,
}

/// A product with the source pixel at `offset` from the window's origin, and the number of its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub offset: [isize; 2],
    pub weight: usize,
}

impl Pass {
    /// Rows and columns of target pixels.
    pub fn size(&self, target: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| (target[axis] - self.first[axis]).div_ceil(self.every[axis]))
    }
}

impl Correlation {
    /// Each target pixel is made of the source pixel at the same place.
    pub fn is_pointwise(&self) -> bool {
        let [pass] = &self.passes[..] else { return false };
        let [tap] = &pass.taps[..] else { return false };
        self.source == self.target && self.step == [1, 1] && tap.offset == [0, 0]
    }

    /// Pixels to add around the source, before and after each axis, so that every tap finds one.
    pub fn margins(&self) -> [[usize; 2]; 2] {
        let mut margins = [[0; 2]; 2];
        for pass in &self.passes {
            let size = pass.size(self.target);
            for tap in &pass.taps {
                for axis in 0..2 {
                    let last = ((size[axis] - 1) * self.step[axis]) as isize + tap.offset[axis];
                    let beyond = last - (self.source[axis] as isize - 1);
                    margins[axis][0] = margins[axis][0].max((-tap.offset[axis]).max(0) as usize);
                    margins[axis][1] = margins[axis][1].max(beyond.max(0) as usize);
                }
            }
        }
        margins
    }
}
