//! Which patches of an image are hidden.

use burn::prelude::*;
use tl_core::Pass;
use tl_random::Rng;

use crate::SslError;

/// The patches of one image, divided into visible and hidden ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// In the order in which they are encoded.
    pub visible: Vec<usize>,
    pub hidden: Vec<usize>,
}

impl Mask {
    /// Of `patches` patches the share `ratio` is hidden, rounded up, all subsets alike probable.
    pub fn draw(patches: usize, ratio: f64, random: &mut Rng) -> Self {
        Self::of_order(random.permutation(patches), ratio)
    }

    /// The first patches of `order` are visible, so many that the share `ratio`, rounded up, is hidden.
    pub fn of_order(mut order: Vec<usize>, ratio: f64) -> Self {
        let hidden = order.split_off(visible_count(order.len(), ratio));
        Self { visible: order, hidden }
    }
}

/// How many of `patches` patches are visible: `⌊patches · (1 − ratio)⌋`, as in the masked autoencoder's
/// own code.
pub fn visible_count(patches: usize, ratio: f64) -> usize {
    // The small addend undoes what 1 − .9 loses in binary.
    (patches as f64 * (1.0 - ratio) + 1e-9).floor() as usize
}

/// One mask for each of `batch` images, of which the first has the place `first` in the whole batch.
pub(super) fn masks(
    patches: usize,
    ratio: f64,
    batch: usize,
    first: usize,
    pass: Pass,
) -> Vec<Mask> {
    let draw = |image: usize| {
        let mut random = tl_random::rng(pass.seed, "mask", pass.step, image as u64);
        Mask::draw(patches, ratio, &mut random)
    };
    (first..first + batch).map(draw).collect()
}

/// The hidden patches of each image.
pub(super) fn hidden_of(masks: &[Mask]) -> Vec<Vec<usize>> {
    masks.iter().map(|mask| mask.hidden.clone()).collect()
}

/// # Errors
/// A share of hidden patches that leaves none visible, or none hidden.
pub(super) fn check_ratio(patches: usize, ratio: f64) -> Result<(), SslError> {
    let wrong = |expected| {
        let (what, value) = ("the mask ratio", format!("{ratio} of {patches} patches"));
        Err(SslError::BadOption { what, value, expected })
    };
    if !(0.0..=1.0).contains(&ratio) {
        return wrong("a share between 0 and 1");
    }
    match visible_count(patches, ratio) {
        0 => wrong("a smaller share, so that a patch stays visible"),
        visible if visible == patches => wrong("a larger share, so that a patch is hidden"),
        _ => Ok(()),
    }
}

/// # Errors
/// Other than one view.
pub(super) fn one_view<'a>(
    method: &'static str,
    views: &'a [Tensor<4>],
) -> Result<&'a Tensor<4>, SslError> {
    match views {
        [images] => Ok(images),
        _ => Err(SslError::Views { method, expected: 1, found: views.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_exact() {
        for (patches, ratio, visible) in [
            (196, 0.75, 49),
            (49, 0.75, 12),
            (100, 0.9, 10),
            (16, 0.5, 8),
            (9, 0.0, 9),
            (9, 1.0, 0),
        ] {
            let mask = Mask::draw(patches, ratio, &mut tl_random::rng(1, "mask", 0, 0));
            assert_eq!(mask.visible.len(), visible, "{patches} {ratio}");
            let mut all = [mask.visible, mask.hidden].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..patches));
        }
    }

    #[test]
    fn the_same_seed_hides_the_same_and_every_step_something_else() {
        let draw = |seed, step| Mask::draw(49, 0.75, &mut tl_random::rng(seed, "mask", step, 0));
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
    }

    /// χ² of how often each patch, and each pair of patches, is visible.
    #[test]
    fn all_patches_and_all_pairs_are_hidden_alike_often() {
        const PATCHES: usize = 16;
        const DRAWS: u64 = 20_000;
        let mut single = [0f64; PATCHES];
        let mut pairs = [[0f64; PATCHES]; PATCHES];
        for draw in 0..DRAWS {
            let mask = Mask::draw(PATCHES, 0.75, &mut tl_random::rng(3, "mask", draw, 0));
            for &one in &mask.visible {
                single[one] += 1.0;
                for &other in mask.visible.iter().filter(|&&other| other > one) {
                    pairs[one][other] += 1.0;
                }
            }
        }
        let squares = |counts: &[f64], share: f64| -> f64 {
            let expected = DRAWS as f64 * share;
            // Of a share drawn without replacement the counts vary by 1 − share.
            counts.iter().map(|count| (count - expected).powi(2) / (expected * (1.0 - share))).sum()
        };
        // 15 and 119 degrees of freedom and more; the bounds are over 4 deviations √(2·n) above the mean n.
        assert!(squares(&single, 0.25) < 40.0, "{}", squares(&single, 0.25));
        let pairs: Vec<f64> = (0..PATCHES).flat_map(|one| pairs[one][one + 1..].to_vec()).collect();
        // 4 of 16 are visible: a pair with probability 4·3 / (16·15).
        assert!(squares(&pairs, 0.05) < 190.0, "{}", squares(&pairs, 0.05));
    }
}
