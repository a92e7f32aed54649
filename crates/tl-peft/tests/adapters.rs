//! What adapters promise: nothing changes at first, nothing but them is touched, and they come out again.

use crate::support::formula::{deviation_f32, rows};
use crate::support::{
    base_bits, encoder, gpt2, learned, logits, mobilenet, photos, resnet, texts, vit,
};
use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{Control, is_adapter, map_values, parameters, set_trained};
use tl_core::{Activation, Backbone, Pass, Phase, Plan, TrainableReport, apply};
use tl_kernels::{Linear, cross_entropy, side_by_side};
use tl_models::{Architecture, Classifier, Family};
use tl_peft::{AdapterConfig, AdapterRecord, Switch, attach, detach, merge, trained};

fn config(text: &str) -> AdapterConfig {
    text.parse().unwrap()
}

fn adapted<B: Architecture>(model: Classifier<B>, text: &str) -> Classifier<B> {
    Classifier { backbone: attach(model.backbone, &config(text), 5).unwrap(), head: model.head }
}

/// Calls the same with each network and what it works on.
macro_rules! on_every_network {
    ($check:ident, $($more:expr),*) => {
        $check("bert", encoder(Family::Bert), texts(), $($more),*);
        $check("gpt2", gpt2(), texts(), $($more),*);
        $check("resnet10", resnet(), photos(), $($more),*);
        $check("mobilenet_v2", mobilenet(), photos(), $($more),*);
        $check("vit", vit(), photos(), $($more),*);
    };
}

#[test]
fn an_adapter_changes_nothing_at_first_and_leaves_the_base_its_bits() {
    fn check<B: Architecture>(name: &str, model: Classifier<B>, input: Activation, kinds: &[&str]) {
        for kind in kinds {
            let with = adapted(model.clone(), kind);
            assert_eq!(base_bits(&with), base_bits(&model), "{name} {kind}");
            let (found, expected) = (logits(&with, input.clone()), logits(&model, input.clone()));
            if *kind == "dora" {
                let off = deviation_f32(&found, &expected);
                assert!(off < 1e-5, "{name} {kind}: {off:.1e}");
            } else {
                assert_eq!(found, expected, "{name} {kind}");
            }
            let added = parameters(&with).len() - parameters(&model).len();
            assert_eq!(added > 0, *kind != "bitfit", "{name} {kind}: {added} more tensors");
            assert_eq!(parameters(&detach(with)).len(), parameters(&model).len());
        }
    }
    on_every_network!(check, &["lora", "bottleneck:width=4", "bitfit"]);
    check("bert", encoder(Family::Bert), texts(), &["dora", "ia3", "lora:rslora,dropout=0.5"]);
    check("gpt2", gpt2(), texts(), &["dora", "ia3", "lora:targets=mlp.c_proj"]);
    check("vit", vit(), photos(), &["dora", "ia3"]);
}

#[test]
fn merged_weights_give_the_same_outputs_and_unmerging_gives_the_bits_back() {
    fn check<B: Architecture>(name: &str, model: Classifier<B>, input: Activation, kinds: &[&str]) {
        for kind in kinds {
            let with = learned(adapted(model.clone(), kind), 1);
            let before = logits(&with, input.clone());
            assert!(deviation_f32(&before, &logits(&model, input.clone())) > 1e-3, "{name} {kind}");
            let merged = merge(with.clone()).unwrap();
            assert_eq!(parameters(&merged.module).len(), parameters(&model).len());
            let off = deviation_f32(&logits(&merged.module, input.clone()), &before);
            assert!(off < 1e-5, "{name} {kind}: merged is off by {off:.1e}");
            let again = merged.unmerge();
            assert_eq!(base_bits(&again), base_bits(&model), "{name} {kind}");
            assert_eq!(logits(&again, input.clone()), before, "{name} {kind}");
        }
    }
    on_every_network!(check, &["lora:rank=4"]);
    let everywhere = ["dora:targets=.*", "ia3", "lora:targets=.*"];
    check("bert", encoder(Family::Bert), texts(), &everywhere);
    check("gpt2", gpt2(), texts(), &everywhere);
    check("vit", vit(), photos(), &["dora", "ia3", "lora:targets=.*"]);
}

#[test]
fn merged_weights_of_bf16_give_the_same_outputs_to_a_hundredth() {
    let rounded = |model: Classifier<tl_models::Encoder>| {
        let values = crate::support::base_bits(&model);
        map_values(model, |info| {
            let (_, bits) = values.iter().find(|(path, _)| *path == info.path)?;
            let bf16 = |bits: &u32| {
                let even = (bits >> 16) & 1;
                f32::from_bits((bits + 0x7fff + even) & 0xffff_0000)
            };
            Some(bits.iter().map(bf16).collect())
        })
    };
    let with = learned(adapted(rounded(encoder(Family::Bert)), "lora"), 1);
    let merged = rounded(merge(with.clone()).unwrap().module);
    let off = deviation_f32(&logits(&merged, texts()), &logits(&with, texts()));
    assert!(off > 0.0 && off < 1e-2, "{off:.1e}");
}

#[test]
fn what_is_no_change_of_weights_refuses_to_be_merged() {
    for kind in ["bottleneck", "prompt:tokens=2"] {
        let with = adapted(encoder(Family::Bert), kind);
        let message = merge(with).unwrap_err().to_string();
        assert!(message.contains("cannot be merged"), "{message}");
    }
}

#[test]
fn a_compiled_prefix_heeds_the_adapters_in_it() {
    fn check<B: Architecture + Sync + 'static>(
        name: &str,
        model: Classifier<B>,
        input: Activation,
        kinds: &[&str],
    ) {
        for kind in kinds {
            let with = learned(adapted(model.clone(), kind), 3);
            let stages = with.backbone.stages().len();
            let pass = Pass::default();
            let plain = with.backbone.forward_stages(input.clone(), 0..stages, pass).unwrap();
            let compiled = with.backbone.compile(0..stages).forward(input.clone()).unwrap();
            let off = deviation_f32(&rows(compiled), &rows(plain));
            assert!(off < 1e-5, "{name} {kind}: {off:.1e}");
        }
    }
    on_every_network!(check, &["lora", "bottleneck:width=4"]);
    check("bert", encoder(Family::Bert), texts(), &["dora", "ia3", "prompt:tokens=3"]);
    check("gpt2", gpt2(), texts(), &["dora", "ia3", "prompt:tokens=3"]);
}

#[test]
fn layers_side_by_side_are_the_same_as_one_by_one() {
    let bert = learned(adapted(encoder(Family::Bert), "lora:targets=query+value"), 2);
    let layer = &bert.backbone.layers[0];
    let layers: [&Linear; 3] = [&layer.query, &layer.key, &layer.value];
    let input = crate::support::formula::images("x", [1, 1, 5, 32]).reshape([1, 5, 32]);
    let joint = side_by_side(layers, input.clone());
    let apart = Tensor::cat(layers.map(|layer| layer.forward(input.clone())).to_vec(), 2);
    let list = |tensor: Tensor<3>| tensor.into_data().try_into_vec::<f32>().unwrap();
    assert!(deviation_f32(&list(joint), &list(apart)) < 1e-6);
}

#[test]
fn a_phase_of_adapters_trains_them_and_the_head_and_no_gradient_of_the_base_is_computed() {
    for kind in ["lora:dropout=0.1", "dora", "ia3", "bottleneck", "prompt:tokens=2", "bitfit"] {
        let config = config(kind);
        let model = adapted(encoder(Family::Bert), kind);
        let (selection, idle) = trained(&model.backbone, &config, vec!["pooler".into()]);
        let expected: &[&str] = match kind {
            "prompt:tokens=2" => &["layer.0", "layer.1"],
            "bitfit" => &[],
            _ => &["embeddings"],
        };
        assert_eq!(idle, expected, "{kind}");
        let phase = Phase::finetune(1).trained(selection);
        let phases = Plan::new(vec![phase]).resolve(&model.backbone.stages()).unwrap();
        let report = TrainableReport::new(&phases, &model);
        let record = AdapterRecord::of(&model, &config, &["pooler".into()]).unwrap();
        assert_eq!(report.trainable(), record.parameters() as u64, "{kind}");
        let model = apply(&phases[0], model.train());
        let logits = model.forward(texts(), Pass { seed: 1, step: 1 }).unwrap();
        let gradients = cross_entropy(logits, &[0, 1, 2], 0.0).backward();
        let with: Vec<String> = crate::support::gradients(&model, &gradients).into_keys().collect();
        let wanted: Vec<String> = record.tensors.keys().cloned().collect();
        assert_eq!(with, wanted, "{kind}");
        // Told apart from the names alone, whatever the phase says.
        let own = |path: &str| match kind {
            "bitfit" => path.ends_with(".bias"),
            _ => path.contains(".adapter."),
        };
        let beside = |path: &str| path.starts_with("head.") || path.contains(".pooler.");
        let all = parameters(&model).into_iter().map(|info| info.path);
        let mut named: Vec<String> = all.filter(|path| own(path) || beside(path)).collect();
        named.sort();
        assert_eq!(with, named, "{kind}");
    }
}

/// `model` with `by` added to the values at the paths that `at` chooses.
fn shifted<B: Architecture>(
    model: Classifier<B>,
    by: f32,
    at: impl Fn(&str) -> bool,
) -> Classifier<B> {
    let bits = base_bits(&model);
    map_values(model, |info| {
        let (_, bits) = bits.iter().find(|(path, _)| *path == info.path && at(path))?;
        Some(bits.iter().map(|bits| f32::from_bits(*bits) + by).collect())
    })
}

/// The loss of a network whose adapters alone are differentiated.
fn loss<B: Architecture>(model: &Classifier<B>, input: Activation) -> Tensor<1> {
    let labels: Vec<usize> = (0..input.batch()).map(|row| row % 3).collect();
    cross_entropy(model.forward(input, Pass::default()).unwrap(), &labels, 0.0)
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    fn check<B: Architecture>(name: &str, model: Classifier<B>, input: Activation, kinds: &[&str]) {
        for kind in kinds {
            let with = learned(adapted(model.clone(), kind), 4);
            let live = set_trained(with.clone().train(), |path, control| {
                control == Control::Gradient && is_adapter(path)
            });
            let gradients = loss(&live, input.clone()).backward();
            let value = |model: &Classifier<B>| {
                let data = loss(model, input.clone()).into_data();
                f64::from(data.try_into_vec::<f32>().unwrap()[0])
            };
            // Along the gradient itself: the slope is its norm.
            let slopes = crate::support::gradients(&live, &gradients);
            assert!(!slopes.is_empty(), "{name} {kind}");
            let norm = slopes.values().flatten().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            // Far above the loss's rounding, far below its bends.
            let step = 1e-3 * value(&with).max(1.0) / (norm * norm);
            let moved = |sign: f64| {
                let mut held = std::collections::HashMap::new();
                tl_core::parameters::visit_parameters(&with, |info, tensor| {
                    held.insert(info.path.clone(), tl_core::parameters::values(tensor).unwrap());
                });
                let shifted = map_values(with.clone(), |info| {
                    let slope = slopes.get(&info.path)?;
                    let values = held[&info.path].iter().zip(slope);
                    Some(values.map(|(x, g)| x + (sign * step) as f32 * g).collect())
                });
                value(&shifted)
            };
            let found = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            let off = (found - norm * norm).abs() / (norm * norm);
            assert!(off < 2e-2, "{name} {kind}: slope {found:.4e}, {:.4e}: {off:.1e}", norm * norm);
        }
    }
    on_every_network!(check, &["lora", "bottleneck:width=4"]);
    check("bert", encoder(Family::Bert), texts(), &["ia3", "prompt:tokens=3"]);
    check("gpt2", gpt2(), texts(), &["ia3", "prompt:tokens=3"]);
}

#[test]
fn adapters_are_switched_in_memory_and_back_bit_for_bit() {
    let base = encoder(Family::Bert);
    // Each has a head of its own.
    let head = |path: &str| path.starts_with("head.");
    let bias = |path: &str| path == "head.linear.bias";
    let first = shifted(learned(adapted(base.clone(), "lora"), 1), 0.5, bias);
    let second = learned(adapted(base.clone(), "dora:rank=2,targets=inner"), 2);
    let second = shifted(second, -0.5, bias);
    let mut switch = Switch::default();
    switch.keep("first", &first, head).unwrap();
    switch.keep("second", &second, head).unwrap();
    switch.keep("none", &base, head).unwrap();
    let outputs = [&first, &second, &base].map(|model| logits(model, texts()));
    assert!(outputs[0] != outputs[1] && outputs[1] != outputs[2]);
    let mut model = first;
    for (name, expected) in [("second", 1), ("first", 0), ("none", 2), ("first", 0), ("second", 1)]
    {
        model = switch.to(name, model).unwrap();
        assert_eq!(logits(&model, texts()), outputs[expected], "{name}");
    }
    let message = switch.to("third", model).unwrap_err().to_string();
    assert!(message.contains("first, none, second"), "{message}");
}

#[test]
fn a_target_that_matches_nothing_is_told_with_the_names_that_there_are() {
    for (text, part) in [
        ("lora:targets=quary", "layers.*.query"),
        ("lora:targets=layer.7/query", "\"layer.7/query\" matches no layer"),
        ("lora:targets=(", "not a regular expression"),
    ] {
        let message = attach(encoder(Family::Bert).backbone, &config(text), 0).unwrap_err();
        let message = message.to_string();
        assert!(message.contains(part), "{message}");
    }
    let depthwise = attach(mobilenet().backbone, &config("lora:targets=.*"), 0).unwrap_err();
    assert!(depthwise.to_string().contains("groups"), "{depthwise}");
    for text in ["prompt", "ia3"] {
        assert!(attach(resnet().backbone, &config(text), 0).is_err(), "{text}");
    }
    let one = attach(encoder(Family::Bert).backbone, &config("lora:targets=layer.1/query"), 0);
    assert_eq!(tl_peft::targets::adapted(&one.unwrap()), ["layers.1.query"]);
}

#[test]
fn our_own_file_holds_everything_that_was_trained() {
    fn check<B: Architecture>(name: &str, model: Classifier<B>, input: Activation, kinds: &[&str]) {
        for kind in kinds {
            let config = config(kind);
            let with = learned(adapted(model.clone(), kind), 6);
            // A head and biases that have moved have to come back too.
            let with = shifted(with, 0.1, |path| {
                path.starts_with("head.") || *kind == "bitfit" && path.ends_with(".bias")
            });
            assert_ne!(logits(&with, input.clone()), logits(&model, input.clone()));
            let folder = tempfile::tempdir().unwrap();
            let record = AdapterRecord::of(&with, &config, &[]).unwrap();
            let own = tl_peft::file::Format::Own;
            record.save(folder.path(), &with.backbone, own, "").unwrap();
            let read = AdapterRecord::open(folder.path(), &model).unwrap();
            assert_eq!(read, record, "{name} {kind}");
            let again = read.apply(model.clone()).unwrap();
            assert_eq!(logits(&again, input.clone()), logits(&with, input.clone()));
        }
    }
    on_every_network!(check, &["lora", "bottleneck:width=4", "bitfit"]);
    check("bert", encoder(Family::Bert), texts(), &["dora", "ia3", "prompt:tokens=3"]);
    check("gpt2", gpt2(), texts(), &["prompt:tokens=3"]);
    let folder = tempfile::tempdir().unwrap();
    let message = AdapterRecord::open(folder.path(), &vit()).unwrap_err().to_string();
    assert!(message.contains("holds neither"), "{message}");
    let with = adapted(resnet(), "lora");
    let record = AdapterRecord::of(&with, &config("lora"), &[]).unwrap();
    record.save(folder.path(), &with.backbone, tl_peft::file::Format::Own, "").unwrap();
    let message = AdapterRecord::open(folder.path(), &vit()).unwrap_err().to_string();
    assert!(message.contains("was made on resnet10, not on vit_tiny"), "{message}");
    let mut narrow = record;
    narrow.tensors.values_mut().for_each(|held| held.shape[0] += 1);
    assert!(narrow.apply(resnet()).is_err());
}
