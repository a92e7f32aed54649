//! The depthwise convolution, channel by channel.
//!
//! The padded planes of some images lie one after another, each split into `stride·stride` phases (rows and
//! columns by their remainder). In a phase a tap is a constant offset whatever the stride and the dilation, so
//! that forward pass, input gradient and weight gradient are all sums over shifted lines, long enough for wide
//! registers even where planes are 3×3. What lies between rows and images is computed too, and left out.

use rayon::prelude::*;

use super::correlate::{BLOCK, Tap, add_products, correlate};
use super::elementwise::{act_rows, add_act, add_sum, slope_rows};
use super::geometry::Geometry;
use super::processor::by_processor;
use super::{Gradients, Wanted};
use crate::Nonlinearity;

/// Values of one line that should stay in the first-level cache (16 KiB of f32).
const LINE: usize = 1 << 12;

/// How planes lie in a line.
struct Lines {
    geometry: Geometry,
    /// Images in a line.
    images: usize,
    /// Distance between rows of a phase.
    pitch: usize,
    /// Distance between images of a phase.
    image: usize,
    /// Positions of outputs in a line, a multiple of [`BLOCK`].
    length: usize,
    /// The largest offset of a tap.
    reach: usize,
    /// For each tap its phase and its offset.
    taps: Vec<(usize, usize)>,
}

impl Lines {
    fn new(geometry: Geometry) -> Self {
        let ([stride_y, stride_x], dilation) = (geometry.shape.stride, geometry.shape.dilation);
        let pitch = (geometry.input[1] + 2 * geometry.shape.padding[1]).div_ceil(stride_x);
        let rows = (geometry.input[0] + 2 * geometry.shape.padding[0]).div_ceil(stride_y);
        let image = rows * pitch;
        let images = (LINE / image).clamp(1, geometry.batch);
        let mut taps = Vec::new();
        for row in (0..geometry.kernel[0]).map(|row| row * dilation[0]) {
            for column in (0..geometry.kernel[1]).map(|column| column * dilation[1]) {
                let phase = row % stride_y * stride_x + column % stride_x;
                taps.push((phase, row / stride_y * pitch + column / stride_x));
            }
        }
        let reach = taps.iter().map(|tap| tap.1).max().unwrap_or(0);
        Self {
            geometry,
            images,
            pitch,
            image,
            length: (images * image).next_multiple_of(BLOCK),
            reach,
            taps,
        }
    }

    fn phases(&self) -> usize {
        self.geometry.shape.stride[0] * self.geometry.shape.stride[1]
    }

    /// Values of a line with room for every tap.
    fn room(&self) -> usize {
        self.length + self.reach
    }

    /// Visits a plane's rows by phase: the phase, where the row's first value of it lies, the row, and which column
    /// that value is.
    fn visit(&self, image: usize, mut visitor: impl FnMut(usize, usize, usize, usize)) {
        let (g, [stride_y, stride_x]) = (&self.geometry, self.geometry.shape.stride);
        for row in 0..g.input[0] {
            let padded = row + g.shape.padding[0];
            let base = image * self.image + padded / stride_y * self.pitch;
            for first in 0..stride_x.min(g.input[1]) {
                let column = first + g.shape.padding[1];
                let phase = padded % stride_y * stride_x + column % stride_x;
                visitor(phase, base + column / stride_x, row, first);
            }
        }
    }

    fn spread(&self, image: usize, plane: &[f32], line: &mut [f32]) {
        let (width, stride) = (self.geometry.input[1], self.geometry.shape.stride[1]);
        self.visit(image, |phase, place, row, first| {
            let source = &plane[row * width + first..(row + 1) * width];
            let target = &mut line[phase * self.room() + place..][..source.len().div_ceil(stride)];
            match stride {
                1 => target.copy_from_slice(source),
                2 => take_every_second(target, source),
                _ => (target.iter_mut().zip(source.iter().step_by(stride)))
                    .for_each(|(target, value)| *target = *value),
            }
        });
    }

    fn collect(&self, image: usize, line: &[f32], plane: &mut [f32]) {
        let (width, stride) = (self.geometry.input[1], self.geometry.shape.stride[1]);
        let mut even = 0;
        self.visit(image, |phase, place, row, first| {
            let target = &mut plane[row * width + first..(row + 1) * width];
            let source = phase * self.length + place;
            match (stride, first) {
                (1, _) => target.copy_from_slice(&line[source..][..width]),
                // Both phases of a row are written at once, when the second of them is visited.
                (2, 0) if width > 1 => even = source,
                (2, 1) => interleave(
                    &mut plane[row * width..(row + 1) * width],
                    &line[even..][..width.div_ceil(2)],
                    &line[source..][..width / 2],
                ),
                _ => (target.iter_mut().step_by(stride).zip(&line[source..]))
                    .for_each(|(target, value)| *target = *value),
            }
        });
    }
}

#[inline(always)]
fn take_every_second_body<const FUSED: bool>(target: &mut [f32], source: &[f32]) {
    let pairs = source.chunks_exact(2);
    if let ([value], Some(last)) = (pairs.remainder(), target.last_mut()) {
        *last = *value;
    }
    target.iter_mut().zip(pairs).for_each(|(target, pair)| *target = pair[0]);
}

by_processor! {
    /// `target[i] = source[2i]`, until the source ends.
    fn take_every_second(target: &mut [f32], source: &[f32]) = take_every_second_body
}

#[inline(always)]
fn interleave_body<const FUSED: bool>(target: &mut [f32], even: &[f32], odd: &[f32]) {
    if let ([.., last], true) = (&mut *target, even.len() > odd.len()) {
        *last = even[even.len() - 1];
    }
    for (pair, (even, odd)) in target.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
        pair[0] = *even;
        pair[1] = *odd;
    }
}

by_processor! {
    /// `target` = the first of `even`, the first of `odd`, the second of `even` and so on.
    fn interleave(target: &mut [f32], even: &[f32], odd: &[f32]) = interleave_body
}

/// The planes of `[batch, channels, plane]`, channel by channel.
pub(super) fn planes_by_channel(
    values: &mut [f32],
    channels: usize,
    plane: usize,
) -> Vec<Vec<&mut [f32]>> {
    let mut by_channel: Vec<Vec<_>> = (0..channels).map(|_| Vec::new()).collect();
    for (index, plane) in values.chunks_exact_mut(plane).enumerate() {
        by_channel[index % channels].push(plane);
    }
    by_channel
}

/// `act(conv(x, w) + bias + residual)`.
pub(super) fn forward(
    g: &Geometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    act: Nonlinearity,
) -> Vec<f32> {
    let lines = Lines::new(*g);
    let (channels, input, output) = (g.channels[0], g.input_plane(), g.output_plane());
    let mut target = vec![0.0; g.batch * channels * output];
    let scratch = || (vec![0.0; lines.phases() * lines.room()], vec![0.0; lines.length]);
    planes_by_channel(&mut target, channels, output).into_par_iter().enumerate().for_each_init(
        scratch,
        |(source, sums), (channel, mut planes)| {
            let weights = &w[channel * lines.taps.len()..];
            let taps = lines.taps.iter().zip(weights).map(|(&(phase, offset), &weight)| Tap {
                offset: phase * lines.room() + offset,
                weight,
            });
            let taps: Vec<Tap> = taps.collect();
            let start = bias.map_or(0.0, |bias| bias[channel]);
            for (line, planes) in planes.chunks_mut(lines.images).enumerate() {
                let plane_index = |image: usize| (line * lines.images + image) * channels + channel;
                for image in 0..planes.len() {
                    lines.spread(image, &x[plane_index(image) * input..][..input], source);
                }
                correlate(sums, source, &taps, start);
                for (image, plane) in planes.iter_mut().enumerate() {
                    let sums = &sums[image * lines.image..];
                    let Some(residual) = residual else {
                        act_rows(plane, g.output[1], sums, lines.pitch, act);
                        continue;
                    };
                    act_rows(plane, g.output[1], sums, lines.pitch, Nonlinearity::None);
                    add_act(
                        plane,
                        0.0,
                        Some(&residual[plane_index(image) * output..][..output]),
                        act,
                    );
                }
            }
        },
    );
    target
}

/// One channel's part of the backward pass.
struct Channel<'a> {
    number: usize,
    planes: Vec<&'a mut [f32]>,
    weight: &'a mut [f32],
    bias: &'a mut f32,
}

/// The gradients from that of the sum, or from that of the output and the output itself.
pub(super) fn backward(
    g: &Geometry,
    x: Option<&[f32]>,
    w: Option<&[f32]>,
    gradient: &[f32],
    output: Option<(&[f32], Nonlinearity)>,
    wanted: Wanted,
) -> Gradients {
    let lines = Lines::new(*g);
    let (channels, taps) = (g.channels[0], lines.taps.len());
    let (x, w) = (x.filter(|_| wanted.weight), w.filter(|_| wanted.input));
    let mut input_gradient =
        vec![0.0; if w.is_some() { g.batch * channels * g.input_plane() } else { 0 }];
    let mut weight_gradient = vec![0.0; channels * taps];
    let mut bias_gradient = vec![0.0; channels];
    let tasks: Vec<Channel<'_>> = planes_by_channel(&mut input_gradient, channels, g.input_plane())
        .into_iter()
        .zip(weight_gradient.chunks_exact_mut(taps).zip(&mut bias_gradient))
        .enumerate()
        .map(|(number, (planes, (weight, bias)))| Channel { number, planes, weight, bias })
        .collect();
    let scratch = || Scratch {
        source: vec![0.0; if x.is_some() { lines.phases() * lines.room() } else { 0 }],
        gradient: vec![0.0; lines.reach + lines.room()],
        product: vec![0.0; if w.is_some() { lines.phases() * lines.length } else { 0 }],
    };
    tasks.into_par_iter().for_each_init(scratch, |scratch, channel| {
        backward_channel(&lines, x, w, gradient, output, scratch, channel);
    });
    Gradients {
        input: w.map(|_| input_gradient),
        weight: x.map(|_| weight_gradient),
        bias: wanted.bias.then_some(bias_gradient),
    }
}

struct Scratch {
    source: Vec<f32>,
    gradient: Vec<f32>,
    product: Vec<f32>,
}

fn backward_channel(
    lines: &Lines,
    x: Option<&[f32]>,
    w: Option<&[f32]>,
    gradient: &[f32],
    output: Option<(&[f32], Nonlinearity)>,
    scratch: &mut Scratch,
    mut channel: Channel<'_>,
) {
    let g = &lines.geometry;
    let (input_plane, plane, width) = (g.input_plane(), g.output_plane(), g.output[1]);
    let offsets: Vec<usize> =
        lines.taps.iter().map(|(phase, offset)| phase * lines.room() + offset).collect();
    let weights = w.map(|w| &w[channel.number * offsets.len()..][..offsets.len()]);
    // Phase by phase the taps that write to it. A gradient begins `reach` into its line, so that a tap reads it from
    // `reach - offset` on.
    let phases: Vec<Vec<Tap>> = (0..lines.phases())
        .map(|wanted| {
            let taps = lines.taps.iter().zip(weights.unwrap_or_default());
            let taps = taps.filter(|((phase, _), _)| *phase == wanted);
            taps.map(|((_, offset), &weight)| Tap { offset: lines.reach - offset, weight })
                .collect()
        })
        .collect();
    let (mut weight_totals, mut bias_total) = (vec![0.0; offsets.len()], 0.0);
    for first in (0..g.batch).step_by(lines.images) {
        let images = lines.images.min(g.batch - first);
        // What an earlier, longer line left behind must not count again.
        if images < lines.images {
            scratch.gradient.fill(0.0);
        }
        for image in 0..images {
            let index = (first + image) * g.channels[0] + channel.number;
            let values = index * plane..(index + 1) * plane;
            let target = &mut scratch.gradient[lines.reach + image * lines.image..];
            // Without a nonlinearity its output is not asked for.
            let (output, act) = output.unwrap_or((gradient, Nonlinearity::None));
            slope_rows(target, lines.pitch, width, &gradient[values.clone()], &output[values], act);
            if let Some(x) = x {
                lines.spread(image, &x[index * input_plane..][..input_plane], &mut scratch.source);
            }
        }
        let gradient = &scratch.gradient[lines.reach..][..lines.length];
        add_sum(gradient, &mut bias_total);
        if x.is_some() {
            add_products(gradient, &scratch.source, &offsets, &mut weight_totals);
        }
        if w.is_some() {
            for (product, taps) in scratch.product.chunks_exact_mut(lines.length).zip(&phases) {
                correlate(product, &scratch.gradient, taps, 0.0);
            }
            for (image, plane) in channel.planes[first..first + images].iter_mut().enumerate() {
                lines.collect(image, &scratch.product, plane);
            }
        }
    }
    channel.weight.iter_mut().zip(weight_totals).for_each(|(target, total)| *target = total as f32);
    *channel.bias = bias_total as f32;
}
