//! The course of training: loss and accuracy or R² by epoch.

use std::fmt::Write;

use super::chart::{Chart, Series, Span, plain};
use super::lines::Place;
use super::markup::{counted, escape, number, percent};
use crate::progress::EpochRow;

/// Two charts side by side, and what the phases are called.
pub(super) fn render(rows: &[EpochRow]) -> String {
    let spans = spans(rows);
    let points = |value: fn(&EpochRow) -> Option<f64>| {
        let point = |row: &EpochRow| value(row).map(|value| (row.epoch as u64, value));
        rows.iter().filter_map(point).collect::<Vec<_>>()
    };
    let loss = Chart {
        title: "Loss",
        place: Place::Epoch,
        series: vec![
            Series { name: "training", class: "a", points: points(|row| Some(row.train_loss)) },
            Series { name: "validation", class: "b", points: points(|row| row.validation_loss) },
        ],
        spans: &spans,
        format: plain,
        bounds: (0.0, f64::INFINITY),
    };
    let accuracy = points(|row| row.validation_accuracy);
    let mut html = format!("<div class=\"pair\">{}", loss.render());
    if !accuracy.is_empty() {
        let chart = Chart {
            title: "Accuracy",
            place: Place::Epoch,
            series: vec![Series { name: "validation", class: "b", points: accuracy }],
            spans: &spans,
            format: |share| format!("{}\u{202f}%", plain((share * 1e4).round() / 100.0)),
            bounds: (0.0, 1.0),
        };
        html.push_str(&chart.render());
    }
    let determined = points(|row| row.validation_r2);
    if !determined.is_empty() {
        let chart = Chart {
            title: "R²",
            place: Place::Epoch,
            series: vec![Series { name: "validation", class: "b", points: determined }],
            spans: &spans,
            format: plain,
            bounds: (f64::NEG_INFINITY, 1.0),
        };
        html.push_str(&chart.render());
    }
    html.push_str("</div>");
    if spans.len() > 1 {
        html.push_str("<p class=\"muted\">Phases: ");
        for (index, span) in spans.iter().enumerate() {
            let separator = if index == 0 { "" } else { " · " };
            let epochs = if span.first == span.last {
                format!("epoch {}", span.first)
            } else {
                format!("epochs {}–{}", span.first, span.last)
            };
            let _ =
                write!(html, "{separator}<b>{}</b> {} ({epochs})", index + 1, escape(&span.name));
        }
        html.push_str("</p>");
    }
    html.push_str(&best(rows));
    html
}

/// The epoch that did best on the validation part.
fn best(rows: &[EpochRow]) -> String {
    best_by(rows, "accuracy", |row| row.validation_accuracy, percent)
        + &best_by(rows, "R²", |row| row.validation_r2, number)
        + &best_by(rows, "mAP", |row| row.validation_map, number)
}

fn best_by(
    rows: &[EpochRow],
    name: &str,
    figure: fn(&EpochRow) -> Option<f64>,
    show: fn(f64) -> String,
) -> String {
    let figure = |row: &EpochRow| figure(row).filter(|value| value.is_finite());
    let mut best: Option<(&EpochRow, f64)> = None;
    for (row, value) in rows.iter().filter_map(|row| Some((row, figure(row)?))) {
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((row, value));
        }
    }
    best.map_or(String::new(), |(row, value)| {
        format!(
            "<p class=\"muted\">Best validation {name}: {} in epoch {} of {}.</p>",
            show(value),
            row.epoch,
            counted(rows.len() as u64, "epoch")
        )
    })
}

/// The phases in order, each with its first and last epoch.
fn spans(rows: &[EpochRow]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for row in rows {
        match spans.last_mut() {
            Some(span) if span.name == row.phase => span.last = span.last.max(row.epoch as u64),
            _ => spans.push(Span {
                name: row.phase.clone(),
                first: row.epoch as u64,
                last: row.epoch as u64,
            }),
        }
    }
    spans
}
