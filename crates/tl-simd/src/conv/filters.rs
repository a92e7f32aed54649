//! Weights in the order in which the tiles read them.

use std::cell::RefCell;

use rayon::prelude::*;

use super::geometry::{Correlation, Geometry, Pass};
use crate::Level;
use crate::layout::turn;
use crate::tile::registers;

/// The products that the values of a tile are summed over without a break, at most.
///
/// A panel of them (64 channels wide at AVX-512) then stays in the first-level cache while it meets all pixels.
pub(crate) const DEPTH: usize = 192;
/// Source channels that are turned at once: of a 3×3 kernel, what is read and written for them fits the second-level
/// cache, and of a line that is read nothing is left over.
const SOURCES: usize = 16;

/// A piece of a sum: `depth` neighbouring values of the source and as many rows of weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Offset in a padded source, in values, from the window's origin.
    pub offset: isize,
    pub depth: usize,
}

/// The order of the sum of one pass: for each block of it, its steps.
pub(crate) type Blocks = Vec<Vec<Step>>;

/// A convolution's weights, packed once for any number of calls.
#[derive(Clone, Debug)]
pub struct Filters {
    pub(crate) level: Level,
    pub(crate) correlation: Correlation,
    /// Channels of the source and the target, of one group.
    pub(crate) channels: [usize; 2],
    pub(crate) groups: usize,
    /// Whether source channels are counted and weights packed in pairs of bf16.
    pub(crate) half: bool,
    /// For each pass and group, panel after panel: `[depth][registers·lanes]`.
    pub(crate) packed: Vec<Vec<f32>>,
}

/// Buffers that are kept of weights that were recycled: those of one convolution of stride 2.
const MOST_SPARES: usize = 4;

thread_local! {
    static SPARES: RefCell<Vec<Vec<f32>>> = RefCell::default();
}

/// A buffer of `length` values that will all be written.
fn spare(length: usize) -> Vec<f32> {
    let place = |spares: &Vec<Vec<f32>>| spares.iter().position(|it| it.capacity() >= length);
    let found = SPARES.with_borrow_mut(|spares| place(spares).map(|at| spares.swap_remove(at)));
    let mut buffer = found.unwrap_or_default();
    buffer.resize(length, 0.0);
    buffer
}

impl Filters {
    /// The weights `[out, in / groups, height, width]` as the forward pass reads them, each output channel times its
    /// `scale`.
    pub fn forward(
        level: Level,
        geometry: &Geometry,
        weight: &[f32],
        scale: Option<&[f32]>,
    ) -> Self {
        let [output, input, height, width] = geometry.weight_shape();
        let taps = height * width;
        let groups = geometry.window.groups;
        let view = View {
            target: input * taps,
            source: taps,
            group: output / groups * input * taps,
            taps,
        };
        Self::pack(level, geometry.forward(), [input, output / groups], groups, weight, view, scale)
    }

    /// The weights as the gradient of the input reads them.
    pub fn backward(level: Level, geometry: &Geometry, weight: &[f32]) -> Self {
        let [output, input, height, width] = geometry.weight_shape();
        let taps = height * width;
        let groups = geometry.window.groups;
        let view = View {
            target: taps,
            source: input * taps,
            group: output / groups * input * taps,
            taps,
        };
        Self::pack(level, geometry.backward(), [output / groups, input], groups, weight, view, None)
    }

    fn pack(
        level: Level,
        correlation: Correlation,
        channels: [usize; 2],
        groups: usize,
        weight: &[f32],
        view: View,
        scale: Option<&[f32]>,
    ) -> Self {
        let lanes = level.lanes();
        let panel = registers(lanes) * lanes;
        let mut packed = Vec::new();
        for pass in &correlation.passes {
            let depth = pass.taps.len() * channels[0];
            for group in 0..groups {
                let width = channels[1].div_ceil(lanes) * lanes;
                let mut values = spare(depth * width);
                values.par_chunks_mut((depth * panel).max(1)).enumerate().for_each(
                    |(index, values)| {
                        let first = index * panel;
                        let count = panel.min(channels[1] - first);
                        let row = panel.min(width - first);
                        let scale = scale.map(|scale| &scale[group * channels[1] + first..]);
                        let origin = group * view.group + first * view.target;
                        let panel = Panel { pass, sources: channels[0], count, row, scale };
                        panel.pack(&weight[origin..], view, values);
                    },
                );
                packed.push(values);
            }
        }
        Self { level, correlation, channels, groups, half: false, packed }
    }

    /// Values of a source pixel.
    pub(crate) fn source_pixel(&self) -> usize {
        self.channels[0] * self.groups * if self.half { 2 } else { 1 }
    }

    /// Target channels of a panel.
    pub(crate) fn panel(&self) -> usize {
        let lanes = self.level.lanes();
        registers(lanes) * lanes
    }

    /// Leaves the memory to the next weights that this thread packs: those of a training step are packed at every step,
    /// and what was just read is still in the caches.
    pub fn recycle(self) {
        SPARES.with_borrow_mut(|spares| {
            spares.extend(self.packed);
            spares.truncate(MOST_SPARES);
        });
    }

    /// The order of each pass's sum over a source whose padded rows have `row` values and whose pixels have `pixel`.
    pub(crate) fn blocks(&self, row: usize, pixel: usize) -> Vec<Blocks> {
        let steps = |taps: &[super::geometry::Tap]| {
            let mut steps: Vec<Step> = Vec::new();
            for tap in taps {
                let offset = tap.offset[0] * row as isize + tap.offset[1] * pixel as isize;
                match steps.last_mut() {
                    // Channels last, the pixels of a row lie one after the other: neighbouring taps are one step.
                    Some(last) if last.offset + last.depth as isize == offset => {
                        last.depth += self.channels[0];
                    }
                    _ => steps.push(Step { offset, depth: self.channels[0] }),
                }
            }
            steps
        };
        self.correlation.passes.iter().map(|pass| cut(&steps(&pass.taps))).collect()
    }
}

/// Where a weight lies: steps from one target channel, source channel and group to the next, and its taps.
#[derive(Clone, Copy)]
struct View {
    target: usize,
    source: usize,
    group: usize,
    taps: usize,
}

/// The weights of some target channels, side by side.
struct Panel<'a> {
    pass: &'a Pass,
    sources: usize,
    /// Target channels, and the length of a row that has room for them.
    count: usize,
    row: usize,
    scale: Option<&'a [f32]>,
}

impl Panel<'_> {
    /// Writes `[taps, source channels, row]` to `packed`; `weight` begins at the panel's first target channel.
    fn pack(&self, weight: &[f32], view: View, packed: &mut [f32]) {
        let Self { pass, sources, count, row, scale } = *self;
        // Where the taps of neighbouring source channels lie one after the other, some channels are turned at once.
        let together = if view.source == view.taps { SOURCES } else { 1 };
        let mut turned = vec![0.0; together.min(sources) * view.taps * row];
        for begin in (0..sources).step_by(together) {
            let here = together.min(sources - begin);
            let size = [count, here * view.taps];
            turn(&weight[begin * view.source..], view.target, size, &mut turned, row);
            for (place, tap) in pass.taps.iter().enumerate() {
                for source in 0..here {
                    let from = &turned[(source * view.taps + tap.weight) * row..][..count];
                    let to = &mut packed[(place * sources + begin + source) * row..][..row];
                    let (to, rest) = to.split_at_mut(count);
                    rest.fill(0.0);
                    match scale {
                        None => to.copy_from_slice(from),
                        Some(scale) => {
                            for ((to, from), scale) in to.iter_mut().zip(from).zip(scale) {
                                *to = from * scale;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Cuts steps into blocks of about equal depth, none deeper than [`DEPTH`].
fn cut(steps: &[Step]) -> Blocks {
    let total: usize = steps.iter().map(|step| step.depth).sum();
    let depth = total.div_ceil(total.div_ceil(DEPTH).max(1)).max(1);
    let mut blocks: Blocks = Vec::new();
    let mut room = 0;
    for step in steps {
        let (mut offset, mut left) = (step.offset, step.depth);
        while left > 0 {
            if room == 0 {
                blocks.push(Vec::new());
                room = depth;
            }
            let taken = left.min(room);
            if let Some(block) = blocks.last_mut() {
                block.push(Step { offset, depth: taken });
            }
            offset += taken as isize;
            left -= taken;
            room -= taken;
        }
    }
    blocks
}
