//! Values that change from place to place, a line each.

use serde::{Deserialize, Serialize};

use super::chart::{Chart, Series, Span, nice, plain};
use super::markup::{number, percent};

/// Lines in one drawing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    pub title: String,
    pub lines: Vec<Line>,
    #[serde(default)]
    pub place: Place,
    #[serde(default)]
    pub value: Value,
}

/// What the places are that follow each other from left to right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Counted from 1.
    #[default]
    Task,
    /// Counted from 1.
    Epoch,
    /// Learning rates on a logarithmic axis, as [`Place::of_rate`] has them.
    Rate,
}

/// What the values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// From 0 to 1, written as percent.
    #[default]
    Share,
    Number,
}

/// The decade at which the places of rates begin, and the places in a decade.
const LOWEST: f64 = -12.0;
const IN_A_DECADE: f64 = 1000.0;

impl Place {
    /// The place of a learning rate; what is below 10⁻¹² lies there.
    pub fn of_rate(rate: f64) -> u64 {
        // What is no number becomes 0.
        ((rate.log10() - LOWEST) * IN_A_DECADE).round().max(0.0) as u64
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Epoch => "epoch",
            Self::Rate => "learning rate",
        }
    }

    /// How a place is written.
    pub(super) fn label(self, place: u64) -> String {
        match self {
            Self::Task | Self::Epoch => place.to_string(),
            Self::Rate => number(10f64.powf(place as f64 / IN_A_DECADE + LOWEST)),
        }
    }

    /// The places between these that are named at the axis.
    pub(super) fn ticks(self, first: u64, last: u64) -> Vec<u64> {
        let step = match self {
            Self::Task | Self::Epoch => {
                nice(last.saturating_sub(first) as f64 / 8.0).max(1.0).round() as u64
            }
            Self::Rate => IN_A_DECADE as u64,
        };
        // Each multiple of the step, and the first where each place is named.
        let from = if step == 1 { first } else { first.next_multiple_of(step) };
        (from..=last).step_by(step as usize).collect()
    }
}

/// A line by its name; a place and a value for each point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(u64, f64)>,
}

/// Colours and dashes; more lines than these begin again.
const CLASSES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

pub(super) fn render(plot: &Plot) -> String {
    drawn(plot, |chart| chart.render())
}

/// What `draw` makes of the plot's chart.
pub(super) fn drawn<R>(plot: &Plot, draw: impl FnOnce(&Chart<'_>) -> R) -> R {
    let places = || plot.lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let span = |(first, last)| Span { name: String::new(), first, last };
    let spans: Vec<Span> = places().min().zip(places().max()).map(span).into_iter().collect();
    let series = plot.lines.iter().zip(CLASSES.iter().cycle()).map(|(line, class)| Series {
        name: &line.name,
        class,
        points: line.points.clone(),
    });
    let (format, bounds): (fn(f64) -> String, _) = match plot.value {
        Value::Share => (percent, (0.0, 1.0)),
        Value::Number => (plain, (f64::NEG_INFINITY, f64::INFINITY)),
    };
    let chart = Chart {
        title: &plot.title,
        place: plot.place,
        series: series.collect(),
        spans: &spans,
        format,
        bounds,
    };
    draw(&chart)
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
            ..Plot::default()
        });
        assert!(
            page.contains("a &amp; b: 90.0\u{202f}% in task 1, 50.0\u{202f}% in task 2"),
            "{page}"
        );
        assert_eq!(page.matches("<circle class=\"mark a\"").count(), 2);
        assert_eq!(page.matches("<circle class=\"mark b\"").count(), 1);
        assert!(render(&Plot::default()).contains("No task was recorded."));
    }
    #[test]
    fn rates_stand_on_a_logarithmic_axis_with_a_mark_for_each_decade() {
        assert_eq!([1e-12, 1e-7, 1.0, 10.0].map(Place::of_rate), [0, 5000, 12_000, 13_000]);
        assert_eq!([0.0, -1.0, f64::NAN].map(Place::of_rate), [0; 3]);
        let points = [1e-4, 1e-3, 1e-2].map(|rate| (Place::of_rate(rate), 2.0 * rate)).to_vec();
        let lines = vec![Line { name: "loss".into(), points }];
        let drawn =
            render(&Plot { title: "Loss".into(), lines, place: Place::Rate, value: Value::Number });
        for part in [
            ">0.001</text>",
            ">learning rate</text>",
            "2e-4 in learning rate 1e-4, 0.02 in learning rate 0.01",
        ] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
    }

    #[test]
    fn places_are_named_in_round_steps() {
        assert_eq!(Place::Epoch.ticks(1, 4), [1, 2, 3, 4]);
        assert_eq!(Place::Epoch.ticks(1, 40), [5, 10, 15, 20, 25, 30, 35, 40]);
        assert_eq!(Place::Rate.ticks(4500, 7200), [5000, 6000, 7000]);
    }
}
