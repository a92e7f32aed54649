//! Masked language modelling (Devlin et al. 2018, *BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding*, arXiv 1810.04805, section 3.1), of whole words as in its authors' later code: some words of a text are
//! hidden, and the network is to find their pieces from what stands around them.

use std::ops::Range;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_kernels::cross_entropy;
use tl_random::Rng;

use crate::SslError;

/// The settings of masked language modelling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedLanguage {
    /// The share of a text's pieces that is asked for.
    pub ratio: f64,
    /// The share of the chosen words that the mask stands for.
    pub hidden: f64,
    /// The share of the chosen words that others stand for, drawn piece by piece. What is left stands there as it is: the
    /// network cannot tell it from words that were not chosen, and has to have an answer for all.
    pub replaced: f64,
}

impl Default for MaskedLanguage {
    fn default() -> Self {
        Self { ratio: 0.15, hidden: 0.8, replaced: 0.1 }
    }
}

/// What may stand for a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskPieces {
    /// The mask.
    pub mask: u32,
    /// The pieces that are no marks, among which a random one is drawn.
    pub ordinary: Vec<u32>,
}

/// A text with hidden words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskedText {
    /// All pieces, as the network sees them.
    pub ids: Vec<u32>,
    /// The places that are asked for, in rising order.
    pub asked: Vec<usize>,
    /// The true piece at each of these places.
    pub targets: Vec<u32>,
}

/// `−1/|M| Σ_{i ∈ M} log p(xᵢ | x̃)` over the places `M` that are asked for, where `x̃` is the text with hidden words: the
/// mean cross-entropy of their pieces, as the loop computes it.
///
/// `logits` is `[asked, vocabulary]`, `targets` holds the true piece of each row; the result is `[1]`.
pub fn masked_language_loss(logits: Tensor<2>, targets: &[usize]) -> Tensor<1> {
    cross_entropy(logits, targets, 0.0)
}

impl MaskedLanguage {
    /// Succeeds where the shares make sense.
    ///
    /// # Errors
    /// A share outside of 0 to 1, or none of the pieces; shares of the chosen words that are more than all.
    pub fn check(&self) -> Result<(), SslError> {
        let Self { ratio, hidden, replaced } = *self;
        let wrong = |what, value: f64, expected| {
            Err(SslError::BadOption { what, value: value.to_string(), expected })
        };
        if !(ratio > 0.0 && ratio <= 1.0) {
            return wrong("the mask ratio", ratio, "a share above 0, up to 1");
        }
        if !(0.0..=1.0).contains(&hidden) || !(0.0..=1.0).contains(&replaced) {
            return wrong("a share of the chosen words", hidden.min(replaced), "one from 0 to 1");
        }
        if hidden + replaced > 1.0 + 1e-9 {
            return wrong(
                "the chosen words that do not stay",
                hidden + replaced,
                "a share up to 1",
            );
        }
        Ok(())
    }

    /// Hides words of a text of the pieces `ids`; `words` are the places of each word's pieces.
    ///
    /// Of `n` pieces in words `max(1, round(ratio · n))` are asked for: the words are gone through in an order that is
    /// drawn, and one that does not fit what is left is passed over, so that the count is exact save where nothing fits.
    /// Where that leaves none, the first one is taken, however long. What stands for a word is drawn once for all of its
    /// pieces.
    pub fn mask(
        &self,
        ids: &[u32],
        words: &[Range<usize>],
        pieces: &MaskPieces,
        random: &mut Rng,
    ) -> MaskedText {
        let count: usize = words.iter().map(Range::len).sum();
        let mut left = ((self.ratio * count as f64).round() as usize).max(1);
        let order = random.permutation(words.len());
        let mut chosen: Vec<usize> = Vec::new();
        for &word in &order {
            if words[word].len() <= left {
                left -= words[word].len();
                chosen.push(word);
            }
            if left == 0 {
                break;
            }
        }
        if chosen.is_empty() {
            chosen.extend(order.first());
        }
        chosen.sort_unstable();
        let mut text = MaskedText { ids: ids.to_vec(), ..MaskedText::default() };
        for word in chosen {
            let drawn = random.uniform_f64();
            for place in words[word].clone() {
                let Some(piece) = text.ids.get_mut(place) else { continue };
                text.asked.push(place);
                text.targets.push(*piece);
                if drawn < self.hidden {
                    *piece = pieces.mask;
                } else if drawn < self.hidden + self.replaced {
                    let other = random.below(pieces.ordinary.len());
                    *piece = pieces.ordinary.get(other).copied().unwrap_or(*piece);
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use tl_core::parameters::values;

    use super::*;

    const MASK: u32 = 9_999;

    fn pieces() -> MaskPieces {
        MaskPieces { mask: MASK, ordinary: (1000..3000).collect() }
    }

    /// A text of words of 1, 2, 3, 1, 2, 3, … pieces between two marks.
    fn text(words: usize) -> (Vec<u32>, Vec<Range<usize>>) {
        let mut begin = 1;
        let word = |number: usize| {
            let end = begin + number % 3 + 1;
            std::mem::replace(&mut begin, end)..end
        };
        let words: Vec<Range<usize>> = (0..words).map(word).collect();
        ((0..=begin as u32).collect(), words)
    }

    fn masked(seed: u64, step: u64, words: usize) -> MaskedText {
        let (ids, words) = text(words);
        let mut random = tl_random::rng(seed, "mask", step, 0);
        MaskedLanguage::default().mask(&ids, &words, &pieces(), &mut random)
    }

    #[test]
    fn whole_words_are_asked_for_and_so_many_pieces_as_are_wanted() {
        // 60 words have 120 pieces, 15 % of which are 18.
        let (ids, words) = text(60);
        for step in 0..200 {
            let found = masked(1, step, 60);
            assert_eq!(found.asked.len(), 18);
            assert!(found.asked.is_sorted());
            for word in &words {
                let own = found.asked.iter().filter(|place| word.contains(place)).count();
                assert!([0, word.len()].contains(&own), "a part of the word {word:?}");
            }
            // What is asked for is what stood there, and nothing else has changed.
            for (place, target) in found.asked.iter().zip(&found.targets) {
                assert_eq!(*target, ids[*place]);
            }
            for (place, piece) in found.ids.iter().enumerate() {
                assert!(*piece == ids[place] || found.asked.contains(&place));
            }
        }
    }

    #[test]
    fn of_a_short_text_one_word_is_asked_for_and_of_one_without_words_none() {
        let found = masked(1, 0, 1);
        assert_eq!(found.asked, [1]);
        // Nothing but a word of three pieces.
        let (ids, random) = (vec![0, 1, 2, 3, 4], &mut tl_random::rng(1, "mask", 0, 0));
        let method = MaskedLanguage::default();
        assert_eq!(
            method.mask(&ids, std::slice::from_ref(&(1..4)), &pieces(), random).asked,
            [1, 2, 3]
        );
        let none = method.mask(&ids, &[], &pieces(), random);
        assert_eq!((none.ids, none.asked), (ids, vec![]));
    }

    #[test]
    fn the_same_seed_hides_the_same_and_every_step_something_else() {
        assert_eq!(masked(1, 5, 60), masked(1, 5, 60));
        assert_ne!(masked(1, 5, 60).asked, masked(1, 6, 60).asked);
        assert_ne!(masked(1, 5, 60).asked, masked(2, 5, 60).asked);
    }

    /// Of 4,000 texts of 60 words: eight tenths of the chosen words are hidden, one is replaced, one stays.
    #[test]
    fn words_are_hidden_replaced_and_left_in_the_shares_that_are_wanted() {
        let (ids, words) = text(60);
        let (mut counts, mut chosen) = ([0f64; 3], vec![0f64; 60]);
        let mut drawn = vec![0f64; 2000];
        for step in 0..4_000 {
            let found = masked(3, step, 60);
            for (number, word) in words.iter().enumerate() {
                if !found.asked.contains(&word.start) {
                    continue;
                }
                chosen[number] += 1.0;
                let now = &found.ids[word.clone()];
                let kind = match now {
                    now if now.iter().all(|piece| *piece == MASK) => 0,
                    now if *now == ids[word.clone()] => 2,
                    now => {
                        now.iter().for_each(|piece| drawn[*piece as usize - 1000] += 1.0);
                        1
                    }
                };
                counts[kind] += 1.0;
            }
        }
        let all: f64 = counts.iter().sum();
        for (count, share) in counts.iter().zip([0.8, 0.1, 0.1]) {
            // Over 36,000 words are chosen: four deviations of a share are at most .009.
            assert!((count / all - share).abs() < 0.009, "{counts:?}");
        }
        // Words of one length are chosen alike often, of all 60 by 15 % of the pieces or somewhat more or less.
        for length in 0..3 {
            let own: Vec<f64> = chosen.iter().copied().skip(length).step_by(3).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            assert!((0.12..0.18).contains(&(mean / 4_000.0)), "{} pieces: {mean}", length + 1);
            // Of 4,000 draws with p = .15 the deviation is 23; 20 words lie within four of them.
            assert!(own.iter().all(|count| (count - mean).abs() < 92.0), "{own:?}");
        }
        // All pieces are drawn alike: χ² of 1,999 degrees of freedom, 63 the deviation.
        let expected = drawn.iter().sum::<f64>() / 2000.0;
        let squares: f64 = drawn.iter().map(|it| (it - expected).powi(2) / expected).sum();
        assert!((squares - 1999.0).abs() < 4.0 * 63.3, "{squares}");
    }

    #[test]
    fn shares_without_meaning_are_refused() {
        let usual = MaskedLanguage::default();
        assert!(usual.check().is_ok());
        for wrong in [
            MaskedLanguage { ratio: 0.0, ..usual },
            MaskedLanguage { ratio: f64::NAN, ..usual },
            MaskedLanguage { hidden: -0.1, ..usual },
            MaskedLanguage { replaced: 0.3, ..usual },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    /// The loss in f64, and its gradient `(softmax − one-hot) / asked`.
    fn in_f64(logits: &[f64], targets: &[usize], width: usize) -> (f64, Vec<f64>) {
        let asked = targets.len() as f64;
        let (mut loss, mut gradient) = (0.0, Vec::new());
        for (row, target) in logits.chunks(width).zip(targets) {
            let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
            loss += (sum.ln() - row[*target]) / asked;
            gradient.extend(row.iter().enumerate().map(|(piece, logit)| {
                (logit.exp() / sum - f64::from(u8::from(piece == *target))) / asked
            }));
        }
        (loss, gradient)
    }

    #[test]
    fn the_loss_and_its_gradient_are_those_of_f64() {
        let (width, targets) = (7, [3, 0, 6, 3]);
        let logits: Vec<f64> = (0..28).map(|at| 3.0 * (f64::from(at) * 0.7).sin()).collect();
        let data = logits.iter().map(|logit| *logit as f32).collect();
        let data = TensorData::new(data, [4, width]);
        let input = Tensor::<2>::from_data(data, &Device::flex()).autodiff().require_grad();
        let loss = masked_language_loss(input.clone(), &targets);
        let (expected, slopes) = in_f64(&logits, &targets, width);
        let found = f64::from(loss.clone().into_scalar::<f32>());
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        let gradient = input.grad(&loss.backward()).unwrap().reshape([28]);
        for (place, found) in values(gradient).unwrap().into_iter().enumerate() {
            assert!((f64::from(found) - slopes[place]).abs() < 1e-7, "{place}: {found}");
            // And the slope is that of the loss itself.
            let moved = |by: f64| {
                let mut logits = logits.clone();
                logits[place] += by;
                in_f64(&logits, &targets, width).0
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - slopes[place]).abs() < 1e-9, "{place}: {slope}");
        }
    }
}
