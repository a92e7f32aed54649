//! The page of the table in Markdown.

use std::collections::BTreeSet;

use super::{NETWORKS, Network, Record, SHOTS, UNTRAINED, cells};
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
    text += ".\n\nFashion-MNIST: 59,000 images without labels; then some labels of each class, 1,000 images that choose the epoch, \
             10,000 that are measured once. Mean ± deviation over three draws of the labels.\n\n";
    for network in &NETWORKS {
        text += &section(records, network);
    }
    text
}

fn section(records: &[Record], network: &Network) -> String {
    let mut text = format!("## {}\n\n`{}`\n\n", network.title, network.words);
    text += "| method | k-NN, all labels | minutes |\n|---|---|---|\n";
    for (method, words) in network.methods {
        let found = records.iter().find(|record| {
            let cell = &record.cell;
            cell.network == network.name && cell.method == *method && cell.shots == 0
        });
        let knn = found.and_then(|it| it.knn).map_or("–".into(), |it| format!("{it:.3}"));
        let minutes = found.map_or("–".into(), |it| format!("{:.1}", it.seconds / 60.0));
        text += &format!("| {method}: `{words}` | {knn} | {minutes} |\n");
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
    let methods = std::iter::once(UNTRAINED).chain(network.methods.iter().map(|it| it.0));
    for method in methods {
        for (way, value) in ways {
            text += &format!("| {method} | {way} |");
            for (shots, _) in SHOTS {
                let own = records.iter().filter(|record| {
                    let cell = &record.cell;
                    cell.network == network.name && cell.method == method && cell.shots == shots
                });
                let values: Vec<f64> = own.filter_map(value).collect();
                text += &match mean_and_deviation(&values) {
                    None => " – |".to_string(),
                    Some((mean, None)) => format!(" {mean:.3} |"),
                    Some((mean, Some(deviation))) => format!(" {mean:.3} ± {deviation:.3} |"),
                };
            }
            text += "\n";
        }
    }
    text + "\n"
}
