//! A folder of images of mixed formats, kinds of pixels and sizes, the same at every run.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageBuffer, Rgb, RgbImage};

use crate::shell::{During, Outcome, target};

/// Width and height in pixels.
const SIZES: [(u32, u32); 8] = [
    (64, 64),
    (75, 100),
    (224, 224),
    (320, 240),
    (375, 500),
    (640, 480),
    (1024, 768),
    (2000, 1500),
];

/// So many of each size are JPEGs in colour, as most of the images are that people have.
const PHOTOS: u32 = 4;

/// Encoders of GIF choose a palette for each image: larger ones take minutes.
const WIDEST_GIF: u32 = 640;

/// The name of the folder, which is another one for other images.
pub(super) fn folder() -> PathBuf {
    target().join("bench-images-1")
}

/// Makes the folder, unless it is there.
///
/// # Errors
/// When it cannot be written.
pub(super) fn make() -> Outcome<()> {
    let folder = folder();
    if folder.is_dir() {
        return Ok(());
    }
    // Renamed when it is whole.
    let aside = folder.with_extension("tmp");
    let what = format!("cannot make {}", aside.display());
    if aside.exists() {
        std::fs::remove_dir_all(&aside).during(&what)?;
    }
    for (at, (width, height)) in SIZES.into_iter().enumerate() {
        for (kind, name, image) in kinds(width, height, at as u32) {
            let path = aside.join(kind).join(name);
            write(&path, &image)?;
        }
    }
    std::fs::rename(&aside, &folder).during(&what)
}

fn write(path: &Path, image: &DynamicImage) -> Outcome<()> {
    let what = format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).during(&what)?;
    }
    image.save(path).during(&what)
}

/// Every kind of file of one size: its folder, its name, its pixels.
fn kinds(width: u32, height: u32, size: u32) -> Vec<(&'static str, String, DynamicImage)> {
    let colour = |number: u32| DynamicImage::from(picture(width, height, 16 * size + number));
    let mut all: Vec<(&str, String, DynamicImage)> =
        (0..PHOTOS).map(|at| ("jpeg", format!("{size}-{at}.jpg"), colour(at))).collect();
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = colour(8).to_rgb16();
    all.push(("grey-jpeg", format!("{size}.jpg"), colour(4).to_luma8().into()));
    all.push(("png", format!("{size}.png"), colour(5)));
    all.push(("grey-png", format!("{size}.png"), colour(6).to_luma8().into()));
    all.push(("alpha-png", format!("{size}.png"), colour(7).to_rgba8().into()));
    all.push(("deep-png", format!("{size}.png"), DynamicImage::ImageRgb16(deep)));
    all.push(("webp", format!("{size}.webp"), colour(9)));
    all.push(("bmp", format!("{size}.bmp"), colour(10)));
    if width <= WIDEST_GIF {
        all.push(("palette-gif", format!("{size}.gif"), colour(11)));
    }
    all
}

/// Waves of each colour under a little noise: neither flat nor impossible to compress.
fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let waves = [0, 1, 2].map(|channel| (1 + (seed + channel) % 5) as f32 * TAU);
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (x as f32 / width as f32, y as f32 / height as f32);
        Rgb(waves.map(|wave| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) as f32 / 16.0;
            (112.0 + 60.0 * (wave * across).sin() + 50.0 * (wave * down).cos() + noise) as u8
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_a_size_can_be_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let all = kinds(64, 48, 0);
        assert_eq!(all.len(), 12);
        for (kind, name, image) in all {
            let path = folder.path().join(kind).join(name);
            write(&path, &image).unwrap();
            let read = image::open(&path).unwrap();
            assert_eq!((read.width(), read.height()), (64, 48), "{kind}");
            assert_eq!(read.color().channel_count() < 3, kind.starts_with("grey"), "{kind}");
        }
    }

    #[test]
    fn a_picture_is_the_same_each_time_and_another_for_another_number() {
        assert_eq!(picture(9, 7, 3), picture(9, 7, 3));
        assert_ne!(picture(9, 7, 3), picture(9, 7, 4));
    }
}
