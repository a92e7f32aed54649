//! The page of the table in Markdown.

use super::{FIRST, NETWORKS, Network, Record, SEEDS, SHOTS, UNTRAINED, cells};
use crate::table::cell::{mean_and_deviation, on_cores, summary};

type Value = fn(&Record) -> Option<f64>;

/// The whole page.
pub fn page(records: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table ssl` in {minutes:.0} minutes");
    text += &on_cores(records.iter().filter_map(|record| record.cores));
    let missing = cells().len() - records.len();
    if missing > 0 {
        text += &format!(". {missing} of {} cells are not computed yet", cells().len());
    }
    text += ".\n\nFashion-MNIST: 59,700 images without labels; then some labels of each class, 300 images that choose the epoch, \
             10,000 that are measured once. Mean ± deviation over three draws of the labels; \
             one pre-training for each method, three for the best; minutes are those of the clock on one core, which other work shared. \
             Fine-tuned means `--recipe auto` (a probe, then everything) from a pre-training, and everything from the first epoch without one, which is the better way there. A number of draws stands in brackets where fewer are computed yet.\n\n";
    for network in &NETWORKS {
        text += &section(records, network);
    }
    text
}

fn section(records: &[Record], network: &Network) -> String {
    let names = || std::iter::once(UNTRAINED).chain(network.methods.iter().map(|it| it.method));
    let of = |method: &str, shots: usize| -> Vec<&Record> {
        let own = |record: &&Record| {
            let cell = &record.cell;
            cell.network == network.name && cell.method == method && cell.shots == shots
        };
        records.iter().filter(own).collect()
    };
    let mean = |method: &str, shots, value: Value| {
        let values: Vec<f64> = of(method, shots).into_iter().filter_map(value).collect();
        mean_and_deviation(&values)
    };
    let few = |count: usize, seeds: u64| {
        if (count as u64) < seeds { format!(" ({count})") } else { String::new() }
    };
    let cell = |method: &str, shots: usize, value: Value| {
        let values: Vec<f64> = of(method, shots).into_iter().filter_map(value).collect();
        format!(" {} |", summary(&values, if shots == 0 { 1 } else { SEEDS }))
    };
    let mut text = format!("## {}\n\n`{}`", network.title, network.words);
    text += &format!(", pre-trained with `{}`.\n\n", network.pretraining);
    text += "| method | epochs | minutes | k-NN, all labels | linear, all labels | fine-tuned at 10, against untrained |\n|---|---|---|---|---|---|\n";
    if let Some(pixels) = of(UNTRAINED, 0).iter().find_map(|record| record.pixels) {
        text += &format!("| none: pixels | | | {pixels:.3} | | |\n");
    }
    // Draw by draw, so that few are compared with the same few.
    let gains = |method: &str| -> Vec<f64> {
        let untrained = of(UNTRAINED, FIRST);
        let pair = |own: &Record| {
            let same = untrained.iter().find(|other| other.cell.seed == own.cell.seed)?;
            Some(own.finetune? - same.finetune?)
        };
        of(method, FIRST).into_iter().filter_map(pair).collect()
    };
    for method in names() {
        let own = network.methods.iter().find(|it| it.method == method);
        let epochs = own.map(|it| it.epochs.to_string());
        let words = own.map(|it| it.words).filter(|words| !words.is_empty());
        let words = words.map_or(String::new(), |words| format!(" `{words}`"));
        let minutes = mean(method, 0, |record| Some(record.pretraining_seconds? / 60.0));
        let minutes = minutes.map_or(String::new(), |found| format!("{:.1}", found.0));
        text += &format!("| {method}{words} | {} | {minutes} |", epochs.unwrap_or_default());
        text += &cell(method, 0, |record| record.knn);
        text += &cell(method, 0, |record| record.linear);
        let gains = gains(method);
        text += &match mean_and_deviation(&gains) {
            Some((mean, _)) if method != UNTRAINED => {
                format!(" {:+.1} points{} |\n", 100.0 * mean, few(gains.len(), SEEDS))
            }
            _ => " |\n".to_string(),
        };
    }
    let ways: [(&str, Value); 3] = [
        ("k-NN", |record| record.knn),
        ("linear", |record| record.linear),
        ("fine-tuned", |record| record.finetune),
    ];
    text += "\n| method | way |";
    for (shots, _) in SHOTS {
        text += &format!(" {shots} of each class |");
    }
    text += &format!("\n|---|---|{}\n", "---|".repeat(SHOTS.len()));
    for method in names() {
        for (way, value) in ways {
            text += &format!("| {method} | {way} |");
            for (shots, _) in SHOTS {
                text += &cell(method, shots, value);
            }
            text += "\n";
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(method: &str, seed: u64, finetune: f64) -> Record {
        let cell = json!({
            "network": "resnet10", "method": method, "shots": FIRST, "seed": seed, "finetune": finetune, "seconds": 1.0,
        });
        serde_json::from_value(cell).unwrap()
    }

    #[test]
    fn a_gain_is_over_the_same_draws_and_says_how_many_there_are() {
        let mut records = vec![record(UNTRAINED, 0, 0.7), record(UNTRAINED, 1, 0.6)];
        records.push(record("simclr", 0, 0.75));
        let text = page(&records);
        assert!(text.contains(" +5.0 points (1) |"), "{text}");
        assert!(text.contains("| untrained | fine-tuned | – | 0.650 ± 0.071 (2) |"), "{text}");
        assert!(text.contains("| simclr | fine-tuned | – | 0.750 (1) |"), "{text}");
    }
}
