//! Photos for checks, made from the images of the project.

use std::fs::File;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, ImageEncoder, RgbImage};
use tl_data::{Images, Part};

use crate::shell::{During, Failure, Outcome, root};

/// Width and height of a photo in pixels.
const SIZE: [u32; 2] = [320, 240];

/// Writes `train` and `validation` photos of each of ten classes to `folder/PART/CLASS/NUMBER`, PNG and
/// JPEG in turn.
///
/// # Errors
/// When the project's images cannot be read, are too few, or a file cannot be written.
pub fn write(folder: &Path, train: usize, validation: usize) -> Outcome<()> {
    let from = root().join("assets").join("fashion_mnist");
    let images = Images::open(&from).during("cannot read the project's images")?;
    let mut written = vec![0; images.classes.len()];
    for (index, item) in images.items.iter().enumerate() {
        let Some(class) = item.label.filter(|_| item.part == Some(Part::Train)) else { continue };
        let number = written[class];
        if number == train + validation {
            continue;
        }
        written[class] += 1;
        let part = if number < train { "train" } else { "validation" };
        let small = images.decode(index).during("cannot decode an image of the project")?;
        let kind = if number.is_multiple_of(2) { "png" } else { "jpg" };
        let path =
            folder.join(part).join(format!("class-{class}")).join(format!("{number:03}.{kind}"));
        let photo = photo(small.width(), small.height(), small.bytes())?;
        let what = format!("cannot write {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).during(&what)?;
        photo.save(&path).during(&what)?;
    }
    match written.iter().min() {
        Some(&least) if least == train + validation => Ok(()),
        _ => Err(Failure::new("the project's images are fewer than a check needs")),
    }
}

/// Writes a photo as a phone that was held upright stores it: lying, and with a tag that says so.
///
/// # Errors
/// When a file cannot be read or written.
pub fn lay_down(photo: &Path, lying: &Path) -> Outcome<()> {
    // One entry: the orientation (tag 0x0112, one short) is 6, a quarter turn clockwise.
    let tag = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let what = format!("cannot write {}", lying.display());
    let image = image::open(photo).during(format_args!("cannot read {}", photo.display()))?;
    let mut encoder = PngEncoder::new(File::create(lying).during(&what)?);
    encoder.set_exif_metadata(tag.to_vec()).during(&what)?;
    image.rotate270().write_with_encoder(encoder).during(&what)
}

/// A small image as large as a photo.
fn photo(width: usize, height: usize, bytes: &[u8]) -> Outcome<DynamicImage> {
    let (width, height) = (width as u32, height as u32);
    let small = RgbImage::from_raw(width, height, bytes.to_vec())
        .ok_or_else(|| Failure::new("an image of the project has too few bytes"))?;
    Ok(resize(&small, SIZE[0], SIZE[1], FilterType::Triangle).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_that_lies_is_read_as_the_one_that_stands() {
        let folder = tempfile::tempdir().unwrap();
        let photo = root().join("assets").join("photos").join("coffee.png");
        let lying = folder.path().join("lying.png");
        lay_down(&photo, &lying).unwrap();
        let stored = image::open(&lying).unwrap();
        let images = Images::from_files(&[photo, lying]).unwrap();
        let [one, other] = [0, 1].map(|index| images.decode(index).unwrap());
        assert_eq!((stored.width(), stored.height()), (one.height() as u32, one.width() as u32));
        assert!(one == other);
    }

    #[test]
    fn each_class_gets_its_photos_in_both_parts() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 2, 1).unwrap();
        let images = Images::open(folder.path()).unwrap();
        assert_eq!((images.classes.len(), images.len()), (10, 30));
        let validation = images.items.iter().filter(|item| item.part == Some(Part::Validation));
        assert_eq!(validation.count(), 10);
        for index in 0..images.len() {
            let photo = images.decode(index).unwrap();
            assert_eq!([photo.width(), photo.height()], SIZE.map(|side| side as usize));
        }
    }
}
