//! The transforms on both sides of the products, all channels of a register at once.

use pulp::{Simd, WithSimd};

use super::{Band, PATCH, POINTS, TILE};
use crate::conv::Epilogue;
use crate::streaming;
use crate::tile::{load, store};

/// `G g Gᵀ` of a filter of 3×3.
pub(super) fn of_filter(filter: &[f32]) -> [f64; POINTS] {
    let line = |g: [f64; 3]| {
        let [a, b, c] = g;
        let (even, odd) = (a + c, a / 4.0 + c);
        [
            a / 4.0,
            -(even + b) / 6.0,
            -(even - b) / 6.0,
            (odd + b / 2.0) / 6.0,
            (odd - b / 2.0) / 6.0,
            c,
        ]
    };
    let at = |row: usize, column: usize| f64::from(filter[row * 3 + column]);
    let columns = [0, 1, 2].map(|column| line([0, 1, 2].map(|row| at(row, column))));
    let mut points = [0.0; POINTS];
    for row in 0..PATCH {
        let values = line([0, 1, 2].map(|column| columns[column][row]));
        points[row * PATCH..][..PATCH].copy_from_slice(&values);
    }
    points
}

/// `Bᵀ d` of six values.
#[inline(always)]
fn to_points<S: Simd>(simd: S, d: [S::f32s; PATCH]) -> [S::f32s; PATCH] {
    let [two, four, five] = [2.0, 4.0, 5.0].map(|value| simd.splat_f32s(value));
    let add = |a, b| simd.add_f32s(a, b);
    let sub = |a, b| simd.sub_f32s(a, b);
    // a·b + c and c - a·b
    let plus = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let minus = |a, b, c| simd.mul_add_e_f32s(simd.neg_f32s(a), b, c);
    let even = minus(four, d[2], d[4]);
    let odd = minus(four, d[1], d[3]);
    let (near, far) = (sub(d[4], d[2]), simd.mul_f32s(two, sub(d[3], d[1])));
    [
        minus(five, d[2], plus(four, d[0], d[4])),
        add(even, odd),
        sub(even, odd),
        add(near, far),
        sub(near, far),
        minus(five, d[3], plus(four, d[1], d[5])),
    ]
}

/// `Aᵀ m` of six values.
#[inline(always)]
fn from_points<S: Simd>(simd: S, m: [S::f32s; PATCH]) -> [S::f32s; TILE] {
    let [two, four, eight] = [2.0, 4.0, 8.0].map(|value| simd.splat_f32s(value));
    let add = |a, b| simd.add_f32s(a, b);
    let sub = |a, b| simd.sub_f32s(a, b);
    let plus = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (near, across) = (add(m[1], m[2]), sub(m[1], m[2]));
    let (far, beyond) = (add(m[3], m[4]), sub(m[3], m[4]));
    [
        add(add(m[0], near), far),
        plus(two, beyond, across),
        plus(four, far, near),
        add(plus(eight, beyond, across), m[5]),
    ]
}

/// Turns the patches of a band into the left sides of the products, `[36, tiles, channels]`.
pub(super) struct ToProducts<'a> {
    pub band: Band<'a>,
    /// The image.
    pub x: &'a [f32],
    /// Room for one patch.
    pub patch: &'a mut [f32],
    pub inputs: &'a mut [f32],
}

impl WithSimd for ToProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { band, x, patch, inputs } = self;
        let (channels, tiles) = (band.geometry.channels[0], band.tiles());
        let width = band.geometry.input[1];
        for tile in 0..tiles {
            let (from, step) = match inside(&band, tile) {
                Some([row, column]) => (&x[(row * width + column) * channels..], width * channels),
                None => {
                    copy_patch(&band, tile, x, patch);
                    (&*patch, PATCH * channels)
                }
            };
            // The last value that is read.
            assert!(from.len() >= (PATCH - 1) * step + PATCH * channels);
            assert!(inputs.len() >= ((POINTS - 1) * tiles + tile + 1) * channels);
            for channel in (0..channels).step_by(S::F32_LANES) {
                let from = from[channel..].as_ptr();
                let to = inputs[tile * channels + channel..].as_mut_ptr();
                // SAFETY: asserted above, with whole registers of channels.
                unsafe {
                    let mut columns = [[simd.splat_f32s(0.0); PATCH]; PATCH];
                    for (column, points) in columns.iter_mut().enumerate() {
                        let mut values = [simd.splat_f32s(0.0); PATCH];
                        for (row, value) in values.iter_mut().enumerate() {
                            *value = load(simd, from.add(row * step + column * channels));
                        }
                        *points = to_points(simd, values);
                    }
                    for row in 0..PATCH {
                        let mut values = [simd.splat_f32s(0.0); PATCH];
                        for (value, column) in values.iter_mut().zip(&columns) {
                            *value = column[row];
                        }
                        for (column, value) in to_points(simd, values).into_iter().enumerate() {
                            let point = row * PATCH + column;
                            store(simd, to.add(point * tiles * channels), value);
                        }
                    }
                }
            }
        }
    }
}

/// The first input row and column of a tile's patch, where all of it lies inside the image.
fn inside(band: &Band, tile: usize) -> Option<[usize; 2]> {
    let (place, padding) = (band.place(tile), band.geometry.window.padding);
    let row = place[0].checked_sub(padding[0])?;
    let column = place[1].checked_sub(padding[1])?;
    let [height, width] = band.geometry.input;
    (row + PATCH <= height && column + PATCH <= width).then_some([row, column])
}

/// Writes a patch `[6, 6, channels]` with zeros beyond the image.
fn copy_patch(band: &Band, tile: usize, x: &[f32], patch: &mut [f32]) {
    let channels = band.geometry.channels[0];
    let ([height, width], padding) = (band.geometry.input, band.geometry.window.padding);
    let place = band.place(tile);
    for row in 0..PATCH {
        let y = (place[0] + row).checked_sub(padding[0]).filter(|&y| y < height);
        for column in 0..PATCH {
            let to = &mut patch[(row * PATCH + column) * channels..][..channels];
            let across = (place[1] + column).checked_sub(padding[1]).filter(|&x| x < width);
            match (y, across) {
                (Some(y), Some(across)) => {
                    to.copy_from_slice(&x[(y * width + across) * channels..][..channels]);
                }
                _ => to.fill(0.0),
            }
        }
    }
}

/// Turns the products `[36, tiles, count]` of the output channels from `first` on into outputs of a band.
pub(super) struct FromProducts<'a> {
    pub band: Band<'a>,
    pub outputs: &'a [f32],
    pub first: usize,
    pub count: usize,
    pub epilogue: Epilogue<'a>,
    pub output: &'a mut [f32],
}

impl WithSimd for FromProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { band, outputs, first, count, epilogue, output } = self;
        let tiles = band.tiles();
        let (channels, width) = (band.geometry.channels[1], band.geometry.output[1]);
        assert!(outputs.len() >= POINTS * tiles * count && first + count <= channels);
        assert!(output.len() >= band.rows * width * channels);
        assert!(epilogue.bias.is_none_or(|bias| bias.len() >= channels));
        assert!(epilogue.residual.is_none_or(|residual| residual.len() >= output.len()));
        for tile in 0..tiles {
            let [row, column] = band.place(tile);
            let row = row - band.row;
            for channel in (0..count).step_by(S::F32_LANES) {
                let from = outputs[tile * count + channel..].as_ptr();
                // SAFETY: asserted above, with whole registers of channels; rows and columns beyond the band's are left
                // out.
                unsafe {
                    let mut columns = [[simd.splat_f32s(0.0); TILE]; PATCH];
                    for (column, sums) in columns.iter_mut().enumerate() {
                        let mut values = [simd.splat_f32s(0.0); PATCH];
                        for (row, value) in values.iter_mut().enumerate() {
                            let point = row * PATCH + column;
                            *value = load(simd, from.add(point * tiles * count));
                        }
                        *sums = from_points(simd, values);
                    }
                    let bias = match epilogue.bias {
                        Some(bias) => load(simd, bias.as_ptr().add(first + channel)),
                        None => simd.splat_f32s(0.0),
                    };
                    for line in 0..TILE.min(band.rows - row) {
                        let mut values = [simd.splat_f32s(0.0); PATCH];
                        for (value, column) in values.iter_mut().zip(&columns) {
                            *value = column[line];
                        }
                        let sums = from_points(simd, values);
                        for (across, sum) in sums.into_iter().enumerate() {
                            if column + across >= width {
                                break;
                            }
                            let pixel = (row + line) * width + column + across;
                            let to = pixel * channels + first + channel;
                            let mut sum = simd.add_f32s(sum, bias);
                            if let Some(residual) = epilogue.residual {
                                sum = simd.add_f32s(sum, load(simd, residual.as_ptr().add(to)));
                            }
                            let sum = epilogue.act.apply(simd, sum);
                            let to = output.as_mut_ptr().add(to);
                            match band.streams {
                                true => streaming::store(simd, to, sum),
                                false => store(simd, to, sum),
                            }
                        }
                    }
                }
            }
        }
        if band.streams {
            streaming::fence();
        }
    }
}
