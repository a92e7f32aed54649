//! The page of the table in Markdown.

use super::methods::{METHODS, Method};
use super::tasks::{APART, COUNTS, SHOTS, TASKS};
use super::verdict::verdicts;
use super::{Cell, Chain, Record, SEEDS, Table, trials};
use crate::table::cell::{on_cores, summary};

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
    text += &on_cores(records.iter().filter_map(|record| record.cores));
    let all = Chain::cells();
    // Those of strengths that the table no longer has say nothing of it.
    let (tried, records): (Vec<Record>, Vec<Record>) = records
        .iter()
        .filter(|record| all.contains(&record.cell))
        .cloned()
        .partition(|record| record.cell.choice);
    let (tried, records) = (&tried[..], &records[..]);
    let there = |cell: &&Cell| tried.iter().chain(records).any(|record| record.cell == **cell);
    let missing = all.len() - all.iter().filter(there).count();
    if missing > 0 {
        text += &format!(". {missing} of {} chains are not computed yet", all.len());
    }
    let tasks: Vec<String> =
        TASKS.iter().map(|task| format!("`{}` ({})", task.name, task.about)).collect();
    text += &format!(
        ".\n\nFive tasks in this order: {}. Of each class {SHOTS} of {} training images, drawn anew with each seed, {} for \
         validation, and up to {} that are measured after each task",
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
    text += &methods(tried);
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
        text += &format!(" {} |", summary(&values, SEEDS));
    }
    let rounded = |value: Value, digits: usize| {
        let found = super::mean(own.iter().filter_map(|record| value(record)));
        found.map_or("–".to_string(), |mean| format!("{mean:.digits$}"))
    };
    let bytes = rounded(|record| Some(record.memory_bytes? as f64 / 1e6), 1);
    let seconds = rounded(|record| Some(record.seconds), 0);
    text + &format!(" {bytes} | {seconds} |\n")
}

/// What is said of each method beyond what all share, how its strength came about, and one file whole.
fn methods(tried: &[Record]) -> String {
    let terms: Vec<String> =
        METHODS.iter().filter_map(|method| Some(format!("`{}`", method.term?))).collect();
    let mut text = format!(
        "\nWhat holds, from the second task on: {}. `plain` has no such term; adapters begin from the pretrained network in every task.\n",
        terms.join(", ")
    );
    text += &choice(tried);
    if let Some(method) = METHODS.iter().find(|method| method.name == "ewc") {
        text += &format!(
            "\nThe chain of `{}` with seed 0:\n\n```toml\n{}```\n",
            method.name,
            method.chain("data", method.term, 0)
        );
    }
    text
}

/// What strengths come to on training images that were set apart, and whether those of the table are the best there.
fn choice(tried: &[Record]) -> String {
    if tried.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nStrengths are tried on training images alone: one chain each, where {} images of each class of the training parts stand in the \
         place of the test parts.\n\n| tried | average accuracy | a new task, just learnt | forgetting |\n|---|---|---|---|\n",
        APART.test
    );
    let of = |cell: &Cell| tried.iter().find(|record| record.cell == *cell);
    for record in trials().iter().filter_map(of) {
        let shown = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
        text += &format!(
            "| {} | {:.3} | {} | {} |\n",
            record.cell.term.as_deref().unwrap_or(&record.cell.method),
            record.average_accuracy,
            shown(record.learnt()),
            shown(record.forgetting)
        );
    }
    for method in METHODS.iter().filter(|method| !method.tried.is_empty()) {
        let found: Option<Vec<(&str, f64)>> = method
            .tried
            .iter()
            .map(|term| Some((*term, of(&Cell::trial(method, Some(term)))?.average_accuracy)))
            .collect();
        let best = found.and_then(|all| {
            all.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best })
        });
        let (Some((best, _)), Some(own)) = (best, method.term) else { continue };
        text += &match best == own {
            true => format!("\nOf these `{best}` is the best of its kind, and the table's.\n"),
            false => {
                format!("\nOf these `{best}` is the best of its kind; the table's is `{own}`.\n")
            }
        };
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

    /// A trial of `term` that came to this average accuracy.
    fn trial(name: &str, term: &str, average: f64) -> Record {
        let method = METHODS.iter().find(|method| method.name == name).unwrap();
        let cell = Cell::trial(method, Some(term));
        Record { cell, average_accuracy: average, ..Record::example(name, 0, 0.7, 0.3) }
    }

    #[test]
    fn the_best_strength_on_images_set_apart_is_told_beside_the_one_that_is_used() {
        let of = |name: &str| METHODS.iter().find(|method| method.name == name).unwrap();
        let (ewc, mas) = (of("ewc"), of("mas"));
        let used = ewc.term.unwrap();
        let average = |term: &&str| if *term == used { 0.625 } else { 0.5 };
        let mut records: Vec<Record> =
            ewc.tried.iter().map(|term| trial("ewc", term, average(term))).collect();
        records.push(trial("mas", mas.tried[0], 0.9));
        let text = page(&records);
        assert!(text.contains(&format!("| {used} | 0.625 | 0.800 | 0.300 |\n")), "{text}");
        let told = format!("`{used}` is the best of its kind, and the table's.");
        assert!(text.contains(&told), "{text}");
        // Two of three are not tried yet.
        assert!(!text.contains(&format!("`{}` is the best", mas.tried[0])), "{text}");
        // No trial counts among the chains themselves.
        assert!(text.contains("| ewc | – | – |"), "{text}");
        let other = ewc.tried.iter().position(|term| *term != used).unwrap();
        records[other].average_accuracy = 0.75;
        let text = page(&records);
        let told =
            format!("`{}` is the best of its kind; the table's is `{used}`.", ewc.tried[other]);
        assert!(text.contains(&told), "{text}");
    }

    #[test]
    fn a_chain_with_a_strength_that_the_table_no_longer_has_is_left_out() {
        let mut record = Record::example("ewc", 0, 0.7, 0.3);
        assert!(page(std::slice::from_ref(&record)).contains("| ewc | 0.650 (1) |"));
        record.cell.term = Some("ewc:strength=7".into());
        assert!(page(&[record]).contains("| ewc | – | – |"));
    }
}
