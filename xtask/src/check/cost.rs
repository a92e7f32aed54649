//! What a probe of many epochs costs: its later epochs, its memory, and how well that was foretold.

use serde::Deserialize;

use super::photos;
use super::watch::{self, Epoch, Fitting};
use crate::shell::{During, Failure, Outcome, read, say};

/// Photos of each of the ten classes: 1,000 in all.
const TRAIN: usize = 85;
const VALIDATION: usize = 15;
/// A probe whose head is trained by gradient; with the cache its later epochs compute nothing but the head.
const WORDS: [&str; 8] =
    ["--recipe", "probe", "--epochs", "20", "--image-size", "128", "--batch-size", "32"];
const EPOCHS: usize = 20;

/// The seconds of epochs 2 to 20 together, as a share of those of epoch 1, where the cache is filled.
const MOST_SHARE: f64 = 0.10;
/// Memory after epoch 20, as a multiple of that after epoch 2.
const MOST_GROWTH: f64 = 1.05;
/// Between the estimate and the peak, as a share of the peak.
const MOST_MISS: f64 = 0.25;

/// One figure and its limit.
struct Figure {
    text: String,
    holds: bool,
}

/// Fits 1,000 photos with and without the cache, and holds every figure against its limit; returns how
/// many there were.
///
/// # Errors
/// When the program fails, or a figure is beyond its limit.
pub fn run() -> Outcome<usize> {
    let tl = watch::tl()?;
    let folder = tempfile::tempdir().during("cannot make a folder")?;
    let data = folder.path().join("photos");
    photos::write(&data, TRAIN, VALIDATION)?;
    let mut figures = Vec::new();
    for (name, more) in [("cached", None), ("no-cache", Some("--no-cache"))] {
        let words: Vec<&str> = WORDS.into_iter().chain(more).collect();
        let fitting = watch::fit(&tl, &data, &folder.path().join(name), &words)?;
        if fitting.epochs.len() != EPOCHS {
            let found = fitting.epochs.len();
            return Err(Failure::new(format!(
                "{name}: {found} epochs in metrics.jsonl, not {EPOCHS}"
            )));
        }
        let mut found = Vec::new();
        if more.is_none() {
            found.push(share(&fitting.epochs));
        }
        found.extend(memory(&fitting)?);
        if found.len() < 2 {
            say(format_args!(
                "{name}: memory not checked: this system does not tell what a program holds"
            ));
        }
        for figure in &found {
            say(format_args!(
                "{name}: {}{}",
                figure.text,
                if figure.holds { "" } else { ": BEYOND" }
            ));
        }
        figures.extend(
            found
                .into_iter()
                .map(|figure| Figure { text: format!("{name}: {}", figure.text), ..figure }),
        );
    }
    let beyond: Vec<&str> =
        figures.iter().filter(|figure| !figure.holds).map(|figure| figure.text.as_str()).collect();
    if beyond.is_empty() { Ok(figures.len()) } else { Err(Failure::new(beyond.join("; "))) }
}

/// What the epochs after the first take.
fn share(epochs: &[Epoch]) -> Figure {
    let later = |seconds: Vec<f64>| seconds[1..].iter().sum::<f64>() / seconds[0];
    let share = later(epochs.iter().map(|epoch| epoch.row.seconds).collect());
    // From one row to the next, checkpoints written between them included.
    let last = epochs.last().map_or(0.0, |epoch| epoch.seconds);
    let clock = (last - epochs[0].seconds) / epochs[0].row.seconds;
    let text = format!(
        "epochs 2 to {} take {:.1} % of epoch 1, at most {:.0} % (by the clock, with checkpoints, {:.1} %)",
        epochs.len(),
        100.0 * share,
        100.0 * MOST_SHARE,
        100.0 * clock
    );
    Figure { text, holds: share <= MOST_SHARE }
}

/// Whether memory grows, and how well it was foretold; nothing where the system does not tell.
fn memory(fitting: &Fitting) -> Outcome<Vec<Figure>> {
    let [second, last] = [1, EPOCHS - 1].map(|place| &fitting.epochs[place]);
    let (Some(before), Some(after), Some(peak)) =
        (second.row.resident_mb, last.row.resident_mb, fitting.peak)
    else {
        return Ok(Vec::new());
    };
    let seen = |epoch: &Epoch| epoch.resident.map_or(0.0, |bytes| bytes as f64 / 1e6);
    let growth = after / before;
    let text = format!(
        "{after:.1} MB after epoch {EPOCHS} are {growth:.3} times the {before:.1} MB after epoch 2, at most \
         {MOST_GROWTH} (from outside {:.1} and {:.1} MB)",
        seen(last),
        seen(second)
    );
    let grown = Figure { text, holds: growth <= MOST_GROWTH };
    let (estimate, peak) =
        (estimate(&read(&fitting.run.join("run.json"))?)? / 1e6, peak as f64 / 1e6);
    let miss = (estimate - peak).abs() / peak;
    let text = format!(
        "the estimate of {estimate:.0} MB lies {:.1} % from the peak of {peak:.0} MB, at most {:.0} %",
        100.0 * miss,
        100.0 * MOST_MISS
    );
    Ok(vec![grown, Figure { text, holds: miss <= MOST_MISS }])
}

#[derive(Deserialize)]
struct Record {
    trainable_report: Report,
}

#[derive(Deserialize)]
struct Report {
    phases: Vec<Phase>,
}

#[derive(Deserialize)]
struct Phase {
    memory_bytes: Option<f64>,
}

/// The bytes that a run was expected to hold at most: the figure that `tl finetune --dry-run` prints.
fn estimate(record: &str) -> Outcome<f64> {
    let record: Record = serde_json::from_str(record).during("run.json")?;
    let phases = record.trainable_report.phases.iter();
    phases
        .filter_map(|phase| phase.memory_bytes)
        .reduce(f64::max)
        .ok_or_else(|| Failure::new("run.json holds no estimate of memory"))
}

#[cfg(test)]
mod tests {
    use super::super::watch::Row;
    use super::*;

    fn fitting(seconds: [f64; 2], growth: f64) -> Fitting {
        let epoch = |number: usize| Epoch {
            row: Row {
                seconds: if number == 0 { seconds[0] } else { seconds[1] },
                resident_mb: Some(if number + 1 == EPOCHS { 100.0 * growth } else { 100.0 }),
            },
            seconds: seconds[0] + number as f64 * seconds[1],
            resident: Some(100_000_000),
        };
        let epochs = (0..EPOCHS).map(epoch).collect();
        Fitting { epochs, peak: Some(200_000_000), run: std::path::PathBuf::new() }
    }

    #[test]
    fn later_epochs_may_take_a_tenth_of_the_first() {
        assert!(share(&fitting([10.0, 0.05], 1.0).epochs).holds);
        let slow = share(&fitting([10.0, 0.06], 1.0).epochs);
        assert!(!slow.holds && slow.text.contains("11.4 %"), "{}", slow.text);
    }

    #[test]
    fn memory_may_grow_by_a_twentieth_and_be_foretold_by_a_quarter() {
        let check = |growth: f64, estimate: f64| {
            let folder = tempfile::tempdir().unwrap();
            let record =
                format!(r#"{{"trainable_report":{{"phases":[{{"memory_bytes":{estimate}}}]}}}}"#);
            std::fs::write(folder.path().join("run.json"), record).unwrap();
            let fitting =
                Fitting { run: folder.path().to_path_buf(), ..fitting([1.0, 1.0], growth) };
            memory(&fitting).unwrap().iter().map(|figure| figure.holds).collect::<Vec<_>>()
        };
        assert_eq!(check(1.04, 151e6), [true, true]);
        assert_eq!(check(1.06, 149e6), [false, false]);
        assert_eq!(check(0.5, 251e6), [true, false]);
    }

    #[test]
    fn a_system_that_does_not_tell_is_no_failure() {
        let fitting = Fitting { peak: None, ..fitting([1.0, 1.0], 1.0) };
        assert!(memory(&fitting).unwrap().is_empty());
    }

    #[test]
    fn the_estimate_is_that_of_the_largest_phase() {
        let record =
            r#"{"trainable_report":{"phases":[{"memory_bytes":5},{"memory_bytes":7},{}]}}"#;
        assert_eq!(estimate(record).unwrap(), 7.0);
        assert!(estimate(r#"{"trainable_report":{"phases":[{}]}}"#).is_err());
    }
}
