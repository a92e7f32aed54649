//! The reliability diagram: how often answers are right that are so sure.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::markup::{count, escape, percent};
use crate::metrics::Bin;

/// Bins of equal width from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    pub title: String,
    pub bins: Vec<Bin>,
}

const SIDE: f64 = 400.0;
/// Room for the numbers at the axes.
const ROOM: f64 = 44.0;

/// The diagram as a `<figure>`: a bar for each bin that holds an answer, its mean confidence marked by a disc. A bar is the
/// paler the fewer of all answers it holds.
pub(super) fn render(diagram: &Reliability) -> String {
    let title = escape(&diagram.title);
    let across = |share: f64| ROOM + share.clamp(0.0, 1.0) * (SIDE - 1.5 * ROOM);
    let down = |share: f64| SIDE - across(share);
    let all: u64 = diagram.bins.iter().map(|bin| bin.n).sum();
    let most = diagram.bins.iter().map(|bin| bin.n).max().unwrap_or(0).max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" aria-label=\"{title}: {} answers\">",
        count(all)
    );
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{:.1} {:.1}H{:.1}\"/><text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{share:.1}</text>\
             <text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{share:.1}</text>",
            across(0.0),
            down(share),
            across(1.0),
            across(0.0) - 6.0,
            down(share) + 4.0,
            across(share),
            down(0.0) + 16.0
        );
    }
    let width = 1.0 / diagram.bins.len().max(1) as f64;
    for (at, bin) in diagram.bins.iter().enumerate().filter(|(_, bin)| bin.n > 0) {
        let (left, right) = (across(at as f64 * width), across((at + 1) as f64 * width));
        let told = format!(
            "{} answers, {} sure, {} right",
            count(bin.n),
            percent(bin.confidence),
            percent(bin.accuracy)
        );
        let _ = write!(
            svg,
            "<rect class=\"value\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" opacity=\"{:.2}\"><title>{told}</title></rect>\
             <circle class=\"mark b\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{told}</title></circle>",
            left + 0.5,
            down(bin.accuracy),
            right - left - 1.0,
            down(0.0) - down(bin.accuracy),
            0.3 + 0.7 * bin.n as f64 / most,
            across(bin.confidence),
            down(bin.accuracy)
        );
    }
    let _ = write!(
        svg,
        "<path class=\"phase\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/><text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">how sure</text></svg>",
        across(0.0),
        down(0.0),
        across(1.0),
        down(1.0),
        across(0.5),
        SIDE - 8.0
    );
    format!("<figure><figcaption>{title}</figcaption>{svg}</figure>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_answers_are_right() {
        let mut bins = vec![Bin::default(); 10];
        bins[8] = Bin { n: 3, confidence: 0.85, accuracy: 0.5 };
        let drawn = render(&Reliability { title: "a < b".into(), bins });
        assert_eq!(drawn.matches("<rect").count(), 1);
        // 334 units stand for the whole: half of it is 167, a tenth 33.4.
        for part in [
            "a &lt; b",
            "height=\"167.0\"",
            "width=\"32.4\"",
            "x=\"311.7\"",
            "cx=\"327.9\" cy=\"189.0\"",
            "3 answers, 85.0\u{202f}% sure, 50.0\u{202f}% right",
        ] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
        let nothing = render(&Reliability::default());
        assert!(!nothing.contains("NaN") && !nothing.contains("<rect"));
    }
}
