//! Encoders that were pre-trained without labels, in the libraries that their names come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::compare::{deviation, loaded, near, npy_tail};
use crate::shell::{During, Failure, Outcome, program, quietly};

/// Networks that are pre-trained without labels, and how: their runs hold an encoder alone.
const PRETRAININGS: [[&str; 3]; 3] = [
    ["vit_tiny", "mae", "--patch-size 8"],
    ["resnet10", "simsiam", ""],
    ["mobilenet_v2", "vicreg", ""],
];
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

/// Pre-trains some networks for an epoch and compares the features of `photos` by `tl embed` with those of the run's
/// `load.py`; returns how many there were.
///
/// # Errors
/// When a program fails, the file does not load strictly, or features differ.
pub fn run(tl: &Path, python: &Path, data: &Path, photos: &[PathBuf]) -> Outcome<usize> {
    let folder = tempfile::tempdir().during("cannot make a folder")?;
    for [network, method, words] in PRETRAININGS {
        let run = folder.path().join(method);
        let verb = |verb: &str, from: &Path, out: &Path| {
            let words = [verb, "--json", "--model", network, "--image-size", "64"];
            let mut command = program(&tl.to_string_lossy(), &words);
            command.arg(from).arg("--out").arg(out);
            command
        };
        let mut pretraining = verb("pretrain", data, &run);
        let more = format!("--method {method} {words} --epochs 1 --batch-size 8 --seed 3");
        pretraining.args(more.split_whitespace());
        quietly(pretraining)?;
        let mut most = 0.0_f64;
        let theirs: Vec<Features> = loaded(python, &run, photos)?;
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
    Ok(PRETRAININGS.len())
}
