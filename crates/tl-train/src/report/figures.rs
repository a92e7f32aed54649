//! Further figures with their intervals, as a table.

use super::markup::number;
use super::tables::table;
use crate::metrics::{Estimate, Figures};

/// A row for each.
pub(super) fn render(found: &Figures, loss_of_chance: f64) -> String {
    let rows: Vec<Vec<String>> = found
        .named()
        .into_iter()
        .map(|(name, Estimate { value, interval })| {
            let shown = interval.map_or("–".to_string(), |[low, high]| {
                format!("{} to {}", number(low), number(high))
            });
            vec![name, number(value), shown]
        })
        .collect();
    let lines = format!(
        "<p class=\"muted\">95\u{202f}% of 1,000 draws of as many examples lie within the interval. Of calibration error, \
         likelihood and Brier score less is better; equal probabilities have a negative log-likelihood of {}.</p>",
        number(loss_of_chance)
    );
    table("Figures", &["figure", "value#", "95\u{202f}% interval#"], &rows) + &lines
}
