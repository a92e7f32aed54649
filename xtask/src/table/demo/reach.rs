//! How soon a method is as good as training from scratch ever gets.

use super::Record;
use super::{METHODS, SCRATCH, brackets, each, heading, of, seconds, summary};
use crate::table::cell::mean_and_deviation;

/// Seconds to the best accuracy from scratch, method by method.
pub fn section(records: &[Record]) -> String {
    let mut text = "\n## Seconds each needs to reach the best accuracy from scratch\n\nThe first time at which its validation \
         accuracy is at least the best that training from scratch has on the way with the same images, looked \
         at after each epoch (a logistic regression: once, at its end). The mean over the seeds that reach \
         it, `–` where none does. Guessing among the ten classes has 0.100.\n\n"
        .to_string()
        + &heading("method", &[]);
    let goals = each(|shots| {
        let goals: Vec<f64> = of(records, SCRATCH, shots).filter_map(best).collect();
        summary(&goals, |mean, _| format!("*{mean:.3}*"))
    });
    text += &format!("| *validation accuracy to reach* |{goals}\n");
    for (method, title) in METHODS {
        text += &format!("| {title} |{}\n", each(|shots| mean(records, method, shots)));
    }
    text
}

/// The mean over the seeds that reach it, and how many these are.
fn mean(records: &[Record], method: &str, shots: usize) -> String {
    let mut compared = 0;
    let mut reached = Vec::new();
    for record in of(records, method, shots) {
        let scratch = of(records, SCRATCH, shots).find(|other| other.cell.seed == record.cell.seed);
        if let Some(goal) = scratch.and_then(best) {
            compared += 1;
            reached.extend(first(record, goal));
        }
    }
    match mean_and_deviation(&reached) {
        None => "–".to_string(),
        Some((mean, _)) if reached.len() < compared => {
            format!("{} ({} of {compared})", seconds(mean, None), reached.len())
        }
        Some((mean, _)) => seconds(mean, None) + &brackets(compared),
    }
}

/// The best validation accuracy in the course of `record`.
fn best(record: &Record) -> Option<f64> {
    record.course.iter().map(|(_, accuracy)| *accuracy).reduce(f64::max)
}

/// The first time in the course of `record` at which the validation accuracy is at least `goal`.
fn first(record: &Record, goal: f64) -> Option<f64> {
    record.course.iter().find(|(_, accuracy)| *accuracy >= goal).map(|(seconds, _)| *seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &str, seed: u64, course: &[(f64, f64)]) -> Record {
        Record { course: course.to_vec(), ..Record::example(method, 5, seed, 0.5) }
    }

    #[test]
    fn the_time_is_that_of_the_first_epoch_as_good_as_the_best_from_scratch() {
        let records = [
            record("scratch", 0, &[(1.0, 0.3), (2.0, 0.6), (3.0, 0.5)]),
            record("finetune", 0, &[(4.0, 0.55), (8.0, 0.6), (12.0, 0.7)]),
            record("raw", 0, &[(0.1, 0.59)]),
            record("probe", 1, &[(0.1, 0.9)]),
        ];
        assert_eq!(mean(&records, "finetune", 5), "8.0 (1)");
        assert_eq!(mean(&records, "scratch", 5), "2.0 (1)");
        assert_eq!(mean(&records, "raw", 5), "–");
        assert_eq!(mean(&records, "probe", 5), "–", "there is no such seed from scratch");
    }

    #[test]
    fn the_mean_is_over_the_seeds_that_reach_the_best_from_scratch() {
        let mut records: Vec<Record> =
            (0..3).map(|seed| record("scratch", seed, &[(1.0, 0.5)])).collect();
        records.push(record("probe", 0, &[(2.0, 0.5)]));
        records.push(record("probe", 1, &[(4.0, 0.6)]));
        assert_eq!(mean(&records, "probe", 5), "3.0 (2)");
        records.push(record("probe", 2, &[(9.0, 0.4)]));
        assert_eq!(mean(&records, "probe", 5), "3.0 (2 of 3)");
        records[4] = record("probe", 1, &[(9.0, 0.4)]);
        assert_eq!(mean(&records, "probe", 5), "2.0 (1 of 3)");
        assert!(section(&records).contains("| *validation accuracy to reach* | *0.500* | – | – |"));
    }
}
