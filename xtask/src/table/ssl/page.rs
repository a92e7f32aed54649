//! The page of the table in Markdown.

use std::collections::BTreeSet;

use super::{FIRST, NETWORKS, Network, Record, SHOTS, UNTRAINED, cells};
use crate::table::cell::mean_and_deviation;

type Value = fn(&Record) -> Option<f64>;

/// The whole page.
pub fn page(records: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table ssl` in {minutes:.0} minutes");
    let cores: BTreeSet<u64> = records.iter().filter_map(|record| record.cores).collect();
    let cores: Vec<String> = cores.iter().map(u64::to_string).collect();
    if !cores.is_empty() {
        text += &format!(" on {} cores", cores.join(" or "));
    }
    let missing = cells().len() - records.len();
    if missing > 0 {
        text += &format!(". {missing} of {} cells are not computed yet", cells().len());
    }
    text += ".\n\nFashion-MNIST: 59,700 images without labels; then some labels of each class, 300 images that choose the epoch, \
             10,000 that are measured once. Mean ± deviation over three draws of the labels; \
             one pre-training for each method, three for the best.\n\n";
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
    let cell = |found: Option<(f64, Option<f64>)>| match found {
        None => " – |".to_string(),
        Some((mean, None)) => format!(" {mean:.3} |"),
        Some((mean, Some(deviation))) => format!(" {mean:.3} ± {deviation:.3} |"),
    };
    let mut text = format!("## {}\n\n`{}`", network.title, network.words);
    text += &format!(", pre-trained with `{}`.\n\n", network.pretraining);
    text += "| method | epochs | minutes | k-NN, all labels | linear, all labels | fine-tuned at 10, against untrained |\n|---|---|---|---|---|---|\n";
    if let Some(pixels) = of(UNTRAINED, 0).iter().find_map(|record| record.pixels) {
        text += &format!("| none: pixels | | | {pixels:.3} | | |\n");
    }
    let finetuned: Value = |record| record.finetune;
    let scratch = mean(UNTRAINED, FIRST, finetuned);
    for method in names() {
        let own = network.methods.iter().find(|it| it.method == method);
        let epochs = own.map(|it| it.epochs.to_string());
        let words = own.map(|it| it.words).filter(|words| !words.is_empty());
        let words = words.map_or(String::new(), |words| format!(" `{words}`"));
        let minutes = mean(method, 0, |record| Some(record.pretraining_seconds? / 60.0));
        let minutes = minutes.map_or(String::new(), |found| format!("{:.1}", found.0));
        text += &format!("| {method}{words} | {} | {minutes} |", epochs.unwrap_or_default());
        text += &cell(mean(method, 0, |record| record.knn));
        text += &cell(mean(method, 0, |record| record.linear));
        text += &match (scratch, mean(method, FIRST, finetuned)) {
            (Some((scratch, _)), Some((own, _))) if method != UNTRAINED => {
                format!(" {:+.1} points |\n", 100.0 * (own - scratch))
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
                text += &cell(mean(method, shots, value));
            }
            text += "\n";
        }
    }
    text + "\n"
}
