//! From pieces to vectors.

use burn::prelude::*;
use tl_core::{CoreError, Pass, Pieces};
use tl_kernels::adapter::Site;
use tl_kernels::{Dropout, Embedding, LayerNorm, Slot};

use super::EncoderConfig;

/// Three tables, whose vectors are added, a norm and dropout.
#[derive(Module, Debug)]
pub struct Embeddings {
    pub word: Embedding,
    pub position: Embedding,
    pub segment: Option<Embedding>,
    pub norm: LayerNorm,
    pub dropout: Dropout,
    /// Of the table of words: vectors in front of each text.
    pub adapter: Slot,
}

impl Embeddings {
    pub(super) fn new(config: &EncoderConfig, device: &Device) -> Self {
        let table = |count| Embedding::new(count, config.width, device);
        Self {
            word: table(config.vocabulary),
            position: table(config.positions),
            segment: (config.segments > 0).then(|| table(config.segments)),
            norm: LayerNorm::new(config.width, config.epsilon, device),
            dropout: Dropout::new("embeddings.dropout", config.dropout),
            adapter: Slot::new(Site::table(config.vocabulary, config.width)),
        }
    }

    /// How many vectors stand in front of each text.
    pub(super) fn before(&self) -> usize {
        self.adapter.prompt_length()
    }

    /// `[texts, longest, width]`, and the length of each text; what stands behind a text is padding.
    pub(super) fn forward(
        &self,
        texts: &[Pieces],
        config: &EncoderConfig,
        pass: Pass,
    ) -> Result<(Tensor<3>, Vec<usize>), CoreError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let before = self.before();
        check(texts, longest + before, config)?;
        let padded = |numbers: &dyn Fn(&Pieces) -> &[u32]| -> Vec<u32> {
            let rows = texts.iter().flat_map(|text| {
                let padding = std::iter::repeat(&0);
                numbers(text).iter().chain(padding).take(longest).copied().collect::<Vec<_>>()
            });
            rows.collect()
        };
        let words = self.word.forward(&padded(&|text| &text.ids), texts.len());
        let words = self.adapter.in_front_of(words);
        let mut sum = words + self.position.rows(config.first_position, longest + before);
        if let Some(segment) = &self.segment {
            // Behind vectors of their own texts are one segment, as PEFT has it.
            let one = config.segments == 1
                || before > 0
                || texts.iter().all(|text| text.segments.iter().all(|segment| *segment == 0));
            let segments = match one {
                true => segment.rows(0, 1),
                false => segment.forward(&padded(&|text| &text.segments), texts.len()),
            };
            sum = sum + segments;
        }
        let lengths = lengths.into_iter().map(|length| length + before).collect();
        Ok((self.dropout.forward(self.norm.forward(sum), pass), lengths))
    }
}

/// Whether every number has its row in a table.
fn check(texts: &[Pieces], longest: usize, config: &EncoderConfig) -> Result<(), CoreError> {
    let place = || config.family.name().to_string();
    if longest > config.longest() {
        let (found, most) = (longest, config.longest());
        return Err(CoreError::TooLong { place: place(), found, most });
    }
    let beyond = |id: &&u32| **id as usize >= config.vocabulary;
    if let Some(&id) = texts.iter().flat_map(|text| &text.ids).find(beyond) {
        return Err(CoreError::UnknownPiece { place: place(), id, known: config.vocabulary });
    }
    let kinds = config.segments;
    // DistilBERT and RoBERTa tell the texts of a pair apart by the pieces between them alone.
    let beyond = |segment: &&u32| kinds > 1 && **segment as usize >= kinds;
    match texts.iter().flat_map(|text| &text.segments).find(beyond) {
        Some(&id) => Err(CoreError::UnknownPiece { place: place(), id, known: kinds }),
        None => Ok(()),
    }
}
