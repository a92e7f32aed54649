//! Shows every generated shift and style: the pictures of the book's page on shifts.
//!
//! `cargo run --release --package tl-data --example contact_sheets` writes `shifts-photos.jpg` and
//! `shifts-small.png` to `docs/src/pictures`, within a second, the same bytes at every run.

use std::error::Error;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, replace, resize};
use image::{Rgb, RgbImage};
use tl_data::{Images, Rgb8, Shift, Shifter, fourier, match_histograms};

const SEED: u64 = 7;
/// Pixels between tiles.
const GAP: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pictures = root.join("docs/src/pictures");
    let photo = |name: &str| -> Result<Rgb8, Box<dyn Error>> {
        let path = root.join("assets/photos").join(name);
        Ok(Images::from_files(&[path])?.decode(0)?)
    };
    let (cat, coffee) = (photo("chelsea.png")?, photo("coffee.png")?);

    let [cat, coffee] = [cat, coffee].map(|photo| Tile::of(&photo).smooth(180, 120));
    let (source, example) = (cat.rgb8()?, coffee.rgb8()?);
    let evening = "night:0.4".parse::<Shift>()?.prepare(SEED)?;
    let mut tiles = vec![cat.clone(), Tile::of(&evening.apply(&source, "night"))];
    for (name, shifter) in shifters(&root)? {
        tiles.push(Tile::of(&shifter.apply(&source, name)));
    }
    let styles = [fourier(&source, &example, 0.02), match_histograms(&source, &example)];
    tiles.extend([cat, coffee]);
    tiles.extend(styles.iter().map(Tile::of));
    // The whole night beside the evening.
    tiles.swap(1, 2);
    let rows: Vec<Vec<Tile>> = tiles.chunks(4).map(<[Tile]>::to_vec).collect();
    let file = std::fs::File::create(pictures.join("shifts-photos.jpg"))?;
    JpegEncoder::new_with_quality(file, 82).encode_image(&sheet(&rows))?;

    let fashion = Images::open(&root.join("assets/fashion_mnist"))?;
    // One image of each of five classes, in a row each.
    let rows = [1, 7, 5, 8, 9].map(|label| -> Result<Vec<Tile>, Box<dyn Error>> {
        let index = fashion.items.iter().position(|item| item.label == Some(label));
        let (index, mut row) = (index.ok_or("a class without images")?, Vec::new());
        let image = fashion.decode(index)?;
        row.push(Tile::of(&image).doubled());
        for (_, shifter) in shifters(&root)? {
            let shifted = shifter.apply(&image, &fashion.items[index].name);
            row.push(Tile::of(&shifted).doubled());
        }
        Ok(row)
    });
    let rows: Vec<Vec<Tile>> = rows.into_iter().collect::<Result<_, _>>()?;
    sheet(&rows).save(pictures.join("shifts-small.png"))?;
    Ok(())
}

/// Every shift in full.
fn shifters(root: &Path) -> Result<Vec<(&'static str, Shifter)>, Box<dyn Error>> {
    let photos = root.join("assets/photos");
    let shifters = Shift::NAMES.map(|name| {
        let text = match name {
            "blend" => format!("blend@{}", photos.display()),
            other => other.to_string(),
        };
        Ok((name, text.parse::<Shift>()?.prepare(SEED)?))
    });
    shifters.into_iter().collect()
}

/// One picture of a sheet.
#[derive(Clone)]
struct Tile(RgbImage);

impl Tile {
    fn of(image: &Rgb8) -> Self {
        let (width, height) = (image.width() as u32, image.height() as u32);
        let pixels = image.bytes().as_chunks::<3>().0;
        Self(RgbImage::from_fn(width, height, |x, y| Rgb(pixels[(y * width + x) as usize])))
    }

    fn smooth(&self, width: u32, height: u32) -> Self {
        Self(resize(&self.0, width, height, FilterType::CatmullRom))
    }

    /// Twice as large, each pixel a square.
    fn doubled(&self) -> Self {
        let (width, height) = self.0.dimensions();
        Self(resize(&self.0, 2 * width, 2 * height, FilterType::Nearest))
    }

    fn rgb8(&self) -> Result<Rgb8, tl_data::DataError> {
        Rgb8::new(self.0.width() as usize, self.0.height() as usize, self.0.as_raw().clone())
    }
}

/// The tiles in rows on white; all are as large as the first.
fn sheet(rows: &[Vec<Tile>]) -> RgbImage {
    let size = rows.first().and_then(|row| row.first()).map_or((1, 1), |tile| tile.0.dimensions());
    let (across, down) = (size.0 + GAP, size.1 + GAP);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let (width, height) = (columns * across + GAP, rows.len() as u32 * down + GAP);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    for (row, tiles) in (0..).zip(rows) {
        for (column, tile) in (0..).zip(tiles) {
            let (left, top) = (GAP + column * across, GAP + row * down);
            replace(&mut sheet, &tile.0, left.into(), top.into());
        }
    }
    sheet
}
