//! What the tables have in common: patterns of cells, lines of records, means.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::shell::{During, Outcome};

/// What was recorded for a cell of a table.
pub trait Entry: DeserializeOwned + Clone {
    type Cell;

    fn cell(&self) -> &Self::Cell;
    /// On a test part of [`Entry::n`] images.
    fn accuracy(&self) -> f64;
    fn n(&self) -> u64;
    fn seconds(&self) -> f64;
    /// Whether the cell follows from its command alone, so that it can be computed again by itself.
    fn stands_alone(&self) -> bool {
        true
    }
}

/// Parts divided by `:`, as cells are written, each of which may be `*` or empty; parts that are left out stand for any.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<String>);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(text.split(':').map(str::to_string).collect())
    }

    /// Whether `cell` is among those meant.
    pub fn matches(&self, cell: &impl fmt::Display) -> bool {
        let cell = cell.to_string();
        let parts: Vec<&str> = cell.split(':').collect();
        let mut pairs = self.0.iter().zip(&parts);
        self.0.len() <= parts.len()
            && pairs.all(|(wanted, part)| wanted.is_empty() || wanted == "*" || wanted == part)
    }
}

/// The records of a file with one JSON object a line, each with its line.
///
/// # Errors
/// When a line is no record.
pub fn parse<R: DeserializeOwned>(text: &str) -> Outcome<Vec<(R, String)>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let record = serde_json::from_str(line)
                .during(format_args!("line {} of the table", index + 1))?;
            Ok((record, line.to_string()))
        })
        .collect()
}

/// Mean and sample deviation (over `n - 1`); no deviation for fewer than two values.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt())))
}

/// Mean ± deviation of accuracies with three decimals, and how many there are where these are fewer than `seeds`; a dash for none.
pub fn summary(values: &[f64], seeds: u64) -> String {
    let few = match (values.len() as u64) < seeds {
        true => format!(" ({})", values.len()),
        false => String::new(),
    };
    match mean_and_deviation(values) {
        None => "–".to_string(),
        Some((mean, None)) => format!("{mean:.3}{few}"),
        Some((mean, Some(deviation))) => format!("{mean:.3} ± {deviation:.3}{few}"),
    }
}

/// On how many cores cells were computed, as ` on 1 or 2 cores`; nothing where that is not known.
pub fn on_cores(cores: impl Iterator<Item = u64>) -> String {
    let cores: BTreeSet<u64> = cores.collect();
    let named: Vec<String> = cores.iter().map(u64::to_string).collect();
    match cores.last() {
        None => String::new(),
        Some(1) => " on one core".to_string(),
        Some(_) => format!(" on {} cores", named.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_leaves_out_what_stands_for_any() {
        for (pattern, matches) in [
            ("probe", true),
            ("*:5", true),
            ("::2", true),
            ("raw:5:2", false),
            ("probe:20", false),
            ("probe:5:2:1", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(&"probe:5:2"), matches, "{pattern}");
        }
    }

    #[test]
    fn a_line_is_kept_as_it_stands() {
        let records: Vec<(Vec<f64>, String)> = parse("[1, 2.0]\n\n[3]\n").unwrap();
        assert_eq!(records, [(vec![1.0, 2.0], "[1, 2.0]".into()), (vec![3.0], "[3]".into())]);
        assert!(parse::<u64>("1\n{}").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((mean, deviation), (2.0, Some(1.0)));
        assert_eq!(mean_and_deviation(&[4.0]), Some((4.0, None)));
        assert_eq!(mean_and_deviation(&[]), None);
    }

    #[test]
    fn a_summary_tells_how_many_there_are_where_some_are_missing() {
        assert_eq!(summary(&[0.5, 0.7], 3), "0.600 ± 0.141 (2)");
        assert_eq!(summary(&[0.5, 0.7], 2), "0.600 ± 0.141");
        assert_eq!(summary(&[0.25], 1), "0.250");
        assert_eq!(summary(&[], 3), "–");
    }

    #[test]
    fn cores_are_named_once_each() {
        assert_eq!(on_cores([2, 1, 2].into_iter()), " on 1 or 2 cores");
        assert_eq!(on_cores([1, 1].into_iter()), " on one core");
        assert_eq!(on_cores(std::iter::empty()), "");
    }
}
