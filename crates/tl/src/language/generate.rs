//! Going on with a text.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use tl_core::{Activation, Backbone, CausalCache, Past, rng};
use tl_data::text::Tokenizer;
use tl_kernels::StandingWeights;
use tl_models::Architecture;
use tl_train::metrics::softmax;

use super::run::LanguageRun;
use crate::choice::NetworkChoice;
use crate::examples::tokenizer;
use crate::network::GPT2;
use crate::record::{MODEL_FILE, RunRecord};
use crate::source::pretrained_to_use;
use crate::{Error, Network};

/// How the next piece is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by before one is drawn; at 0 the likeliest piece is taken.
    pub temperature: f64,
    /// Drawn is from the fewest likeliest pieces that together have this probability (Holtzman et al. 2019, arXiv
    /// 1904.09751).
    pub top_p: f64,
    /// What is drawn follows from this number and the place in the text.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Succeeds where the numbers make sense.
    ///
    /// # Errors
    /// A temperature below 0; a share that is not above 0 and up to 1.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { temperature, top_p, .. } = *self;
        if !(0.0..=1e6).contains(&temperature) {
            let what = format!("--temperature is {temperature}");
            return Err(Error::options(what, "give a number from 0, which takes the likeliest"));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            let what = format!("--top-p is {top_p}");
            return Err(Error::options(what, "give a number above 0, up to 1"));
        }
        Ok(())
    }

    /// The piece at `place` of a text, by its logits; of equal ones the first.
    fn choose(&self, logits: &[f32], place: usize) -> u32 {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        let likelier = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        if self.temperature == 0.0 {
            return order.into_iter().min_by(likelier).unwrap_or(0) as u32;
        }
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // Shifted before it is divided, so that a small temperature overflows nothing.
        let cooled = |&logit: &f32| (f64::from(logit - largest) / self.temperature) as f32;
        let probabilities = softmax(&logits.iter().map(cooled).collect::<Vec<_>>());
        order.sort_by(likelier);
        let (mut kept, mut total) = (0, 0.0);
        for piece in &order {
            kept += 1;
            total += probabilities[*piece];
            if total >= self.top_p {
                break;
            }
        }
        let mut drawn = total * rng(self.seed, "next piece", place as u64, 0).uniform_f64();
        for piece in &order[..kept] {
            drawn -= probabilities[*piece];
            if drawn < 0.0 {
                return *piece as u32;
            }
        }
        order.get(kept.saturating_sub(1)).copied().unwrap_or(0) as u32
    }
}

/// A causal network that goes on with texts.
pub struct Writer {
    network: Network,
    tokenizer: Tokenizer,
    end: u32,
    room: usize,
}

/// What a [`Writer`] wrote.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Written {
    /// What stands behind the prompt.
    pub continuation: String,
    /// Its pieces.
    pub pieces: Vec<u32>,
    /// Why it ends: `length`, `end` (the piece that ends a text), or `room` (the network has no more positions).
    pub ended: &'static str,
}

impl Writer {
    /// The network of a run, of a folder as Hugging Face publishes it, or of any other source of weights with a
    /// config.json and a tokenizer.json beside them.
    ///
    /// # Errors
    /// A source that cannot be opened, or is of no causal network.
    pub fn open(source: &str, device: &Device) -> Result<Self, Error> {
        // What of a run is no part of its weights lies beside them.
        let folder = Path::new(source);
        let record = RunRecord::read(folder).ok().filter(|record| record.language.is_some());
        if record.is_some_and(|record| record.network == GPT2) {
            let run = LanguageRun::open(folder, device)?;
            return Self::new(run.model.backbone, tokenizer(Some(&folder.join(MODEL_FILE)))?);
        }
        let choice = NetworkChoice::named(GPT2);
        let found = pretrained_to_use(&choice, source, Some(1), false, 0, device)?;
        let tokenizer = tokenizer(found.path.as_deref())?;
        Self::new(found.model.backbone, tokenizer)
    }

    /// This network with this tokenizer.
    ///
    /// # Errors
    /// A network that is not causal.
    pub fn new(network: Network, tokenizer: Tokenizer) -> Result<Self, Error> {
        let end = network.causal()?.config().end;
        // A prompt takes some of the positions.
        let room = network.expected_input().texts(network.name())?.longest;
        Ok(Self { network, tokenizer, end, room })
    }

    /// The file of its tokenizer.
    pub fn tokenizer_file(&self) -> PathBuf {
        self.tokenizer.path().to_path_buf()
    }

    /// Goes on with `prompt` by up to `most` pieces. With `cached` nothing is computed twice; without, the whole text is
    /// computed for each piece, for comparison.
    ///
    /// An empty prompt begins a new text.
    ///
    /// # Errors
    /// Numbers that make no sense, a prompt that leaves no room, a device that fails.
    pub fn write(
        &self,
        prompt: &str,
        most: usize,
        sampling: Sampling,
        cached: bool,
    ) -> Result<Written, Error> {
        sampling.validate()?;
        let mut text = self.tokenizer.pieces(&[prompt])?.concat();
        if text.is_empty() {
            text.push(self.end);
        }
        if text.len() >= self.room {
            return Err(Error::options(
                format!(
                    "the prompt has {} pieces, and the network has room for {}",
                    text.len(),
                    self.room
                ),
                "give a shorter prompt",
            ));
        }
        let (begun, weights) = (text.len(), StandingWeights::default());
        let (mut past, mut ended) = (Past::default(), "length");
        while text.len() < begun.saturating_add(most) {
            if text.len() == self.room {
                ended = "room";
                break;
            }
            let from = past.pieces;
            let logits = weights.run(|| self.network.next_logits(&text[from..], &mut past))?;
            let logits = Activation::Vector(logits).into_rows().map_err(Error::Failed)?;
            if !cached {
                past = Past::default();
            }
            let next = sampling.choose(&logits, text.len());
            if next == self.end {
                ended = "end";
                break;
            }
            text.push(next);
        }
        let pieces = text.split_off(begun);
        Ok(Written { continuation: self.tokenizer.text(&pieces)?, pieces, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 3.0, 1.0, 3.0];

    #[test]
    fn without_temperature_the_first_of_the_likeliest_is_taken() {
        assert_eq!(Sampling::default().choose(&LOGITS, 7), 1);
    }

    #[test]
    fn pieces_are_drawn_as_often_as_they_are_likely() {
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        let mut counts = [0.0; 4];
        (0..20_000).for_each(|place| counts[sampling.choose(&LOGITS, place) as usize] += 1.0);
        let expected = softmax(&LOGITS);
        for (count, expected) in counts.iter().zip(expected) {
            // Four deviations of a share of 20,000 draws are at most .014.
            assert!((count / 20_000.0 - expected).abs() < 0.014, "{counts:?}");
        }
    }

    #[test]
    fn unlikely_pieces_are_left_out_and_the_seed_decides() {
        let draw = |top_p, seed| {
            let sampling = Sampling { temperature: 1.0, top_p, seed };
            (0..200).map(|place| sampling.choose(&LOGITS, place)).collect::<Vec<_>>()
        };
        assert!(draw(0.3, 0).iter().all(|piece| *piece == 1));
        assert!(draw(0.8, 0).iter().all(|piece| [1, 3].contains(piece)));
        assert!(draw(1.0, 0).contains(&2));
        assert_eq!(draw(1.0, 4), draw(1.0, 4));
        assert_ne!(draw(1.0, 4), draw(1.0, 5));
        let cold = Sampling { temperature: 1e-9, ..Sampling::default() };
        assert!([1, 3].contains(&cold.choose(&LOGITS, 0)));
    }

    #[test]
    fn numbers_without_meaning_are_refused() {
        for (temperature, top_p) in [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, 1.5)] {
            assert!(Sampling { temperature, top_p, seed: 0 }.validate().is_err());
        }
    }
}
