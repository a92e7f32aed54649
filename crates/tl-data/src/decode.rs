//! From the bytes of an image file to [`Rgb8`], safe against broken and hostile files.

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::Rgb8;

/// The most pixels an image may have; Pillow refuses more as a decompression bomb, too.
const MAX_PIXELS: u64 = 178_956_970;
/// The most bytes a file may have: MAX_PIXELS at 4 bytes each, rounded up.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// The most bytes a decoder may allocate, in its own bookkeeping included: 2 GiB holds MAX_PIXELS
/// at 8 bytes each.
const MAX_DECODER_BYTES: u64 = 1 << 31;

/// The content of an image file, or one line that says why not.
pub(crate) fn read_image_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells "just fits" from "too large".
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    Ok(bytes)
}

/// Decodes an image of whatever format its first bytes show, or says in one line why not.
///
/// The orientation in its Exif data is applied, as `PIL.ImageOps.exif_transpose` does it; without one
/// the pixels are those of the file.
pub(crate) fn decode_bytes(bytes: &[u8]) -> Result<Rgb8, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    // A decoder that panics on a malformed file must cost that file alone. Nothing outside the
    // closure is changed by it, so that nothing half-done survives.
    match catch_unwind(AssertUnwindSafe(|| decode_unguarded(bytes))) {
        Ok(decoded) => decoded.map_err(|reason| reason.lines().collect::<Vec<_>>().join(" ")),
        Err(_) => Err("the decoder failed on it: the file is malformed".into()),
    }
}

fn decode_unguarded(bytes: &[u8]) -> Result<Rgb8, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    let format =
        reader.format().ok_or("not an image that is read here (jpeg, png, bmp, gif, webp)")?;
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        // The decoder fills what is missing with grey and reports success.
        return Err("the JPEG is cut short".into());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("{width}×{height} pixels are too many: the limit is {MAX_PIXELS}"));
    }
    // Upright, as viewers show it: phones store the sensor's rows and say how to turn them. A tag that
    // cannot be read turns nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    decoded.apply_orientation(orientation);
    to_rgb8(decoded).map_err(|error| error.to_string())
}

/// Drops transparency, as Pillow's `convert("RGB")` does it: the colours beneath are shown, not white. Of 16
/// bits the lower 8 are dropped.
fn to_rgb8(image: DynamicImage) -> Result<Rgb8, crate::DataError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let upper = |value: u16| (value >> 8) as u8;
    let bytes = match image {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageLuma8(pixels) => return Rgb8::from_grey(width, height, &pixels),
        DynamicImage::ImageLumaA8(pixels) => {
            pixels.pixels().flat_map(|pixel| [pixel.0[0]; 3]).collect()
        }
        DynamicImage::ImageRgba8(pixels) => {
            pixels.pixels().flat_map(|pixel| first_three(pixel.0)).collect()
        }
        DynamicImage::ImageLuma16(pixels) => {
            pixels.pixels().flat_map(|pixel| [upper(pixel.0[0]); 3]).collect()
        }
        DynamicImage::ImageLumaA16(pixels) => {
            pixels.pixels().flat_map(|pixel| [upper(pixel.0[0]); 3]).collect()
        }
        DynamicImage::ImageRgb16(pixels) => pixels.iter().map(|&value| upper(value)).collect(),
        DynamicImage::ImageRgba16(pixels) => {
            pixels.pixels().flat_map(|pixel| first_three(pixel.0).map(upper)).collect()
        }
        other => other.into_rgb8().into_raw(),
    };
    Rgb8::new(width, height, bytes)
}

fn first_three<T: Copy>(values: [T; 4]) -> [T; 3] {
    [values[0], values[1], values[2]]
}

/// Whether the marker segments and scans of a JPEG end in its end-of-image marker.
///
/// Walks the markers rather than searching for the last one: a thumbnail inside a segment has an
/// end marker of its own.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    let stands_alone = |marker: u8| matches!(marker, 0x01 | 0xd0..=0xd8);
    // After the start-of-image marker (2 bytes).
    let mut position = 2;
    while let (Some(&first), Some(&marker)) = (bytes.get(position), bytes.get(position + 1)) {
        let is_marker = first == 0xff && marker != 0x00 && marker != 0xff;
        if !is_marker {
            // Compressed data, a stuffed 0xff, or fill between segments.
            position += 1;
        } else if marker == END {
            return true;
        } else if stands_alone(marker) {
            position += 2;
        } else if let Some(&[high, low]) =
            bytes.get(position + 2..position + 4).and_then(|b| b.first_chunk())
        {
            position += 2 + usize::from(u16::from_be_bytes([high, low]));
        } else {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod rare;

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn photo() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8]))
    }

    #[test]
    fn every_kind_of_pixel_becomes_red_green_blue() {
        let png = |image: DynamicImage| decode_bytes(&encode(image, ImageFormat::Png)).unwrap();
        let grey = GrayImage::from_pixel(2, 1, Luma([9]));
        assert_eq!(png(grey.into()).bytes(), [9; 6]);
        let grey_alpha = ImageBuffer::from_pixel(1, 1, LumaA([9u8, 0]));
        assert_eq!(png(grey_alpha.into()).bytes(), [9; 3]);
        let transparent = ImageBuffer::from_pixel(1, 1, Rgba([1u8, 2, 3, 0]));
        assert_eq!(png(transparent.into()).bytes(), [1, 2, 3]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([0x01ffu16, 0xff00, 0x0100]));
        assert_eq!(png(deep.into()).bytes(), [1, 255, 1]);
        let deep_grey = ImageBuffer::from_pixel(1, 1, Luma([0x80ffu16]));
        assert_eq!(png(deep_grey.into()).bytes(), [0x80; 3]);
        let deep_alpha = ImageBuffer::from_pixel(1, 1, Rgba([0x1000u16, 0x2000, 0x3000, 0]));
        assert_eq!(png(deep_alpha.into()).bytes(), [0x10, 0x20, 0x30]);
        // A palette: GIF has no other kind of pixel.
        let gif = encode(RgbImage::from_pixel(3, 2, Rgb([200, 10, 30])), ImageFormat::Gif);
        assert_eq!(decode_bytes(&gif).unwrap().bytes()[..3], [200, 10, 30]);
    }

    #[test]
    fn every_format_is_known_by_its_content() {
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            let decoded = decode_bytes(&encode(photo(), format)).unwrap();
            assert_eq!(decoded.bytes(), photo().as_raw(), "{format:?}");
        }
        assert_eq!(decode_bytes(&encode(photo(), ImageFormat::Jpeg)).unwrap().width(), 40);
    }

    /// A JPEG with an Exif segment whose one entry is the orientation (tag 0x0112, one short).
    fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let tiff = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        let value = [orientation, 0, 0, 0, 0, 0, 0, 0];
        let body = [&b"Exif\0\0"[..], &tiff, &value].concat();
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, &body, &jpeg[2..]].concat()
    }

    #[test]
    fn a_photo_is_turned_upright_as_its_exif_tag_says() {
        let jpeg = encode(photo(), ImageFormat::Jpeg);
        let stored = decode_bytes(&jpeg).unwrap();
        let (width, height) = (stored.width(), stored.height());
        let pixel = |column: usize, row: usize| -> [u8; 3] {
            let place = 3 * (row * width + column);
            [0, 1, 2].map(|channel| stored.bytes()[place + channel])
        };
        let (right, bottom) = (width - 1, height - 1);
        // Where the upper left pixel and its right neighbour lie in the file, by Exif 2.3, table 6.
        for (tag, first, second) in [
            (1, (0, 0), (1, 0)),
            (2, (right, 0), (right - 1, 0)),
            (3, (right, bottom), (right - 1, bottom)),
            (4, (0, bottom), (1, bottom)),
            (5, (0, 0), (0, 1)),
            (6, (0, bottom), (0, bottom - 1)),
            (7, (right, bottom), (right, bottom - 1)),
            (8, (right, 0), (right, 1)),
        ] {
            let upright = decode_bytes(&turned(&jpeg, tag)).unwrap();
            let size = if tag < 5 { (width, height) } else { (height, width) };
            assert_eq!((upright.width(), upright.height()), size, "tag {tag}");
            let [one, two] = [first, second].map(|(column, row)| pixel(column, row));
            assert_eq!(upright.bytes()[..6], [one, two].concat(), "tag {tag}");
        }
    }

    #[test]
    fn a_tag_that_means_nothing_turns_nothing() {
        let jpeg = encode(photo(), ImageFormat::Jpeg);
        let stored = decode_bytes(&jpeg).unwrap();
        for tag in [0, 1, 9, 255] {
            assert_eq!(decode_bytes(&turned(&jpeg, tag)).unwrap().bytes(), stored.bytes(), "{tag}");
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            let bytes = encode(photo(), format);
            for length in (0..bytes.len() - 16).step_by(7) {
                assert!(decode_bytes(&bytes[..length]).is_err(), "{format:?} cut to {length}");
            }
        }
        let jpeg = encode(photo(), ImageFormat::Jpeg);
        assert!(decode_bytes(&jpeg[..jpeg.len() - 1]).is_err());
    }

    #[test]
    fn the_end_of_a_thumbnail_is_not_the_end_of_the_image() {
        let jpeg = encode(photo(), ImageFormat::Jpeg);
        let thumbnail = [0xff, 0xd8, 0xff, 0xd9];
        let segment = [&[0xff, 0xe1, 0, 6][..], &thumbnail].concat();
        let with_thumbnail = [&jpeg[..2], &segment, &jpeg[2..]].concat();
        assert!(decode_bytes(&with_thumbnail).is_ok());
        assert!(decode_bytes(&with_thumbnail[..with_thumbnail.len() / 2]).is_err());
    }

    #[test]
    fn text_and_nothing_are_no_image() {
        assert!(decode_bytes(b"no image at all").unwrap_err().contains("not an image"));
        assert!(decode_bytes(b"").unwrap_err().contains("empty"));
    }

    #[test]
    fn an_image_that_would_fill_the_memory_is_refused_by_its_header() {
        let mut png = encode(GrayImage::new(1, 1), ImageFormat::Png);
        // Width and height in the IHDR chunk, and its checksum.
        png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let error = decode_bytes(&png).unwrap_err();
        assert!(error.contains("60000×60000"), "{error}");
        let mut bmp = encode(RgbImage::new(1, 1), ImageFormat::Bmp);
        bmp[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
        assert!(decode_bytes(&bmp).is_err());
    }

    #[test]
    fn damaged_files_end_in_one_line() {
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Gif,
            ImageFormat::Bmp,
            ImageFormat::WebP,
        ] {
            let whole = encode(photo(), format);
            for number in 0..60 {
                let mut bytes = whole.clone();
                let mut random = tl_random::rng(0, "damage", 0, number);
                for _ in 0..4 {
                    let place = random.below(bytes.len());
                    bytes[place] = random.next_u32() as u8;
                }
                if let Err(reason) = decode_bytes(&bytes) {
                    assert!(!reason.is_empty() && !reason.contains('\n'), "{format:?}: {reason:?}");
                }
            }
        }
    }
}
