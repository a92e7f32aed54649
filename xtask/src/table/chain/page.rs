//! The page of the table in Markdown.

use std::collections::BTreeSet;

use super::methods::{METHODS, Method};
use super::tasks::{COUNTS, SHOTS, TASKS};
use super::verdict::verdicts;
use super::{Chain, Record, SEEDS, Table};
use crate::table::cell::mean_and_deviation;

type Value = fn(&Record) -> Option<f64>;

/// The columns that stand for accuracies or differences of them.
const COLUMNS: [(&str, Value); 6] = [
    ("average accuracy", |record| Some(record.average_accuracy)),
    ("a new task, just learnt", Record::learnt),
    ("forgetting", |record| record.forgetting),
    ("backward transfer", |record| record.backward_transfer),
    ("forward transfer", |record| record.forward_transfer),
    ("task not told", Record::untold),
];

/// The whole page.
pub fn page(records: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table chain` in {minutes:.0} minutes");
    let cores: BTreeSet<u64> = records.iter().filter_map(|record| record.cores).collect();
    let named: Vec<String> = cores.iter().map(u64::to_string).collect();
    match cores.last() {
        None => {}
        Some(1) => text += " on one core",
        Some(_) => text += &format!(" on {} cores", named.join(" or ")),
    }
    let all = Chain::cells();
    let missing =
        all.iter().filter(|cell| !records.iter().any(|record| record.cell == **cell)).count();
    if missing > 0 {
        text += &format!(". {missing} of {} chains are not computed yet", all.len());
    }
    let tasks: Vec<String> =
        TASKS.iter().map(|task| format!("`{}` ({})", task.name, task.about)).collect();
    text += &format!(
        ".\n\nFive tasks in this order: {}. Of each class {SHOTS} of {} training images, drawn anew with each seed, {} that choose the \
         epoch, and up to {} that are measured after each task",
        tasks.join(", "),
        COUNTS.training,
        COUNTS.validation,
        COUNTS.test
    );
    if let Some(record) = records.first() {
        text += &format!(", {} in all", record.n);
    }
    text += ". Mean ± deviation over seeds; a number of seeds stands in brackets where fewer are there yet.\n\n| method |";
    for (title, _) in COLUMNS {
        text += &format!(" {title} |");
    }
    text += &format!(" MB kept | seconds |\n|---|{}---|---|\n", "---|".repeat(COLUMNS.len()));
    for method in METHODS {
        text += &row(records, method);
    }
    text += &methods();
    let verdicts = verdicts(records);
    if !verdicts.is_empty() {
        text += "\nForgetting is to be cut by half or more against plain tuning, at no more than 2 points of a new task's accuracy; adapters are to \
                 change no earlier answer. Each method beside plain tuning with the same seeds:\n\n";
        text += &verdicts;
    }
    text
}

fn row(records: &[Record], method: &Method) -> String {
    let own: Vec<&Record> =
        records.iter().filter(|record| record.cell.method == method.name).collect();
    let mut text = format!("| {} |", method.name);
    for (_, value) in COLUMNS {
        let values: Vec<f64> = own.iter().filter_map(|record| value(record)).collect();
        let few = match (values.len() as u64) < SEEDS {
            true => format!(" ({})", values.len()),
            false => String::new(),
        };
        text += &match mean_and_deviation(&values) {
            None => " – |".to_string(),
            Some((mean, None)) => format!(" {mean:.3}{few} |"),
            Some((mean, Some(deviation))) => format!(" {mean:.3} ± {deviation:.3}{few} |"),
        };
    }
    let rounded = |value: Value, digits: usize| {
        let found = super::mean(own.iter().filter_map(|record| value(record)));
        found.map_or("–".to_string(), |mean| format!("{mean:.digits$}"))
    };
    let bytes = rounded(|record| Some(record.memory_bytes? as f64 / 1e6), 1);
    let seconds = rounded(|record| Some(record.seconds), 0);
    text + &format!(" {bytes} | {seconds} |\n")
}

/// What is said of each method beyond what all share, and one file whole.
fn methods() -> String {
    let terms: Vec<String> =
        METHODS.iter().filter_map(|method| Some(format!("`{}`", method.term?))).collect();
    let mut text = format!(
        "\nWhat holds, from the second task on: {}. Each strength was fixed before any chain was run, and none was chosen by these figures. \
         `plain` has no such term; adapters begin from the pretrained network in every task.",
        terms.join(", ")
    );
    if let Some(method) = METHODS.iter().find(|method| method.name == "ewc") {
        text += &format!(
            "\n\nThe chain of `{}` with seed 0:\n\n```toml\n{}```\n",
            method.name,
            method.chain("data", 0)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_its_means_and_says_how_many_seeds_are_there() {
        let records =
            [Record::example("plain", 0, 0.7, 0.3), Record::example("plain", 1, 0.9, 0.1)];
        let text = page(&records);
        // (.6 + .7) / 2 and (.8 + .9) / 2; (.9 + .7) / 2 and (.9 + .9) / 2; (.5 + .25) / 2.
        let line = "| plain | 0.750 ± 0.141 (2) | 0.850 ± 0.071 (2) | 0.200 ± 0.141 (2) | -0.200 ± 0.141 (2) | – | 0.375 ± 0.000 (2) \
                    | 2.0 | 60 |\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| lora | – | – | – | – | – | – | – | – |"), "{text}");
        let missing = Chain::cells().len() - 2;
        assert!(text.contains(&format!("{missing} of {} chains", missing + 2)), "{text}");
        assert!(text.starts_with("Made by `cargo xtask table chain` in 2 minutes on 2 cores. "));
    }

    #[test]
    fn strengths_and_a_whole_file_stand_on_the_page() {
        let text = page(&[]);
        for method in METHODS {
            assert!(method.term.is_none_or(|term| text.contains(&format!("`{term}`"))));
        }
        assert!(text.contains("```toml\n[chain]\nbegin = \"previous\"\n"), "{text}");
        assert!(!text.contains("cut by half"), "{text}");
    }
}
