//! The page of the table in Markdown.

use super::plan::{TASKS, Task};
use super::{Record, Table, Texts};
use crate::table::cell::mean_and_deviation;

/// The whole page.
pub fn page(records: &[Record], peers: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table texts` in {minutes:.0} minutes");
    let (all, there) = (Texts::cells().len(), records.len());
    if there < all {
        text += &format!(". {} of {all} cells are not computed yet", all - there);
    }
    text += ".\n\nMiniLM (6 layers of width 384). On test parts that were measured once; mean ± deviation over seeds, which \
             are those of the split and of all that is drawn. A number of seeds stands in brackets where fewer are there yet. \
             `probe` is logistic regression on frozen vectors, `words` the same on TF-IDF without a network, each \
             with its strength chosen on the validation part.\n";
    for task in TASKS {
        text += &section(records, peers, task);
    }
    text
}

fn section(records: &[Record], peers: &[Record], task: &Task) -> String {
    let figure = if task.name == "entities" { "F1 of entities" } else { "accuracy" };
    let mut text = format!("\n## {}\n\n`{}{}`", task.title, task.prefix, task.asset);
    let first = records.iter().find(|record| record.cell.task == task.name);
    if let Some(first) = first {
        text += &format!(", {} in the test part", first.n);
    }
    text += &format!("; {figure}.\n\n| way |");
    for shots in task.shots {
        text += &match shots {
            0 => " all labels |".to_string(),
            _ => format!(" {shots} of each class |"),
        };
    }
    text += &format!(
        " trained parameters | command |\n|---|{}---|---|\n",
        "---|".repeat(task.shots.len())
    );
    for way in task.ways {
        let of = |records: &'_ [Record], shots: usize| -> Vec<Record> {
            let own = |record: &&Record| {
                let cell = &record.cell;
                (&*cell.task, &*cell.way, cell.shots) == (task.name, way.name, shots)
            };
            records.iter().filter(own).cloned().collect()
        };
        let cells = |records: &[Record], value: fn(&Record) -> Option<f64>| -> String {
            let cell = |shots: &usize| {
                let found = of(records, *shots);
                let values: Vec<f64> = found.iter().filter_map(value).collect();
                let few = match (values.len() as u64) < task.seeds {
                    true => format!(" ({})", values.len()),
                    false => String::new(),
                };
                match mean_and_deviation(&values) {
                    None => " – |".to_string(),
                    Some((mean, None)) => format!(" {mean:.3}{few} |"),
                    Some((mean, Some(deviation))) => format!(" {mean:.3} ± {deviation:.3}{few} |"),
                }
            };
            task.shots.iter().map(cell).collect()
        };
        let all = |records| task.shots.iter().flat_map(move |shots| of(records, *shots));
        if way.words.contains("--words") {
            text += &format!("| words |{}  | |\n", cells(records, |record| record.words));
        }
        let trained = all(records).find_map(|record| record.trained_parameters);
        let trained = trained.map_or(String::new(), |count| count.to_string());
        let command = way.words.replace("$TABLE/", "");
        text += &format!(
            "| {} |{} {trained} | `tl {command}` |\n",
            way.name,
            cells(records, |record| Some(record.value)),
        );
        if all(peers).next().is_some() {
            let figures = cells(peers, |record| Some(record.value));
            text += &format!("| {} in PyTorch |{figures}  | |\n", way.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(way: &str, seed: u64, value: f64) -> Record {
        let line = serde_json::json!({
            "task": "movie", "way": way, "shots": 0, "seed": seed, "value": value, "n": 100, "seconds": 60.0,
            "words": (way == "probe").then_some(0.5), "trained_parameters": (way != "probe").then_some(7)
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_way_stands_beside_its_peer_and_tells_how_many_seeds_are_there() {
        let records =
            [record("probe", 0, 0.75), record("finetune", 0, 0.8), record("finetune", 1, 0.9)];
        let peers = [0, 1, 2].map(|seed| record("finetune", seed, 0.82));
        let text = page(&records, &peers);
        for line in [
            "| words | 0.500 (1) |  | |",
            "| finetune | 0.850 ± 0.071 (2) | 7 |",
            "| finetune in PyTorch | 0.820 ± 0.000 |  | |",
            "`rated:movieReviewSnippets_GroundTruth.txt`, 100 in the test part; accuracy.",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
