//! The method that the validation part chooses, seed by seed.

use super::{Cell, Demo, Record};
use super::{METHODS, SCRATCH, SEEDS, SHOTS, accuracy, find, of, summary};
use crate::table::Table;

/// Test accuracy of what is chosen.
pub fn accuracy_of(records: &[Record], shots: usize) -> String {
    let values: Vec<f64> = chosen(records, shots).map(|record| record.accuracy).collect();
    summary(&values, accuracy)
}

/// Which methods are chosen, and how far they lie from training from scratch.
pub fn section(records: &[Record]) -> String {
    let mut text = "\n## Chosen on the validation part\n\nFor each seed, the validation part chooses among these methods but the one from scratch (of \
         equals the upper one). Points: of test accuracy, chosen less the same network from scratch with the \
         same images, mean ± sample deviation."
        .to_string();
    let candidates = |cell: &&Cell| cell.method != SCRATCH;
    if Demo::cells().iter().filter(candidates).any(|cell| find(records, cell).is_none()) {
        text += " Where cells are not computed yet, the choice is among the others.";
    }
    text += "\n\n| images per class | chosen | points above scratch |\n|---|---|---|\n";
    for shots in SHOTS {
        let points = summary(&points(records, shots), |mean, deviation| match deviation {
            Some(deviation) => format!("{mean:+.1} ± {deviation:.1}"),
            None => format!("{mean:+.1}"),
        });
        text += &format!("| {shots} | {} | {points} |\n", how_often(records, shots));
    }
    text
}

/// The record that the validation part chooses for each seed that has any.
fn chosen(records: &[Record], shots: usize) -> impl Iterator<Item = &Record> {
    (0..SEEDS).filter_map(move |seed| {
        let candidates = METHODS.iter().filter(|(method, _)| *method != SCRATCH);
        candidates
            .filter_map(|(method, _)| {
                find(records, &Cell { method: (*method).to_string(), shots, seed })
            })
            .reduce(
                |best, other| {
                    if other.validation_accuracy > best.validation_accuracy { other } else { best }
                },
            )
    })
}

fn how_often(records: &[Record], shots: usize) -> String {
    let counts = METHODS.iter().map(|(method, title)| {
        (title, chosen(records, shots).filter(|record| record.cell.method == *method).count())
    });
    let parts: Vec<String> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(title, count)| format!("{title} ({count}×)"))
        .collect();
    if parts.is_empty() { "–".to_string() } else { parts.join("; ") }
}

/// Seed by seed, chosen less from scratch, in points of test accuracy.
fn points(records: &[Record], shots: usize) -> Vec<f64> {
    let differences = chosen(records, shots).filter_map(|record| {
        let scratch =
            of(records, SCRATCH, shots).find(|other| other.cell.seed == record.cell.seed)?;
        Some(100.0 * (record.accuracy - scratch.accuracy))
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &str, seed: u64, validation_accuracy: f64, accuracy: f64) -> Record {
        Record { validation_accuracy, ..Record::example(method, 5, seed, accuracy) }
    }

    #[test]
    fn the_choice_is_made_on_the_validation_part_and_never_from_scratch() {
        let records = [
            record("raw", 0, 0.1, 0.9),
            record("probe", 0, 0.7, 0.6),
            record("scratch", 0, 0.8, 0.2),
        ];
        assert_eq!(how_often(&records, 5), "probe: frozen features, logistic regression (1×)");
        assert_eq!(accuracy_of(&records, 5), "0.600 (1)");
        assert!(section(&records).contains("| +40.0 (1) |"), "{}", section(&records));
    }

    #[test]
    fn of_equals_the_earlier_in_the_list_is_chosen_whatever_their_order_in_the_file() {
        let records = [record("all", 0, 0.7, 0.6), record("finetune", 0, 0.7, 0.5)];
        assert_eq!(accuracy_of(&records, 5), "0.500 (1)");
    }

    #[test]
    fn each_seed_chooses_for_itself() {
        let mut records = Vec::new();
        for seed in 0..3 {
            records.push(record("scratch", seed, 0.1, 0.1 * seed as f64));
            records.push(record("finetune", seed, 0.5, 0.5));
            records.push(record("all", seed, if seed == 1 { 0.9 } else { 0.4 }, 0.8));
        }
        assert_eq!(
            how_often(&records, 5),
            "fine-tuning, every stage (2×); fine-tuning + both (1×)"
        );
        assert_eq!(accuracy_of(&records, 5), "0.600 ± 0.173");
        assert!(section(&records).contains("| +50.0 ± 20.0 |"), "{}", section(&records));
        assert_eq!(how_often(&records, 20), "–");
    }
}
