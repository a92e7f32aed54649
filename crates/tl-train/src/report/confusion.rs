//! The confusion matrix: a heat map, or, of many classes, the pairs most often confused.

use std::fmt::Write;

use super::markup::{count, escape, percent};
use crate::metrics::Evaluation;

/// More classes than this have no room as a matrix.
const CLASSES: usize = 30;
/// Pairs listed instead.
const PAIRS: usize = 30;

pub(super) fn render(evaluation: &Evaluation) -> String {
    if evaluation.per_class.len() <= CLASSES { matrix(evaluation) } else { pairs(evaluation) }
}

fn label(evaluation: &Evaluation, class: usize) -> String {
    let found = evaluation.per_class.get(class);
    found.map_or_else(|| class.to_string(), |score| escape(&score.label))
}

fn matrix(evaluation: &Evaluation) -> String {
    let classes = evaluation.confusion.len();
    let mut html = String::from(
        "<p class=\"muted\">Rows are the true classes, columns the predicted ones; the colour is the share of the row.</p>\
         <div class=\"scroll\" role=\"region\" aria-label=\"Confusion matrix\" tabindex=\"0\">\
         <table class=\"confusion\"><thead><tr><td class=\"corner\">true \u{2193} predicted \u{2192}</td>",
    );
    for class in 0..classes {
        let _ = write!(html, "<th scope=\"col\"><span>{}</span></th>", label(evaluation, class));
    }
    html.push_str("</tr></thead><tbody>");
    for (truth, row) in evaluation.confusion.iter().enumerate() {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", label(evaluation, truth));
        let images = row.iter().sum::<u64>().max(1) as f64;
        for (predicted, &cell) in row.iter().enumerate() {
            if cell == 0 {
                html.push_str("<td class=\"none\">0</td>");
                continue;
            }
            let class = if truth == predicted { "right" } else { "wrong" };
            let share = cell as f64 / images;
            let _ = write!(
                html,
                "<td class=\"{class}\" style=\"--share:{share:.3}\" title=\"{} of {}\">{}</td>",
                percent(share),
                label(evaluation, truth),
                count(cell)
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

fn pairs(evaluation: &Evaluation) -> String {
    let mut pairs = Vec::new();
    for (truth, row) in evaluation.confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(predicted, n)| *predicted != truth && **n > 0);
        pairs.extend(wrong.map(|(predicted, &n)| (n, truth, predicted)));
    }
    if pairs.is_empty() {
        return "<p>No image was confused.</p>".to_string();
    }
    // The largest first, of equals in the order of the classes.
    pairs.sort_by_key(|&(n, truth, predicted)| (std::cmp::Reverse(n), truth, predicted));
    let all = pairs.len();
    pairs.truncate(PAIRS);
    let mut html = format!(
        "<p class=\"muted\">{} classes have no room as a matrix: the {} most confused of {} pairs.</p>\
         <div class=\"scroll\" role=\"region\" aria-label=\"Most confused classes\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">true class</th><th scope=\"col\">predicted as</th>\
         <th scope=\"col\" class=\"n\">n</th><th scope=\"col\" class=\"n\">of the class</th></tr></thead><tbody>",
        evaluation.per_class.len(),
        pairs.len(),
        count(all as u64)
    );
    for (n, truth, predicted) in pairs {
        let images = evaluation.confusion[truth].iter().sum::<u64>().max(1);
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            label(evaluation, truth),
            label(evaluation, predicted),
            count(n),
            percent(n as f64 / images as f64)
        );
    }
    html.push_str("</tbody></table></div>");
    html
}
