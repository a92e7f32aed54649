//! The sizes and kinds of text encoders, and `config.json`.

use std::path::Path;

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde_json::{Map, Value, json};
use tl_core::TokenPooling;
use tl_kernels::{Gelu, gelu};

use super::names::Family;
use crate::config_file::{self, ConfigError, Fault, LARGEST};

/// What tells one text encoder from another.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    pub family: Family,
    /// How many different pieces there are.
    pub vocabulary: usize,
    pub width: usize,
    pub heads: usize,
    /// Layers.
    pub depth: usize,
    /// The width between the two linear layers of a layer.
    pub hidden: usize,
    /// Rows of the table of positions.
    pub positions: usize,
    /// The row of the first piece's position.
    pub first_position: usize,
    /// Kinds of segments; 0 where the network knows none.
    pub segments: usize,
    /// The epsilon of all norms.
    pub epsilon: f64,
    pub activation: HiddenActivation,
    /// Of the embeddings and of both branches of a layer. Attention itself has none here, whatever
    /// `attention_probs_dropout_prob` says.
    pub dropout: f64,
    /// In front of the head.
    pub head_dropout: f64,
    /// How an embedding is made of the last layer's tokens.
    pub pooling: TokenPooling,
    /// Whether the head stands on the first token behind a linear layer, as the origin's classifiers do,
    /// or on what `pooling` gives.
    pub pooler: bool,
    /// Whether it is a masked language model, which tells the pieces at hidden places; it has no pooler.
    pub predicts: bool,
    /// All of `config.json`, for those who read it after us.
    said: Map<String, Value>,
}

/// The nonlinearity between the two linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenActivation {
    Gelu(Gelu),
    Relu,
}

impl HiddenActivation {
    /// What `key` of a configuration says, or the one called `usual`.
    pub(crate) fn read(said: &Map<String, Value>, key: &str, usual: &str) -> Result<Self, Fault> {
        match said.get(key).and_then(Value::as_str).unwrap_or(usual) {
            "gelu" => Ok(Self::Gelu(Gelu::Exact)),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Self::Gelu(Gelu::Tanh)),
            "relu" => Ok(Self::Relu),
            other => {
                let problem = format!("{key} is \"{other}\"");
                Err((problem, "give a network with gelu, gelu_new or relu".into()))
            }
        }
    }

    /// The origin's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gelu(Gelu::Exact) => "gelu",
            Self::Gelu(Gelu::Tanh) => "gelu_new",
            Self::Relu => "relu",
        }
    }

    /// Of values of any shape.
    pub(crate) fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu(kind) => gelu(input, kind),
            Self::Relu => relu(input),
        }
    }
}

impl EncoderConfig {
    /// The base size of a family: 12 layers (DistilBERT 6) of width 768.
    pub fn base(family: Family) -> Self {
        let roberta = family == Family::Roberta;
        Self {
            family,
            vocabulary: if roberta { 50_265 } else { 30_522 },
            width: 768,
            heads: 12,
            depth: if family == Family::DistilBert { 6 } else { 12 },
            hidden: 3072,
            positions: if roberta { 514 } else { 512 },
            first_position: if roberta { 2 } else { 0 },
            segments: match family {
                Family::Bert => 2,
                Family::Roberta => 1,
                Family::DistilBert => 0,
            },
            epsilon: if roberta { 1e-5 } else { 1e-12 },
            activation: HiddenActivation::Gelu(Gelu::Exact),
            dropout: 0.1,
            head_dropout: if family == Family::DistilBert { 0.2 } else { 0.1 },
            pooling: TokenPooling::Mean,
            pooler: true,
            predicts: false,
            said: Map::new(),
        }
    }

    /// The most pieces of a text.
    pub fn longest(&self) -> usize {
        self.positions.saturating_sub(self.first_position)
    }

    /// Whether there is a linear layer between the first token and the head.
    pub fn has_pooler(&self) -> bool {
        self.pooler && !self.predicts
    }

    /// Whether what predicts pieces and the table of them are one matrix, as in all networks of these families.
    pub fn is_tied(&self) -> bool {
        self.said.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Whether the head answers for each piece.
    pub fn each(&self) -> bool {
        self.pooling == TokenPooling::Each
    }

    /// Reads the `config.json` at `path`, which must be one of `family`.
    ///
    /// # Errors
    /// A file that cannot be read, is of another kind of network, or gives sizes that make no sense.
    pub fn read(path: &Path, family: Family) -> Result<Self, ConfigError> {
        config_file::read(path, |text| Self::parse(text, family))
    }

    fn parse(text: &str, family: Family) -> Result<Self, Fault> {
        let said = config_file::parse(text)?;
        let kind = said.get("model_type").and_then(Value::as_str).unwrap_or(family.name());
        if kind != family.name() {
            let known = Family::ALL.iter().any(|known| known.name() == kind);
            let mend = match known {
                true => format!("give --model {kind}"),
                false => "give a folder with one of bert, roberta or distilbert".to_string(),
            };
            return Err((format!("is of a {kind}, not of a {}", family.name()), mend));
        }
        let base = Self::base(family);
        let keys = family.keys();
        let whole = |key: &str, default: usize| config_file::whole(&said, key, default);
        let number = |key: &str, default: f64| config_file::number(&said, key, default);
        let word = |key: &str| said.get(key).and_then(Value::as_str);
        let activation = HiddenActivation::read(&said, keys.activation, "gelu")?;
        if word("position_embedding_type").is_some_and(|kind| kind != "absolute") {
            let problem = "its positions are relative".to_string();
            return Err((problem, "give a network with absolute positions".into()));
        }
        let share = |key: &str, default: f64| number(key, default).clamp(0.0, 0.99);
        let dropout = share(keys.dropout, base.dropout);
        let padding = whole("pad_token_id", 1)?;
        let config = Self {
            vocabulary: whole("vocab_size", base.vocabulary)?,
            width: whole(keys.width, base.width)?,
            heads: whole(keys.heads, base.heads)?,
            depth: whole(keys.depth, base.depth)?,
            hidden: whole(keys.hidden, base.hidden)?,
            positions: whole("max_position_embeddings", base.positions)?,
            first_position: if family == Family::Roberta { padding + 1 } else { 0 },
            segments: match family {
                Family::DistilBert => 0,
                _ => whole("type_vocab_size", base.segments)?,
            },
            epsilon: number("layer_norm_eps", base.epsilon),
            activation,
            dropout,
            head_dropout: match family {
                Family::DistilBert => share("seq_classif_dropout", base.head_dropout),
                _ => share("classifier_dropout", dropout),
            },
            said: Map::new(),
            ..base
        };
        config.check()?;
        Ok(Self { said, ..config })
    }

    /// The values of all matrices and tables: what the network takes, but for a thousandth.
    pub fn values(&self) -> u64 {
        let Self { width, depth, hidden, vocabulary, positions, .. } = *self;
        let [width, depth, hidden] = [width, depth, hidden].map(|size| size as u64);
        let layer = 4 * width * width + 2 * width * hidden;
        let tables = width * (vocabulary + positions) as u64;
        depth.saturating_mul(layer).saturating_add(tables)
    }

    fn check(&self) -> Result<(), Fault> {
        let Self { width, heads, depth, hidden, vocabulary, .. } = *self;
        let sizes = [width, heads, depth, hidden, vocabulary, self.longest()];
        let problem = if sizes.contains(&0) {
            "a size of the network is 0".to_string()
        } else if !width.is_multiple_of(heads) {
            format!("{heads} heads do not divide a width of {width}")
        } else if self.values() > LARGEST || depth > 1000 {
            "the network is larger than any of its kind".to_string()
        } else {
            return Ok(());
        };
        Err((problem, "fetch the file anew".into()))
    }

    /// `config.json` of a classifier with these labels, which the origin's library opens.
    pub fn to_json(&self, labels: &[String]) -> Value {
        let keys = self.family.keys();
        let mut said = self.said.clone();
        let mut put = |key: &str, value: Value| said.insert(key.to_string(), value);
        put("model_type", json!(self.family.name()));
        put(
            "architectures",
            json!([match (self.predicts, self.each()) {
                (true, _) => self.family.language_model(),
                (_, true) => self.family.tagger(),
                _ => self.family.architecture(self.pooler),
            }]),
        );
        put("vocab_size", json!(self.vocabulary));
        put(keys.width, json!(self.width));
        put(keys.heads, json!(self.heads));
        put(keys.depth, json!(self.depth));
        put(keys.hidden, json!(self.hidden));
        put(keys.dropout, json!(self.dropout));
        put("max_position_embeddings", json!(self.positions));
        put(keys.activation, json!(self.activation.name()));
        if self.family != Family::DistilBert {
            put("type_vocab_size", json!(self.segments));
            put("layer_norm_eps", json!(self.epsilon));
        }
        if self.family == Family::Roberta {
            put("pad_token_id", json!(self.first_position.saturating_sub(1)));
        }
        put("torch_dtype", json!("float32"));
        if self.predicts {
            for key in ["id2label", "label2id", "problem_type"] {
                said.remove(key);
            }
            return Value::Object(said);
        }
        config_file::put_labels(&mut said, labels);
        if self.each() {
            said.remove("problem_type");
        }
        Value::Object(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<EncoderConfig, String> {
        EncoderConfig::parse(text, Family::Bert).map_err(|(problem, mend)| problem + &mend)
    }

    #[test]
    fn sizes_come_from_the_file_and_the_rest_from_the_base() {
        let config = parsed(r#"{"hidden_size": 384, "num_hidden_layers": 6, "other": 1}"#).unwrap();
        assert_eq!((config.width, config.depth, config.vocabulary), (384, 6, 30_522));
        let again = config.to_json(&["no".into(), "yes".into()]);
        assert_eq!((&again["other"], &again["id2label"]["1"]), (&json!(1), &json!("yes")));
        let read = EncoderConfig::parse(&again.to_string(), Family::Bert).unwrap();
        assert_eq!((read.width, read.depth, read.epsilon), (384, 6, 1e-12));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, part) in [
            ("[]", "no configuration"),
            (r#"{"model_type": "roberta"}"#, "give --model roberta"),
            (r#"{"model_type": "t5"}"#, "is of a t5"),
            (r#"{"hidden_size": -1}"#, "hidden_size is -1"),
            (r#"{"hidden_size": 100}"#, "12 heads do not divide"),
            (r#"{"num_hidden_layers": 0}"#, "is 0"),
            (r#"{"num_hidden_layers": 16000000}"#, "larger than any"),
            (r#"{"hidden_act": "swish"}"#, "swish"),
            (r#"{"position_embedding_type": "relative_key"}"#, "relative"),
        ] {
            let message = parsed(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
