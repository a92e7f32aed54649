//! The sizes of a GPT-2, and `config.json`.

use std::path::Path;

use serde_json::{Map, Value, json};
use tl_core::TokenPooling;
use tl_kernels::Gelu;

use crate::config_file::{self, ConfigError, Fault, LARGEST};
use crate::encoder::HiddenActivation;

/// What the last stage makes of the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tokens that become one vector, which a head stands on.
    Vectors(TokenPooling),
    /// For each piece but a text's last the logits of the piece behind it, by the table of the pieces.
    Language,
}

/// What tells one GPT-2 from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Config {
    /// How many different pieces there are.
    pub vocabulary: usize,
    /// The most pieces of a text.
    pub positions: usize,
    pub width: usize,
    pub heads: usize,
    /// Layers.
    pub depth: usize,
    /// The width between the two linear layers of a layer.
    pub hidden: usize,
    /// The epsilon of all norms.
    pub epsilon: f64,
    pub activation: HiddenActivation,
    /// Of the embeddings.
    pub embedding_dropout: f64,
    /// Of both branches of a layer. Attention itself has none here, whatever `attn_pdrop` says.
    pub dropout: f64,
    /// The piece that ends a text.
    pub end: u32,
    /// The piece that fills a batch; the end's where the configuration names none.
    pub padding: u32,
    pub purpose: Purpose,
    /// All of `config.json`, for those who read it after us.
    said: Map<String, Value>,
}

impl Default for Gpt2Config {
    /// GPT-2 small: 12 layers of width 768.
    fn default() -> Self {
        Self {
            vocabulary: 50_257,
            positions: 1024,
            width: 768,
            heads: 12,
            depth: 12,
            hidden: 3072,
            epsilon: 1e-5,
            activation: HiddenActivation::Gelu(Gelu::Tanh),
            embedding_dropout: 0.1,
            dropout: 0.1,
            end: 50_256,
            padding: 50_256,
            purpose: Purpose::Vectors(TokenPooling::Last),
            said: Map::new(),
        }
    }
}

impl Gpt2Config {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    /// A file that cannot be read, is of another kind of network, or gives sizes that make no sense.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        config_file::read(path, Self::parse)
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let said = config_file::parse(text)?;
        let kind = said.get("model_type").and_then(Value::as_str).unwrap_or("gpt2");
        if kind != "gpt2" {
            let problem = format!("is of a {kind}, not of a gpt2");
            return Err((problem, "give a folder with a gpt2, or another --model".into()));
        }
        for (key, usual) in [
            ("scale_attn_weights", true),
            ("scale_attn_by_inverse_layer_idx", false),
            ("tie_word_embeddings", true),
            ("add_cross_attention", false),
        ] {
            let value = said.get(key).and_then(Value::as_bool).unwrap_or(usual);
            if value != usual {
                let problem = format!("{key} is {value}");
                return Err((problem, format!("give a network where it is {usual}")));
            }
        }
        let base = Self::default();
        let whole = |key: &str, usual: usize| config_file::whole(&said, key, usual);
        let share = |key: &str, usual: f64| config_file::number(&said, key, usual).clamp(0.0, 0.99);
        let vocabulary = whole("vocab_size", base.vocabulary)?;
        let width = whole("n_embd", base.width)?;
        // A shortened configuration may leave the end out: it is the last piece, as in GPT-2's own.
        let end = whole("eos_token_id", vocabulary.saturating_sub(1))?;
        let padding = whole("pad_token_id", end)?;
        let config = Self {
            vocabulary,
            width,
            positions: whole("n_positions", base.positions)?,
            heads: whole("n_head", base.heads)?,
            depth: whole("n_layer", base.depth)?,
            hidden: whole("n_inner", width.saturating_mul(4))?,
            epsilon: config_file::number(&said, "layer_norm_epsilon", base.epsilon),
            activation: HiddenActivation::read(&said, "activation_function", "gelu_new")?,
            embedding_dropout: share("embd_pdrop", base.embedding_dropout),
            dropout: share("resid_pdrop", base.dropout),
            end: end as u32,
            padding: padding as u32,
            ..base
        };
        config.check()?;
        Ok(Self { said, ..config })
    }

    fn check(&self) -> Result<(), Fault> {
        let Self { vocabulary, positions, width, heads, depth, hidden, .. } = *self;
        let beyond = |piece: u32| piece as usize >= vocabulary;
        let problem = if [vocabulary, positions, width, heads, depth, hidden].contains(&0) {
            "a size of the network is 0".to_string()
        } else if !width.is_multiple_of(heads) {
            format!("{heads} heads do not divide a width of {width}")
        } else if beyond(self.end) || beyond(self.padding) {
            format!("the end or the padding is none of the {vocabulary} pieces")
        } else if self.values() > LARGEST || depth > 1000 {
            "the network is larger than any of its kind".to_string()
        } else {
            return Ok(());
        };
        Err((problem, "fetch the file anew".into()))
    }

    /// The values of all matrices and tables: what the network takes, but for a thousandth.
    pub fn values(&self) -> u64 {
        let Self { width, depth, hidden, vocabulary, positions, .. } = *self;
        let [width, depth, hidden] = [width, depth, hidden].map(|size| size as u64);
        let layer = 4 * width * width + 2 * width * hidden;
        depth.saturating_mul(layer).saturating_add(width * (vocabulary + positions) as u64)
    }

    /// `config.json` of a classifier with these labels or of a language model, which the origin's library opens.
    pub fn to_json(&self, labels: &[String]) -> Value {
        let mut said = self.said.clone();
        let architecture = match self.purpose {
            Purpose::Language => "GPT2LMHeadModel",
            Purpose::Vectors(TokenPooling::Last) => "GPT2ForSequenceClassification",
            Purpose::Vectors(_) => "GPT2Model",
        };
        for (key, value) in [
            ("model_type", json!("gpt2")),
            ("architectures", json!([architecture])),
            ("vocab_size", json!(self.vocabulary)),
            ("n_positions", json!(self.positions)),
            ("n_embd", json!(self.width)),
            ("n_head", json!(self.heads)),
            ("n_layer", json!(self.depth)),
            ("n_inner", json!(self.hidden)),
            ("layer_norm_epsilon", json!(self.epsilon)),
            ("activation_function", json!(self.activation.name())),
            ("embd_pdrop", json!(self.embedding_dropout)),
            ("resid_pdrop", json!(self.dropout)),
            ("eos_token_id", json!(self.end)),
            ("pad_token_id", json!(self.padding)),
            ("torch_dtype", json!("float32")),
        ] {
            said.insert(key.to_string(), value);
        }
        // The origin's default lies outside of a small vocabulary.
        said.entry("bos_token_id").or_insert(json!(self.end));
        if self.purpose == Purpose::Language {
            for key in ["id2label", "label2id", "problem_type"] {
                said.remove(key);
            }
        } else {
            config_file::put_labels(&mut said, labels);
        }
        Value::Object(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Gpt2Config, String> {
        Gpt2Config::parse(text).map_err(|(problem, mend)| format!("{problem}; {mend}"))
    }

    #[test]
    fn sizes_come_from_the_file_and_are_written_again() {
        let config =
            parsed(r#"{"n_embd": 48, "n_layer": 2, "n_inner": null, "other": 1}"#).unwrap();
        assert_eq!((config.width, config.hidden, config.vocabulary), (48, 192, 50_257));
        assert_eq!((config.end, config.padding), (50_256, 50_256));
        let again = config.to_json(&["no".into(), "yes".into()]);
        assert_eq!((&again["other"], &again["id2label"]["1"]), (&json!(1), &json!("yes")));
        assert_eq!(again["architectures"][0], "GPT2ForSequenceClassification");
        let language =
            Gpt2Config { purpose: Purpose::Language, ..parsed(&again.to_string()).unwrap() };
        let said = language.to_json(&[]);
        assert_eq!(said["architectures"][0], "GPT2LMHeadModel");
        assert!(said.get("id2label").is_none());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, part) in [
            ("[]", "no configuration"),
            (r#"{"model_type": "bert"}"#, "is of a bert"),
            (r#"{"n_embd": -1}"#, "n_embd is -1"),
            (r#"{"n_embd": 100}"#, "12 heads do not divide"),
            (r#"{"n_layer": 0}"#, "is 0"),
            (r#"{"n_layer": 16000000}"#, "larger than any"),
            (r#"{"activation_function": "swish"}"#, "swish"),
            (r#"{"scale_attn_by_inverse_layer_idx": true}"#, "scale_attn_by_inverse_layer_idx"),
            (r#"{"tie_word_embeddings": false}"#, "tie_word_embeddings"),
            (r#"{"vocab_size": 100, "eos_token_id": 100}"#, "none of the 100 pieces"),
        ] {
            let message = parsed(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
