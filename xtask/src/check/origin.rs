//! A fitted network in the library that it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{photos, watch};
use crate::shell::{During, Failure, Outcome, program, quietly, root, say};

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

/// Fits some networks for an epoch, opens each run in torchvision or timm by the run's own `load.py`, and
/// compares the logits of the project's photos with those of `tl predict`; returns how many networks
/// there were.
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
        let mut theirs = program(&python.to_string_lossy(), &[run.join("load.py")]);
        theirs.args(&photos);
        let theirs: Vec<Prediction> = quietly(theirs)?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .during("load.py")?;
        if ours.predictions.len() != photos.len() {
            return Err(Failure::new(format!("{network}: tl predict left out a photo")));
        }
        let most = most_deviation(&ours.predictions, &theirs)?;
        say(format_args!(
            "{network}: loads strictly; logits within {most:.1e} of the origin's, at most {MOST_DEVIATION:.0e}"
        ));
        if most > MOST_DEVIATION {
            return Err(Failure::new(format!(
                "{network}: logits are {most:.1e} from the origin's"
            )));
        }
    }
    Ok(FITTINGS.len())
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
