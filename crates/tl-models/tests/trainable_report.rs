//! The numbers that a plan shows before anything is trained.

use burn::prelude::*;
use tl_core::{Backbone, Phase, Plan, TrainableReport};
use tl_models::{Architecture, MobileNetV2, ResNet, ResNetDepth};

/// Complaint: nothing was trained and nobody noticed.
#[test]
fn the_trainable_report_counts_what_torchvision_counts() {
    let counts = |report: &TrainableReport, phase: usize| -> Vec<(String, u64, u64)> {
        let rows = report.phases[phase].stages.iter();
        rows.map(|row| (row.stage.clone(), row.trainable, row.frozen)).collect()
    };
    let model = ResNet::new(ResNetDepth::D18, &Device::flex()).with_head(1000, 0, &Device::flex());
    let plan = Plan::new(vec![Phase::probe(3), Phase::finetune(8).from("layer3").layer_decay(0.5)]);
    let report = TrainableReport::new(&plan.resolve(&model.backbone.stages()).unwrap(), &model);
    let row = |stage: &str, trained, frozen| (stage.to_string(), trained, frozen);
    // stem 64·3·49 + 2·64; layer1 4·(64·64·9 + 2·64); layer2 (64 + 3·128)·128·9 + 64·128 + 5·2·128; and so on.
    let (stem, layers, head) = (9_536, [147_968, 525_568, 2_099_712, 8_393_728], 513_000);
    let frozen = [row("stem", 0, stem), row("layer1", 0, layers[0]), row("layer2", 0, layers[1])];
    let probe = [row("layer3", 0, layers[2]), row("layer4", 0, layers[3]), row("head", head, 0)];
    assert_eq!(counts(&report, 0), [frozen.clone(), probe].concat());
    let tuned = [row("layer3", layers[2], 0), row("layer4", layers[3], 0), row("head", head, 0)];
    assert_eq!(counts(&report, 1), [frozen, tuned].concat());
    assert_eq!(report.phases[0].total(), 11_689_512);
    assert_eq!(report.phases[0].trainable(), head);
    assert_eq!(report.trainable(), layers[2] + layers[3] + head);
    let phase = &report.phases[1];
    let cached: Vec<bool> = phase.stages.iter().map(|row| row.cached).collect();
    assert_eq!(cached, [true, true, true, false, false, false]);
    let norms: Vec<&str> = phase.stages.iter().map(|row| row.norm.as_str()).collect();
    assert_eq!(norms, ["frozen", "frozen", "frozen", "frozen", "frozen", "-"]);
    let rates: Vec<f64> = phase.stages.iter().map(|row| row.rate).collect();
    assert_eq!(rates, [0.0, 0.0, 0.0, 1.5e-4, 3e-4, 1e-3]);
    let text = report.to_string();
    assert!(text.contains("513000 of 11689512 parameters trained"), "{text}");
    assert!(text.contains("layer4"), "{text}");

    let model = MobileNetV2::new(&Device::flex()).with_head(1000, 0, &Device::flex());
    let plan = Plan::new(vec![Phase::finetune(1)]);
    let report = TrainableReport::new(&plan.resolve(&model.backbone.stages()).unwrap(), &model);
    let all = counts(&report, 0);
    assert_eq!(report.trainable(), 3_504_872);
    assert_eq!(report.phases[0].total(), 3_504_872);
    assert_eq!(all[0], row("features.0", 32 * 3 * 9 + 2 * 32, 0));
    assert_eq!(all[1], row("features.1", 32 * 9 + 2 * 32 + 32 * 16 + 2 * 16, 0));
    assert_eq!(all[18], row("features.18", 320 * 1280 + 2 * 1280, 0));
    assert_eq!(all[19], row("head", 1_281_000, 0));
}
