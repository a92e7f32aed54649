//! Folders of mixed files, some of them broken: each broken one is named, the others are used, and memory does not grow.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tl_data::{Images, Loader, Preprocess};

/// Memory is that of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A picture of these sides, encoded.
fn encoded(width: u32, height: u32, grey: bool, format: ImageFormat) -> Vec<u8> {
    let colours = RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 7 + y) as u8, (x * y / 3) as u8, (x + y * 5) as u8])
    });
    let picture = DynamicImage::from(colours);
    let picture = if grey { picture.to_luma8().into() } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Formats by the ends of their files' names.
const FORMATS: [(&str, ImageFormat); 5] = [
    ("jpg", ImageFormat::Jpeg),
    ("png", ImageFormat::Png),
    ("bmp", ImageFormat::Bmp),
    ("gif", ImageFormat::Gif),
    ("webp", ImageFormat::WebP),
];

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn loader(folder: &Path) -> Loader {
    let images = Images::open(folder).unwrap();
    Loader::new(Arc::new(images), Preprocess::imagenet(16, 16), 2, false).unwrap()
}

/// Reads everything; how many images there were.
fn read_all(loader: &Loader, order: Vec<usize>) -> usize {
    loader.batches(order, 16, None).map(|batch| batch.unwrap().indices.len()).sum()
}

#[test]
fn of_a_folder_of_mixed_files_each_broken_one_is_named_and_the_rest_is_used() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let (mut good, mut broken) = (0, BTreeSet::new());
    for (class, (end, format)) in FORMATS.into_iter().enumerate() {
        for (number, (width, height)) in [(1, 1), (7, 90), (64, 48)].into_iter().enumerate() {
            let bytes = encoded(width, height, end == "png" && number == 2, format);
            write(folder.path(), &format!("{class}/good {number}.{end}"), &bytes);
            good += 1;
        }
        let whole = encoded(64, 48, false, format);
        // Known by its content, whatever its name says.
        write(folder.path(), &format!("{class}/renamed {end}.jpg"), &whole);
        good += 1;
        for (name, bytes) in [
            ("cut", &whole[..whole.len() / 2]),
            ("head alone", &whole[..12]),
            ("empty", &b""[..]),
            ("text", &b"no image at all"[..]),
            ("page", &b"<!DOCTYPE html><html>not found</html>"[..]),
            ("zeros", &[0; 500][..]),
        ] {
            // A frame of a GIF that is not whole may be shown as far as it goes.
            if (name, end) == ("cut", "gif") {
                continue;
            }
            let name = format!("{class}/{name}.{end}");
            write(folder.path(), &name, bytes);
            broken.insert(name);
        }
    }
    let loader = loader(folder.path());
    let all: Vec<usize> = (0..loader.images().len()).collect();
    assert_eq!(all.len(), good + broken.len());
    assert_eq!(read_all(&loader, all), good);
    let skipped = loader.skipped();
    let names: BTreeSet<String> = skipped.iter().map(|image| image.name.clone()).collect();
    assert_eq!(names, broken);
    for image in skipped {
        assert!(!image.reason.is_empty() && image.reason.lines().count() == 1, "{image:?}");
    }
}

/// The most memory that this process has held, in MiB.
#[cfg(target_os = "linux")]
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// 10,000 files, one of a hundred broken.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_flat_over_ten_thousand_images() {
    const COUNT: usize = 10_000;
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    // GIFs are left out: choosing their palettes takes longest.
    let formats = FORMATS.into_iter().filter(|(end, _)| *end != "gif");
    let kinds: Vec<(&str, Vec<u8>)> = formats
        .flat_map(|(end, format)| {
            let sides = [(64, 64), (100, 75), (150, 200), (400, 300)];
            sides.map(|(width, height)| (end, encoded(width, height, false, format)))
        })
        .collect();
    for number in 0..COUNT {
        let (end, bytes) = &kinds[number % kinds.len()];
        let bytes = if number % 100 == 99 { &bytes[..bytes.len() / 2] } else { &bytes[..] };
        write(folder.path(), &format!("class {}/{number:05}.{end}", number % 2), bytes);
    }
    let loader = loader(folder.path());
    assert_eq!(loader.images().len(), COUNT);
    let (mut seen, mut before, mut peaks) = (0, 0, Vec::new());
    for until in [1_000, 5_000, COUNT] {
        seen += read_all(&loader, (before..until).collect());
        peaks.push(peak());
        println!("{until} images: at most {:.1} MiB", peaks[peaks.len() - 1]);
        before = until;
    }
    assert_eq!((seen, loader.skipped().len()), (COUNT - COUNT / 100, COUNT / 100));
    // What is kept of each broken image is a line of text.
    assert!(peaks[2] - peaks[0] < 16.0, "{peaks:?}");
}
