//! Shares that change from place to place, a line each.

use serde::{Deserialize, Serialize};

use super::chart::{Chart, Series, Span};
use super::markup::percent;

/// Lines in one drawing, over places that are counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    pub title: String,
    pub lines: Vec<Line>,
}

/// A line by its name; a place and a share from 0 to 1 for each point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(u64, f64)>,
}

/// Colours and dashes; more lines than these begin again.
const CLASSES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The places are tasks.
pub(super) fn render(plot: &Plot) -> String {
    let places = || plot.lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let span = |(first, last)| Span { name: String::new(), first, last };
    let spans: Vec<Span> = places().min().zip(places().max()).map(span).into_iter().collect();
    let series = plot.lines.iter().zip(CLASSES.iter().cycle()).map(|(line, class)| Series {
        name: &line.name,
        class,
        points: line.points.clone(),
    });
    let chart = Chart {
        title: &plot.title,
        place: "task",
        series: series.collect(),
        spans: &spans,
        format: percent,
        bounds: (0.0, 1.0),
    };
    chart.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_name_and_its_points() {
        let line = |name: &str, points: &[(u64, f64)]| Line {
            name: name.to_string(),
            points: points.to_vec(),
        };
        let page = render(&Plot {
            title: "Accuracy".into(),
            lines: vec![line("a & b", &[(1, 0.9), (2, 0.5)]), line("c", &[(2, 0.7)])],
        });
        assert!(
            page.contains("a &amp; b: 90.0\u{202f}% in task 1, 50.0\u{202f}% in task 2"),
            "{page}"
        );
        assert_eq!(page.matches("<circle class=\"mark a\"").count(), 2);
        assert_eq!(page.matches("<circle class=\"mark b\"").count(), 1);
        assert!(render(&Plot::default()).contains("No task was recorded."));
    }
}
