//! PEFT's files both ways: recorded by `xtask/parity/record_peft.py` on formula-filled encoders, in f64.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use support::formula::{Rule, deviation, fill, filled, projections};
use tl_core::parameters::{Control, set_trained};
use tl_core::{Activation, Pass, Pieces};
use tl_kernels::cross_entropy;
use tl_models::weights::{WeightsFile, save_safetensors};
use tl_models::{Classifier, Encoder, EncoderConfig, Family};
use tl_peft::AdapterRecord;
use tl_peft::file::{Format, PEFT_CONFIG, PEFT_MODEL};

/// A class for each text.
const SENTENCES: Format = Format::Peft { task_type: "SEQ_CLS" };

const CASES: [&str; 7] = [
    "bert_lora",
    "bert_lora_pooler",
    "bert_dora",
    "bert_ia3",
    "bert_prompt",
    "roberta_lora",
    "distilbert_lora",
];

#[derive(Deserialize)]
struct Summary {
    norm: f64,
    projections: Vec<f64>,
}

#[derive(Deserialize)]
struct Fixture {
    family: String,
    base: Value,
    config: Map<String, Value>,
    entries: BTreeMap<String, Vec<usize>>,
    texts: Vec<Vec<u32>>,
    labels: Vec<usize>,
    logits: Vec<Vec<f64>>,
    gradients: BTreeMap<String, Summary>,
}

/// Vectors are near 1, as `record_peft.filled` has them.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    if name.ends_with("ia3_l") || name.ends_with("lora_magnitude_vector") {
        let count = shape.iter().product();
        return fill(&format!("{name}.weight"), &[count], &Rule::plain());
    }
    fill(name, shape, &Rule::plain())
}

impl Fixture {
    fn read(name: &str) -> Self {
        let path = PathBuf::from("tests/fixtures").join(format!("{name}.json"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn base(&self, folder: &Path) -> Classifier<Encoder> {
        let path = folder.join("config.json");
        std::fs::write(&path, self.base.to_string()).unwrap();
        let family = Family::ALL.into_iter().find(|it| it.name() == self.family).unwrap();
        let config = EncoderConfig::read(&path, family).unwrap();
        filled(Encoder::new(config, &Device::flex()), 5, &Rule::plain())
    }

    fn write(&self, folder: &Path) {
        let entries = self.entries.iter();
        let tensors: Vec<_> = entries
            .map(|(name, shape)| (name.clone(), shape.clone(), values(name, shape)))
            .collect();
        save_safetensors(&folder.join(PEFT_MODEL), &tensors, &[], &BTreeMap::new()).unwrap();
        let config = serde_json::to_string(&self.config).unwrap();
        std::fs::write(folder.join(PEFT_CONFIG), config).unwrap();
    }

    fn input(&self) -> Activation {
        let text = |ids: &Vec<u32>| Pieces {
            ids: ids.clone(),
            segments: vec![0; ids.len()],
            ..Pieces::default()
        };
        Activation::Texts(self.texts.iter().map(text).collect())
    }
}

struct Opened {
    fixture: Fixture,
    base: Classifier<Encoder>,
    record: AdapterRecord,
    model: Classifier<Encoder>,
    folder: tempfile::TempDir,
}

fn opened(name: &str) -> Opened {
    let fixture = Fixture::read(name);
    let folder = tempfile::tempdir().unwrap();
    let base = fixture.base(folder.path());
    fixture.write(folder.path());
    let record = AdapterRecord::open(folder.path(), &base).unwrap();
    let model = record.apply(base.clone()).unwrap();
    Opened { fixture, base, record, model, folder }
}

#[test]
fn an_adapter_of_peft_has_the_same_logits_here() {
    for name in CASES {
        let Opened { fixture, base, model, .. } = opened(name);
        let logits = |model: &Classifier<Encoder>| -> Vec<f64> {
            let found = model.forward(fixture.input(), Pass::default()).unwrap().into_data();
            found.try_into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
        };
        let expected: Vec<f64> = fixture.logits.concat();
        let off = deviation(&logits(&model), &expected);
        println!("{name:18} logits off by {off:.1e}");
        assert!(off < 1e-5, "{name}: {off:.1e}");
        assert!(deviation(&logits(&base), &expected) > 1e-2, "{name}: it would go unnoticed");
    }
}

#[test]
fn its_gradients_are_those_of_peft() {
    for name in CASES {
        let Opened { fixture, record, model, folder, .. } = opened(name);
        let live = set_trained(model.clone().train(), |path, control| {
            control == Control::Gradient && record.tensors.contains_key(path)
        });
        let logits = live.forward(fixture.input(), Pass::default()).unwrap();
        let gradients = cross_entropy(logits, &fixture.labels, 0.0).backward();
        let found = support::gradients(&live, &gradients);
        // Under PEFT's names: as a record that holds gradients.
        let mut of_gradients = record.clone();
        for (path, held) in &mut of_gradients.tensors {
            held.values = found[path].clone();
        }
        of_gradients.save(folder.path(), &model.backbone, SENTENCES, "").unwrap();
        let file = WeightsFile::open(&folder.path().join(PEFT_MODEL)).unwrap();
        let mut worst = 0.0f64;
        for (key, expected) in &fixture.gradients {
            let found = file.values(key).unwrap();
            let wide: Vec<f64> = found.iter().copied().map(f64::from).collect();
            let norm = wide.iter().map(|value| value * value).sum::<f64>().sqrt();
            let found = projections(&found, expected.projections.len());
            let difference = found.iter().zip(&expected.projections).map(|(a, b)| (a - b).powi(2));
            let off = (3.0 * difference.sum::<f64>() / found.len() as f64).sqrt() / expected.norm;
            worst = worst.max(off).max((norm - expected.norm).abs() / expected.norm);
        }
        println!("{name:18} {} gradients off by {worst:.1e}", fixture.gradients.len());
        assert!(worst < 1e-4, "{name}: {worst:.1e}");
    }
}

#[test]
fn what_is_written_is_what_peft_wrote() {
    for name in CASES {
        let Opened { fixture, base, record, model, .. } = opened(name);
        let config = record.config.clone();
        let again = AdapterRecord::of(&model, &config, &record.whole).unwrap();
        let folder = tempfile::tempdir().unwrap();
        again.save(folder.path(), &base.backbone, SENTENCES, "base").unwrap();
        let file = WeightsFile::open(&folder.path().join(PEFT_MODEL)).unwrap();
        assert_eq!(file.names().count(), fixture.entries.len(), "{name}");
        for (key, shape) in &fixture.entries {
            assert_eq!(file.shape(key), Some(shape.as_slice()), "{name}: {key}");
            assert_eq!(file.values(key).unwrap(), values(key, shape), "{name}: {key}");
        }
        let text = std::fs::read_to_string(folder.path().join(PEFT_CONFIG)).unwrap();
        let said: Map<String, Value> = serde_json::from_str(&text).unwrap();
        for (key, value) in &said {
            let same = match key.as_str() {
                // Told by other names, of which the tensors show that they mean the same; and what is ours to say.
                "base_model_name_or_path"
                | "modules_to_save"
                | "rank_pattern"
                | "alpha_pattern" => true,
                "target_modules" | "feedforward_modules" => {
                    sorted(value) == sorted(&fixture.config[key])
                }
                _ => match (value.as_f64(), fixture.config[key].as_f64()) {
                    (Some(found), Some(expected)) => found == expected,
                    _ => *value == fixture.config[key],
                },
            };
            assert!(same, "{name}: {key} is {value}, not {}", fixture.config[key]);
        }
        // What was written is read as the same.
        assert_eq!(AdapterRecord::open(folder.path(), &base).unwrap(), again, "{name}");
    }
}

/// The last parts of names, sorted: `ffn.lin1` and `lin1` mean the same layers here.
fn sorted(value: &Value) -> Vec<String> {
    let names: Vec<String> = serde_json::from_value(value.clone()).unwrap();
    let last = |name: &String| name.rsplit('.').next().unwrap().to_string();
    let mut names: Vec<String> = names.iter().map(last).collect();
    names.sort();
    names
}

/// Writes every adapter for `record_peft.py --check`, where the variable names a folder.
#[test]
fn every_adapter_is_written_for_peft_where_a_folder_is_named() {
    let Some(folder) = std::env::var_os("TL_PEFT_CHECK") else { return };
    for name in CASES {
        let Opened { base, record, .. } = opened(name);
        let folder = PathBuf::from(&folder).join(name);
        record.save(&folder, &base.backbone, SENTENCES, "base").unwrap();
    }
}

#[test]
fn what_is_not_known_here_is_one_line() {
    let fault = |change: &dyn Fn(&mut Fixture)| {
        let mut fixture = Fixture::read("bert_lora");
        let folder = tempfile::tempdir().unwrap();
        let base = fixture.base(folder.path());
        change(&mut fixture);
        fixture.write(folder.path());
        let opened = AdapterRecord::open(folder.path(), &base);
        let fault = opened.and_then(|record| record.apply(base)).unwrap_err().to_string();
        assert!(!fault.contains('\n'), "{fault}");
        fault
    };
    let set = |key: &'static str, value: Value| {
        move |fixture: &mut Fixture| drop(fixture.config.insert(key.into(), value.clone()))
    };
    let kind = fault(&set("peft_type", "VERA".into()));
    assert!(kind.contains("is of the kind \"VERA\""), "{kind}");
    assert!(fault(&set("bias", "all".into())).contains("bias"));
    assert!(fault(&set("lora_bias", true.into())).contains("lora_bias"));
    assert!(fault(&set("r", 0.into())).contains("rank"));
    assert!(fault(&set("r", (-1).into())).contains("says r -1"));
    assert!(fault(&set("use_dora", true.into())).contains("does not fit"));
    assert!(fault(&set("lora_alpha", "32".into())).contains("says lora_alpha"));
    assert!(fault(&set("use_rslora", "true".into())).contains("says use_rslora"));
    assert!(fault(&set("lora_dropout", 1.into())).contains("dropout"));
    assert!(fault(&set("init_lora_weights", "pissa".into())).contains("pissa"));
    assert!(
        fault(&|fixture| fixture.entries.retain(|name, _| !name.contains("lora_")))
            .contains("no adapter")
    );
    let strange =
        fault(&|fixture| drop(fixture.entries.insert("base_model.other".into(), vec![2, 2])));
    assert!(strange.contains("base_model.other"), "{strange}");
    let narrow = fault(&|fixture| {
        fixture.entries.values_mut().for_each(|shape| shape[0] += 1);
    });
    assert!(narrow.contains("bert"), "{narrow}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(PEFT_CONFIG), "[]").unwrap();
    let base = Fixture::read("bert_lora").base(folder.path());
    let message = AdapterRecord::open(folder.path(), &base).unwrap_err().to_string();
    assert!(message.contains("is no configuration"), "{message}");
}
