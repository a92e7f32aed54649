//! Adapters in a language model: going on with a text heeds them, with keys and values kept and without.

use crate::support::formula::{deviation_f32, rows};
use crate::support::{base_bits, language, learned, logits};
use burn::module::Module;
use tl_core::parameters::{Control, is_adapter, set_trained};
use tl_core::{Activation, CausalCache, Model, Pass, Past, Pieces};
use tl_kernels::{StandingWeights, cross_entropy};
use tl_models::{Gpt2, Weightless};
use tl_peft::{AdapterConfig, attach, check_mergeable, merge};

/// A text that fills a network of 20 positions behind a prompt of 3.
const LENGTH: usize = 17;

fn pieces() -> Vec<u32> {
    (0..LENGTH as u32).map(|it| it * 7 % 49).collect()
}

fn text(ids: &[u32]) -> Activation {
    let (ids, segments) = (ids.to_vec(), vec![0; ids.len()]);
    Activation::Texts(vec![Pieces { ids, segments, ..Pieces::default() }])
}

fn adapted(kind: &str) -> Model<Gpt2, Weightless> {
    let config: AdapterConfig = kind.parse().unwrap();
    let Model { backbone, head } = language();
    learned(Model { backbone: attach(backbone, &config, 5).unwrap(), head }, 1)
}

/// The logits behind every piece but the last, `first` pieces at once and then one by one.
fn step_by_step(network: &Gpt2, first: usize) -> Vec<f32> {
    let (ids, mut past) = (pieces(), Past::default());
    let mut found = Vec::new();
    let mut logits = network.next_logits(&ids[..first], &mut past).unwrap();
    for piece in &ids[first..] {
        found.extend(rows(Activation::Vector(logits)));
        logits = network.next_logits(&[*piece], &mut past).unwrap();
    }
    assert_eq!(past.pieces, LENGTH);
    found
}

#[test]
fn going_on_with_keys_and_values_kept_gives_the_logits_of_the_whole_text() {
    let plain = logits(&language(), text(&pieces()));
    for kind in
        ["lora:targets=.*", "dora", "ia3", "bottleneck:width=4", "prompt:tokens=3", "lora:rslora"]
    {
        let model = adapted(kind);
        let whole = logits(&model, text(&pieces()));
        assert_eq!(whole.len(), (LENGTH - 1) * 50, "{kind}");
        assert!(deviation_f32(&whole, &plain) > 1e-3, "{kind}: it would go unnoticed");
        for first in [1, 6] {
            let rest = &whole[(first - 1) * 50..];
            let found = step_by_step(&model.backbone, first);
            let off = deviation_f32(&found, rest);
            assert!(off < 1e-5, "{kind}, {first} at once: {off:.1e}");
            // As it writes: with weights that stand still, packed once.
            let packed = StandingWeights::default().run(|| step_by_step(&model.backbone, first));
            let off = deviation_f32(&packed, rest);
            assert!(off < 1e-5, "{kind}, {first} at once, packed: {off:.1e}");
        }
        if check_mergeable(&model).is_ok() {
            let merged = merge(model.clone()).unwrap();
            let off = deviation_f32(&logits(&merged.module, text(&pieces())), &whole);
            assert!(off < 1e-5, "{kind}: merged is off by {off:.1e}");
            assert_eq!(base_bits(&merged.unmerge()), base_bits(&language()), "{kind}");
        }
    }
}

#[test]
fn the_table_of_pieces_stays_frozen_though_it_answers() {
    for kind in ["lora", "prompt:tokens=3"] {
        let live = set_trained(adapted(kind).train(), |path, control| {
            control == Control::Gradient && is_adapter(path)
        });
        let logits = live.forward(text(&pieces()), Pass::default()).unwrap();
        let labels: Vec<usize> = pieces()[1..].iter().map(|piece| *piece as usize).collect();
        let gradients = cross_entropy(logits, &labels, 0.0).backward();
        let found = crate::support::gradients(&live, &gradients);
        assert!(!found.is_empty() && found.keys().all(|path| is_adapter(path)), "{kind}");
        let moved = found.values().flatten().any(|value| *value != 0.0);
        assert!(moved, "{kind}: no gradient reaches it");
    }
}

#[test]
fn a_prompt_that_leaves_no_room_is_told() {
    let model = adapted("prompt:tokens=18");
    let forward = |model: &Model<Gpt2, Weightless>, ids: &[u32]| {
        model.forward(text(ids), Pass::default()).map(|_| ()).unwrap_err().to_string()
    };
    let message = forward(&model, &[1, 2, 3]);
    assert!(message.contains("up to 20"), "{message}");
    assert!(model.forward(text(&[1, 2]), Pass::default()).is_ok());
    let mut past = Past::default();
    model.backbone.next_logits(&[1, 2], &mut past).unwrap();
    let message = model.backbone.next_logits(&[3], &mut past).unwrap_err().to_string();
    assert!(message.contains("up to 20"), "{message}");
    let full = adapted("prompt:tokens=20");
    assert!(forward(&full, &[]).contains("up to 20"));
}
