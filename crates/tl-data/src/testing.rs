//! What several tests need: images by formula, folders of them, and recorded results.

use std::path::Path;
use std::sync::Arc;

use crate::{Images, Loader, Part, Preprocess, Rgb8};

/// The image that `xtask/parity/record_resize.py` fills by the same formula.
pub fn formula_image(width: usize, height: usize) -> Rgb8 {
    let value = |row: usize, column: usize, channel: usize| {
        ((row * row * 31 + column * 17 + row * column * 7 + channel * 101) % 256) as u8
    };
    let mut bytes = Vec::new();
    for row in 0..height {
        for column in 0..width {
            bytes.extend((0..3).map(|channel| value(row, column, channel)));
        }
    }
    Rgb8::new(width, height, bytes).unwrap()
}

/// One entry of the recorded results.
#[derive(serde::Deserialize)]
pub struct Resized {
    pub filter: crate::Interpolation,
    pub from: (usize, usize),
    pub to: (usize, usize),
    bytes: String,
}

impl Resized {
    pub fn bytes(&self) -> Vec<u8> {
        base64(&self.bytes)
    }
}

/// One entry of the recorded results.
#[derive(serde::Deserialize)]
pub struct Cropped {
    pub filter: crate::Interpolation,
    pub from: (usize, usize),
    pub resize: usize,
    pub crop: usize,
    bytes: String,
}

impl Cropped {
    pub fn bytes(&self) -> Vec<u8> {
        base64(&self.bytes)
    }
}

/// One entry of the recorded results: the shorter side made `resize`, by Pillow in one step.
#[derive(serde::Deserialize)]
pub struct Direct {
    pub filter: crate::Interpolation,
    pub from: (usize, usize),
    pub resize: usize,
    pub to: (usize, usize),
    bytes: String,
}

impl Direct {
    pub fn bytes(&self) -> Vec<u8> {
        base64(&self.bytes)
    }
}

/// What Pillow and torchvision made of the images.
#[derive(serde::Deserialize)]
pub struct Recorded {
    pub resized: Vec<Resized>,
    pub cropped: Vec<Cropped>,
    pub direct: Vec<Direct>,
}

pub fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../tests/fixtures/resize.json")).unwrap()
}

pub fn base64(text: &str) -> Vec<u8> {
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']);
    let digits: Vec<char> = alphabet.collect();
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for character in text.chars().filter(|&character| character != '=') {
        let digit = digits.iter().position(|&digit| digit == character).unwrap();
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Writes the formula's image as whatever the extension says; makes folders as needed.
pub fn write_image(path: &Path, width: usize, height: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes = formula_image(width, height).bytes().to_vec();
    let pixels = image::RgbImage::from_raw(width as u32, height as u32, bytes).unwrap();
    pixels.save(path).unwrap();
}

/// A folder with the given images of 8×6 pixels, and empty folders for names that end in `/`.
pub fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        match name.ends_with('/') {
            true => std::fs::create_dir_all(folder.path().join(name)).unwrap(),
            false => write_image(&folder.path().join(name), 8, 6),
        }
    }
    folder
}

/// IDX bytes of `labels.len()` images of 2×3 pixels and of their labels.
pub fn idx_bytes(labels: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let count = labels.len() as u8;
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3];
    images.extend((0..count).flat_map(|image| (0..6).map(move |pixel| image * 6 + pixel)));
    let mut all = vec![0, 0, 8, 1, 0, 0, 0, count];
    all.extend_from_slice(labels);
    (images, all)
}

/// IDX data in memory without a division into parts: `per_class` images for each of `classes`.
pub fn unsplit(classes: usize, per_class: usize) -> Images {
    let labels: Vec<u8> = (0..classes * per_class).map(|index| (index % classes) as u8).collect();
    let (pixels, labels) = idx_bytes(&labels);
    let mut images = Images::idx(&[(Part::Train, &pixels, &labels)], Vec::new()).unwrap();
    images.items.iter_mut().for_each(|item| item.part = None);
    images
}

/// A loader of 8×8 pixels.
pub fn loader(images: Images, threads: usize, strict: bool) -> Loader {
    let preprocess = Preprocess::imagenet(8, 8);
    Loader::new(Arc::new(images), preprocess, threads, strict).unwrap()
}
