//! Text encoders: BERT, RoBERTa and DistilBERT, with the names and numerics of Hugging Face's `transformers`.

mod config;
mod embeddings;
mod layer;
mod names;
mod prediction;

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::activation::relu;
use tl_core::backbone::check_range;
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, ExpectedTexts, FrozenPrefix, Pass, Pieces,
    Stage, TokenPooling, Tokens,
};
use tl_kernels::{Dropout, Linear};

use crate::architecture::{Architecture, Initial};
pub use config::{EncoderConfig, HiddenActivation};
pub use embeddings::Embeddings;
pub use layer::Layer;
pub use names::Family;
pub use prediction::Prediction;

/// The network without its classifier; its stages are `embeddings`, `layer.0` and so on, and `pooler` or `prediction`
/// where there is one.
///
/// It works on [`Activation::Texts`]; what flows between its layers are [`Tokens`] that know their padding.
/// The pooler is a linear layer on the first token, as the origin's classifiers have it (BERT's own pooler,
/// the first layer of RoBERTa's and DistilBERT's heads). An embedding is made of the last layer, without it.
/// As a masked language model the network answers by the table of the pieces, for those places alone that are asked for.
#[derive(Module, Debug)]
pub struct Encoder {
    pub embeddings: Embeddings,
    pub layers: Vec<Layer>,
    /// In front of RoBERTa's pooler.
    pub pooler_dropout: Dropout,
    pub pooler: Option<Linear>,
    /// Of a masked language model.
    pub prediction: Option<Prediction>,
    #[module(skip)]
    config: EncoderConfig,
}

impl Encoder {
    /// A network with all linear weights and tables 0.
    pub fn new(config: EncoderConfig, device: &Device) -> Self {
        let early = if config.family == Family::Roberta { config.head_dropout } else { 0.0 };
        Self {
            embeddings: Embeddings::new(&config, device),
            layers: (0..config.depth).map(|at| Layer::new(&config, at, device)).collect(),
            pooler_dropout: Dropout::new("pooler.dropout", early),
            pooler: config.has_pooler().then(|| Linear::new(config.width, config.width, device)),
            prediction: config.predicts.then(|| Prediction::new(&config, device)),
            config,
        }
    }

    /// Its sizes and kind.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    fn tokens(&self, hidden: Tensor<3>, lengths: Vec<usize>, texts: &[Pieces]) -> Activation {
        // Vectors of a prompt stand for no part of the text.
        let (pooling, prefix) = (self.config.pooling, self.embeddings.before());
        let [_, longest, _] = hidden.dims();
        let rows = texts.iter().enumerate().flat_map(|(number, text)| {
            let begin = number * longest + prefix;
            text.asked.iter().filter(|place| **place < text.ids.len()).map(move |at| begin + at)
        });
        let asked = rows.collect();
        Activation::Tokens(Tokens { hidden, prefix, pooling, lengths: Some(lengths), asked })
    }

    /// The layers `range` of the stages, all of one kind and with one mask.
    fn forward_layers(&self, tokens: Tokens, range: &Range<usize>, pass: Pass) -> Activation {
        let keys = tokens.key_mask();
        let layers = self.layers.iter().take(range.end.saturating_sub(1));
        let hidden = layers
            .skip(range.start.saturating_sub(1))
            .fold(tokens.hidden.clone(), |hidden, layer| {
                layer.forward(hidden, keys.clone(), &self.config, pass)
            });
        Activation::Tokens(Tokens { hidden, ..tokens })
    }

    fn pool(&self, tokens: Tokens, pooler: &Linear, pass: Pass) -> Tensor<2> {
        let first = Tokens { pooling: TokenPooling::Class, ..tokens }.pooled();
        let pooled = pooler.forward(self.pooler_dropout.forward(first, pass));
        match self.config.family {
            Family::DistilBert => relu(pooled),
            Family::Bert | Family::Roberta => pooled.tanh(),
        }
    }
}

impl Backbone for Encoder {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("embeddings", &["embeddings"])];
        let layers = 0..self.layers.len();
        stages.extend(layers.clone().map(|layer| {
            let last = layer + 1 == layers.end && self.pooler.is_none();
            let path = format!("layers.{layer}");
            let owned: &[&str] = if last { &[&path, "pooler_dropout"] } else { &[&path] };
            Stage::new(&format!("layer.{layer}"), owned)
        }));
        if self.pooler.is_some() {
            stages.push(Stage::new("pooler", &["pooler", "pooler_dropout"]));
        }
        if self.prediction.is_some() {
            stages.push(Stage::new("prediction", &["prediction"]));
        }
        stages
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        let layers = self.layers.len() + 1;
        let last = self.pooler.is_some() || self.prediction.is_some();
        check_range(&range, layers + usize::from(last))?;
        let name = self.config.family.name();
        if range.start == 0 && range.end > 0 {
            let texts = input.into_texts(name)?;
            let (hidden, lengths) = self.embeddings.forward(&texts, &self.config, pass)?;
            input = self.tokens(hidden, lengths, &texts);
        }
        let within = range.start.max(1)..range.end.min(layers);
        if within.start < within.end {
            input = self.forward_layers(input.into_tokens(name)?, &within, pass);
        }
        if !range.contains(&layers) {
            return Ok(input);
        }
        let tokens = input.into_tokens(name)?;
        Ok(match (&self.pooler, &self.prediction) {
            (Some(pooler), _) => Activation::Vector(self.pool(tokens, pooler, pass)),
            (None, Some(prediction)) => {
                let words = &self.embeddings.word;
                Activation::Vector(prediction.forward(tokens, words, &self.config)?)
            }
            (None, None) => Activation::Tokens(tokens),
        })
    }

    fn embedding_width(&self) -> usize {
        self.config.width
    }

    fn head_input_width(&self) -> usize {
        self.config.width
    }

    fn embedding_stages(&self) -> usize {
        self.layers.len() + 1
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let EncoderConfig { vocabulary, .. } = self.config;
        let longest = self.config.longest().saturating_sub(self.embeddings.before());
        ExpectedInput::Texts(ExpectedTexts { vocabulary, longest })
    }
}

impl Architecture for Encoder {
    fn name(&self) -> &'static str {
        self.config.family.name()
    }

    fn origin_name(&self, path: &str) -> String {
        self.config.family.origin_name(path)
    }

    fn present_name(&self, name: &str) -> String {
        self.config.family.present_name(name)
    }

    fn may_lack(&self, path: &str) -> bool {
        // A file of a language model has no pooler, one of another task has nothing that predicts pieces.
        path.starts_with("pooler.") || path.starts_with("prediction.")
    }

    fn passes_over(&self, name: &str) -> bool {
        // The head of whole texts is another one than that of words.
        let other = match self.config.each() {
            true => name.starts_with("classifier.out_proj."),
            false => ["classifier.weight", "classifier.bias"].contains(&name),
        };
        self.config.family.passes_over(name) || other && self.config.family == Family::Roberta
    }

    fn head_name(&self) -> &'static str {
        match self.config.each() {
            true => "classifier",
            false => self.config.family.head(),
        }
    }

    fn head_dropout(&self) -> f64 {
        match (self.config.family, self.config.each()) {
            (Family::DistilBert, true) => self.config.dropout,
            _ => self.config.head_dropout,
        }
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        Initial::of_norm(path, shape).unwrap_or(Initial::Normal(0.02))
    }
}
