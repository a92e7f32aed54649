//! The families of text encoders: one architecture, three tables of names.

/// Whose names and details a text encoder follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// BERT (Devlin et al. 2018, arXiv 1810.04805), and its small kin such as MiniLM.
    Bert,
    /// RoBERTa (Liu et al. 2019, arXiv 1907.11692): positions counted from behind the padding's number.
    Roberta,
    /// DistilBERT (Sanh et al. 2019, arXiv 1910.01108): no segments, no pooler of its own.
    DistilBert,
}

/// The keys of `config.json` that differ between the families.
pub(super) struct Keys {
    pub width: &'static str,
    pub heads: &'static str,
    pub depth: &'static str,
    pub hidden: &'static str,
    pub dropout: &'static str,
    pub activation: &'static str,
}

/// Our field to the origin's path.
type Table = [(&'static str, &'static str)];

const EMBEDDINGS: &Table = &[
    ("word", "word_embeddings"),
    ("position", "position_embeddings"),
    ("segment", "token_type_embeddings"),
    ("norm", "LayerNorm"),
];

const BERT_LAYER: &Table = &[
    ("query", "attention.self.query"),
    ("key", "attention.self.key"),
    ("value", "attention.self.value"),
    ("output", "attention.output.dense"),
    ("attention_norm", "attention.output.LayerNorm"),
    ("inner", "intermediate.dense"),
    ("outer", "output.dense"),
    ("output_norm", "output.LayerNorm"),
];

const DISTILBERT_LAYER: &Table = &[
    ("query", "attention.q_lin"),
    ("key", "attention.k_lin"),
    ("value", "attention.v_lin"),
    ("output", "attention.out_lin"),
    ("attention_norm", "sa_layer_norm"),
    ("inner", "ffn.lin1"),
    ("outer", "ffn.lin2"),
    ("output_norm", "output_layer_norm"),
];

impl Family {
    pub const ALL: [Family; 3] = [Family::Bert, Family::Roberta, Family::DistilBert];

    /// The name by which users ask for it, and the origin's `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Family::Bert => "bert",
            Family::Roberta => "roberta",
            Family::DistilBert => "distilbert",
        }
    }

    pub(super) fn keys(self) -> Keys {
        match self {
            Family::Bert | Family::Roberta => Keys {
                width: "hidden_size",
                heads: "num_attention_heads",
                depth: "num_hidden_layers",
                hidden: "intermediate_size",
                dropout: "hidden_dropout_prob",
                activation: "hidden_act",
            },
            Family::DistilBert => Keys {
                width: "dim",
                heads: "n_heads",
                depth: "n_layers",
                hidden: "hidden_dim",
                dropout: "dropout",
                activation: "activation",
            },
        }
    }

    /// The origin's class of a classifier, or of the network alone.
    pub(super) fn architecture(self, classifier: bool) -> &'static str {
        match (self, classifier) {
            (Family::Bert, true) => "BertForSequenceClassification",
            (Family::Bert, false) => "BertModel",
            (Family::Roberta, true) => "RobertaForSequenceClassification",
            (Family::Roberta, false) => "RobertaModel",
            (Family::DistilBert, true) => "DistilBertForSequenceClassification",
            (Family::DistilBert, false) => "DistilBertModel",
        }
    }

    /// The origin's class of a masked language model.
    pub(super) fn language_model(self) -> &'static str {
        match self {
            Family::Bert => "BertForMaskedLM",
            Family::Roberta => "RobertaForMaskedLM",
            Family::DistilBert => "DistilBertForMaskedLM",
        }
    }

    /// The origin's name of a tensor of [`Prediction`](super::Prediction).
    fn prediction(self, rest: &str) -> Option<String> {
        let [transform, norm, bias] = match self {
            Family::Bert => [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions",
            ],
            Family::Roberta => ["lm_head.dense", "lm_head.layer_norm", "lm_head"],
            Family::DistilBert => ["vocab_transform", "vocab_layer_norm", "vocab_projector"],
        };
        Some(match rest.split_once('.') {
            Some(("transform", value)) => format!("{transform}.{value}"),
            Some(("norm", value)) => format!("{norm}.{value}"),
            None => format!("{bias}.{rest}"),
            Some(_) => return None,
        })
    }

    /// The origin's class of a network that answers for each piece.
    pub(super) fn tagger(self) -> &'static str {
        match self {
            Family::Bert => "BertForTokenClassification",
            Family::Roberta => "RobertaForTokenClassification",
            Family::DistilBert => "DistilBertForTokenClassification",
        }
    }

    /// The origin's name of the linear layer between the last layer's first token and the head.
    fn pooler(self) -> &'static str {
        match self {
            Family::Bert => "bert.pooler.dense",
            Family::Roberta => "classifier.dense",
            Family::DistilBert => "pre_classifier",
        }
    }

    /// The origin's name of the head.
    pub(super) fn head(self) -> &'static str {
        match self {
            Family::Roberta => "classifier.out_proj",
            Family::Bert | Family::DistilBert => "classifier",
        }
    }

    /// The origin's name of the parameter at `path`; a path that is none of ours as it is.
    pub(super) fn origin_name(self, path: &str) -> String {
        self.translated(path).unwrap_or_else(|| path.to_string())
    }

    fn translated(self, path: &str) -> Option<String> {
        let (part, rest) = path.split_once('.')?;
        let of = |table: &Table, rest: &str| {
            let (field, value) = rest.split_once('.')?;
            let (_, name) = table.iter().find(|(ours, _)| *ours == field)?;
            Some(format!("{name}.{value}"))
        };
        let prefix = self.name();
        match part {
            "pooler" => Some(format!("{}.{rest}", self.pooler())),
            "prediction" => self.prediction(rest),
            "embeddings" => Some(format!("{prefix}.embeddings.{}", of(EMBEDDINGS, rest)?)),
            "layers" => {
                let (number, rest) = rest.split_once('.')?;
                let (folder, table) = match self {
                    Family::DistilBert => ("transformer.layer", DISTILBERT_LAYER),
                    _ => ("encoder.layer", BERT_LAYER),
                };
                Some(format!("{prefix}.{folder}.{number}.{}", of(table, rest)?))
            }
            _ => None,
        }
    }

    /// The origin's name today of a tensor that a file calls `name`: files of the network alone leave the
    /// prefix out, and old ones call a norm's values gamma and beta.
    pub(super) fn present_name(self, name: &str) -> String {
        let alone = ["embeddings.", "encoder.", "transformer.", "pooler."];
        let mut name = match alone.iter().any(|part| name.starts_with(part)) {
            true => format!("{}.{name}", self.name()),
            false => name.to_string(),
        };
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
            if let Some(stem) = name.strip_suffix(old) {
                name = format!("{stem}{new}");
            }
        }
        name
    }

    /// Whether a file's tensor of this present name belongs to another task, or to none.
    pub(super) fn passes_over(self, name: &str) -> bool {
        let other_heads = ["cls.", "lm_head.", "vocab_", "qa_outputs."];
        // RoBERTa's own pooler takes no part in its classifiers, and one without a pooler has no use for any.
        let poolers = ["bert.pooler.", "roberta.pooler.", "pre_classifier.", "classifier.dense."];
        other_heads.iter().chain(&poolers).any(|head| name.starts_with(head))
            || name.ends_with("embeddings.position_ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_origin_s_names() {
        for (family, path, name) in [
            (Family::Bert, "embeddings.norm.bias", "bert.embeddings.LayerNorm.bias"),
            (
                Family::Bert,
                "layers.3.query.weight",
                "bert.encoder.layer.3.attention.self.query.weight",
            ),
            (Family::Roberta, "layers.0.outer.bias", "roberta.encoder.layer.0.output.dense.bias"),
            (Family::Roberta, "pooler.weight", "classifier.dense.weight"),
            (Family::Bert, "prediction.norm.bias", "cls.predictions.transform.LayerNorm.bias"),
            (Family::Roberta, "prediction.bias", "lm_head.bias"),
            (Family::DistilBert, "prediction.transform.weight", "vocab_transform.weight"),
            (
                Family::DistilBert,
                "layers.11.inner.weight",
                "distilbert.transformer.layer.11.ffn.lin1.weight",
            ),
        ] {
            assert_eq!(family.origin_name(path), name);
        }
    }

    #[test]
    fn a_name_without_prefix_or_of_old_times_is_the_same_tensor() {
        let present = |name: &str| Family::Bert.present_name(name);
        let name = "bert.encoder.layer.0.output.LayerNorm.weight";
        assert_eq!(present("encoder.layer.0.output.LayerNorm.gamma"), name);
        assert_eq!(present(name), name);
        assert_eq!(present("classifier.weight"), "classifier.weight");
    }
}
