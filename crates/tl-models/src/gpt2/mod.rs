//! GPT-2 (Radford et al. 2019), with the names and numerics of Hugging Face's `transformers`.

mod block;
mod config;
mod language;

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::check_range;
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, ExpectedTexts, FrozenPrefix, Pass, Pieces,
    Stage, TokenPooling, Tokens,
};
use tl_kernels::{Dropout, Embedding, LayerNorm};

use crate::architecture::{Architecture, Initial};
pub use block::{Attention, Block, Mlp};
pub use config::{Gpt2Config, Purpose};

/// The network without a classifier; its stages are `embeddings`, `layer.0` and so on, and `norm`.
///
/// It works on [`Activation::Texts`]. A token sees those up to itself, and padding stands behind a text: no token of
/// it is ever seen. What stands at padded places is never read. As a language model it answers by the table of the
/// pieces, which belongs to `embeddings`: trained there, it is trained by both its uses. A prompt stands in front of each
/// text; the pieces see it, and none of it answers.
#[derive(Module, Debug)]
pub struct Gpt2 {
    pub wte: Embedding,
    pub wpe: Embedding,
    pub embedding_dropout: Dropout,
    pub h: Vec<Block>,
    pub ln_f: LayerNorm,
    #[module(skip)]
    config: Gpt2Config,
}

impl Gpt2 {
    /// A network with all linear weights and tables 0.
    pub fn new(config: Gpt2Config, device: &Device) -> Self {
        Self {
            wte: Embedding::new(config.vocabulary, config.width, device).with_prompts(),
            wpe: Embedding::new(config.positions, config.width, device),
            embedding_dropout: Dropout::new("embeddings.dropout", config.embedding_dropout),
            h: (0..config.depth).map(|at| Block::new(&config, at, device)).collect(),
            ln_f: LayerNorm::new(config.width, config.epsilon, device),
            config,
        }
    }

    /// Its sizes and what it is for.
    pub fn config(&self) -> &Gpt2Config {
        &self.config
    }

    /// The same network for another purpose.
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.config.purpose = purpose;
        self
    }

    /// How many vectors of a prompt stand in front of each text.
    fn before(&self) -> usize {
        self.wte.adapter.prompt_length()
    }

    /// Texts beside each other, padded at their ends.
    fn embed_texts(&self, texts: &[Pieces], pass: Pass) -> Result<Tokens, CoreError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let before = self.before();
        texts.iter().try_for_each(|text| self.check(&text.ids, before))?;
        let padded = texts.iter().flat_map(|text| {
            let padding = std::iter::repeat(&self.config.padding);
            text.ids.iter().chain(padding).take(longest).copied()
        });
        let words = self.wte.forward(&padded.collect::<Vec<_>>(), texts.len());
        let words = self.wte.adapter.in_front_of(words);
        let positions = self.wpe.rows(0, before + longest);
        let hidden = self.embedding_dropout.forward(words + positions, pass);
        let lengths = lengths.into_iter().map(|length| before + length).collect();
        let pooling = match self.config.purpose {
            Purpose::Vectors(pooling) => pooling,
            Purpose::Language => TokenPooling::Last,
        };
        let prefix = before;
        Ok(Tokens { hidden, prefix, pooling, lengths: Some(lengths), asked: Vec::new() })
    }

    /// Whether there is a place for the pieces behind `before` others, and a row for each.
    fn check(&self, pieces: &[u32], before: usize) -> Result<(), CoreError> {
        let place = || self.name().to_string();
        // A batch of empty texts has one place of padding.
        let (found, most) = (before + pieces.len().max(1), self.config.positions);
        if found > most {
            return Err(CoreError::TooLong { place: place(), found, most });
        }
        let known = self.config.vocabulary;
        match pieces.iter().find(|id| **id as usize >= known) {
            Some(&id) => Err(CoreError::UnknownPiece { place: place(), id, known }),
            None => Ok(()),
        }
    }
}

impl Backbone for Gpt2 {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("embeddings", &["wte", "wpe", "embedding_dropout"])];
        let layer = |at| Stage::new(&format!("layer.{at}"), &[&format!("h.{at}")]);
        stages.extend((0..self.h.len()).map(layer));
        stages.push(Stage::new("norm", &["ln_f"]));
        stages
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        let layers = self.h.len() + 1;
        check_range(&range, layers + 1)?;
        let name = self.name();
        if range.start == 0 && range.end > 0 {
            let texts = input.into_texts(name)?;
            input = Activation::Tokens(self.embed_texts(&texts, pass)?);
        }
        let within = range.start.max(1)..range.end.min(layers);
        if within.start < within.end {
            let tokens = input.into_tokens(name)?;
            let blocks = &self.h[within.start - 1..within.end - 1];
            let hidden = blocks.iter().fold(tokens.hidden.clone(), |hidden, block| {
                block.forward(hidden, &self.config, pass)
            });
            input = Activation::Tokens(Tokens { hidden, ..tokens });
        }
        if !range.contains(&layers) {
            return Ok(input);
        }
        let tokens = input.into_tokens(name)?;
        if self.config.purpose == Purpose::Language {
            return self.next_pieces(&tokens).map(Activation::Vector);
        }
        let hidden = self.ln_f.forward(tokens.hidden.clone());
        Ok(Activation::Tokens(Tokens { hidden, ..tokens }))
    }

    fn embedding_width(&self) -> usize {
        self.config.width
    }

    fn head_input_width(&self) -> usize {
        self.config.width
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let Gpt2Config { vocabulary, positions, .. } = self.config;
        let longest = positions.saturating_sub(self.before());
        ExpectedInput::Texts(ExpectedTexts { vocabulary, longest })
    }
}

impl Architecture for Gpt2 {
    fn name(&self) -> &'static str {
        "gpt2"
    }

    fn origin_name(&self, path: &str) -> String {
        format!("transformer.{path}")
    }

    fn present_name(&self, name: &str) -> String {
        // Files of the network alone leave the prefix out.
        let alone = ["wte.", "wpe.", "h.", "ln_f."];
        match alone.iter().any(|part| name.starts_with(part)) {
            true => format!("transformer.{name}"),
            false => name.to_string(),
        }
    }

    fn passes_over(&self, name: &str) -> bool {
        // The answer is tied to the table of pieces; old files hold the mask of each layer.
        name == "lm_head.weight"
            || name.ends_with(".attn.bias")
            || name.ends_with(".attn.masked_bias")
    }

    fn head_name(&self) -> &'static str {
        "score"
    }

    fn head_has_bias(&self) -> bool {
        false
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn is_transposed(&self, path: &str) -> bool {
        path.ends_with(".weight") && path.contains(".c_")
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        // What is added to the residual stream is small, so that its sum over the layers is not large.
        let deviation = match path.ends_with("c_proj.weight") {
            true => 0.02 / (2.0 * self.config.depth as f64).sqrt(),
            false => 0.02,
        };
        Initial::of_norm(path, shape).unwrap_or(Initial::Normal(deviation))
    }
}
