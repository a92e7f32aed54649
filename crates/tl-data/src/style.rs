//! An image in the style of another, without a network.

mod fourier;
mod histogram;

use serde::{Deserialize, Serialize};

use crate::{DataError, Rgb8};

pub use fourier::fourier;
pub use histogram::match_histograms;

/// What is taken over from the example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Style {
    /// The amplitudes of low frequencies; see [`fourier`].
    Fourier {
        /// The share β of the shorter side that is taken for low, `0..=0.5`; 0.01 to 0.1 is usual.
        reach: f64,
    },
    /// The distribution of each colour; see [`match_histograms`].
    Histogram,
}

impl Style {
    /// Whether every number makes sense.
    ///
    /// # Errors
    /// [`DataError::Style`] for a reach outside `0..=0.5`.
    pub fn validate(&self) -> Result<(), DataError> {
        match self {
            Self::Fourier { reach } if !(0.0..=0.5).contains(reach) => {
                Err(DataError::Style(format!("the reach is {reach}: use 0 to 0.5")))
            }
            _ => Ok(()),
        }
    }

    /// `image` in the style of `example`, at the image's size.
    pub fn apply(&self, image: &Rgb8, example: &Rgb8) -> Rgb8 {
        match self {
            Self::Fourier { reach } => fourier(image, example, *reach),
            Self::Histogram => match_histograms(image, example),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{base64, formula_image};

    /// One entry of what `xtask/parity/record_styles.py` records.
    #[derive(Deserialize)]
    struct Styled {
        size: (usize, usize),
        /// Of the Fourier style; none is histogram matching.
        reach: Option<f64>,
        bytes: String,
    }

    #[derive(Deserialize)]
    struct Recorded {
        styled: Vec<Styled>,
    }

    #[test]
    fn styles_equal_scikit_image_and_numpy_to_one_step_of_a_byte() {
        let recorded = include_str!("../tests/fixtures/styles.json");
        let recorded: Recorded = serde_json::from_str(recorded).unwrap();
        assert_eq!(recorded.styled.len(), 20);
        for Styled { size: (width, height), reach, bytes } in recorded.styled {
            let image = formula_image(width, height);
            let other = image.bytes().iter().rev().map(|&byte| 40 + byte / 2).collect();
            let example = Rgb8::new(width, height, other).unwrap();
            let style = reach.map_or(Style::Histogram, |reach| Style::Fourier { reach });
            let (styled, wanted) = (style.apply(&image, &example), base64(&bytes));
            let pairs = styled.bytes().iter().zip(&wanted);
            let steps: Vec<u8> = pairs.map(|(one, other)| one.abs_diff(*other)).collect();
            // A sum may fall on either side of one half.
            assert!(steps.iter().all(|&step| step <= 1), "{style:?} {width}×{height}");
            let apart = steps.iter().filter(|&&step| step > 0).count();
            assert!(apart * 50 < steps.len(), "{style:?} {width}×{height}: {apart} apart");
        }
    }

    #[test]
    fn an_image_in_its_own_style_stays_as_it_is() {
        for (width, height) in [(1, 1), (1, 5), (16, 16), (23, 17), (32, 7)] {
            let image = formula_image(width, height);
            for style in [
                Style::Histogram,
                Style::Fourier { reach: 0.0 },
                Style::Fourier { reach: 0.1 },
                Style::Fourier { reach: 0.5 },
            ] {
                assert!(style.apply(&image, &image) == image, "{style:?} {width}×{height}");
            }
        }
    }

    #[test]
    fn images_and_examples_may_differ_in_size_and_colour() {
        let grey =
            Rgb8::from_grey(3, 5, &[0, 9, 200, 4, 5, 6, 90, 30, 2, 1, 0, 7, 8, 9, 255]).unwrap();
        for (image, example) in [
            (&grey, &formula_image(40, 1)),
            (&formula_image(1, 1), &grey),
            (&grey, &formula_image(1, 1)),
        ] {
            for style in [Style::Histogram, Style::Fourier { reach: 0.3 }] {
                let styled = style.apply(image, example);
                assert_eq!((styled.width(), styled.height()), (image.width(), image.height()));
            }
        }
    }

    #[test]
    fn a_reach_beyond_half_is_refused() {
        for reach in [-0.1, 0.6, f64::NAN] {
            assert!(matches!(Style::Fourier { reach }.validate(), Err(DataError::Style(_))));
        }
        assert!(Style::Fourier { reach: 0.5 }.validate().is_ok());
    }

    #[test]
    fn a_style_comes_back_from_json() {
        for style in [Style::Fourier { reach: 0.05 }, Style::Histogram] {
            let json = serde_json::to_string(&style).unwrap();
            assert_eq!(serde_json::from_str::<Style>(&json).unwrap(), style);
        }
        assert!(serde_json::from_str::<Style>(r#"{"fourier":{"reach":0.1,"beta":1}}"#).is_err());
    }
}
