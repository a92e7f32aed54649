//! The UCI handwritten digits.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{SIDE, images, wrong};
use crate::resize::{Interpolation, Window, resize};
use crate::{DataError, Images, Rgb8};

/// The side of an image in the file, and the largest value there.
const CELLS: usize = 8;
const LARGEST: u32 = 16;
/// The side of MNIST's box, which the 8 cells fill.
const BOX: usize = 20;
/// Where MNIST's digits have their centre of mass: half a pixel beyond the middle.
const CENTRE: f64 = 14.5;
/// The most bytes of text that are read.
const MAX_BYTES: u64 = 1 << 26;

/// The UCI handwritten digits (Alpaydin, Kaynak 1998; the 1,797 of the test set) as scikit-learn
/// has them: lines of 65 comma-separated numbers, 8 × 8 values of `0..=16` and the digit; plain or
/// gzip-compressed.
///
/// A digit there fills the height of its 8 × 8 cells. The cells are scaled to 20 × 20 pixels
/// (bilinear) and moved by whole pixels so that the centre of mass comes nearest to that of pixel
/// (14, 14); a value `v` becomes the grey `v · 255 / 16`.
///
/// # Errors
/// [`DataError::Digits`] with the line: numbers that are not 65, a value above 16, a digit above 9;
/// no line at all.
pub fn uci(csv: &[u8]) -> Result<Images, DataError> {
    let reader: Box<dyn Read + '_> = match csv.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(MultiGzDecoder::new(csv)),
        false => Box::new(csv),
    };
    let mut text = String::new();
    reader
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| wrong("UCI digits", format!("cannot be unpacked: {error}")))?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let what = || format!("UCI digits, line {}", number + 1);
        let values: Vec<u32> = line
            .split(',')
            .map(|value| value.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| wrong(what(), "not whole numbers between commas"))?;
        let (Some((&label, cells)), true) = (values.split_last(), values.len() == 65) else {
            return Err(wrong(what(), format!("{} numbers instead of 65", values.len())));
        };
        if let Some(large) = cells.iter().find(|value| **value > LARGEST) {
            return Err(wrong(what(), format!("the value {large} is above 16")));
        }
        if label > 9 {
            return Err(wrong(what(), format!("{label} is no digit")));
        }
        pixels.extend(boxed(cells)?);
        labels.push(label as usize);
    }
    if labels.is_empty() {
        return Err(wrong("UCI digits", "no line"));
    }
    Ok(images(pixels, &labels))
}

/// `[CELLS, CELLS]` of values to `[SIDE, SIDE]` of greys.
fn boxed(cells: &[u32]) -> Result<Vec<u8>, DataError> {
    let grey: Vec<u8> =
        cells.iter().map(|value| ((value * 255 + LARGEST / 2) / LARGEST) as u8).collect();
    let small = Rgb8::from_grey(CELLS, CELLS, &grey)?;
    let whole = Window { left: 0, top: 0, width: BOX, height: BOX };
    let large = resize(&small, BOX, BOX, whole, Interpolation::Bilinear);
    let ink: Vec<u8> = large.bytes().iter().step_by(3).copied().collect();
    // The box never leaves the image.
    let (mut mass, mut across, mut down) = (0.0, 0.0, 0.0);
    for (place, &value) in ink.iter().enumerate() {
        mass += f64::from(value);
        across += f64::from(value) * ((place % BOX) as f64 + 0.5);
        down += f64::from(value) * ((place / BOX) as f64 + 0.5);
    }
    let corner = |moment: f64| -> usize {
        // Without any ink it lies in the middle.
        let centre = if mass > 0.0 { moment / mass } else { BOX as f64 / 2.0 };
        (CENTRE - centre).round().clamp(0.0, (SIDE - BOX) as f64) as usize
    };
    let (left, top) = (corner(across), corner(down));
    let mut pixels = vec![0; SIDE * SIDE];
    for (row, line) in ink.chunks_exact(BOX).enumerate() {
        let start = (top + row) * SIDE + left;
        pixels[start..start + BOX].copy_from_slice(line);
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use std::io::Write;

    fn line(cells: &[u32], digit: u32) -> String {
        let numbers: Vec<String> = cells.iter().chain([&digit]).map(u32::to_string).collect();
        numbers.join(",")
    }

    fn grey(images: &Images, index: usize) -> Vec<u8> {
        images.decode(index).unwrap().bytes().iter().step_by(3).copied().collect()
    }

    #[test]
    fn full_cells_become_a_white_box_around_the_centre() {
        let images = uci(line(&[16; 64], 3).as_bytes()).unwrap();
        assert_eq!(images.items[0].label, Some(3));
        let pixels = grey(&images, 0);
        for (place, pixel) in pixels.into_iter().enumerate() {
            let inside = |position: usize| (5..25).contains(&position);
            let white = inside(place % 28) && inside(place / 28);
            assert_eq!(pixel, if white { 255 } else { 0 }, "{place}");
        }
    }

    #[test]
    fn the_centre_of_mass_is_moved_as_far_as_the_margin_allows() {
        // The left three columns of cells, all rows: 7.5 of 20 pixels wide after scaling.
        let cells: Vec<u32> = (0..64).map(|place| if place % 8 < 3 { 12 } else { 0 }).collect();
        let pixels = grey(&uci(line(&cells, 1).as_bytes()).unwrap(), 0);
        let mass: f64 = pixels.iter().map(|&value| f64::from(value)).sum();
        let moment = |of: fn(usize) -> usize| -> f64 {
            let parts = pixels.iter().enumerate();
            parts.map(|(place, &value)| f64::from(value) * (of(place) as f64 + 0.5)).sum()
        };
        let (across, down) = (moment(|place| place % 28) / mass, moment(|place| place / 28) / mass);
        // The columns' centre is 3.75 in the box, at most 8 pixels of margin lie left of it.
        assert!((across - 11.75).abs() < 0.5 && (down - 15.0).abs() < 1e-9, "{across} {down}");
        assert_eq!(pixels.iter().max(), Some(&191));
    }

    #[test]
    fn compressed_and_plain_are_the_same_and_order_is_by_digit() {
        let text: Vec<String> = (0..10).map(|row| line(&[row; 64], 9 - row)).collect();
        let plain = uci(text.join("\n").as_bytes()).unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all((text.join("\r\n") + "\r\n").as_bytes()).unwrap();
        let packed = uci(&packer.finish().unwrap()).unwrap();
        assert_eq!(plain.fingerprint(), packed.fingerprint());
        let labels: Vec<usize> = plain.items.iter().filter_map(|item| item.label).collect();
        assert_eq!(labels, (0..10).collect::<Vec<_>>());
        // Rows 4 and 9, which are the digits 5 and 0.
        assert_eq!(plain.split([0.8, 0.0, 0.2], 0).unwrap().test, [0, 5]);
    }

    #[test]
    fn a_line_that_is_no_digit_is_refused_by_its_number() {
        let good = line(&[1; 64], 1);
        for bad in [line(&[17; 64], 1), line(&[1; 64], 10), line(&[1; 63], 1), "1,a".to_string()] {
            let error = uci(format!("{good}\n{bad}\n").as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
        for nothing in [&b""[..], b"\n\n", &[0x1f, 0x8b, 1, 2]] {
            assert!(uci(nothing).is_err());
        }
    }
}
