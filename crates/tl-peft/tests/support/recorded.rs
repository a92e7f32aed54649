//! Adapters that `xtask/parity/record_peft.py` recorded on formula-filled networks, in f64.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use tl_core::{Activation, Head, Model, Pieces};
use tl_models::weights::save_safetensors;
use tl_models::{
    Architecture, Classifier, Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, Purpose, Weightless,
};
use tl_peft::AdapterRecord;
use tl_peft::file::{Format, PEFT_CONFIG, PEFT_MODEL};

use super::formula::{Rule, fill, filled};

pub const CASES: [&str; 13] = [
    "bert_lora",
    "bert_lora_pooler",
    "bert_dora",
    "bert_ia3",
    "bert_prompt",
    "roberta_lora",
    "distilbert_lora",
    "gpt2_lora",
    "gpt2_dora",
    "gpt2_ia3",
    "gpt2_prompt",
    "gpt2_language_lora",
    "gpt2_language_prompt",
];

#[derive(Deserialize)]
pub struct Summary {
    pub norm: f64,
    pub projections: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Fixture {
    family: String,
    base: Value,
    pub config: Map<String, Value>,
    pub entries: BTreeMap<String, Vec<usize>>,
    texts: Vec<Vec<u32>>,
    pub labels: Vec<usize>,
    pub logits: Vec<Vec<f64>>,
    pub gradients: BTreeMap<String, Summary>,
}

/// Vectors are near 1, as `record_peft.filled` has them.
pub fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    if name.ends_with("ia3_l") || name.ends_with("lora_magnitude_vector") {
        let count = shape.iter().product();
        return fill(&format!("{name}.weight"), &[count], &Rule::plain());
    }
    fill(name, shape, &Rule::plain())
}

/// The answers of a recorded network that is a classifier.
const CLASSES: usize = 5;

impl Fixture {
    pub fn read(name: &str) -> Self {
        let path = PathBuf::from("tests/fixtures").join(format!("{name}.json"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn config(&self, folder: &Path) -> PathBuf {
        let path = folder.join("config.json");
        std::fs::write(&path, self.base.to_string()).unwrap();
        path
    }

    pub fn encoder(&self, folder: &Path) -> Classifier<Encoder> {
        let family = Family::ALL.into_iter().find(|it| it.name() == self.family).unwrap();
        let config = EncoderConfig::read(&self.config(folder), family).unwrap();
        filled(Encoder::new(config, &Device::flex()), CLASSES, &Rule::plain())
    }

    pub fn gpt2(&self, folder: &Path) -> Classifier<Gpt2> {
        let config = Gpt2Config::read(&self.config(folder)).unwrap();
        filled(Gpt2::new(config, &Device::flex()), CLASSES, &Rule::plain())
    }

    pub fn language(&self, folder: &Path) -> Model<Gpt2, Weightless> {
        let backbone = self.gpt2(folder).backbone.for_purpose(Purpose::Language);
        Model { head: Weightless::pieces(backbone.config().vocabulary), backbone }
    }

    /// The format in which PEFT wrote it.
    pub fn format(&self) -> Format {
        let known = ["SEQ_CLS", "CAUSAL_LM"].into_iter();
        let mut known = known.filter(|task| self.config["task_type"] == *task);
        Format::Peft { task_type: Some(known.next().unwrap()) }
    }

    pub fn write(&self, folder: &Path) {
        let entries = self.entries.iter();
        let tensors: Vec<_> = entries
            .map(|(name, shape)| (name.clone(), shape.clone(), values(name, shape)))
            .collect();
        save_safetensors(&folder.join(PEFT_MODEL), &tensors, &[], &BTreeMap::new()).unwrap();
        let config = serde_json::to_string(&self.config).unwrap();
        std::fs::write(folder.join(PEFT_CONFIG), config).unwrap();
    }

    pub fn input(&self) -> Activation {
        let text = |ids: &Vec<u32>| Pieces {
            ids: ids.clone(),
            segments: vec![0; ids.len()],
            ..Pieces::default()
        };
        Activation::Texts(self.texts.iter().map(text).collect())
    }
}

pub struct Opened<B: Architecture, H: Head> {
    pub fixture: Fixture,
    pub base: Model<B, H>,
    pub record: AdapterRecord,
    pub model: Model<B, H>,
    pub folder: tempfile::TempDir,
}

/// The case `name`, whose base is made by `make`.
pub fn opened<B: Architecture, H: Head>(
    name: &str,
    make: fn(&Fixture, &Path) -> Model<B, H>,
) -> Opened<B, H> {
    let fixture = Fixture::read(name);
    let folder = tempfile::tempdir().unwrap();
    let base = make(&fixture, folder.path());
    fixture.write(folder.path());
    let record = AdapterRecord::open(folder.path(), &base).unwrap();
    let model = record.apply(base.clone()).unwrap();
    Opened { fixture, base, record, model, folder }
}

/// Calls the same with each case.
macro_rules! on_every_case {
    ($check:ident) => {
        for name in $crate::support::recorded::CASES {
            use $crate::support::recorded::{Fixture, opened};
            match name.split_once('_').unwrap() {
                ("gpt2", kind) if kind.starts_with("language") => {
                    $check(name, opened(name, Fixture::language))
                }
                ("gpt2", _) => $check(name, opened(name, Fixture::gpt2)),
                _ => $check(name, opened(name, Fixture::encoder)),
            }
        }
    };
}
pub(crate) use on_every_case;
