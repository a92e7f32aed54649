//! From what a chain came to to its report.

use tl_train::report::{
    Figure, Headline, Heat, Line, Link, Plot, ReportInput, Section, render as render_page,
};

use super::{ChainRecord, Kept};
use crate::record::versions;

/// `report.html` of a chain.
pub(super) fn render(record: &ChainRecord, kept: &Kept, command: &str) -> String {
    let first = kept.asked.tasks.first();
    let network = first.map(|task| task.options.network.as_str()).unwrap_or_default();
    let mut seeds: Vec<u64> =
        kept.asked.tasks.iter().map(|task| task.options.settings.seed).collect();
    seeds.dedup();
    render_page(&ReportInput {
        title: format!("{network} on {} tasks: {}", record.names.len(), record.names.join(", ")),
        command: command.to_string(),
        status: "finished".to_string(),
        headline: Headline { figures: figures(record), ..Headline::default() },
        sections: vec![matrices(record), lines(record), numbers(record), runs(record)],
        configuration: serde_json::to_value(&kept.asked).unwrap_or_default(),
        versions: versions(),
        seeds,
        ..ReportInput::default()
    })
}

fn share(value: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * value)
}

/// A difference of shares in points, with its sign.
fn points(value: f64) -> String {
    format!("{:+.1}", 100.0 * value).replace('-', "\u{2212}")
}

fn figures(record: &ChainRecord) -> Vec<Figure> {
    let n = format!("{} tasks", record.names.len());
    let figure = |(name, value): (&str, Option<String>)| {
        Some(Figure { name: name.to_string(), value: value?, interval: None, n: n.clone() })
    };
    let all = [
        ("Average accuracy", Some(share(record.average_accuracy))),
        ("Forgetting, points", record.forgetting.map(points)),
        ("Backward transfer, points", record.backward_transfer.map(points)),
        ("Forward transfer, points", record.forward_transfer.map(points)),
    ];
    all.into_iter().filter_map(figure).collect()
}

/// Both matrices as heat maps.
fn matrices(record: &ChainRecord) -> Section {
    let heat = |name: &str, matrix: &[Vec<f64>]| Heat {
        name: name.to_string(),
        corner: "after \u{2193} task \u{2192}".to_string(),
        columns: record.names.clone(),
        rows: record
            .names
            .iter()
            .zip(matrix)
            .enumerate()
            .map(|(at, (name, row))| {
                (format!("{} · {name}", at + 1), row.iter().copied().map(Some).collect())
            })
            .collect(),
    };
    Section {
        title: "Accuracy on each task after each".to_string(),
        lines: vec![
            "Rows are what was learnt last, columns whose test part is measured.".to_string(),
        ],
        heats: vec![
            heat("With the head of the task, which is known", &record.matrix),
            heat("Among the classes of all tasks so far", &record.single_head),
        ],
        ..Section::default()
    }
}

/// How the accuracy of each task goes on.
fn lines(record: &ChainRecord) -> Section {
    let line = |(task, name): (usize, &String)| Line {
        name: name.clone(),
        points: record
            .matrix
            .iter()
            .enumerate()
            .filter_map(|(row, cells)| Some((row as u64 + 1, *cells.get(task)?)))
            .collect(),
    };
    let title = "Accuracy with the head of the task".to_string();
    let lines = record.names.iter().enumerate().map(line).collect();
    Section {
        title: "From task to task".to_string(),
        plots: vec![Plot { title, lines, ..Plot::default() }],
        ..Section::default()
    }
}

/// Each task, and what is kept for all of them.
fn numbers(record: &ChainRecord) -> Section {
    let or_dash = |value: Option<f64>| value.map_or("–".to_string(), share);
    let columns = [
        "task",
        "in the end#",
        "95 % interval#",
        "test examples#",
        "probe before#",
        "probe on the base#",
        "unchanged",
    ];
    let row = |(at, name): (usize, &String)| {
        let probe = |of: &[Option<f64>]| or_dash(of.get(at).copied().flatten());
        let interval = record.intervals.get(at).map(|it| it.map(|share| 100.0 * share));
        let unchanged = record.unchanged_tasks.get(at).copied().unwrap_or_default();
        vec![
            name.clone(),
            or_dash(record.matrix.last().and_then(|row| row.get(at)).copied()),
            interval.map_or("–".to_string(), |[low, high]| format!("{low:.1}–{high:.1}")),
            record.n.get(at).copied().unwrap_or_default().to_string(),
            probe(&record.probe_before),
            probe(&record.probe_base),
            if unchanged { "yes" } else { "no" }.to_string(),
        ]
    };
    Section {
        title: "Tasks".to_string(),
        lines: vec![format!(
            "Average accuracy among the classes of all tasks {}. For earlier tasks {} bytes are kept: {} of examples, {} of \
             importance, {} of adapters; the heads are not counted.",
            share(record.average_single_head),
            record.memory_bytes,
            record.memory.examples,
            record.memory.importance,
            record.memory.adapters
        )],
        tables: vec![tl_train::report::Table {
            name: "tasks".to_string(),
            columns: columns.map(str::to_string).to_vec(),
            rows: record.names.iter().enumerate().map(row).collect(),
        }],
        ..Section::default()
    }
}

/// The way to the report of each run.
fn runs(record: &ChainRecord) -> Section {
    let link = |run: &String| Link { name: run.clone(), path: format!("{run}/report.html") };
    Section {
        title: "Runs".to_string(),
        links: record.runs.iter().map(link).collect(),
        ..Section::default()
    }
}
