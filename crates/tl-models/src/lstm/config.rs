//! The sizes of a recurrent network of texts, and `config.json`.

use std::path::Path;

use serde_json::{Map, Value, json};
use tl_core::TokenPooling;

use crate::config_file::{self, ConfigError, Fault, LARGEST};

/// What tells one recurrent network of texts from another.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmConfig {
    /// How many different pieces there are.
    pub vocabulary: usize,
    /// The values of a piece's vector.
    pub embedding: usize,
    /// The values of a layer's state, in each direction.
    pub hidden: usize,
    /// Layers.
    pub depth: usize,
    /// Whether each layer goes through a text from its end too.
    pub both_directions: bool,
    /// Of the embeddings, of what one layer hands to the next, and in front of the head.
    pub dropout: f64,
    /// How the outputs of the last layer become one vector.
    pub pooling: TokenPooling,
}

impl Default for LstmConfig {
    /// One layer of 128 values in each direction over vectors of 128: what a few thousand texts can fill.
    fn default() -> Self {
        Self {
            vocabulary: 30_522,
            embedding: 128,
            hidden: 128,
            depth: 1,
            both_directions: true,
            dropout: 0.3,
            pooling: TokenPooling::Mean,
        }
    }
}

impl LstmConfig {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    /// A file that cannot be read, is of another kind of network, or gives sizes that make no sense.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        config_file::read(path, Self::parse)
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let said = config_file::parse(text)?;
        let kind = said.get("model_type").and_then(Value::as_str).unwrap_or("lstm");
        if kind != "lstm" {
            let problem = format!("is of a {kind}, not of an lstm");
            return Err((problem, format!("give --model {kind}, or a folder with an lstm")));
        }
        let base = Self::default();
        let whole = |key: &str, usual: usize| config_file::whole(&said, key, usual);
        let config = Self {
            vocabulary: whole("vocab_size", base.vocabulary)?,
            embedding: whole("embedding_size", base.embedding)?,
            hidden: whole("hidden_size", base.hidden)?,
            depth: whole("num_layers", base.depth)?,
            both_directions: said.get("bidirectional").and_then(Value::as_bool).unwrap_or(true),
            dropout: config_file::number(&said, "dropout", base.dropout).clamp(0.0, 0.99),
            ..base
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Fault> {
        let Self { vocabulary, embedding, hidden, depth, .. } = *self;
        let problem = if [vocabulary, embedding, hidden, depth].contains(&0) {
            "a size of the network is 0"
        } else if self.values() > LARGEST || depth > 1000 {
            "the network is larger than any of its kind"
        } else {
            return Ok(());
        };
        Err((problem.to_string(), "fetch the file anew".into()))
    }

    /// The width of the outputs of a layer.
    pub fn width(&self) -> usize {
        self.hidden * if self.both_directions { 2 } else { 1 }
    }

    /// The values of all matrices and tables: what the network takes, but for a thousandth.
    pub fn values(&self) -> u64 {
        let [embedding, hidden, width, deeper] =
            [self.embedding, self.hidden, self.width(), self.depth.saturating_sub(1)]
                .map(|size| size as u64);
        let layer = |input: u64| 4 * width * (input + hidden);
        let layers = layer(embedding).saturating_add(deeper.saturating_mul(layer(width)));
        layers.saturating_add(embedding * self.vocabulary as u64)
    }

    /// `config.json` of a network with these labels.
    pub fn to_json(&self, labels: &[String]) -> Value {
        let mut said = Map::new();
        for (key, value) in [
            ("model_type", json!("lstm")),
            ("vocab_size", json!(self.vocabulary)),
            ("embedding_size", json!(self.embedding)),
            ("hidden_size", json!(self.hidden)),
            ("num_layers", json!(self.depth)),
            ("bidirectional", json!(self.both_directions)),
            ("dropout", json!(self.dropout)),
        ] {
            said.insert(key.to_string(), value);
        }
        config_file::put_labels(&mut said, labels);
        Value::Object(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<LstmConfig, String> {
        LstmConfig::parse(text).map_err(|(problem, mend)| format!("{problem}; {mend}"))
    }

    #[test]
    fn sizes_come_from_the_file_and_are_written_again() {
        let config = parsed(r#"{"hidden_size": 48, "bidirectional": false}"#).unwrap();
        assert_eq!((config.width(), config.embedding, config.depth), (48, 128, 1));
        let again = config.to_json(&["no".into(), "yes".into()]);
        assert_eq!(again["id2label"]["1"], "yes");
        assert_eq!(parsed(&again.to_string()).unwrap(), config);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, part) in [
            ("[]", "no configuration"),
            (r#"{"model_type": "bert"}"#, "give --model bert"),
            (r#"{"hidden_size": -1}"#, "hidden_size is -1"),
            (r#"{"num_layers": 0}"#, "is 0"),
            (r#"{"num_layers": 16000000}"#, "larger than any"),
            (r#"{"hidden_size": 16000000}"#, "larger than any"),
        ] {
            let message = parsed(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
