//! The page of the table in Markdown.

use std::collections::BTreeSet;

use super::Adapt;
use super::record::Record;
use super::shifts::{BOUND, CORE, SHIFTS, Shift, WIDER};
use super::validators::validators;
use super::verdict::{beside_peers, gaps, oracle, pick, verdict};
use crate::table::Table;
use crate::table::cell::{mean_and_deviation, summary};

/// The whole page.
pub fn page(records: &[Record], peers: &[Record]) -> String {
    let mut text = made(records);
    for shift in &SHIFTS {
        text += &section(records, peers, shift);
    }
    text + &gaps(records) + "\n" + &validators(records)
}

fn made(records: &[Record]) -> String {
    let cores: BTreeSet<u64> = records.iter().filter_map(|record| record.cores).collect();
    let cores: Vec<String> = cores.iter().map(u64::to_string).collect();
    let mut text = "Made by `cargo xtask table adapt`".to_string();
    if !cores.is_empty() {
        text += &format!(" on a machine with {} cores", cores.join(" or "));
    }
    let all = Adapt::cells();
    let missing =
        all.iter().filter(|cell| !records.iter().any(|record| record.cell == **cell)).count();
    if missing > 0 {
        text += &format!(". {missing} of {} cells are not computed yet", all.len());
    }
    text + ". The seconds of a cell hold the training on the source, which the methods of a seed share.\n\n"
}

fn section(records: &[Record], peers: &[Record], shift: &Shift) -> String {
    let Shift { name, title, words, bound, .. } = shift;
    let mut text = format!(
        "## {title}\n\n`tl adapt {words} --method M --seed S`\n\nThe bound: `tl adapt {bound} --method source --seed S`\n\n\
         | method | chosen epoch | best epoch | worst epoch | seconds |\n|---|---|---|---|---|\n"
    );
    for method in std::iter::once(BOUND).chain(shift.core()) {
        let label = if method == BOUND { "trained on the target's labels" } else { method };
        text += &row(label, &of(records, name, method), shift.seeds);
    }
    let seeds = || 0..shift.seeds;
    let picks: Vec<&Record> = seeds().filter_map(|seed| pick(records, name, seed)).collect();
    if !picks.is_empty() {
        let values: Vec<f64> = picks.iter().map(|record| record.accuracy).collect();
        let names: Vec<&str> = picks.iter().map(|record| record.cell.method.as_str()).collect();
        let best: Vec<f64> = seeds().filter_map(|seed| oracle(records, name, seed)).collect();
        text += &format!(
            "| **the validator's pick** ({}) | {} | {} | | |\n",
            names.join(", "),
            summary(&values, shift.seeds),
            summary(&best, shift.seeds)
        );
    }
    for method in WIDER.into_iter().filter(|method| shift.takes(method)) {
        text += &row(method, &of(records, name, method), shift.wider_seeds);
    }
    for method in CORE {
        let found = of(peers, name, method);
        if !found.is_empty() {
            text += &row(&format!("{method} in PyTorch"), &found, found.len() as u64);
        }
    }
    text + "\n" + &verdict(records, shift) + &beside_peers(records, peers, name) + "\n"
}

fn row(label: &str, found: &[&Record], seeds: u64) -> String {
    let column = |value: fn(&Record) -> f64| {
        let values: Vec<f64> = found.iter().map(|record| value(record)).collect();
        summary(&values, seeds)
    };
    let seconds: Vec<f64> = found.iter().map(|record| record.seconds).collect();
    let seconds =
        mean_and_deviation(&seconds).map_or("–".into(), |(mean, _)| format!("{mean:.0}"));
    format!(
        "| {label} | {} | {} | {} | {seconds} |\n",
        column(|record| record.accuracy),
        column(|record| record.best_epoch),
        column(|record| record.worst_epoch)
    )
}

/// The records of a method on a shift.
pub fn of<'a>(records: &'a [Record], shift: &str, method: &str) -> Vec<&'a Record> {
    let own = |record: &&Record| record.cell.shift == shift && record.cell.method == method;
    records.iter().filter(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_over_seeds_has_a_deviation_and_says_how_many_are_there() {
        let records =
            [Record::example("uci", "dann", 0, 0.5), Record::example("uci", "dann", 1, 0.7)];
        let text = page(&records, &[]);
        assert!(text.contains("| dann | 0.600 ± 0.141 (2) |"), "{text}");
        let missing = Adapt::cells().len() - 2;
        assert!(text.contains(&format!("{missing} of ")), "{text}");
    }

    #[test]
    fn peers_stand_below_the_methods_of_the_shift_that_they_are_for() {
        let peer = Record::example("blend", "dann", 0, 0.25);
        let text = page(&[], &[peer]);
        assert_eq!(text.matches("| dann in PyTorch | 0.250 |").count(), 1, "{text}");
    }
}
