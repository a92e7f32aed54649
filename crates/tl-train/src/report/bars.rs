//! Values with names as bars, as inline SVG.

use std::fmt::Write;

use super::markup::{escape, number};
use super::sections::Bars;

/// A row holds the name over its bar, so that long names have room; units are those of the line chart.
const WIDTH: f64 = 460.0;
const ROW: f64 = 40.0;
/// Room for values beside the bars.
const SIDE: f64 = 62.0;
const BAR: f64 = 12.0;

/// The bars as a `<figure>`, from 0 to the right and less than 0 to the left; a value that is not finite has none.
pub(super) fn render(bars: &Bars) -> String {
    let title = escape(&bars.title);
    let finite = || bars.rows.iter().map(|row| row.1).filter(|value| value.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let place = |value: f64| {
        // Halved, so that the span of the largest numbers does not overflow.
        let span = (high / 2.0 - low / 2.0).max(f64::MIN_POSITIVE);
        SIDE + (value / 2.0 - low / 2.0) / span * (WIDTH - 2.0 * SIDE)
    };
    let height = ROW * bars.rows.len() as f64;
    let told: Vec<String> =
        bars.rows.iter().map(|(name, value)| format!("{name} {}", written(*value))).collect();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}: {}\">",
        escape(&told.join(", "))
    );
    let zero = place(0.0);
    for (index, (name, value)) in bars.rows.iter().enumerate() {
        let top = ROW * index as f64;
        let _ = write!(
            svg,
            "<text class=\"ink\" x=\"0\" y=\"{:.1}\">{}</text>",
            top + 14.0,
            escape(name)
        );
        // Beside the bar alone: a name has the whole width.
        let _ = write!(svg, "<path class=\"grid\" d=\"M{zero:.1} {}v18\"/>", top + 17.0);
        if !value.is_finite() {
            continue;
        }
        let (end, class) = (place(*value), if *value < 0.0 { " b" } else { "" });
        let _ = write!(
            svg,
            "<rect class=\"value{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
            zero.min(end),
            top + 20.0,
            (end - zero).abs()
        );
        let (side, at) = if *value < 0.0 { ("end", end - 5.0) } else { ("", end + 5.0) };
        let _ = write!(
            svg,
            "<text class=\"{side}\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            top + 30.0,
            written(*value)
        );
    }
    svg.push_str("</svg>");
    format!("<figure><figcaption>{title}</figcaption>{svg}</figure>")
}

/// What cannot be drawn is told as such.
fn written(value: f64) -> String {
    if value.is_finite() { number(value) } else { "none".to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rows: &[(&str, f64)]) -> String {
        let rows = rows.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        render(&Bars { title: "scores".to_string(), rows })
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_stand_on_both_sides_of_zero() {
        let svg = drawn(&[("a", 2.0), ("b", -1.0), ("c", 0.0)]);
        // 3 units of value are 336 of width; 0 lies at 62 + 112.
        assert!(svg.contains("x=\"174.0\" y=\"20.0\" width=\"224.0\""), "{svg}");
        assert!(svg.contains("class=\"value b\" x=\"62.0\" y=\"60.0\" width=\"112.0\""), "{svg}");
        assert!(svg.contains("width=\"0.0\"") && svg.contains("M174.0 57v18"), "{svg}");
        assert!(svg.contains("scores: a 2, b -1, c 0"), "{svg}");
    }

    #[test]
    fn what_is_no_number_has_a_name_and_no_bar() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let svg = drawn(&[("a", value), ("b", 1.0)]);
            assert_eq!(svg.matches("<rect").count(), 1);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        for rows in [&[][..], &[("a", 0.0)], &[("a", f64::MAX), ("b", -f64::MAX)]] {
            let svg = drawn(rows);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
