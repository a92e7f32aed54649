//! A recurrent network of texts: vectors of pieces, and layers of long short-term memory (Hochreiter and Schmidhuber
//! 1997) in one direction or both, with the names and numerics of PyTorch's `torch.nn.LSTM`.

mod config;

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::check_range;
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, ExpectedTexts, FrozenPrefix, Pass, Pieces,
    Stage, TokenPooling, Tokens,
};
use tl_kernels::{Dropout, Embedding, Lstm as Layer};

use crate::architecture::{Architecture, Initial};
pub use config::LstmConfig;

/// The most pieces of a text: a recurrent network has no table of positions, and no text is longer.
const LONGEST: usize = 1 << 20;

/// The network without its classifier; its stages are `embeddings`, `layer.0` and so on.
///
/// It works on [`Activation::Texts`]. Padding stands behind a text and changes nothing: a layer's outputs there are 0, and
/// its way back begins at each text's own end.
#[derive(Module, Debug)]
pub struct Lstm {
    pub embedding: Embedding,
    pub embedding_dropout: Dropout,
    pub layers: Vec<Layer>,
    /// Behind each layer but the last.
    pub dropouts: Vec<Dropout>,
    #[module(skip)]
    config: LstmConfig,
}

impl Lstm {
    /// A network with all weights 0.
    pub fn new(config: LstmConfig, device: &Device) -> Self {
        let LstmConfig { embedding, hidden, depth, both_directions, dropout, .. } = config;
        let input = |layer: usize| if layer == 0 { embedding } else { config.width() };
        Self {
            embedding: Embedding::new(config.vocabulary, embedding, device),
            embedding_dropout: Dropout::new("embeddings.dropout", dropout),
            layers: (0..depth)
                .map(|layer| Layer::new(input(layer), hidden, both_directions, device))
                .collect(),
            dropouts: (1..depth)
                .map(|layer| Dropout::new(&format!("layers.{}.output", layer - 1), dropout))
                .collect(),
            config,
        }
    }

    /// Its sizes.
    pub fn config(&self) -> &LstmConfig {
        &self.config
    }

    fn embed_texts(&self, texts: &[Pieces], pass: Pass) -> Result<Tokens, CoreError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let known = self.config.vocabulary;
        let mut all = texts.iter().flat_map(|text| &text.ids);
        if let Some(&id) = all.find(|id| **id as usize >= known) {
            return Err(CoreError::UnknownPiece { place: self.name().into(), id, known });
        }
        let padded = texts
            .iter()
            .flat_map(|text| text.ids.iter().copied().chain(std::iter::repeat(0)).take(longest));
        let vectors = self.embedding.forward(&padded.collect::<Vec<_>>(), texts.len());
        let hidden = self.embedding_dropout.forward(vectors, pass);
        let (pooling, lengths) = (self.config.pooling, Some(lengths));
        Ok(Tokens { hidden, prefix: 0, pooling, lengths, asked: Vec::new() })
    }
}

impl Backbone for Lstm {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("embeddings", &["embedding", "embedding_dropout"])];
        let layer = |at: usize| {
            let own = [format!("layers.{at}"), format!("dropouts.{at}")];
            Stage::new(&format!("layer.{at}"), &[&own[0], &own[1]])
        };
        stages.extend((0..self.layers.len()).map(layer));
        stages
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, self.layers.len() + 1)?;
        let name = self.name();
        if range.start == 0 && range.end > 0 {
            let texts = input.into_texts(name)?;
            input = Activation::Tokens(self.embed_texts(&texts, pass)?);
        }
        let within = range.start.max(1)..range.end.max(1);
        if within.is_empty() {
            return Ok(input);
        }
        let mut tokens = input.into_tokens(name)?;
        for at in within.start - 1..within.end - 1 {
            let hidden = self.layers[at].forward(tokens.hidden, tokens.lengths.as_deref());
            tokens.hidden = match self.dropouts.get(at) {
                Some(dropout) => dropout.forward(hidden, pass),
                None => hidden,
            };
        }
        Ok(Activation::Tokens(tokens))
    }

    fn embedding_width(&self) -> usize {
        self.config.width()
    }

    fn head_input_width(&self) -> usize {
        self.config.width()
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let vocabulary = self.config.vocabulary;
        ExpectedInput::Texts(ExpectedTexts { vocabulary, longest: LONGEST })
    }
}

impl Architecture for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn origin_name(&self, path: &str) -> String {
        let found = || {
            let mut parts = path.strip_prefix("layers.")?.splitn(3, '.');
            let [layer, direction, inner] = [parts.next()?, parts.next()?, parts.next()?];
            let kind = match inner {
                "input.weight" => "weight_ih",
                "input.bias" => "bias_ih",
                "hidden_weight" => "weight_hh",
                "hidden_bias" => "bias_hh",
                _ => return None,
            };
            let direction = if direction == "reverse" { "_reverse" } else { "" };
            Some(format!("lstm.{kind}_l{layer}{direction}"))
        };
        found().unwrap_or_else(|| path.to_string())
    }

    fn head_name(&self) -> &'static str {
        "fc"
    }

    fn head_dropout(&self) -> f64 {
        self.config.dropout
    }

    fn initial(&self, path: &str, _: &[usize]) -> Initial {
        if path == "embedding.weight" {
            return Initial::Normal(1.0);
        }
        // A layer's own and those of the head in front of which it stands, as PyTorch draws them.
        let inputs =
            if path.starts_with("head.") { self.config.width() } else { self.config.hidden };
        Initial::linear_default(inputs)
    }
}

/// Whether one vector can be made of the outputs in this way: the end of a text is one direction's last word alone.
pub fn pools(both_directions: bool, pooling: TokenPooling) -> bool {
    match pooling {
        TokenPooling::Mean | TokenPooling::Each => true,
        TokenPooling::Last => !both_directions,
        TokenPooling::Class => false,
    }
}
