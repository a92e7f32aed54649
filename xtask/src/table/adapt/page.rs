//! The page of the table in Markdown.

use std::collections::BTreeSet;

use super::{METHODS, Record, SEEDS, SHIFTS, cells};
use crate::table::cell::mean_and_deviation;

/// The whole page.
pub fn page(records: &[Record]) -> String {
    let mut text = made(records);
    for shift in &SHIFTS {
        text += &section(records, shift.name, shift.title, shift.words);
    }
    text + &gap(records)
}

fn made(records: &[Record]) -> String {
    let cores: BTreeSet<u64> = records.iter().filter_map(|record| record.cores).collect();
    let cores: Vec<String> = cores.iter().map(u64::to_string).collect();
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = "Made by `cargo xtask table adapt`".to_string();
    if !cores.is_empty() {
        text += &format!(" in {minutes:.0} minutes on {} cores", cores.join(" or "));
    }
    let missing = cells().len() - records.len();
    if missing > 0 {
        text += &format!(". {missing} of {} cells are not computed yet", cells().len());
    }
    text + ".\n\n"
}

fn of<'a>(records: &'a [Record], shift: &'a str, method: &'a str) -> Vec<&'a Record> {
    let own = |record: &&Record| record.cell.shift == shift && record.cell.method == method;
    records.iter().filter(own).collect()
}

fn section(records: &[Record], shift: &str, title: &str, words: &str) -> String {
    let mut text = format!(
        "## {title}\n\n`tl adapt {words} --method M --seed S`\n\n\
         | method | chosen epoch | best epoch | worst epoch | seconds |\n|---|---|---|---|---|\n"
    );
    for method in METHODS {
        let found = of(records, shift, method);
        let column = |value: fn(&Record) -> f64| {
            let values: Vec<f64> = found.iter().map(|record| value(record)).collect();
            summary(&values)
        };
        let seconds: Vec<f64> = found.iter().map(|record| record.seconds).collect();
        let seconds =
            mean_and_deviation(&seconds).map_or("–".into(), |(mean, _)| format!("{mean:.0}"));
        text += &format!(
            "| {method} | {} | {} | {} | {seconds} |\n",
            column(|record| record.accuracy),
            column(|record| record.best_epoch),
            column(|record| record.worst_epoch)
        );
    }
    let picks: Vec<&Record> = (0..SEEDS).filter_map(|seed| pick(records, shift, seed)).collect();
    let values: Vec<f64> = picks.iter().map(|record| record.accuracy).collect();
    let names: Vec<&str> = picks.iter().map(|record| record.cell.method.as_str()).collect();
    let best: Vec<f64> = (0..SEEDS).filter_map(|seed| best(records, shift, seed)).collect();
    if !picks.is_empty() {
        text += &format!(
            "| **the validator's pick** ({}) | {} | {} | | |\n",
            names.join(", "),
            summary(&values),
            summary(&best)
        );
    }
    text + "\n"
}

/// The record with the highest score among the methods of a seed, once all are there.
fn pick<'a>(records: &'a [Record], shift: &str, seed: u64) -> Option<&'a Record> {
    let own = |record: &&Record| record.cell.shift == shift && record.cell.seed == seed;
    let all: Vec<&Record> = records.iter().filter(own).collect();
    if all.len() < METHODS.len() {
        return None;
    }
    let score = |record: &&Record| record.score.unwrap_or(f64::NEG_INFINITY);
    all.into_iter().rev().max_by(|one, other| score(one).total_cmp(&score(other)))
}

/// The best epoch of any method, once all methods of the seed are there.
fn best(records: &[Record], shift: &str, seed: u64) -> Option<f64> {
    pick(records, shift, seed)?;
    let own = |record: &&Record| record.cell.shift == shift && record.cell.seed == seed;
    records.iter().filter(own).map(|record| record.best_epoch).max_by(f64::total_cmp)
}

/// How much the choices lose against the oracle.
fn gap(records: &[Record]) -> String {
    let points = |values: Vec<f64>| match mean_and_deviation(&values) {
        Some((mean, _)) => format!("{:.1} points over {}", 100.0 * mean, values.len()),
        None => "not known yet".to_string(),
    };
    let epochs = records.iter().map(|record| record.best_epoch - record.accuracy).collect();
    let mut picks = Vec::new();
    for shift in &SHIFTS {
        for seed in 0..SEEDS {
            let pair = pick(records, shift.name, seed).zip(best(records, shift.name, seed));
            picks.extend(pair.map(|(record, best)| best - record.accuracy));
        }
    }
    let validators: BTreeSet<&str> =
        records.iter().map(|record| record.validator.as_str()).collect();
    let validators: Vec<&str> = validators.into_iter().collect();
    format!(
        "## Choice and oracle\n\nEpochs and methods are chosen by {}. The mean gap between the chosen epoch and the best epoch of \
         the same run is {} runs; between the pick among methods and the best epoch of any method {} picks.\n",
        validators.join(", "),
        points(epochs),
        points(picks)
    )
}

fn summary(values: &[f64]) -> String {
    let few =
        if values.len() < SEEDS as usize { format!(" ({})", values.len()) } else { String::new() };
    match mean_and_deviation(values) {
        None => "–".to_string(),
        Some((mean, None)) => format!("{mean:.3}{few}"),
        Some((mean, Some(deviation))) => format!("{mean:.3} ± {deviation:.3}{few}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cell;
    use super::*;

    fn record(method: &str, seed: u64, accuracy: f64, score: f64) -> Record {
        Record {
            cell: Cell { shift: "uci".into(), method: method.into(), seed },
            accuracy,
            n: 100,
            best_epoch: accuracy + 0.1,
            worst_epoch: accuracy - 0.1,
            validator: "entropy".into(),
            score: Some(score),
            seconds: 10.0,
            cores: Some(2),
            line: String::new(),
        }
    }

    #[test]
    fn the_pick_is_the_method_with_the_highest_score_and_its_gap_is_told() {
        let mut records: Vec<Record> =
            METHODS.iter().map(|method| record(method, 0, 0.5, 1.0)).collect();
        records[3].score = Some(2.0);
        records[3].accuracy = 0.6;
        records[5].best_epoch = 0.9;
        let text = page(&records);
        assert!(
            text.contains("| **the validator's pick** (mcd) | 0.600 (1) | 0.900 (1) |"),
            "{text}"
        );
        assert!(text.contains("any method 30.0 points over 1 picks"), "{text}");
        assert!(text.contains("88 of 99 cells are not computed yet"), "{text}");
        records.pop();
        assert!(!page(&records).contains("the validator's pick"));
    }

    #[test]
    fn a_mean_over_seeds_has_a_deviation_and_says_how_many_are_there() {
        let text = page(&[record("dann", 0, 0.5, 1.0), record("dann", 1, 0.7, 1.0)]);
        assert!(text.contains("| dann | 0.600 ± 0.141 (2) |"), "{text}");
    }
}
