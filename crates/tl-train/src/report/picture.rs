//! A drawing of the report as a file of its own.

use super::lines::{Plot, drawn};
use super::markup::escape;

/// The page's colours and lines, and what the page says of drawings within figures.
const STYLE: &str = concat!(
    include_str!("style.css"),
    "svg { background: var(--sheet); fill: var(--muted); font: 12px system-ui, \"DejaVu Sans\", sans-serif; }"
);

/// `plot` as an SVG document, its title and the names of its lines above it; nothing where it holds no finite value.
///
/// It needs no other file, and follows the reader's light or dark setting as the page does.
pub fn picture(plot: &Plot) -> Option<String> {
    drawn(plot, |chart| {
        let names: String = chart
            .series
            .iter()
            .map(|series| {
                let (class, name) = (series.class, escape(series.name));
                format!("<tspan dx=\"12\" style=\"fill: var(--{class})\">{name}</tspan>")
            })
            .collect();
        let title = escape(chart.title);
        let before = format!(
            "<style>{STYLE}</style><text class=\"ink\" x=\"52\" y=\"16\" xml:space=\"preserve\">{title}{names}</text>"
        );
        let attributes = " xmlns=\"http://www.w3.org/2000/svg\" width=\"920\" height=\"600\"";
        Some(chart.svg(attributes, &before)? + "\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Line, Place, Value};

    #[test]
    fn a_drawing_stands_alone_with_its_title_and_the_names_of_its_lines() {
        let line = |name: &str, points: &[(u64, f64)]| Line {
            name: name.to_string(),
            points: points.to_vec(),
        };
        let plot = Plot {
            title: "Loss < 1".into(),
            lines: vec![line("a & b", &[(1, 0.5), (2, 0.25)]), line("best", &[(2, 0.25)])],
            place: Place::Epoch,
            value: Value::Number,
        };
        let drawn = picture(&plot).unwrap();
        assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{drawn}");
        assert!(drawn.ends_with("</svg>\n") && drawn.matches("<svg").count() == 1);
        for part in ["Loss &lt; 1", ">a &amp; b</tspan>", "--sheet: #ffffff", "epoch</text>"] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
        assert_eq!(drawn.matches("<circle").count(), 3);
        assert!(picture(&Plot::default()).is_none());
        let nothing = Plot { lines: vec![line("a", &[(1, f64::NAN)])], ..Plot::default() };
        assert!(picture(&nothing).is_none());
    }
}
