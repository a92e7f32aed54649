//! What a run's own `load.py` prints beside what the program does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::shell::{During, Failure, Outcome, program, quietly, say};

/// Of the difference of logits or features, relative to their norm.
const MOST_DEVIATION: f64 = 1e-4;

/// What is read of a prediction, ours or the origin's.
#[derive(Deserialize)]
pub struct Prediction {
    pub file: String,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub logits: Vec<f64>,
    /// In place of both, where a run answers with a number.
    #[serde(default)]
    pub number: Option<f64>,
}

impl Prediction {
    /// What the head says.
    fn answers(&self) -> Vec<f64> {
        self.logits.iter().copied().chain(self.number).collect()
    }
}

#[derive(Deserialize)]
pub struct Predictions {
    pub predictions: Vec<Prediction>,
}

/// What a run's own `load.py` prints, line by line.
pub fn loaded<T: DeserializeOwned>(
    python: &Path,
    run: &Path,
    photos: &[PathBuf],
) -> Outcome<Vec<T>> {
    let mut theirs = program(&python.to_string_lossy(), &[run.join("load.py")]);
    theirs.args(photos);
    let lines = quietly(theirs)?;
    lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().during("load.py")
}

/// Says how far the origin is, and whether that is near enough.
///
/// # Errors
/// When it is not.
pub fn near(network: &str, what: &str, most: f64) -> Outcome<()> {
    say(format_args!(
        "{network}: loads strictly; {what} within {most:.1e} of the origin's, at most {MOST_DEVIATION:.0e}"
    ));
    match most <= MOST_DEVIATION {
        true => Ok(()),
        false => Err(Failure::new(format!("{network}: {what} are {most:.1e} from the origin's"))),
    }
}

/// The last `count` values of a NumPy file of f32: all of them, behind its header.
pub fn npy_tail(bytes: &[u8], count: usize) -> Vec<f64> {
    let values = bytes.rchunks_exact(4).take(count);
    let values = values.filter_map(|four| four.try_into().ok().map(f32::from_le_bytes));
    let mut values: Vec<f64> = values.map(f64::from).collect();
    values.reverse();
    values
}

/// The difference relative to the norm of `theirs`; infinite for other lengths and values that are no numbers.
pub fn deviation(ours: &[f64], theirs: &[f64]) -> f64 {
    let apart: f64 = ours.iter().zip(theirs).map(|(one, other)| (one - other).powi(2)).sum();
    let size: f64 = theirs.iter().map(|other| other.powi(2)).sum();
    let deviation = (apart / size).sqrt();
    if deviation.is_nan() || ours.len() != theirs.len() { f64::INFINITY } else { deviation }
}

/// The largest relative difference of the logits of one file.
pub fn most_deviation(ours: &[Prediction], theirs: &[Prediction]) -> Outcome<f64> {
    let known: BTreeMap<&str, &Prediction> =
        theirs.iter().map(|found| (found.file.as_str(), found)).collect();
    let mut most = 0.0_f64;
    for found in ours {
        let Some(reference) = known.get(found.file.as_str()) else {
            return Err(Failure::new(format!("load.py left out {}", found.file)));
        };
        let (ours, theirs) = (found.answers(), reference.answers());
        if ours.len() != theirs.len() || ours.is_empty() || found.label != reference.label {
            return Err(Failure::new(format!(
                "{}: tl says {} of {}, the origin {} of {}",
                found.file,
                found.label,
                ours.len(),
                reference.label,
                theirs.len()
            )));
        }
        most = most.max(deviation(&ours, &theirs));
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(file: &str, label: &str, logits: &[f64]) -> Prediction {
        Prediction { file: file.into(), label: label.into(), logits: logits.into(), number: None }
    }

    #[test]
    fn the_farthest_file_counts_and_none_may_be_missing() {
        let theirs = [prediction("a", "x", &[3.0, 4.0]), prediction("b", "x", &[0.0, 1.0])];
        let ours = [prediction("b", "x", &[0.0, 1.1]), prediction("a", "x", &[3.0, 4.5])];
        assert!((most_deviation(&ours, &theirs).unwrap() - 0.1).abs() < 1e-12);
        assert!(most_deviation(&ours, &theirs[..1]).is_err());
        let label = [prediction("a", "y", &[3.0, 4.0])];
        assert!(most_deviation(&label, &theirs).is_err());
        let one = |number| Prediction { number: Some(number), ..prediction("a", "", &[]) };
        assert!((most_deviation(&[one(2.2)], &[one(2.0)]).unwrap() - 0.1).abs() < 1e-12);
        assert!(most_deviation(&[prediction("a", "", &[])], &[one(2.0)]).is_err());
        let number = [prediction("a", "x", &[f64::NAN, 4.0])];
        assert_eq!(most_deviation(&number, &theirs).unwrap(), f64::INFINITY);
    }
}
