//! Random changes of an image's colours, for views that are to be told apart by content alone.

pub(crate) mod change;
pub(crate) mod tone;

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::DataError;

/// What is drawn anew for each view, one after another: jitter, grey, blur, solarisation. Each is what
/// torchvision's function of that name does with the same factors on values in `0..=1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Colour {
    pub jitter: Option<Jitter>,
    /// The probability of losing all colour, `0..=1`.
    pub greyscale: f64,
    pub blur: Option<Blur>,
    pub solarise: Option<Solarise>,
}

/// Brightness, contrast, saturation and hue, all four in an order drawn at random. A factor is drawn evenly
/// from `1 − x` (0 at least) to `1 + x`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    pub probability: f64,
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// Turns of the colour circle, drawn evenly between minus and plus this; up to `.5`.
    pub hue: f64,
}

/// A Gaussian blur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    pub probability: f64,
    /// Pixels on a side of the kernel, an odd number; an image's edges are mirrored, and where it is too small
    /// for that the kernel is cut to it.
    pub kernel: usize,
    /// The least and largest deviation in pixels.
    pub sigma: [f64; 2],
}

/// Turns around the values from a threshold on: `x` becomes `1 − x`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solarise {
    pub probability: f64,
    /// `0..=1`
    pub threshold: f64,
}

impl Colour {
    /// The distortion of SimCLR (Chen et al. 2020, appendix A): jitter of `.8·strength`, its hue
    /// `.2·strength`, in four of five views; grey in one of five. The paper has strength 1 for photos and
    /// .5 for images of 32 pixels.
    pub fn simclr(strength: f64) -> Self {
        let (most, hue) = (0.8 * strength, 0.2 * strength);
        Self::jittered([most, most, most, hue])
    }

    /// That of BYOL (Grill et al. 2020, appendix B), which Barlow Twins, VICReg and DINO took over: jitter of
    /// .4, .4, .2 and .1 in four of five views; grey in one of five.
    pub fn byol() -> Self {
        Self::jittered([0.4, 0.4, 0.2, 0.1])
    }

    fn jittered([brightness, contrast, saturation, hue]: [f64; 4]) -> Self {
        let jitter = Jitter { probability: 0.8, brightness, contrast, saturation, hue };
        Self { jitter: Some(jitter), greyscale: 0.2, ..Self::default() }
    }

    /// The same, and blurred with this probability: the papers' kernel of a tenth of the image's `size`
    /// and deviation of .1 to 2 pixels.
    pub fn blurred(self, size: usize, probability: f64) -> Self {
        let kernel = size / 10 / 2 * 2 + 1;
        Self { blur: Some(Blur { probability, kernel, sigma: [0.1, 2.0] }), ..self }
    }

    /// The same, and solarised from the middle of the range on with this probability.
    pub fn solarised(self, probability: f64) -> Self {
        Self { solarise: Some(Solarise { probability, threshold: 0.5 }), ..self }
    }

    /// What makes no sense about the numbers, if anything.
    pub(crate) fn validate(&self) -> Result<(), DataError> {
        let share = |what: &str, value: f64| {
            check((0.0..=1.0).contains(&value), || format!("{what} is {value}: use 0 to 1"))
        };
        share("the probability of grey", self.greyscale)?;
        if let Some(jitter) = &self.jitter {
            share("the probability of jitter", jitter.probability)?;
            let Jitter { brightness, contrast, saturation, hue, .. } = *jitter;
            for (what, value) in
                [("brightness", brightness), ("contrast", contrast), ("saturation", saturation)]
            {
                let good = value >= 0.0 && value.is_finite();
                check(good, || format!("the jitter of {what} is {value}: use a number from 0"))?;
            }
            let good = (0.0..=0.5).contains(&hue);
            check(good, || format!("the jitter of hue is {hue}: use 0 to 0.5"))?;
        }
        if let Some(Blur { probability, kernel, sigma: [low, high] }) = self.blur {
            share("the probability of a blur", probability)?;
            check(kernel % 2 == 1, || {
                format!("the kernel of the blur is {kernel} pixels: use an odd number")
            })?;
            check(low > 0.0 && low <= high && high.is_finite(), || {
                format!("the blur's deviations [{low}, {high}] must be above 0, the smaller first")
            })?;
        }
        if let Some(Solarise { probability, threshold }) = self.solarise {
            share("the probability of solarisation", probability)?;
            share("the threshold of solarisation", threshold)?;
        }
        Ok(())
    }

    /// Changes `pixels`, `[3, side, side]` of values in `0..=1`; draws from `random`.
    pub(crate) fn apply(&self, pixels: &mut [f32], side: usize, random: &mut Rng) {
        if let Some(jitter) = &self.jitter
            && happens(jitter.probability, random)
        {
            jitter.apply(pixels, random);
        }
        if happens(self.greyscale, random) {
            change::greyscale(pixels);
        }
        if let Some(Blur { probability, kernel, sigma: [low, high] }) = self.blur
            && happens(probability, random)
        {
            change::blur(pixels, side, kernel, random.between(low, high));
        }
        if let Some(Solarise { probability, threshold }) = self.solarise
            && happens(probability, random)
        {
            change::solarise(pixels, threshold as f32);
        }
    }
}

impl Jitter {
    fn apply(&self, pixels: &mut [f32], random: &mut Rng) {
        let factor =
            |most: f64, random: &mut Rng| random.between((1.0 - most).max(0.0), 1.0 + most) as f32;
        for place in random.permutation(4) {
            match place {
                0 => change::brightness(pixels, factor(self.brightness, random)),
                1 => change::contrast(pixels, factor(self.contrast, random)),
                2 => change::saturation(pixels, factor(self.saturation, random)),
                _ => change::hue(pixels, random.between(-self.hue, self.hue) as f32),
            }
        }
    }
}

fn happens(probability: f64, random: &mut Rng) -> bool {
    random.uniform_f64() < probability
}

fn check(good: bool, problem: impl FnOnce() -> String) -> Result<(), DataError> {
    if good { Ok(()) } else { Err(DataError::Augment(problem())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(colour: &Colour, index: u64) -> Vec<f32> {
        let mut pixels: Vec<f32> = (0..3 * 36).map(|at| (at * 37 % 101) as f32 / 100.0).collect();
        colour.apply(&mut pixels, 6, &mut tl_random::rng(3, "test", 0, index));
        pixels
    }

    #[test]
    fn nothing_is_changed_unless_it_is_asked_for() {
        assert_eq!(changed(&Colour::default(), 0), changed(&Colour::default(), 1));
        let never = Colour {
            jitter: Some(Jitter { probability: 0.0, ..Colour::byol().jitter.unwrap() }),
            ..Colour::default().blurred(60, 0.0).solarised(0.0)
        };
        assert_eq!(changed(&never, 0), changed(&Colour::default(), 0));
    }

    #[test]
    fn each_change_comes_as_often_as_it_was_asked_for() {
        let plain = changed(&Colour::default(), 0);
        let share = |colour: &Colour| {
            let other = (0..2000).filter(|index| changed(colour, *index) != plain).count();
            other as f64 / 2000.0
        };
        // The standard deviation of such a share is .011 at most.
        let grey = Colour { greyscale: 0.2, ..Colour::default() };
        assert!((share(&grey) - 0.2).abs() < 0.04, "{}", share(&grey));
        assert!((share(&Colour::default().blurred(60, 0.5)) - 0.5).abs() < 0.05);
        assert!((share(&Colour::default().solarised(0.1)) - 0.1).abs() < 0.03);
        let jitter = Colour { greyscale: 0.0, ..Colour::byol() };
        assert!((share(&jitter) - 0.8).abs() < 0.04);
    }

    #[test]
    fn a_changed_image_stays_in_its_range_and_depends_on_the_draw_alone() {
        let colour = Colour::simclr(1.0).blurred(60, 0.5).solarised(0.2);
        for index in 0..200 {
            let pixels = changed(&colour, index);
            assert!(pixels.iter().all(|value| (0.0..=1.0).contains(value)), "{index}");
            assert_eq!(pixels, changed(&colour, index));
        }
        assert_ne!(changed(&colour, 0), changed(&colour, 1));
    }

    #[test]
    fn the_four_parts_of_jitter_come_in_any_order() {
        // Each part alone is the identity: which of the others came first would not show.
        let jitter = Jitter { hue: 0.5, ..Colour::simclr(1.0).jitter.unwrap() };
        let orders: std::collections::HashSet<Vec<usize>> =
            (0..500).map(|index| tl_random::rng(3, "test", 0, index).permutation(4)).collect();
        assert_eq!(orders.len(), 24);
        let only = |index| {
            let mut pixels = vec![0.2, 0.5, 0.9];
            jitter.apply(&mut pixels, &mut tl_random::rng(3, "test", 0, index));
            pixels
        };
        assert_ne!(only(0), only(1));
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let jitter = Colour::byol().jitter.unwrap();
        let jittered = |jitter| Colour { jitter: Some(jitter), ..Colour::default() };
        let blurred = |kernel, sigma| Colour {
            blur: Some(Blur { probability: 0.5, kernel, sigma }),
            ..Colour::default()
        };
        assert!(Colour::simclr(1.0).blurred(224, 0.5).solarised(0.2).validate().is_ok());
        let bad = [
            jittered(Jitter { probability: 1.5, ..jitter.clone() }),
            jittered(Jitter { brightness: -0.1, ..jitter.clone() }),
            jittered(Jitter { contrast: f64::NAN, ..jitter.clone() }),
            jittered(Jitter { saturation: f64::INFINITY, ..jitter.clone() }),
            jittered(Jitter { hue: 0.6, ..jitter }),
            Colour { greyscale: -0.1, ..Colour::default() },
            blurred(4, [0.1, 2.0]),
            blurred(0, [0.1, 2.0]),
            blurred(3, [0.0, 2.0]),
            blurred(3, [2.0, 0.1]),
            Colour::default().blurred(224, 2.0),
            Colour::default().solarised(f64::NAN),
        ];
        for colour in bad {
            assert!(colour.validate().is_err(), "{colour:?}");
        }
    }

    #[test]
    fn the_kernel_of_the_papers_is_a_tenth_of_the_image() {
        let kernel = |size| Colour::default().blurred(size, 0.5).blur.unwrap().kernel;
        assert_eq!([kernel(224), kernel(96), kernel(32), kernel(8)], [23, 9, 3, 1]);
    }
}
