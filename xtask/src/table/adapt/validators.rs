//! What each validator would pick among the methods of the development shift.

use std::collections::BTreeSet;

use super::record::Record;
use super::shifts::SHIFTS;
use super::verdict::all;
use crate::table::cell::mean_and_deviation;

/// A table of validators; nothing before a seed has all its methods.
pub fn validators(records: &[Record]) -> String {
    let shift = &SHIFTS[0];
    let seeds: Vec<Vec<&Record>> =
        (0..shift.seeds).filter_map(|seed| all(records, shift.name, seed)).collect();
    let names: BTreeSet<&str> = seeds
        .iter()
        .flatten()
        .flat_map(|record| record.scores.keys().map(String::as_str))
        .collect();
    if seeds.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "## What each validator would pick\n\n{}, each method with the epoch that it is listed with above, and none that trains on \
         the validator's score. The last column is the mean over the seeds of what is lost to the best of these.\n\n| validator | picks | accuracy | lost |\n|---|---|---|---|\n",
        shift.title
    );
    for name in names {
        let score = |record: &&&Record| record.judged_by(name).unwrap_or(f64::NEG_INFINITY);
        let picks: Vec<&Record> = seeds
            .iter()
            .filter_map(|all| {
                all.iter().rev().max_by(|a, b| score(a).total_cmp(&score(b))).copied()
            })
            .collect();
        let lost = seeds.iter().zip(&picks).map(|(all, pick)| {
            let best = all.iter().map(|record| record.accuracy).fold(f64::NAN, f64::max);
            best - pick.accuracy
        });
        let lost: Vec<f64> = lost.collect();
        let mean = |values: &[f64]| mean_and_deviation(values).map_or(f64::NAN, |(mean, _)| mean);
        let accuracies: Vec<f64> = picks.iter().map(|record| record.accuracy).collect();
        let methods: Vec<&str> = picks.iter().map(|record| record.cell.method.as_str()).collect();
        text += &format!(
            "| {name} | {} | {:.3} | {:.3} |\n",
            methods.join(", "),
            mean(&accuracies),
            mean(&lost)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::shifts::CORE;
    use super::*;

    #[test]
    fn a_validator_picks_the_method_that_it_scores_highest() {
        let records: Vec<Record> = CORE
            .iter()
            .enumerate()
            .map(|(place, method)| {
                let mut record =
                    Record::example(SHIFTS[0].name, method, 0, 0.5 + 0.01 * place as f64);
                record.scores =
                    [("up".to_string(), place as f64), ("level".to_string(), 1.0)].into();
                record
            })
            .collect();
        let text = validators(&records);
        let last = CORE[CORE.len() - 1];
        assert!(text.contains(&format!("| up | {last} | 0.600 | 0.000 |")), "{text}");
        assert!(text.contains("| level | source | 0.500 | 0.100 |"), "{text}");
        assert_eq!(validators(&records[1..]), "");
    }
}
