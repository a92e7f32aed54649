//! Files of rare kinds beside what Pillow makes of them.

use serde::Deserialize;

use super::decode_bytes;
use crate::testing::base64;

#[derive(Deserialize)]
struct Recorded {
    width: usize,
    height: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// In base64.
    file: String,
    /// What `Image.open(file).convert("RGB")` holds, in base64.
    pixels: String,
}

#[test]
fn files_of_rare_kinds_hold_the_pixels_that_pillow_sees() {
    let text = include_str!("../../tests/fixtures/decoding.json");
    let recorded: Recorded = serde_json::from_str(text).unwrap();
    assert_eq!(recorded.cases.len(), 10);
    for Case { name, file, pixels } in recorded.cases {
        let found = decode_bytes(&base64(&file)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((found.width(), found.height()), (recorded.width, recorded.height), "{name}");
        let apart = found.bytes().iter().zip(base64(&pixels)).map(|(one, it)| one.abs_diff(it));
        // Decoders of JPEG round their cosine transforms differently; all else is exact.
        let most = if name.ends_with(".jpg") { 4 } else { 0 };
        assert!(apart.max().unwrap() <= most, "{name}");
    }
}
