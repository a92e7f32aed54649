//! The table of `tl demo --full`.

use super::cell::{Cell, Record, mean_and_deviation};

const SHOTS: [usize; 3] = [5, 20, 100];
const SEEDS: u64 = 3;

/// Names in cells, and in words.
const METHODS: [(&str, &str); 7] = [
    ("raw", "raw pixels, logistic regression"),
    ("scratch", "the same network from scratch"),
    ("probe", "probe: frozen features, logistic regression"),
    ("finetune", "fine-tuning, every stage"),
    ("layer_decay", "fine-tuning + layer-wise decay"),
    ("gradual", "fine-tuning + gradual unfreezing"),
    ("all", "fine-tuning + both"),
];

const PEERS: [(&str, &str); 5] = [
    ("raw", "PyTorch: raw pixels, scikit-learn"),
    ("scratch", "PyTorch: the same network from scratch"),
    ("features", "PyTorch: frozen features, scikit-learn"),
    ("finetune_frozen_statistics", "PyTorch: fine-tuning, norm statistics frozen"),
    ("finetune", "PyTorch: fine-tuning, norm statistics moving"),
];

/// Cells that took at most this long may be verified in CI.
pub const CHEAP_SECONDS: f64 = 60.0;

/// The cells of the table in their order, the cheap ones first.
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for shots in SHOTS {
        for seed in 0..SEEDS {
            cells.extend(METHODS.map(|(method, _)| Cell {
                method: method.to_string(),
                shots,
                seed,
            }));
        }
    }
    cells
}

/// How far the accuracy of a cell may lie from the recorded one, on another machine with another rounding:
/// a convex problem gives the same answers but for a few images; training by gradients takes another path.
pub fn tolerance(cell: &Cell) -> f64 {
    match cell.method.as_str() {
        "raw" | "probe" => 0.005,
        _ => 0.04,
    }
}

/// The page in Markdown.
pub fn page(records: &[Record], peers: &[Record]) -> String {
    let columns: String = SHOTS.iter().map(|shots| format!(" {shots} per class |")).collect();
    let mut text = format!(
        "Accuracy on the 1,000 test images: mean ± sample deviation over {SEEDS} seeds; a number of seeds in \
         brackets where fewer are computed yet.\n\n| method |{columns} trained parameters |\n|---|---|---|---|---|\n"
    );
    for (method, title) in METHODS {
        let accuracies = row(records, method, |record| Some(record.accuracy), accuracy);
        text += &format!("| {title} |{accuracies} {} |\n", parameters(records, method));
    }
    for (method, title) in PEERS {
        if peers.iter().any(|record| record.cell.method == method) {
            text += &format!(
                "| {title} |{} |\n",
                row(peers, method, |record| Some(record.accuracy), accuracy)
            );
        }
    }
    if records.is_empty() {
        return text + &made(records);
    }
    text += &format!(
        "\nSeconds of fitting, validation included.\n\n| method |{columns}\n|---|---|---|---|\n"
    );
    for (method, title) in METHODS {
        text += &format!(
            "| {title} |{}\n",
            row(records, method, |record| Some(record.seconds), seconds)
        );
    }
    text += &format!(
        "\nSeconds until the validation accuracy is at least the best that training from scratch reaches with \
         the same images, over the seeds that reach it (their number in brackets where not all do).\n\n\
         | method |{columns}\n|---|---|---|---|\n"
    );
    for (method, title) in METHODS.iter().filter(|(method, _)| *method != "scratch") {
        text += &format!(
            "| {title} |{}\n",
            row(records, method, |record| until_scratch(records, record), seconds)
        );
    }
    text += &choice(records);
    text + &made(records)
}

fn row(
    records: &[Record],
    method: &str,
    value: impl Fn(&Record) -> Option<f64>,
    show: fn(f64, Option<f64>) -> String,
) -> String {
    let mut cells = String::new();
    for shots in SHOTS {
        let values: Vec<f64> = of(records, method, shots).filter_map(&value).collect();
        cells += &match mean_and_deviation(&values) {
            None => " – |".to_string(),
            Some((mean, deviation)) if values.len() == SEEDS as usize => {
                format!(" {} |", show(mean, deviation))
            }
            Some((mean, deviation)) => format!(" {} ({}) |", show(mean, deviation), values.len()),
        };
    }
    cells
}

fn of<'a>(
    records: &'a [Record],
    method: &'a str,
    shots: usize,
) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.cell.method == method && record.cell.shots == shots)
}

fn accuracy(mean: f64, deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) => format!("{mean:.3} ± {deviation:.3}"),
        None => format!("{mean:.3}"),
    }
}

fn seconds(mean: f64, _: Option<f64>) -> String {
    if mean < 10.0 { format!("{mean:.1}") } else { format!("{mean:.0}") }
}

fn parameters(records: &[Record], method: &str) -> String {
    let most = records
        .iter()
        .filter(|record| record.cell.method == method)
        .filter_map(|record| record.trained_parameters)
        .max();
    most.map_or_else(|| "–".to_string(), |count| count.to_string())
}

/// Seconds until `record` is as good on the validation part as training from scratch ever is with the
/// same images.
fn until_scratch(records: &[Record], record: &Record) -> Option<f64> {
    let scratch = of(records, "scratch", record.cell.shots)
        .find(|scratch| scratch.cell.seed == record.cell.seed)?;
    let reached = scratch.course.iter().map(|(_, accuracy)| *accuracy);
    let best = reached.fold(scratch.validation_accuracy, f64::max);
    let on_the_way =
        record.course.iter().find(|(_, accuracy)| *accuracy >= best).map(|(seconds, _)| *seconds);
    on_the_way.or((record.validation_accuracy >= best).then_some(record.seconds))
}

/// Which method the validation part chooses, and how it compares with training from scratch.
fn choice(records: &[Record]) -> String {
    let mean = |method: &str, shots: usize, value: fn(&Record) -> f64| {
        mean_and_deviation(&of(records, method, shots).map(value).collect::<Vec<_>>())
            .map(|(mean, _)| mean)
    };
    let mut text = String::new();
    for shots in SHOTS {
        let by_validation = METHODS.iter().filter_map(|(method, title)| {
            Some((title, method, mean(method, shots, |record| record.validation_accuracy)?))
        });
        let chosen = by_validation.max_by(|a, b| a.2.total_cmp(&b.2));
        let scratch = mean("scratch", shots, |record| record.accuracy);
        let Some(((title, method, _), scratch)) = chosen.zip(scratch) else {
            continue;
        };
        let Some(accuracy) = mean(method, shots, |record| record.accuracy) else {
            continue;
        };
        let gain = 100.0 * (accuracy - scratch);
        text += &format!(
            "- {shots} per class: the validation part chooses *{title}*, {gain:+.1} points of test accuracy \
             against the same network from scratch.\n"
        );
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn made(records: &[Record]) -> String {
    let minutes = records.iter().fold(0.0, |sum, record| sum + record.seconds) / 60.0;
    let missing = cells().len() - records.len().min(cells().len());
    let rest =
        if missing > 0 { format!(" {missing} cells are not computed yet.") } else { String::new() };
    format!("\nMade by `cargo xtask table demo`; fitting took {minutes:.0} minutes in all.{rest}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &str, seed: u64, accuracy: f64, course: &[(f64, f64)]) -> Record {
        Record {
            cell: Cell { method: method.into(), shots: 5, seed },
            accuracy,
            validation_accuracy: accuracy,
            n: 1000,
            trained_parameters: Some(7),
            seconds: 20.0,
            course: course.to_vec(),
            line: String::new(),
        }
    }

    #[test]
    fn the_page_holds_mean_and_deviation_and_says_how_many_seeds() {
        let three = [0.6, 0.7, 0.8]
            .iter()
            .zip(0..)
            .map(|(accuracy, seed)| record("probe", seed, *accuracy, &[]));
        let mut records: Vec<Record> = three.collect();
        let line = |records: &[Record]| {
            page(records, &[]).lines().find(|line| line.contains("probe")).unwrap().to_string()
        };
        assert!(line(&records).contains("| 0.700 ± 0.100 | – | – | 7 |"), "{}", line(&records));
        records.pop();
        assert!(line(&records).contains("0.650 ± 0.071 (2)"), "{}", line(&records));
    }

    #[test]
    fn the_time_to_scratch_is_that_of_the_first_epoch_as_good_as_its_best() {
        let scratch = record("scratch", 0, 0.5, &[(1.0, 0.3), (2.0, 0.6), (3.0, 0.5)]);
        let quick = record("finetune", 0, 0.7, &[(4.0, 0.55), (8.0, 0.6), (12.0, 0.7)]);
        let without_course = record("probe", 0, 0.65, &[]);
        let never = record("raw", 0, 0.4, &[]);
        let records = [scratch, quick, without_course, never];
        assert_eq!(until_scratch(&records, &records[1]), Some(8.0));
        assert_eq!(until_scratch(&records, &records[2]), Some(20.0));
        assert_eq!(until_scratch(&records, &records[3]), None);
    }

    #[test]
    fn the_choice_is_made_on_the_validation_part() {
        let mut lucky = record("raw", 0, 0.9, &[]);
        lucky.validation_accuracy = 0.1;
        let records = [lucky, record("probe", 0, 0.7, &[]), record("scratch", 0, 0.2, &[])];
        assert!(
            choice(&records)
                .contains("*probe: frozen features, logistic regression*, +50.0 points")
        );
    }
}
