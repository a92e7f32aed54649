//! The names and the configuration of Hugging Face's PEFT (its version 0.21).
//!
//! | here | there |
//! |---|---|
//! | `low_rank.a`, `low_rank.b` | `base_model.model.LAYER.lora_A.weight`, `lora_B.weight` |
//! | `low_rank.magnitude` | `base_model.model.LAYER.lora_magnitude_vector` |
//! | `scale_input`, `scale_output` | `base_model.model.LAYER.ia3_l`, `[1, in]` or `[out, 1]` |
//! | `prompt` | `prompt_embeddings` |
//! | the head, whole stages | `base_model.model.NAME`, of a prompt `base_model.NAME` |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tl_core::parameters::{is_adapter, parameters};
use tl_core::{Head, Model, Pattern};
use tl_kernels::adapter::sites;
use tl_models::Architecture;
use tl_models::load::origin_name;

use crate::config::{Ia3, Lora, Prompt};
use crate::record::{AdapterRecord, Held, SLOT};
use crate::{AdapterConfig, prompt};

const MODEL: &str = "base_model.model.";
const PROMPT: &str = "prompt_embeddings";

/// The origin's name of the layer at `path` of the backbone.
fn module<B: Architecture>(backbone: &B, path: &str) -> String {
    let name = backbone.origin_name(&format!("{path}.weight"));
    name.strip_suffix(".weight").unwrap_or(&name).to_string()
}

fn beside(config: &AdapterConfig, name: &str) -> String {
    match config {
        AdapterConfig::Prompt(_) => format!("base_model.{name}"),
        _ => format!("{MODEL}{name}"),
    }
}

/// PEFT's tensors and configuration of a record; `base` is what the configuration calls the base.
pub(crate) fn written<B: Architecture>(
    record: &AdapterRecord,
    backbone: &B,
    (base, task_type): (&str, Option<&str>),
) -> (Vec<(String, Held)>, Value) {
    let mut tensors = Vec::new();
    for (path, held) in &record.tensors {
        let slot = path.strip_prefix("backbone.").and_then(|inner| inner.split_once(SLOT));
        let mut held = held.clone();
        let name = match slot {
            None => beside(&record.config, &origin_name(backbone, path)),
            Some((_, "prompt")) => PROMPT.to_string(),
            Some((layer, part)) => {
                let part = match part {
                    "low_rank.a" => "lora_A.weight",
                    "low_rank.b" => "lora_B.weight",
                    "low_rank.magnitude" => "lora_magnitude_vector",
                    "scale_input" => {
                        held.shape.insert(0, 1);
                        "ia3_l"
                    }
                    "scale_output" => {
                        held.shape.push(1);
                        "ia3_l"
                    }
                    other => other,
                };
                format!("{MODEL}{}.{part}", module(backbone, layer))
            }
        };
        tensors.push((name, held));
    }
    (tensors, configuration(record, backbone, (base, task_type)))
}

fn configuration<B: Architecture>(
    record: &AdapterRecord,
    backbone: &B,
    (base, task_type): (&str, Option<&str>),
) -> Value {
    let mut said = Map::new();
    let mut put = |key: &str, value: Value| drop(said.insert(key.to_string(), value));
    put("base_model_name_or_path", json!(base));
    put("task_type", json!(task_type));
    put("inference_mode", json!(true));
    put("auto_mapping", Value::Null);
    put("revision", Value::Null);
    // By the last name: what PEFT keeps beside the adapters.
    let mut saved = BTreeSet::new();
    for path in record.tensors.keys().filter(|path| !is_adapter(path)) {
        let name = origin_name(backbone, path);
        let mut parts: Vec<&str> = name.split('.').collect();
        parts.pop();
        // A head of several layers is one module there.
        let root = backbone.head_name().split('.').next().unwrap_or_default();
        let of_head = parts.first() == Some(&root);
        saved.insert(if of_head { root.to_string() } else { parts.join(".") });
    }
    put("modules_to_save", if saved.is_empty() { Value::Null } else { json!(saved) });
    // Whether the base keeps the matrices of these layers as `[in, out]`.
    let turned = |layers: &[&str]| {
        json!(layers.iter().any(|layer| backbone.is_transposed(&format!("{layer}.weight"))))
    };
    let slots = |part: &str| -> Vec<&str> {
        let tail = format!("{SLOT}{part}");
        let all = record.tensors.keys().filter_map(|path| path.strip_prefix("backbone."));
        all.filter_map(|inner| inner.strip_suffix(&tail)).collect()
    };
    match &record.config {
        AdapterConfig::Lora(lora) => {
            let layers = slots("low_rank.b");
            put("peft_type", json!("LORA"));
            put("r", json!(lora.rank));
            put("lora_alpha", json!(lora.alpha));
            put("lora_dropout", json!(lora.dropout));
            put("use_rslora", json!(lora.rank_stabilized));
            put("use_dora", json!(lora.dora));
            put("bias", json!("none"));
            put("fan_in_fan_out", turned(&layers));
            put("init_lora_weights", json!(true));
            put("target_modules", json!(names(backbone, &layers)));
            let (mut ranks, mut alphas) = (Map::new(), Map::new());
            for layer in layers {
                let b = record.tensors.get(&format!("backbone.{layer}{SLOT}low_rank.b"));
                let rank = b.and_then(|held| held.shape.get(1)).copied().unwrap_or(lora.rank);
                if rank != lora.rank {
                    ranks.insert(module(backbone, layer), json!(rank));
                }
                if let Some(scaling) = record.scalings.get(layer) {
                    alphas.insert(module(backbone, layer), json!(scaling * divisor(lora, rank)));
                }
            }
            put("rank_pattern", Value::Object(ranks));
            put("alpha_pattern", Value::Object(alphas));
        }
        AdapterConfig::Ia3(_) => {
            let (inputs, outputs) = (slots("scale_input"), slots("scale_output"));
            let all: Vec<&str> = inputs.iter().chain(&outputs).copied().collect();
            put("peft_type", json!("IA3"));
            put("fan_in_fan_out", turned(&all));
            put("init_ia3_weights", json!(true));
            put("target_modules", json!(names(backbone, &all)));
            put("feedforward_modules", json!(names(backbone, &inputs)));
        }
        AdapterConfig::Prompt(_) => {
            let shape = record.tensors.iter().find(|(path, _)| path.ends_with(".adapter.prompt"));
            let shape = shape.map(|(_, held)| held.shape.clone()).unwrap_or_default();
            put("peft_type", json!("PROMPT_TUNING"));
            put("num_virtual_tokens", json!(shape.first()));
            put("token_dim", json!(shape.get(1)));
            put("num_transformer_submodules", json!(1));
            put("prompt_tuning_init", json!("RANDOM"));
        }
        AdapterConfig::Bottleneck(_) | AdapterConfig::Bitfit => {}
    }
    Value::Object(said)
}

fn divisor(lora: &Lora, rank: usize) -> f64 {
    if lora.rank_stabilized { (rank as f64).sqrt() } else { rank as f64 }
}

/// The shortest common endings of the origin's names of `chosen`, or their whole names where an ending would take
/// another layer along.
fn names<B: Architecture>(backbone: &B, chosen: &[&str]) -> BTreeSet<String> {
    let all: Vec<(String, String)> =
        sites(backbone).into_iter().map(|(path, ..)| (module(backbone, &path), path)).collect();
    let wanted = |path: &str| chosen.contains(&path);
    let mut found = BTreeSet::new();
    for layer in chosen {
        let name = module(backbone, layer);
        let parts: Vec<&str> = name.split('.').collect();
        let ending = (1..=2).map(|count| parts[parts.len().saturating_sub(count)..].join("."));
        let alone = ending.into_iter().find(|ending| {
            let tail = format!(".{ending}");
            let taken = all.iter().filter(|(name, _)| name == ending || name.ends_with(&tail));
            taken.into_iter().all(|(_, path)| wanted(path))
        });
        found.insert(alone.unwrap_or(name));
    }
    found
}

fn kind(said: &Map<String, Value>) -> &str {
    said.get("peft_type").and_then(Value::as_str).unwrap_or_default()
}

fn unknown_kind(kind: &str) -> String {
    format!("is of the kind \"{kind}\", which is not known here")
}

/// Succeeds where the configuration is of adapters that are known here; otherwise what is wrong.
pub(crate) fn check_kind(said: &Map<String, Value>) -> Result<(), String> {
    let kind = kind(said);
    if ["LORA", "IA3", "PROMPT_TUNING"].contains(&kind) { Ok(()) } else { Err(unknown_kind(kind)) }
}

/// A record of PEFT's tensors and configuration for `model`; otherwise what is wrong.
pub(crate) fn read<B: Architecture, H: Head>(
    model: &Model<B, H>,
    said: &Map<String, Value>,
    mut tensors: BTreeMap<String, Held>,
) -> Result<AdapterRecord, String> {
    let backbone = &model.backbone;
    let whole = |key: &str, usual: usize| match said.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value
            .as_u64()
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| format!("says {key} {value}")),
    };
    let number = |key: &str, usual: f64| match said.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value.as_f64().ok_or_else(|| format!("says {key} {value}")),
    };
    let yes = |key: &str| match said.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("says {key} {value}")),
    };
    let mut record = AdapterRecord {
        config: match kind(said) {
            "LORA" => {
                refuse(said)?;
                AdapterConfig::Lora(Lora {
                    rank: whole("r", 8)?,
                    alpha: number("lora_alpha", 8.0)?,
                    dropout: number("lora_dropout", 0.0)?,
                    targets: Vec::new(),
                    rank_stabilized: yes("use_rslora")?,
                    dora: yes("use_dora")?,
                })
            }
            "IA3" => AdapterConfig::Ia3(Ia3::default()),
            "PROMPT_TUNING" => {
                AdapterConfig::Prompt(Prompt { tokens: whole("num_virtual_tokens", 20)? })
            }
            other => return Err(unknown_kind(other)),
        },
        ..AdapterRecord::default()
    };
    record.config.validate().map_err(|error| error.to_string())?;
    for (layer, ..) in sites(backbone) {
        let name = format!("{MODEL}{}", module(backbone, &layer));
        let mut take = |part: &str| tensors.remove(&format!("{name}.{part}"));
        let here = |part: &str| format!("backbone.{layer}{SLOT}{part}");
        let magnitude =
            take("lora_magnitude_vector").or_else(|| take("lora_magnitude_vector.weight"));
        let parts = [
            ("low_rank.a", take("lora_A.weight")),
            ("low_rank.b", take("lora_B.weight")),
            ("low_rank.magnitude", magnitude),
        ];
        let parts = parts.into_iter().filter_map(|(part, held)| Some((part, held?)));
        record.tensors.extend(parts.map(|(part, held)| (here(part), held)));
        if let Some(mut held) = take("ia3_l") {
            let part = match *held.shape.as_slice() {
                [1, width] if width > 1 => "scale_input",
                [_, 1] => "scale_output",
                _ => return Err(format!("holds {name}.ia3_l of shape {:?}", held.shape)),
            };
            held.shape = vec![held.values.len()];
            record.tensors.insert(here(part), held);
        }
        let b = record.tensors.get(&here("low_rank.b"));
        if let (AdapterConfig::Lora(lora), Some(b)) = (&record.config, b) {
            let alpha = alpha(said, &module(backbone, &layer))?.unwrap_or(lora.alpha);
            let scaling = alpha / divisor(lora, b.shape.get(1).copied().unwrap_or(1).max(1));
            if scaling != lora.scaling() {
                record.scalings.insert(layer, scaling);
            }
        }
    }
    if let (Some(held), Some((path, ..))) = (tensors.remove(PROMPT), prompt::table(backbone)) {
        record.tensors.insert(format!("backbone.{path}{SLOT}prompt"), held);
    }
    let stages = backbone.stages();
    for info in parameters(model) {
        let name = beside(&record.config, &origin_name(backbone, &info.path));
        let Some(held) = tensors.remove(&name) else { continue };
        if let Some(inner) = info.path.strip_prefix("backbone.") {
            let stage = stages.iter().find(|stage| stage.owns(inner));
            let stage = stage.map(|stage| stage.name.clone()).unwrap_or_default();
            if !record.whole.contains(&stage) {
                record.whole.push(stage);
            }
        }
        record.tensors.insert(info.path, held);
    }
    if !record.tensors.keys().any(|path| is_adapter(path)) {
        return Err(format!("holds no adapter of {}", backbone.name()));
    }
    let (passed, strange): (Vec<String>, Vec<String>) =
        tensors.into_keys().partition(|name| of_another_task(backbone, said, name));
    record.passed_over = passed;
    match strange.first() {
        Some(name) => Err(format!("holds {name}, which has no place in {}", backbone.name())),
        None => Ok(record),
    }
}

/// Whether the tensor called `name` is part of a classifier that this network is none of: its pooler, its head. What a
/// language model answers by is no such part: without it the answers would be others.
fn of_another_task<B: Architecture>(backbone: &B, said: &Map<String, Value>, name: &str) -> bool {
    let task = said.get("task_type").and_then(Value::as_str).unwrap_or_default();
    let name = name.strip_prefix(MODEL).or_else(|| name.strip_prefix("base_model."));
    ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS"].contains(&task)
        && name.is_some_and(|name| backbone.passes_over(&backbone.present_name(name)))
}

/// What a configuration of LoRA may ask for and is not done here.
fn refuse(said: &Map<String, Value>) -> Result<(), String> {
    let set = |key: &&str| {
        said.get(*key).is_some_and(|value| {
            !matches!(value, Value::Null | Value::Bool(false))
                && value.as_object().is_none_or(|it| !it.is_empty())
        })
    };
    let unknown = ["lora_bias", "use_qalora", "use_bdlora", "layer_replication", "megatron_config"]
        .into_iter()
        .chain(["trainable_token_indices", "target_parameters", "alora_invocation_tokens"])
        .chain(["arrow_config", "kasa_config", "monteclora_config", "velora_config"]);
    if let Some(key) = unknown.into_iter().find(|key| set(key)) {
        return Err(format!("says {key}, which is not known here"));
    }
    // These begin by changing the base, which is not the one that is given here.
    let begun = said.get("init_lora_weights").and_then(Value::as_str).unwrap_or_default();
    if ["pissa", "olora", "corda", "loftq", "lora_ga"].iter().any(|kind| begun.starts_with(kind)) {
        return Err(format!("says init_lora_weights \"{begun}\", which is not known here"));
    }
    match said.get("bias").and_then(Value::as_str) {
        None | Some("none") => Ok(()),
        Some(other) => Err(format!("says bias \"{other}\", which is not known here")),
    }
}

/// The alpha of one layer, where the configuration says one.
fn alpha(said: &Map<String, Value>, module: &str) -> Result<Option<f64>, String> {
    let Some(patterns) = said.get("alpha_pattern").and_then(Value::as_object) else {
        return Ok(None);
    };
    for (key, value) in patterns {
        let pattern = Pattern::tail(key).map_err(|error| error.to_string())?;
        if pattern.matches(module) {
            let number = value.as_f64().filter(|alpha| alpha.is_finite());
            return number.map(Some).ok_or_else(|| format!("says alpha_pattern {value}"));
        }
    }
    Ok(None)
}
