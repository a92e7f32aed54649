//! Two images in one, and two labels for it: Mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et al. 2019,
//! arXiv 1905.04899).

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, ResolvedPhase, Solver, rng};
use tl_random::Rng;

use crate::{Dataset, Settings, TrainError};

/// How the images of one batch are mixed: each with the one before it, the first with the last, as torchvision pairs them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixed {
    /// What an image's own label weighs in the loss; that of its partner weighs the rest.
    share: f64,
    /// The rectangle that comes from the partner: its first column and row, and those behind its last. Without one, all pixels are
    /// mixed.
    cut: Option<[usize; 4]>,
}

impl Mixed {
    /// What is drawn for the batch of this number, on images of `height` × `width` pixels; nothing where the settings ask for
    /// none. Where they ask for both kinds, each comes in half of the batches.
    pub fn draw(settings: &Settings, number: u64, height: usize, width: usize) -> Option<Self> {
        let mut random = rng(settings.seed, "mixup", number, 0);
        let cut =
            |alpha: f64, random: &mut Rng| Self::cut(random.beta(alpha), height, width, random);
        let blended = |alpha: f64, random: &mut Rng| Self { share: random.beta(alpha), cut: None };
        match settings.mixing() {
            [None, None] => None,
            [Some(alpha), None] => Some(blended(alpha, &mut random)),
            [None, Some(alpha)] => Some(cut(alpha, &mut random)),
            [Some(alpha), Some(cut_alpha)] => Some(match random.below(2) {
                0 => blended(alpha, &mut random),
                _ => cut(cut_alpha, &mut random),
            }),
        }
    }

    /// A rectangle of about `1 − share` of the area around a random pixel; what lies outside the image is cut off, and the share
    /// is then that of the pixels that stay.
    fn cut(share: f64, height: usize, width: usize, random: &mut Rng) -> Self {
        let half = 0.5 * (1.0 - share).max(0.0).sqrt();
        let mut side = |length: usize| {
            let middle = random.below(length);
            let half = (half * length as f64) as usize;
            (middle.saturating_sub(half), (middle + half).min(length))
        };
        let ((left, right), (top, bottom)) = (side(width), side(height));
        let area = (right - left) * (bottom - top);
        let share = 1.0 - area as f64 / (width * height).max(1) as f64;
        Self { share, cut: Some([left, top, right, bottom]) }
    }

    /// The mixed images, `[batch, channels, height, width]` as before.
    pub fn images(&self, images: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = images.dims();
        if batch < 2 {
            return images;
        }
        let (last, others) =
            (images.clone().narrow(0, batch - 1, 1), images.clone().narrow(0, 0, batch - 1));
        let partners = Tensor::cat(vec![last, others], 0);
        let Some([left, top, right, bottom]) = self.cut else {
            return images.mul_scalar(self.share) + partners.mul_scalar(1.0 - self.share);
        };
        let inside = |at: usize| {
            let (x, y) = (at % width, at / width);
            (left..right).contains(&x) && (top..bottom).contains(&y)
        };
        let theirs: Vec<f32> =
            (0..height * width).map(|at| f32::from(u8::from(inside(at)))).collect();
        let theirs = TensorData::new(theirs, [1, 1, height, width]);
        let theirs = Tensor::<4>::from_data(theirs, &images.device());
        let own = theirs.clone().mul_scalar(-1.0).add_scalar(1.0);
        images * own + partners * theirs
    }

    /// `share · ℓ(y) + (1 − share) · ℓ(y of the partners)` for a loss ℓ of a batch's labels; the result is `[1]`.
    pub fn loss(&self, labels: &[usize], loss: impl Fn(&[usize]) -> Tensor<1>) -> Tensor<1> {
        let mut partners = labels.to_vec();
        partners.rotate_right(1.min(labels.len()));
        loss(labels).mul_scalar(self.share) + loss(&partners).mul_scalar(1.0 - self.share)
    }
}

/// Succeeds where images are mixed in some phase, or nobody asks for it.
///
/// # Errors
/// Data that are not answered with one class each; a plan whose phases all have frozen stages before the first trained one, or solve
/// a head.
pub(crate) fn check(
    settings: &Settings,
    data: &dyn Dataset,
    phases: &[ResolvedPhase],
) -> Result<(), TrainError> {
    if !settings.mixes() {
        return Ok(());
    }
    let (what, value) = ("what mixup or cutmix mixes", "nothing".to_string());
    let many = data.answers().is_some() || data.targets(&[], None).is_some();
    if many || data.several().is_some() || data.numbers().is_some() || data.lengths().is_some() {
        let expected = "images that are answered with one class each, or leave them out";
        return Err(TrainError::BadOption { what, value, expected });
    }
    let by_image = |it: &ResolvedPhase| it.cut == 0 && it.phase.solver == Solver::Gradient;
    if !phases.iter().any(by_image) {
        let expected = "a phase by gradient whose first stage is trained, or leave them out";
        return Err(TrainError::BadOption { what, value, expected });
    }
    Ok(())
}

/// The input of a step whose stages are all trained or run anew, mixed where the settings ask for it.
///
/// # Errors
/// An input that is no images.
pub(crate) fn mix(
    settings: &Settings,
    input: Activation,
    number: u64,
) -> Result<(Activation, Option<Mixed>), TrainError> {
    if !settings.mixes() {
        return Ok((input, None));
    }
    let images = input.into_image("mixup or cutmix")?;
    let [_, _, height, width] = images.dims();
    let Some(mixed) = Mixed::draw(settings, number, height, width) else {
        return Ok((Activation::Image(images), None));
    };
    let images = mixed.images(images.into_channels_first());
    Ok((Activation::image(images), Some(mixed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{cross_entropy, scalar, weighted_cross_entropy};

    const CLASSES: usize = 3;
    const LOGITS: [f32; 9] = [0.3, -1.2, 0.8, 2.0, 0.1, -0.4, -0.7, 0.9, 0.2];
    const LABELS: [usize; 3] = [2, 0, 1];
    const SMOOTHING: f64 = 0.1;

    fn logits(values: &[f32]) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len() / CLASSES, CLASSES]);
        Tensor::from_data(data, &Device::flex()).autodiff().require_grad()
    }

    fn loss_of(mixed: &Mixed, tracked: &Tensor<2>) -> Tensor<1> {
        mixed.loss(&LABELS, |labels| cross_entropy(tracked.clone(), labels, SMOOTHING))
    }

    /// The cross-entropy with soft labels, in f64.
    fn expected(values: &[f32], share: f64) -> f64 {
        let rows = values.chunks(CLASSES).enumerate().map(|(row, logits)| {
            let (own, partner) = (LABELS[row], LABELS[(row + LABELS.len() - 1) % LABELS.len()]);
            let sum: f64 = logits.iter().map(|value| f64::from(*value).exp()).sum();
            let wanted = |class: usize| {
                let one = |label: usize| f64::from(u8::from(label == class));
                let hard = share * one(own) + (1.0 - share) * one(partner);
                (1.0 - SMOOTHING) * hard + SMOOTHING / CLASSES as f64
            };
            let term =
                |(class, value): (usize, &f32)| -wanted(class) * (f64::from(*value) - sum.ln());
            logits.iter().enumerate().map(term).sum::<f64>()
        });
        rows.sum::<f64>() / LABELS.len() as f64
    }

    #[test]
    fn the_loss_is_that_of_both_labels_by_their_shares() {
        for share in [0.0, 0.3, 0.5, 1.0] {
            let found = scalar(loss_of(&Mixed { share, cut: None }, &logits(&LOGITS))).unwrap();
            assert!((found - expected(&LOGITS, share)).abs() < 1e-6, "{share}: {found}");
        }
    }

    #[test]
    fn class_weights_weigh_both_labels() {
        let (share, weights) = (0.3, [0.5f32, 2.0, 1.25]);
        let mixed = Mixed { share, cut: None };
        let of = |labels: &[usize]| weighted_cross_entropy(logits(&LOGITS), labels, 0.0, &weights);
        let found = scalar(mixed.loss(&LABELS, of)).unwrap();
        // Without smoothing each label's own term counts, times its weight, by all weights: 1.25, 0.5 and 2.
        let term = |row: usize, label: usize| {
            let row = &LOGITS[row * CLASSES..][..CLASSES];
            let sum: f64 = row.iter().map(|value| f64::from(*value).exp()).sum();
            f64::from(weights[label]) * (sum.ln() - f64::from(row[label]))
        };
        let both = |row: usize| {
            let partner = LABELS[(row + LABELS.len() - 1) % LABELS.len()];
            share * term(row, LABELS[row]) + (1.0 - share) * term(row, partner)
        };
        let expected = (0..LABELS.len()).map(both).sum::<f64>() / 3.75;
        assert!((found - expected).abs() < 1e-6, "{found} should be {expected}");
    }

    #[test]
    fn the_gradient_of_the_loss_is_that_of_differences() {
        let mixed = Mixed { share: 0.3, cut: None };
        let tracked = logits(&LOGITS);
        let gradients = loss_of(&mixed, &tracked).backward();
        let gradient = tracked.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(gradient.len(), LOGITS.len());
        for (place, slope) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = LOGITS;
                values[place] += by;
                expected(&values, mixed.share)
            };
            let slopes = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slopes - f64::from(*slope)).abs() < 1e-4, "{place}: {slopes} and {slope}");
        }
    }

    fn images() -> Tensor<4> {
        let values: Vec<f32> = (0..3 * 6).map(|value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, [3, 1, 2, 3]), &Device::flex())
    }

    fn read(images: Tensor<4>) -> Vec<f32> {
        images.into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn an_image_is_mixed_with_the_one_before_it() {
        let blended = read(Mixed { share: 0.75, cut: None }.images(images()));
        // The first with the last, which is 12 more; the others with one that is 6 less.
        let expected = (0..18).map(|at| at as f32 + if at < 6 { 3.0 } else { -1.5 });
        assert_eq!(blended, expected.collect::<Vec<f32>>());
        let cut = read(Mixed { share: 2.0 / 3.0, cut: Some([1, 0, 2, 2]) }.images(images()));
        let partner = |at: usize| if at < 6 { 12.0 } else { -6.0 };
        let expected = (0..18).map(|at| at as f32 + if at % 3 == 1 { partner(at) } else { 0.0 });
        assert_eq!(cut, expected.collect::<Vec<f32>>());
        let one = images().narrow(0, 0, 1);
        assert_eq!(read(Mixed { share: 0.2, cut: None }.images(one.clone())), read(one));
    }

    #[test]
    fn the_share_of_a_cut_is_that_of_the_pixels_that_stay() {
        let settings = Settings { cutmix: Some(1.0), ..Settings::default() };
        let mut shares = Vec::new();
        for step in 0..400 {
            let mixed = Mixed::draw(&settings, step, 10, 20).unwrap();
            let [left, top, right, bottom] = mixed.cut.unwrap();
            assert!(left <= right && right <= 20 && top <= bottom && bottom <= 10);
            let stays = 200 - (right - left) * (bottom - top);
            assert!((mixed.share - stays as f64 / 200.0).abs() < 1e-12);
            shares.push(mixed.share);
        }
        assert!(shares.iter().any(|share| *share < 0.4) && shares.iter().any(|it| *it > 0.9));
    }

    #[test]
    fn a_step_is_mixed_as_its_number_says_and_both_kinds_take_turns() {
        let both = Settings { mixup: Some(0.2), cutmix: Some(1.0), ..Settings::default() };
        let draws: Vec<Mixed> =
            (0..400).map(|step| Mixed::draw(&both, step, 8, 8).unwrap()).collect();
        let again: Vec<Mixed> =
            (0..400).map(|step| Mixed::draw(&both, step, 8, 8).unwrap()).collect();
        assert_eq!(draws, again);
        // The standard deviation is 10.
        let cuts = draws.iter().filter(|mixed| mixed.cut.is_some()).count();
        assert!((150..250).contains(&cuts), "{cuts}");
        assert_eq!(Mixed::draw(&Settings::default(), 0, 8, 8), None);
        let nothing = Settings { mixup: Some(0.0), cutmix: Some(0.0), ..Settings::default() };
        assert_eq!(Mixed::draw(&nothing, 0, 8, 8), None);
    }
}
