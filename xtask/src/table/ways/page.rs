//! The page of the table in Markdown.

use super::{Asked, Of, Record, Table, Task, Ways};
use crate::table::cell::{mean_and_deviation, summary};

/// The whole page.
pub fn page<W: Ways>(records: &[Record], peers: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let mut text = format!("Made by `cargo xtask table {}` in {minutes:.0} minutes", W::NAME);
    let (all, there) = (Of::<W>::cells().len(), records.len());
    if there < all {
        text += &format!(". {} of {all} cells are not computed yet", all - there);
    }
    text += &format!(
        ".\n\n{} On test parts that were measured once; mean ± deviation over seeds, which are those of the split and of all \
         that is drawn. A number of seeds stands in brackets where fewer are there yet.\n",
        W::ABOUT
    );
    for made in records.iter().flat_map(|record| &record.made) {
        text += &format!(
            "\n`{}`, from which others begin, took {:.0} minutes: {:.3} of the {} examples in its own test part.\n",
            made.name,
            made.seconds / 60.0,
            made.value,
            made.n
        );
    }
    for task in W::TASKS {
        text += &section(records, peers, task);
        if let Some(asked) = &W::ASKED {
            text += &verdict(records, task, asked);
        }
    }
    text
}

fn section(records: &[Record], peers: &[Record], task: &Task) -> String {
    let figure = if task.name == "entities" { "F1 of entities" } else { "accuracy" };
    let mut text = format!("\n## {}\n\n`{}`", task.title, task.data.shown());
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
        " trained parameters | seconds | command |\n|---|{}---|---|---|\n",
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
                format!(" {} |", summary(&values, task.seeds))
            };
            task.shots.iter().map(cell).collect()
        };
        let all = |records| task.shots.iter().flat_map(move |shots| of(records, *shots));
        if way.words.contains("--words") {
            text += &format!("| words |{}  | | |\n", cells(records, |record| record.words));
        }
        let trained = all(records).find_map(|record| record.trained_parameters);
        let trained = trained.map_or(String::new(), |count| count.to_string());
        let seconds: Vec<f64> = all(records).map(|record| record.seconds).collect();
        let seconds = mean_and_deviation(&seconds);
        let seconds = seconds.map_or(String::new(), |(mean, _)| format!("{mean:.0}"));
        let command = way.words.replace("$TABLE/", "");
        text += &format!(
            "| {} |{} {trained} | {seconds} | `tl {command}` |\n",
            way.name,
            cells(records, |record| Some(record.value)),
        );
        if all(peers).next().is_some() {
            let figures = cells(peers, |record| Some(record.value));
            text += &format!("| {} in PyTorch |{figures}  | | |\n", way.name);
        }
    }
    text + &choice(records, task)
}

/// Which way the validation part chooses, where it chose the epochs of each, and what that is worth beside the first way.
fn choice(records: &[Record], task: &Task) -> String {
    let mut text = String::new();
    for &shots in task.shots {
        let mean = |way: &str, value: fn(&Record) -> Option<f64>| -> Option<f64> {
            let own = |record: &&Record| {
                let cell = &record.cell;
                (&*cell.task, &*cell.way, cell.shots) == (task.name, way, shots)
            };
            let values: Vec<f64> = records.iter().filter(own).filter_map(value).collect();
            let whole = values.len() as u64 == task.seeds;
            mean_and_deviation(&values).map(|(mean, _)| mean).filter(|_| whole)
        };
        let validated: Option<Vec<(&str, f64)>> = task
            .ways
            .iter()
            .map(|way| mean(way.name, |record| record.validation).map(|mean| (way.name, mean)))
            .collect();
        let best = validated.and_then(|all| {
            all.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best })
        });
        let (Some((best, _)), Some(first)) = (best, task.ways.first()) else { continue };
        let value = |way: &str| mean(way, |record| Some(record.value)).unwrap_or(f64::NAN);
        text += &format!(
            "\nWith {} the validation part chooses **{best}**: {:.3}, against {:.3} of {}.\n",
            if shots == 0 { "all labels".to_string() } else { format!("{shots} of each class") },
            value(best),
            value(first.name),
            first.name
        );
    }
    text
}

/// Whether each way is as far above another one as is asked, seed by seed with the same examples.
fn verdict(records: &[Record], task: &Task, asked: &Asked) -> String {
    let Asked { shots, points, over } = asked;
    let value = |way: &str, seed: u64| {
        let own = |record: &&Record| {
            let cell = &record.cell;
            (&*cell.task, &*cell.way, cell.shots, cell.seed) == (task.name, way, *shots, seed)
        };
        records.iter().find(own).map(|record| record.value)
    };
    let mut text = String::new();
    for way in task.ways.iter().filter(|way| way.name != *over) {
        let gains: Vec<f64> = (0..task.seeds)
            .filter_map(|seed| Some(100.0 * (value(way.name, seed)? - value(over, seed)?)))
            .collect();
        let Some((mean, _)) = mean_and_deviation(&gains) else { continue };
        text += &format!(
            "\nAt {shots} of each class **{}** is {mean:+.1} points from {over}, a mean over {} of {} seeds; asked are \
             {points} above it: {}.\n",
            way.name,
            gains.len(),
            task.seeds,
            if mean >= *points { "it holds" } else { "it does not hold" },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::texts::Texts;

    fn record(way: &str, seed: u64, value: f64) -> Record {
        let line = serde_json::json!({
            "task": "movie", "way": way, "shots": 0, "seed": seed, "value": value, "n": 100, "seconds": 60.0,
            "words": (way == "probe").then_some(0.5), "trained_parameters": (way != "probe").then_some(7)
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn the_way_is_chosen_by_the_validation_part_and_told_with_its_test() {
        use crate::table::careful::Careful;
        use crate::table::ways::Ways;

        let task = &Careful::TASKS[0];
        let mut records = Vec::new();
        for (number, way) in task.ways.iter().enumerate() {
            for seed in 0..3 {
                let validation = if way.name == "bss" { 0.9 } else { 0.8 };
                let line = serde_json::json!({
                    "task": "fashion", "way": way.name, "shots": 5, "seed": seed, "value": 0.5 + 0.01 * number as f64,
                    "validation": validation, "n": 100, "seconds": 60.0
                });
                records.push(serde_json::from_value(line).unwrap());
            }
        }
        let text = choice(&records, task);
        assert_eq!(
            text,
            "\nWith 5 of each class the validation part chooses **bss**: 0.540, against 0.500 of plain.\n"
        );
        // A way that lacks a seed might be the best one.
        records.pop();
        assert_eq!(choice(&records, task), "");
    }

    #[test]
    fn a_way_stands_beside_its_peer_and_tells_how_many_seeds_are_there() {
        let records =
            [record("probe", 0, 0.75), record("finetune", 0, 0.8), record("finetune", 1, 0.9)];
        let peers = [0, 1, 2].map(|seed| record("finetune", seed, 0.82));
        let text = page::<Texts>(&records, &peers);
        for line in [
            "| words | 0.500 (1) |  | | |",
            "| finetune | 0.850 ± 0.071 (2) | 7 | 60 |",
            "| finetune in PyTorch | 0.820 ± 0.000 |  | | |",
            "`rated:movieReviewSnippets_GroundTruth.txt`, 100 in the test part; accuracy.",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn what_is_asked_of_a_way_is_judged_seed_by_seed() {
        use crate::table::specific::Specific;

        let task = &Specific::TASKS[0];
        let record = |way: &str, shots: usize, seed: u64, value: f64| -> Record {
            let line = serde_json::json!({
                "task": task.name, "way": way, "shots": shots, "seed": seed, "value": value, "n": 100, "seconds": 60.0
            });
            serde_json::from_value(line).unwrap()
        };
        // Seed 1 lacks the way that it would be compared with, 1 of each class is not asked for.
        let mut records = vec![
            record("scratch", 5, 0, 0.5),
            record("finetune", 5, 0, 0.625),
            record("finetune", 5, 1, 0.9),
            record("probe", 1, 0, 1.0),
        ];
        let asked = Specific::ASKED.unwrap();
        assert_eq!(
            verdict(&records, task, &asked),
            "\nAt 5 of each class **finetune** is +12.5 points from scratch, a mean over 1 of 3 seeds; asked are 10 \
             above it: it holds.\n"
        );
        // (12.5 + 2.5) / 2
        records.push(record("scratch", 5, 1, 0.875));
        let text = verdict(&records, task, &asked);
        assert!(text.contains("+7.5 points") && text.contains("it does not hold"), "{text}");
        assert_eq!(verdict(&records[3..4], task, &asked), "");
    }

    #[test]
    fn a_run_that_others_begin_from_is_told_with_its_own_test_part() {
        use crate::table::specific::Specific;

        let line = serde_json::json!({
            "task": "shoes", "way": "probe", "shots": 5, "seed": 0, "value": 0.5, "n": 100, "seconds": 700.0,
            "made": [{"name": "general", "value": 0.9, "n": 8000, "seconds": 660.0}]
        });
        let text = page::<Specific>(&[serde_json::from_value(line).unwrap()], &[]);
        let told =
            "`general`, from which others begin, took 11 minutes: 0.900 of the 8000 examples";
        assert!(text.contains(told), "{text}");
    }
}
