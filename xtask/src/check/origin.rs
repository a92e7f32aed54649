//! A fitted network in the library that it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{photos, watch};
use crate::shell::{During, Failure, Outcome, program, quietly, root, say};

/// Networks, their weights, and how they are fitted: every stage changes but in the last, whose 129 million
/// parameters make a whole fitting long.
const FITTINGS: [[&str; 3]; 6] = [
    ["small_conv", "random", "finetune"],
    ["mobilenet_v2", "embedded", "finetune"],
    ["resnet10", "random", "finetune"],
    ["resnet18", "random", "finetune"],
    ["vit_tiny", "random", "finetune"],
    ["vgg11", "random", "probe"],
];
/// Networks that are pre-trained without labels, and how: their runs hold an encoder alone.
const PRETRAININGS: [[&str; 3]; 3] = [
    ["vit_tiny", "mae", "--patch-size 8"],
    ["resnet10", "simsiam", ""],
    ["mobilenet_v2", "vicreg", ""],
];
/// Of the difference of logits or features, relative to their norm.
const MOST_DEVIATION: f64 = 1e-4;

/// What is read of a prediction, ours or the origin's.
#[derive(Deserialize)]
struct Prediction {
    file: String,
    label: String,
    logits: Vec<f64>,
}

#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<Prediction>,
}

/// What `tl embed` says of the vectors that it wrote.
#[derive(Deserialize)]
struct Embedded {
    images: usize,
    width: usize,
}

/// What the origin makes of an image where there is no classifier.
#[derive(Deserialize)]
struct Features {
    features: Vec<f64>,
}

/// Fits some networks for an epoch, opens each run in torchvision or timm by the run's own `load.py`, and
/// compares the logits of the project's photos with those of `tl predict`; pre-trains others without labels and
/// compares their features with those of `tl embed`. Returns how many networks there were.
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
        let mut ours = program(&tl.to_string_lossy(), &["predict", "--json"]);
        ours.arg(&run).args(&photos);
        let ours: Predictions =
            serde_json::from_str(&quietly(ours)?).during("tl predict --json")?;
        let theirs: Vec<Prediction> = loaded(&python, &run, &photos)?;
        if ours.predictions.len() != photos.len() {
            return Err(Failure::new(format!("{network}: tl predict left out a photo")));
        }
        near(network, "logits", most_deviation(&ours.predictions, &theirs)?)?;
    }
    for [network, method, words] in PRETRAININGS {
        let run = folder.path().join(method);
        let verb = |verb: &str, from: &Path, out: &Path| {
            let words = [verb, "--json", "--model", network, "--image-size", "64"];
            let mut command = program(&tl.to_string_lossy(), &words);
            command.arg(from).arg("--out").arg(out);
            command
        };
        let mut pretraining = verb("pretrain", &data, &run);
        let more = format!("--method {method} {words} --epochs 1 --batch-size 8 --seed 3");
        pretraining.args(more.split_whitespace());
        quietly(pretraining)?;
        let mut most = 0.0_f64;
        let theirs: Vec<Features> = loaded(&python, &run, &photos)?;
        for (photo, theirs) in photos.iter().zip(&theirs) {
            let vectors = folder.path().join("features.npy");
            let mut embedding = verb("embed", photo, &vectors);
            embedding.arg("--weights").arg(&run);
            let said: Embedded =
                serde_json::from_str(&quietly(embedding)?).during("tl embed --json")?;
            let bytes = std::fs::read(&vectors).during("the vectors of tl embed")?;
            most =
                most.max(deviation(&npy_tail(&bytes, said.images * said.width), &theirs.features));
        }
        if theirs.len() != photos.len() {
            return Err(Failure::new(format!("{network}: load.py left out a photo")));
        }
        near(&format!("{network} by {method}"), "features", most)?;
    }
    Ok(FITTINGS.len() + PRETRAININGS.len())
}

/// What a run's own `load.py` prints, line by line.
fn loaded<T: DeserializeOwned>(python: &Path, run: &Path, photos: &[PathBuf]) -> Outcome<Vec<T>> {
    let mut theirs = program(&python.to_string_lossy(), &[run.join("load.py")]);
    theirs.args(photos);
    let lines = quietly(theirs)?;
    lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().during("load.py")
}

fn near(network: &str, what: &str, most: f64) -> Outcome<()> {
    say(format_args!(
        "{network}: loads strictly; {what} within {most:.1e} of the origin's, at most {MOST_DEVIATION:.0e}"
    ));
    match most <= MOST_DEVIATION {
        true => Ok(()),
        false => Err(Failure::new(format!("{network}: {what} are {most:.1e} from the origin's"))),
    }
}

/// The last `count` values of a NumPy file of f32: all of them, behind its header.
fn npy_tail(bytes: &[u8], count: usize) -> Vec<f64> {
    let values = bytes.rchunks_exact(4).take(count);
    let values = values.filter_map(|four| four.try_into().ok().map(f32::from_le_bytes));
    let mut values: Vec<f64> = values.map(f64::from).collect();
    values.reverse();
    values
}

/// The difference relative to the norm of `theirs`; infinite for other lengths and values that are no numbers.
fn deviation(ours: &[f64], theirs: &[f64]) -> f64 {
    let apart: f64 = ours.iter().zip(theirs).map(|(one, other)| (one - other).powi(2)).sum();
    let size: f64 = theirs.iter().map(|other| other.powi(2)).sum();
    let deviation = (apart / size).sqrt();
    if deviation.is_nan() || ours.len() != theirs.len() { f64::INFINITY } else { deviation }
}

/// The largest relative difference of the logits of one file.
fn most_deviation(ours: &[Prediction], theirs: &[Prediction]) -> Outcome<f64> {
    let known: BTreeMap<&str, &Prediction> =
        theirs.iter().map(|found| (found.file.as_str(), found)).collect();
    let mut most = 0.0_f64;
    for found in ours {
        let Some(reference) = known.get(found.file.as_str()) else {
            return Err(Failure::new(format!("load.py left out {}", found.file)));
        };
        if found.logits.len() != reference.logits.len() || found.label != reference.label {
            return Err(Failure::new(format!(
                "{}: tl says {} of {}, the origin {} of {}",
                found.file,
                found.label,
                found.logits.len(),
                reference.label,
                reference.logits.len()
            )));
        }
        most = most.max(deviation(&found.logits, &reference.logits));
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(file: &str, label: &str, logits: &[f64]) -> Prediction {
        Prediction { file: file.into(), label: label.into(), logits: logits.into() }
    }

    #[test]
    fn the_farthest_file_counts_and_none_may_be_missing() {
        let theirs = [prediction("a", "x", &[3.0, 4.0]), prediction("b", "x", &[0.0, 1.0])];
        let ours = [prediction("b", "x", &[0.0, 1.1]), prediction("a", "x", &[3.0, 4.5])];
        assert!((most_deviation(&ours, &theirs).unwrap() - 0.1).abs() < 1e-12);
        assert!(most_deviation(&ours, &theirs[..1]).is_err());
        let label = [prediction("a", "y", &[3.0, 4.0])];
        assert!(most_deviation(&label, &theirs).is_err());
        let number = [prediction("a", "x", &[f64::NAN, 4.0])];
        assert_eq!(most_deviation(&number, &theirs).unwrap(), f64::INFINITY);
    }
}
