//! The page of the table in Markdown.

use super::candidates::{CANDIDATES, DATA, Data, FITTING};
use super::kendall::weighted_tau;
use super::{Rank, Record, SCORES, SEEDS, Table, WORDS};
use crate::table::cell::{mean_and_deviation, summary};

/// Fewer candidates are no ranking.
const LEAST: usize = 4;

/// The whole page.
pub fn page(records: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table rank` in {minutes:.0} minutes");
    let (all, there) = (Rank::cells().len(), records.len());
    if there < all {
        text += &format!(". {} of {all} cells are not computed yet", all - there);
    }
    text += &format!(
        ".\n\nScores of the features before any tuning (`tl rank {WORDS}`), and the accuracy on the test part after \
         `tl finetune {FITTING}` on the same images; of a network cut after a stage everything up to it stays frozen. Means \
         over {SEEDS} seeds; a number of seeds stands in brackets where fewer are there yet.\n"
    );
    text += &correlations(records);
    for data in &DATA {
        text += &section(records, data);
    }
    text
}

/// The records of a candidate on some data.
fn of<'a>(records: &'a [Record], data: &Data, candidate: &str) -> Vec<&'a Record> {
    let own =
        |record: &&Record| record.cell.data == data.name && record.cell.candidate == candidate;
    records.iter().filter(own).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    mean_and_deviation(values).map(|(mean, _)| mean)
}

/// The weighted Kendall τ between a score's means and the accuracies' means, and over how many candidates.
fn tau(records: &[Record], data: &Data, score: &str) -> (Option<f64>, usize) {
    let pair = |name: &str| {
        let own = of(records, data, name);
        let scores: Vec<f64> = own.iter().filter_map(|it| it.scores.get(score).copied()).collect();
        let values: Vec<f64> = own.iter().map(|it| it.value).collect();
        // Every seed of an accuracy has its score, or the score says nothing of this candidate.
        (scores.len() == values.len()).then(|| mean(&scores).zip(mean(&values))).flatten()
    };
    let pairs: Vec<(f64, f64)> = CANDIDATES.iter().filter_map(|it| pair(it.name)).collect();
    let (scores, values): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let found = (scores.len() >= LEAST).then(|| weighted_tau(&scores, &values)).flatten();
    (found, scores.len())
}

fn correlations(records: &[Record]) -> String {
    let mut text = "\n## How well a score foretells\n\nThe weighted Kendall τ (Vigna 2015, as SciPy's `weightedtau`) between a \
                    score and the accuracy after fine-tuning: 1 for the same order, −1 for the opposite one, the best networks \
                    weighing most. In brackets over how many candidates, where a score says nothing of some.\n\n| score |"
        .to_string();
    for data in &DATA {
        text += &format!(" {} |", data.title);
    }
    text += &format!(" mean |\n|---|{}---|\n", "---|".repeat(DATA.len()));
    for score in SCORES {
        text += &format!("| `{score}` |");
        let mut values = Vec::new();
        for data in &DATA {
            let there = CANDIDATES.iter().filter(|it| !of(records, data, it.name).is_empty());
            let (found, count) = tau(records, data, score);
            let few = if count < there.count() { format!(" ({count})") } else { String::new() };
            text += &found.map_or(" – |".to_string(), |tau| format!(" {tau:.3}{few} |"));
            values.extend(found);
        }
        // A mean over other sets than its neighbours' would be none to compare.
        let mean = mean(&values).filter(|_| values.len() == DATA.len());
        text += &mean.map_or(" – |\n".to_string(), |mean| format!(" {mean:.3} |\n"));
    }
    text
}

fn section(records: &[Record], data: &Data) -> String {
    let mut text = format!("\n## {}\n\n`{}`", data.title, data.word);
    if let Some(first) = records.iter().find(|record| record.cell.data == data.name) {
        text += &format!(", {} in the test part", first.n);
    }
    text += ".\n\n| candidate | fine-tuned |";
    for score in SCORES {
        text += &format!(" `{score}` |");
    }
    text += &format!(" pass, s |\n|---|---|{}---|\n", "---|".repeat(SCORES.len()));
    for candidate in CANDIDATES.iter().filter(|candidate| candidate.is_for(data)) {
        let own = of(records, data, candidate.name);
        let values: Vec<f64> = own.iter().map(|record| record.value).collect();
        text += &format!("| {} | {} |", candidate.name, summary(&values, SEEDS));
        for score in SCORES {
            let values: Vec<f64> =
                own.iter().filter_map(|record| record.scores.get(score).copied()).collect();
            text += &mean(&values).map_or(" – |".to_string(), |mean| format!(" {mean:.3} |"));
        }
        let seconds: Vec<f64> = own.iter().map(|record| record.pass_seconds).collect();
        text += &mean(&seconds).map_or(" |\n".to_string(), |mean| format!(" {mean:.1} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(candidate: usize, seed: u64, value: f64, scores: &[(&str, f64)]) -> Record {
        let scores: serde_json::Map<String, serde_json::Value> =
            scores.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        let line = json!({
            "data": "fashion", "candidate": CANDIDATES[candidate].name, "seed": seed, "value": value, "n": 1000,
            "scores": scores, "pass_seconds": 2.0, "seconds": 60.0,
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_score_in_the_order_of_the_accuracies_has_a_correlation_of_one() {
        let mut records = Vec::new();
        for candidate in 0..5 {
            let value = 0.9 - 0.1 * candidate as f64;
            // One score along with it, one against it, and one that says nothing of the last.
            let mut scores = vec![("logme", -1.0 + value), ("h_score", -value)];
            if candidate < 4 {
                scores.push(("leep", value));
            }
            records.push(record(candidate, 0, value, &scores));
        }
        records.push(record(0, 1, 0.88, &[("logme", 0.1), ("h_score", -2.0), ("leep", 0.9)]));
        let text = page(&records);
        for line in [
            "| `logme` | 1.000 | – | – | – |",
            "| `h_score` | -1.000 | – | – | – |",
            "| `leep` | 1.000 (4) | – | – | – |",
            "| `nce` | – | – | – | – |",
            "| mobilenet_v2 | 0.890 ± 0.014 (2) |",
            "| mobilenet_v2 untrained | 0.500 (1) | -0.500 | -0.500 |",
            "`assets/fashion_mnist`, 1000 in the test part.",
            "78 of 84 cells are not computed yet",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
