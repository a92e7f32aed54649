//! A line chart as inline SVG.

use std::fmt::Write;

use super::lines::Place;
use super::markup::{escape, number};

/// The drawing is scaled to the width it gets. Text is 12 units high, 14 on a telephone, which is 10 pixels
/// or more on either.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;
/// Points are marked singly up to this many.
const MARKED: usize = 60;

/// A line: its name, its CSS class (`a` to `f`), and points (place, value).
pub(super) struct Series<'a> {
    pub name: &'a str,
    pub class: &'static str,
    pub points: Vec<(u64, f64)>,
}

/// Consecutive places, such as epochs, with a name.
pub(super) struct Span {
    pub name: String,
    pub first: u64,
    pub last: u64,
}

/// What is drawn.
pub(super) struct Chart<'a> {
    pub title: &'a str,
    /// What the places are that follow each other from left to right.
    pub place: Place,
    pub series: Vec<Series<'a>>,
    pub spans: &'a [Span],
    /// How a value is written at the axis.
    pub format: fn(f64) -> String,
    /// Values that the axis never goes beyond.
    pub bounds: (f64, f64),
}

impl Chart<'_> {
    /// The chart as a `<figure>`; a sentence in place of the drawing when there is no finite value.
    pub(super) fn render(&self) -> String {
        let title = escape(self.title);
        let nothing = |what: &str| {
            format!(
                "<figure><figcaption>{title}</figcaption><p class=\"muted\">No {what} was recorded.</p></figure>"
            )
        };
        if self.spans.is_empty() {
            return nothing(self.place.name());
        }
        let Some(svg) = self.svg("", "") else {
            return nothing("finite value");
        };
        let missing = self.values().filter(|value| !value.is_finite()).count();
        let note = match missing {
            0 => String::new(),
            1 => " <span class=\"warn\">1 value is not finite and left out.</span>".to_string(),
            n => format!(" <span class=\"warn\">{n} values are not finite and left out.</span>"),
        };
        format!("<figure><figcaption>{title}{}{note}</figcaption>{svg}</figure>", self.legend())
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.series.iter().flat_map(|series| &series.points).map(|point| point.1)
    }

    /// The drawing alone, with more `attributes` of its own and what is drawn `before` all else; nothing where there is no finite
    /// value.
    pub(super) fn svg(&self, attributes: &str, before: &str) -> Option<String> {
        let finite: Vec<f64> = self.values().filter(|value| value.is_finite()).collect();
        let (first, last) = (self.spans.first()?, self.spans.last()?);
        if finite.is_empty() {
            return None;
        }
        let x = Axis {
            low: first.first as f64 - 0.5,
            high: last.last as f64 + 0.5,
            from: LEFT,
            to: WIDTH - RIGHT,
        };
        let ticks = ticks(&finite, self.bounds);
        let y =
            Axis { low: ticks[0], high: ticks[ticks.len() - 1], from: HEIGHT - BOTTOM, to: TOP };
        let mut svg = format!(
            "<svg{attributes} viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{before}",
            escape(&self.description())
        );
        self.grid(&mut svg, &x, &y, &ticks);
        self.phases(&mut svg, &x);
        for series in &self.series {
            self.line(&mut svg, series, &x, &y);
        }
        svg.push_str("</svg>");
        Some(svg)
    }

    /// The chart in one sentence, for those who cannot see it.
    fn description(&self) -> String {
        let (mut text, place) = (self.title.to_string(), self.place.name());
        for series in &self.series {
            let finite = || series.points.iter().filter(|point| point.1.is_finite());
            if let (Some(first), Some(last)) = (finite().next(), finite().next_back()) {
                let (start, end) = ((self.format)(first.1), (self.format)(last.1));
                let _ = write!(
                    text,
                    "; {}: {start} in {place} {}, {end} in {place} {}",
                    series.name,
                    self.place.label(first.0),
                    self.place.label(last.0)
                );
            }
        }
        text
    }

    fn legend(&self) -> String {
        let shown = self.series.iter().filter(|series| !series.points.is_empty());
        let entry = |series: &Series<'_>| {
            let dash =
                "<svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"line";
            format!(
                " <span class=\"legend\">{dash} {}\" d=\"M1 4H23\"/></svg>{}</span>",
                series.class,
                escape(series.name)
            )
        };
        shown.map(entry).collect()
    }

    fn grid(&self, svg: &mut String, x: &Axis, y: &Axis, ticks: &[f64]) {
        for &tick in ticks {
            let at = y.place(tick);
            let text = escape(&(self.format)(tick));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{:.1} {at:.1}H{:.1}\"/><text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                x.from,
                x.to,
                x.from - 6.0,
                at + 4.0
            );
        }
        let (first, last) = ((x.low + 0.5) as u64, (x.high - 0.5) as u64);
        for place in self.place.ticks(first, last) {
            let _ = write!(
                svg,
                "<text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x.place(place as f64),
                HEIGHT - BOTTOM + 16.0,
                self.place.label(place)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            (x.from + x.to) / 2.0,
            HEIGHT - 7.0,
            self.place.name()
        );
    }

    /// A dashed line where a phase begins, and its name (its number, where the name has no room) above.
    fn phases(&self, svg: &mut String, x: &Axis) {
        for (index, span) in self.spans.iter().enumerate() {
            let (from, to) = (x.place(span.first as f64 - 0.5), x.place(span.last as f64 + 0.5));
            if index > 0 {
                let _ = write!(
                    svg,
                    "<path class=\"phase\" d=\"M{from:.1} {:.1}V{:.1}\"/>",
                    TOP - 16.0,
                    HEIGHT - BOTTOM
                );
            }
            // A letter is at most about 7.5 units wide.
            let fits = |text: &str| text.chars().count() as f64 * 7.5 + 6.0 <= to - from;
            let numbered = (index + 1).to_string();
            let text = if fits(&span.name) { &span.name } else { &numbered };
            if self.spans.len() > 1 && fits(text) {
                let _ = write!(
                    svg,
                    "<text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    (from + to) / 2.0,
                    TOP - 9.0,
                    escape(text)
                );
            }
        }
    }

    fn line(&self, svg: &mut String, series: &Series<'_>, x: &Axis, y: &Axis) {
        let mut path = String::new();
        let mut marks = String::new();
        let mut pen_down = false;
        for &(epoch, value) in &series.points {
            if !value.is_finite() {
                pen_down = false;
                continue;
            }
            let (across, up) = (x.place(epoch as f64), y.place(value));
            let _ = write!(path, "{}{across:.1} {up:.1}", if pen_down { 'L' } else { 'M' });
            pen_down = true;
            if series.points.len() <= MARKED {
                let _ = write!(
                    marks,
                    "<circle class=\"mark {}\" cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"3\"><title>{} {}: {} {}</title></circle>",
                    series.class,
                    self.place.name(),
                    self.place.label(epoch),
                    escape(series.name),
                    escape(&(self.format)(value))
                );
            }
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>{marks}", series.class);
        }
    }
}

/// Values from `low` to `high` lie on the drawing from `from` to `to`.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        // Halved, so that the span of the largest numbers does not overflow.
        let share = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        self.from + share * (self.to - self.from)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `step`.
pub(super) fn nice(step: f64) -> f64 {
    if !(step.is_finite() && step > 1e-300) {
        return 1.0;
    }
    let power = 10f64.powi(step.log10().floor() as i32);
    let of_power =
        [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * 0.999_999);
    of_power.unwrap_or(10.0) * power
}

/// Two to eight round numbers that enclose the finite `values`, within `bounds` where they are.
pub(super) fn ticks(values: &[f64], bounds: (f64, f64)) -> Vec<f64> {
    let mut low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let mut high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // A flat line runs in the middle of a small span.
    let room = (low.abs().max(high.abs()) * 0.05).max(1e-3);
    if high / 2.0 - low / 2.0 < room * 0.01 {
        low = (low - room).max(bounds.0.min(low));
        high = (high + room).min(bounds.1.max(high));
    }
    let step = nice((high / 5.0) - (low / 5.0));
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil().max(first + 1.0);
    // Beyond 2⁵³ steps whole numbers do not follow each other; values so large and so close are drawn flat.
    if !(first.abs() < 1e15
        && last.abs() < 1e15
        && (last * step).is_finite()
        && (first * step).is_finite())
    {
        return vec![low.min(high / 2.0), high.max(low / 2.0)];
    }
    (0..=(last - first) as u32).map(|index| (first + f64::from(index)) * step).collect()
}

/// A value at the axis of losses.
pub(super) fn plain(value: f64) -> String {
    // Sums of steps leave dust near zero.
    number(if value.abs() < 1e-12 { 0.0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        let of = |values: &[f64]| ticks(values, (0.0, f64::INFINITY));
        assert_eq!(of(&[0.13, 2.31]), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        assert_eq!(of(&[10.0, 20.0]), [10.0, 12.0, 14.0, 16.0, 18.0, 20.0]);
        for values in [
            [0.5, 0.5],
            [0.0, 0.0],
            [1e-20, 1e20],
            [1e300, 1e300],
            [-1.7e308, 1.7e308],
            [0.9999, 1.0],
        ] {
            let ticks = of(&values);
            assert!((2..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}: {ticks:?}");
            assert!(ticks.iter().all(|tick| tick.is_finite()));
            assert!(
                ticks[0] <= values[0] && values[1] <= ticks[ticks.len() - 1],
                "{values:?}: {ticks:?}"
            );
        }
    }
}
