//! A fitted network in the library that it came from.

mod compare;
mod pretrained;
mod texts;

use std::path::{Path, PathBuf};

use super::{photos, watch};
use crate::shell::{During, Failure, Outcome, program, quietly, root};
use compare::{Prediction, Predictions, loaded, most_deviation, near};

/// Networks, their weights, and how they are fitted: every stage changes but in the last, whose 129 million
/// parameters make a whole fitting long.
const FITTINGS: [[&str; 3]; 11] = [
    ["small_conv", "random", "finetune"],
    ["mobilenet_v2", "embedded", "finetune"],
    ["resnet10", "random", "finetune"],
    ["resnet18", "random", "finetune"],
    ["resnext50_32x4d", "random", "finetune"],
    ["squeezenet1_1", "random", "finetune"],
    ["densenet121", "random", "finetune"],
    ["efficientnet_b0", "random", "finetune"],
    ["convnext_tiny", "random", "finetune"],
    ["vit_tiny", "random", "finetune"],
    ["vgg11", "random", "probe"],
];
/// Fits some networks for an epoch, opens each run in torchvision, timm or transformers by the run's own `load.py`,
/// and compares the logits of the project's photos, or of sentences, with those of `tl predict`, and the features
/// of networks that were pre-trained; returns how many networks there were.
///
/// # Errors
/// When a program fails, the file does not load strictly, or logits differ.
pub fn run(python: &Path) -> Outcome<usize> {
    let tl = watch::tl()?;
    let folder = tempfile::tempdir().during("cannot make a folder")?;
    let data = folder.path().join("photos");
    photos::write(&data, 4, 1)?;
    let mut photos: Vec<PathBuf> = ["camera", "chelsea", "coffee"]
        .map(|name| root().join("assets").join("photos").join(format!("{name}.png")))
        .into();
    let lying = folder.path().join("lying.png");
    photos::lay_down(&photos[2], &lying)?;
    photos.push(lying);
    // A path that is given relative to where the task was started.
    let python = std::path::absolute(python).during("no such program")?;
    for [network, weights, recipe] in FITTINGS {
        let run = folder.path().join(network);
        let mut words = vec!["--model", network, "--weights", weights, "--recipe", recipe];
        words.extend(["--epochs", "1", "--image-size", "64", "--seed", "3"]);
        watch::fit(&tl, &data, &run, &words)?;
        same_logits(network, &tl, &python, &run, &photos)?;
    }
    let pretrained = pretrained::run(&tl, &python, &data, &photos)?;
    Ok(FITTINGS.len() + pretrained + texts::run(&tl, &python, folder.path())?)
}

/// Compares what `tl predict` says of `files` with what the run's `load.py` does.
fn same_logits(name: &str, tl: &Path, python: &Path, run: &Path, files: &[PathBuf]) -> Outcome<()> {
    let mut ours = program(&tl.to_string_lossy(), &["predict", "--json"]);
    ours.arg(run).args(files);
    let ours: Predictions = serde_json::from_str(&quietly(ours)?).during("tl predict --json")?;
    let theirs: Vec<Prediction> = loaded(python, run, files)?;
    if ours.predictions.len() != theirs.len() {
        return Err(Failure::new(format!("{name}: tl predict or load.py left something out")));
    }
    near(name, "logits", most_deviation(&ours.predictions, &theirs)?)
}
