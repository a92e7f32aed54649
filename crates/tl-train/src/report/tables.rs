//! The report's tables: classes, epochs, stages, configuration.

use std::fmt::Write;

use serde_json::Value;

use super::markup::{count, counted, duration, escape, number, percent};
use super::{SkippedImage, TrainableRow};
use crate::metrics::Evaluation;
use crate::progress::EpochRow;

/// A table longer than this is folded.
const ROWS: usize = 30;
/// Skipped images named.
const NAMED: usize = 200;

/// A table: columns (a name ending in `#` is one of numbers) and rows of escaped cells.
pub(super) fn table(name: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let numeric: Vec<bool> = columns.iter().map(|column| column.ends_with('#')).collect();
    let class = |column: usize| {
        if numeric.get(column) == Some(&true) { " class=\"n\"" } else { "" }
    };
    let mut html = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\"><table><thead><tr>"
    );
    for (index, column) in columns.iter().enumerate() {
        let _ =
            write!(html, "<th scope=\"col\"{}>{}</th>", class(index), column.trim_end_matches('#'));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let _ = write!(html, "<td{}>{cell}</td>", class(index));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    if rows.len() > ROWS {
        return folded(&format!("{name}: {}", counted(rows.len() as u64, "row")), &html);
    }
    html
}

/// Content that the reader opens by a click.
pub(super) fn folded(summary: &str, content: &str) -> String {
    format!("<details><summary>{summary}</summary>{content}</details>")
}

pub(super) fn per_class(evaluation: &Evaluation) -> String {
    let rows: Vec<Vec<String>> = evaluation
        .per_class
        .iter()
        .map(|score| {
            vec![
                escape(&score.label),
                percent(score.precision),
                percent(score.recall),
                percent(score.f1),
                count(score.n),
            ]
        })
        .collect();
    table("Classes", &["class", "precision#", "recall#", "F1#", "n#"], &rows)
}

pub(super) fn epochs(rows: &[EpochRow]) -> String {
    let optional =
        |value: Option<f64>, show: fn(f64) -> String| value.map_or("–".to_string(), show);
    // Numbers have no accuracy.
    let numbers = rows.iter().any(|row| row.validation_r2.is_some());
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                count(row.epoch as u64),
                escape(&row.phase),
                number(row.train_loss),
                optional(row.validation_loss, number),
                match numbers {
                    true => optional(row.validation_r2, number),
                    false => optional(row.validation_accuracy, percent),
                },
                number(row.learning_rate),
                duration(row.seconds),
            ]
        })
        .collect();
    let columns = [
        "epoch#",
        "phase",
        "training loss#",
        "validation loss#",
        if numbers { "validation R²#" } else { "validation accuracy#" },
        "rate#",
        "time#",
    ];
    table("Epochs", &columns, &rows)
}

pub(super) fn trainable(rows: &[TrainableRow]) -> String {
    let mut html = String::new();
    for group in rows.chunk_by(|a, b| a.phase == b.phase) {
        let trained: u64 = group.iter().map(|row| row.trainable).sum();
        let all: u64 = trained + group.iter().map(|row| row.frozen).sum::<u64>();
        let _ = write!(
            html,
            "<h3>{}</h3><p class=\"muted\">{} of {} parameters trained ({}).</p>",
            escape(&group[0].phase),
            count(trained),
            count(all),
            percent(trained as f64 / all.max(1) as f64)
        );
        let cells: Vec<Vec<String>> = group
            .iter()
            .map(|row| {
                let is_trained = row.trainable > 0;
                vec![
                    escape(&row.stage),
                    count(row.trainable),
                    count(row.frozen),
                    if is_trained { number(row.rate) } else { "–".to_string() },
                    escape(&row.norm),
                    if row.cached { "yes" } else { "no" }.to_string(),
                ]
            })
            .collect();
        html.push_str(&table(
            "Stages",
            &["stage", "trained#", "frozen#", "rate#", "norm", "cached"],
            &cells,
        ));
    }
    html
}

pub(super) fn skipped(images: &[SkippedImage]) -> String {
    let rows: Vec<Vec<String>> = images
        .iter()
        .take(NAMED)
        .map(|image| vec![escape(&image.file), escape(&image.reason)])
        .collect();
    let mut html = table("Skipped images", &["file", "reason"], &rows);
    if images.len() > NAMED {
        let _ = write!(
            html,
            "<p class=\"muted\">And {} more.</p>",
            count((images.len() - NAMED) as u64)
        );
    }
    html
}

pub(super) fn configuration(value: &Value) -> String {
    let entries: Vec<(&str, &Value)> = match value {
        Value::Null => Vec::new(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        other => vec![("configuration", other)],
    };
    pairs(entries.into_iter().map(|(key, value)| {
        let shown = match value {
            Value::String(text) => escape(text),
            Value::Array(_) | Value::Object(_) => nested(value),
            scalar => escape(&scalar.to_string()),
        };
        (escape(key), shown)
    }))
}

/// Short lists on one line, all else as indented JSON.
fn nested(value: &Value) -> String {
    let line = value.to_string();
    if line.chars().count() <= 60 {
        return format!("<code>{}</code>", escape(&line));
    }
    let pretty = serde_json::to_string_pretty(value).unwrap_or(line);
    format!("<pre>{}</pre>", escape(&pretty))
}

/// Names and what they stand for, both escaped already.
pub(super) fn pairs(entries: impl Iterator<Item = (String, String)>) -> String {
    let rows = entries.map(|(key, value)| format!("<dt>{key}</dt><dd>{value}</dd>"));
    format!("<dl>{}</dl>", rows.collect::<String>())
}
