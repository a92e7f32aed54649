//! A few changes drawn from a list, all of one strength (Cubuk et al. 2020, "RandAugment: Practical automated data
//! augmentation with a reduced search space").

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::DataError;
use crate::affine::Affine;
use crate::colour::{change, tone};

/// How many changes come one after another, and how strong they are. The list and the strengths are those of torchvision's
/// `RandAugment`; each change is torchvision's function of that name on values in `0..=1`, the nearest pixel taken and black
/// outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    pub operations: usize,
    /// `0..=30`
    pub magnitude: usize,
}

/// The strongest of torchvision's 31 magnitudes.
const STRONGEST: usize = 30;
/// More changes than this leave nothing of an image.
const MOST_OPERATIONS: usize = 16;

impl Default for RandAugment {
    /// Two changes of magnitude 9.
    fn default() -> Self {
        Self { operations: 2, magnitude: 9 }
    }
}

/// A change that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterise,
    Solarise,
    AutoContrast,
    Equalise,
}

const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Colour,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterise,
    Operation::Solarise,
    Operation::AutoContrast,
    Operation::Equalise,
];

impl Operation {
    /// What magnitude `0..=30` means to it on images of `side` pixels, and whether it goes both ways.
    fn level(self, magnitude: usize, side: usize) -> (f64, bool) {
        let share = magnitude as f64 / STRONGEST as f64;
        match self {
            Self::ShearX | Self::ShearY => (0.3 * share, true),
            // Of 331 pixels, the side that the magnitudes were made for.
            Self::TranslateX | Self::TranslateY => (150.0 / 331.0 * side as f64 * share, true),
            Self::Rotate => (30.0 * share, true),
            Self::Brightness | Self::Colour | Self::Contrast | Self::Sharpness => {
                (0.9 * share, true)
            }
            Self::Posterise => (8.0 - (4.0 * share).round_ties_even(), false),
            Self::Solarise => (1.0 - share, false),
            Self::Identity | Self::AutoContrast | Self::Equalise => (0.0, false),
        }
    }

    /// Changes `pixels`, `[3, side, side]` of values in `0..=1`.
    fn apply(self, pixels: &mut [f32], side: usize, level: f64) {
        let factor = (1.0 + level) as f32;
        match self {
            Self::Identity => {}
            Self::ShearX => Affine::shear_columns(level, side).apply(pixels, side),
            Self::ShearY => Affine::shear_rows(level, side).apply(pixels, side),
            Self::TranslateX => Affine::translate(level.trunc(), 0.0).apply(pixels, side),
            Self::TranslateY => Affine::translate(0.0, level.trunc()).apply(pixels, side),
            Self::Rotate => Affine::rotate(level).apply(pixels, side),
            Self::Brightness => change::brightness(pixels, factor),
            Self::Colour => change::saturation(pixels, factor),
            Self::Contrast => change::contrast(pixels, factor),
            Self::Sharpness => tone::sharpness(pixels, side, factor),
            Self::Posterise => tone::posterise(pixels, level as u32),
            Self::Solarise => change::solarise(pixels, level as f32),
            Self::AutoContrast => tone::autocontrast(pixels),
            Self::Equalise => tone::equalise(pixels),
        }
    }
}

impl RandAugment {
    /// What makes no sense about the numbers, if anything.
    pub(crate) fn validate(&self) -> Result<(), DataError> {
        let Self { operations, magnitude } = *self;
        if !(1..=MOST_OPERATIONS).contains(&operations) {
            let problem =
                format!("randaugment of {operations} changes: use 1 to {MOST_OPERATIONS}");
            return Err(DataError::Augment(problem));
        }
        if magnitude > STRONGEST {
            let problem = format!("randaugment's magnitude is {magnitude}: use 0 to {STRONGEST}");
            return Err(DataError::Augment(problem));
        }
        Ok(())
    }

    /// Changes `pixels`, `[3, side, side]` of values in `0..=1`; draws from `random`.
    pub(crate) fn apply(&self, pixels: &mut [f32], side: usize, random: &mut Rng) {
        for _ in 0..self.operations {
            let operation = OPERATIONS[random.below(OPERATIONS.len())];
            let (level, both_ways) = operation.level(self.magnitude, side);
            let turned = both_ways && random.below(2) == 1;
            operation.apply(pixels, side, if turned { -level } else { level });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::formula_image;

    #[derive(Deserialize)]
    struct Recorded {
        cases: Vec<Case>,
        levels: Vec<Levels>,
    }

    #[derive(Deserialize)]
    struct Case {
        operation: String,
        side: usize,
        level: f64,
        /// `[3, side, side]`
        pixels: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct Levels {
        operation: String,
        side: usize,
        signed: bool,
        /// For magnitudes 0, 1, …, 30.
        levels: Vec<f64>,
    }

    fn recorded() -> Recorded {
        serde_json::from_str(include_str!("../tests/fixtures/rand_augment.json")).unwrap()
    }

    fn named(name: &str) -> Operation {
        let names = [
            ("Color", Operation::Colour),
            ("Posterize", Operation::Posterise),
            ("Solarize", Operation::Solarise),
            ("Equalize", Operation::Equalise),
        ];
        let spelled = names.into_iter().find(|(spelling, _)| *spelling == name);
        let plain = || OPERATIONS.into_iter().find(|it| format!("{it:?}") == name);
        spelled.map(|(_, operation)| operation).or_else(plain).unwrap()
    }

    fn start(side: usize) -> Vec<f32> {
        let image = formula_image(side, side);
        let plane = side * side;
        let byte = |at: usize| image.bytes()[at % plane * 3 + at / plane];
        (0..3 * plane).map(|at| f32::from(byte(at)) / 255.0).collect()
    }

    #[test]
    fn every_operation_is_torchvisions() {
        let recorded = recorded();
        assert_eq!(recorded.cases.len(), 30);
        for case in recorded.cases {
            let mut pixels = start(case.side);
            named(&case.operation).apply(&mut pixels, case.side, case.level);
            let apart = pixels.iter().zip(&case.pixels).map(|(one, other)| (one - other).abs());
            let most = apart.fold(0.0, f32::max);
            assert_eq!(pixels.len(), case.pixels.len());
            assert!(most < 2e-6, "{} {}: {most:.1e}", case.operation, case.level);
        }
    }

    #[test]
    fn a_magnitude_means_what_it_means_to_torchvision() {
        let recorded = recorded().levels;
        assert_eq!(recorded.len(), OPERATIONS.len());
        for (place, case) in recorded.iter().enumerate() {
            assert_eq!(named(&case.operation), OPERATIONS[place]);
            for (magnitude, level) in case.levels.iter().enumerate() {
                let (found, signed) = OPERATIONS[place].level(magnitude, case.side);
                assert_eq!(signed, case.signed, "{}", case.operation);
                let apart = (found - level).abs();
                assert!(apart < 1e-4, "{} {magnitude}: {found} {level}", case.operation);
            }
        }
    }

    #[test]
    fn every_operation_is_drawn_both_ways_and_stays_in_the_range() {
        let one = RandAugment { operations: 1, magnitude: 15 };
        let mut seen = std::collections::HashSet::new();
        for index in 0..600 {
            let mut pixels = start(20);
            one.apply(&mut pixels, 20, &mut tl_random::rng(5, "test", 0, index));
            assert!(pixels.iter().all(|value| (0.0..=1.0).contains(value)), "{index}");
            let bits: Vec<u32> = pixels.iter().map(|value| value.to_bits()).collect();
            seen.insert(bits);
        }
        // Nine go both ways, five one way; the image has its whole range already, so that autocontrast is the identity.
        assert_eq!(seen.len(), 22);
    }

    #[test]
    fn senseless_numbers_are_refused() {
        assert!(RandAugment::default().validate().is_ok());
        for (operations, magnitude) in [(0, 9), (17, 9), (2, 31)] {
            assert!(RandAugment { operations, magnitude }.validate().is_err());
        }
    }
}
