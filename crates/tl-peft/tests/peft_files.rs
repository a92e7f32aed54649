//! PEFT's files both ways: recorded by `xtask/parity/record_peft.py` on formula-filled networks, in f64.

use std::path::PathBuf;

use crate::support::formula::{deviation, projections};
use crate::support::recorded::{Fixture, Opened, on_every_case, opened, values};
use burn::module::Module;
use serde_json::{Map, Value};
use tl_core::parameters::{Control, set_trained};
use tl_core::{Head, Model, Pass};
use tl_kernels::cross_entropy;
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, Encoder};
use tl_peft::file::{PEFT_CONFIG, PEFT_MODEL};
use tl_peft::folder::OLD_PEFT_MODEL;
use tl_peft::{AdapterRecord, PeftFolder, check_mergeable, merge};

#[test]
fn an_adapter_of_peft_has_the_same_logits_here() {
    fn check<B: Architecture, H: Head>(name: &str, opened: Opened<B, H>) {
        let Opened { fixture, base, model, .. } = opened;
        let logits = |model: &Model<B, H>| -> Vec<f64> {
            let found = model.forward(fixture.input(), Pass::default()).unwrap().into_data();
            found.try_into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
        };
        let expected: Vec<f64> = fixture.logits.concat();
        let off = deviation(&logits(&model), &expected);
        println!("{name:20} logits off by {off:.1e}");
        assert!(off < 1e-5, "{name}: {off:.1e}");
        assert!(deviation(&logits(&base), &expected) > 1e-2, "{name}: it would go unnoticed");
        // And so they are once it is part of the weights.
        if check_mergeable(&model).is_ok() {
            let off = deviation(&logits(&merge(model).unwrap().module), &expected);
            assert!(off < 1e-5, "{name}, merged: {off:.1e}");
        }
    }
    on_every_case!(check);
}

#[test]
fn its_gradients_are_those_of_peft() {
    fn check<B: Architecture, H: Head>(name: &str, opened: Opened<B, H>) {
        let Opened { fixture, record, model, folder, .. } = opened;
        let live = set_trained(model.clone().train(), |path, control| {
            control == Control::Gradient && record.tensors.contains_key(path)
        });
        let logits = live.forward(fixture.input(), Pass::default()).unwrap();
        let gradients = cross_entropy(logits, &fixture.labels, 0.0).backward();
        let found = crate::support::gradients(&live, &gradients);
        // Under PEFT's names: as a record that holds gradients.
        let mut of_gradients = record.clone();
        for (path, held) in &mut of_gradients.tensors {
            held.values = found[path].clone();
        }
        of_gradients.save(folder.path(), &model.backbone, fixture.format(), "").unwrap();
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
        println!("{name:20} {} gradients off by {worst:.1e}", fixture.gradients.len());
        assert!(worst < 1e-4, "{name}: {worst:.1e}");
    }
    on_every_case!(check);
}

#[test]
fn what_is_written_is_what_peft_wrote() {
    fn check<B: Architecture, H: Head>(name: &str, opened: Opened<B, H>) {
        let Opened { fixture, base, record, model, .. } = opened;
        let config = record.config.clone();
        let again = AdapterRecord::of(&model, &config, &record.whole).unwrap();
        let folder = tempfile::tempdir().unwrap();
        again.save(folder.path(), &base.backbone, fixture.format(), "base").unwrap();
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
                "target_modules" | "feedforward_modules" if !name.starts_with("gpt2") => {
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
    on_every_case!(check);
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
    fn check<B: Architecture, H: Head>(name: &str, opened: Opened<B, H>) {
        let Some(folder) = std::env::var_os("TL_PEFT_CHECK") else { return };
        let Opened { fixture, base, record, .. } = opened;
        let folder = PathBuf::from(&folder).join(name);
        record.save(&folder, &base.backbone, fixture.format(), "base").unwrap();
    }
    on_every_case!(check);
}

#[test]
fn the_older_file_of_peft_holds_the_same() {
    let Opened { base, record, folder, .. } = opened("gpt2_lora", Fixture::gpt2);
    std::fs::remove_file(folder.path().join(PEFT_MODEL)).unwrap();
    let missing = AdapterRecord::open(folder.path(), &base).unwrap_err().to_string();
    assert!(missing.contains("no adapter_model.safetensors"), "{missing}");
    let old = folder.path().join(OLD_PEFT_MODEL);
    std::fs::copy("tests/fixtures/gpt2_lora.bin", old).unwrap();
    assert_eq!(AdapterRecord::open(folder.path(), &base).unwrap(), record);
}

#[test]
fn a_folder_tells_its_base_and_its_task_before_there_is_a_network() {
    let mut fixture = Fixture::read("gpt2_language_lora");
    let folder = tempfile::tempdir().unwrap();
    assert!(!PeftFolder::lies_in(folder.path()));
    fixture.write(folder.path());
    let found = PeftFolder::open(folder.path()).unwrap();
    assert!(PeftFolder::lies_in(folder.path()));
    assert_eq!((found.base(), found.task_type()), (None, Some("CAUSAL_LM")));
    let before = found.key().unwrap();
    fixture.config.insert("base_model_name_or_path".into(), "owner/repo".into());
    fixture.write(folder.path());
    let found = PeftFolder::open(folder.path()).unwrap();
    assert_eq!(found.base(), Some("owner/repo"));
    assert_ne!(found.key().unwrap(), before);
}

#[test]
fn parts_of_a_classifier_are_passed_over_where_there_is_none_and_those_of_a_language_model_are_not()
{
    let Opened { mut fixture, folder, .. } = opened("bert_lora_pooler", Fixture::encoder);
    let with_pooler = fixture.encoder(folder.path());
    let mut config = with_pooler.backbone.config().clone();
    (config.pooler, config.pooling) = (false, tl_core::TokenPooling::Mean);
    let backbone = Encoder::new(config, &burn::prelude::Device::flex());
    let base = Model { backbone, head: with_pooler.head };
    let record = AdapterRecord::open(folder.path(), &base).unwrap();
    let pooler = ["bias", "weight"].map(|it| format!("base_model.model.bert.pooler.dense.{it}"));
    assert_eq!(record.passed_over, pooler);
    assert!(record.apply(base.clone()).is_ok());
    fixture.config.insert("task_type".into(), "CAUSAL_LM".into());
    fixture.write(folder.path());
    let message = AdapterRecord::open(folder.path(), &base).unwrap_err().to_string();
    assert!(message.contains("pooler.dense.bias, which has no place"), "{message}");
}

#[test]
fn what_is_not_known_here_is_one_line() {
    let fault = |change: &dyn Fn(&mut Fixture)| {
        let mut fixture = Fixture::read("bert_lora");
        let folder = tempfile::tempdir().unwrap();
        let base = fixture.encoder(folder.path());
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
    for begun in ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga"] {
        assert!(fault(&set("init_lora_weights", begun.into())).contains(begun));
    }
    for key in ["alora_invocation_tokens", "target_parameters"] {
        assert!(fault(&set(key, vec![1].into())).contains(key));
    }
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
    let base = Fixture::read("bert_lora").encoder(folder.path());
    let message = AdapterRecord::open(folder.path(), &base).unwrap_err().to_string();
    assert!(message.contains("is no configuration"), "{message}");
}
