//! From what is known to lines of text.

use super::curve::curve;
use super::state::{Figure, State};

/// Columns of what stands before a curve, and the most of a curve.
const NAMES: usize = 10;
const WIDEST: usize = 60;
/// Below this many columns a curve tells nothing.
const NARROWEST: usize = 8;

const CYAN: &str = "\u{1b}[36m";
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// `state` in lines of at most `width` columns, with colours where `coloured`; none where there is nothing to show yet.
pub fn lines(state: &State, width: usize, coloured: bool) -> Vec<String> {
    if state.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let paint = |colour| if coloured { Some(colour) } else { None };
    if let Some(loss) = state.loss() {
        lines.extend(row("loss", &state.losses, &format!("{loss:.3}"), width, paint(CYAN)));
    }
    if let Some(last) = state.figures.last() {
        let best = state.figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (name, last, best) = match state.figure {
            Figure::Accuracy => ("accuracy", share(*last), share(best)),
            Figure::F1 => ("F1", share(*last), share(best)),
            Figure::R2 => ("R²", format!("{last:.3}"), format!("{best:.3}")),
            Figure::Map => ("mAP", format!("{last:.3}"), format!("{best:.3}")),
        };
        let value = format!("{last}, best {best}");
        lines.extend(row(name, &state.figures, &value, width, paint(GREEN)));
    }
    lines.extend(facts(state, width));
    lines
}

/// A name, a curve and its last value; nothing where that does not fit.
fn row(
    name: &str,
    values: &[f64],
    value: &str,
    width: usize,
    colour: Option<&str>,
) -> Option<String> {
    let room = width.checked_sub(NAMES + value.chars().count() + 1)?;
    if room < NARROWEST {
        let text = format!("{name:<NAMES$}{value}");
        return (text.chars().count() <= width).then_some(text);
    }
    let drawn = curve(values, room.min(WIDEST));
    Some(match colour {
        Some(colour) => format!("{name:<NAMES$}{colour}{drawn}{PLAIN} {value}"),
        None => format!("{name:<NAMES$}{drawn} {value}"),
    })
}

/// As many facts as fit into a line, the most wanted first.
fn facts(state: &State, width: usize) -> Option<String> {
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let all = [
        state.left.map(|seconds| format!("{} left in the phase", time(seconds))),
        state.learning_rate.map(|rate| format!("rate {rate:.1e}")),
        state.per_second.map(|speed| format!("{speed:.0} examples/s")),
        state.memory.map(|bytes| format!("memory {}", megabytes(bytes))),
        state.cache.filter(|bytes| *bytes > 0).map(|bytes| format!("cache {}", megabytes(bytes))),
    ];
    let mut line = String::new();
    for fact in all.into_iter().flatten() {
        let longer = if line.is_empty() { fact.clone() } else { format!("{line} · {fact}") };
        if longer.chars().count() <= width {
            line = longer;
        }
    }
    (!line.is_empty()).then_some(line)
}

fn share(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// `42 s`, `3 min 5 s`, `2 h 7 min`
fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use tl::train::{EpochRow, Step};

    use super::*;

    fn row(accuracy: f64) -> EpochRow {
        EpochRow {
            phase: "finetune".into(),
            epoch: 1,
            step: 1,
            train_loss: 1.0,
            validation_loss: Some(1.0),
            validation_accuracy: Some(accuracy),
            validation_f1: None,
            validation_r2: None,
            validation_map: None,
            ema_accuracy: None,
            ema_r2: None,
            learning_rate: 1e-3,
            gradient_norm: Some(1.0),
            seconds: 1.0,
            resident_mb: None,
        }
    }

    /// Eight falling losses, a second each, and four epochs.
    fn state() -> State {
        let mut state = State::default();
        for done in 0..8 {
            let loss = 2.0 - 0.125 * done as f64;
            state
                .step(&Step { loss, learning_rate: 3e-4, done: done + 1, total: 100 }, done as f64);
        }
        [0.5, 0.6, 0.9, 0.8].iter().for_each(|value| state.epoch(&row(*value)));
        state.per_second = Some(123.4);
        state.cache = Some(35_100_000);
        state.memory = Some(412_000_000);
        state
    }

    #[test]
    fn eighty_columns_hold_all_but_the_cache() {
        let expected = [
            "loss      █▇▆▅▄▃▂▁ 1.125",
            "accuracy  ▁▃█▆ 80.0 %, best 90.0 %",
            "1 min 32 s left in the phase · rate 3.0e-4 · 123 examples/s · memory 412 MB",
        ];
        assert_eq!(lines(&state(), 80, false), expected);
    }

    #[test]
    fn several_labels_are_told_by_their_map() {
        let mut state = State::default();
        for map in [0.25, 0.5] {
            let several = EpochRow { validation_map: Some(map), ..row(0.0) };
            state.epoch(&EpochRow { validation_accuracy: None, ..several });
        }
        let found = lines(&state, 80, false);
        assert_eq!(found[0].split_once(' ').unwrap().0, "mAP");
        assert!(found[0].ends_with(" 0.500, best 0.500"), "{found:?}");
    }

    #[test]
    fn a_hundred_columns_hold_all() {
        let found = lines(&state(), 100, false);
        let facts = "1 min 32 s left in the phase · rate 3.0e-4 · 123 examples/s · memory 412 MB · cache 35 MB";
        assert_eq!(found[2], facts);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn forty_columns_hold_what_fits() {
        let mut state = state();
        (0..100).for_each(|done| {
            let step = Step { loss: 1.0, learning_rate: 3e-4, done: done + 9, total: 200 };
            state.step(&step, done as f64 + 8.0);
        });
        let found = lines(&state, 40, false);
        assert!(found.iter().all(|line| line.chars().count() <= 40), "{found:?}");
        assert_eq!(found[0].chars().count(), 40);
        assert!(found[0].starts_with("loss      █") && found[0].ends_with("▁ 1.000"), "{found:?}");
        assert_eq!(found[1], "accuracy  ▁▃█▆ 80.0 %, best 90.0 %");
        assert_eq!(found[2], "1 min 32 s left in the phase");
    }

    #[test]
    fn very_few_columns_leave_the_curves_out_and_nothing_is_too_long() {
        for width in 0..60 {
            let found = lines(&state(), width, false);
            assert!(found.iter().all(|line| line.chars().count() <= width), "{width}: {found:?}");
        }
        assert_eq!(lines(&state(), 20, false)[0], "loss      1.125");
    }

    #[test]
    fn colours_stand_around_the_curves_alone() {
        let (plain, coloured) = (lines(&state(), 80, false), lines(&state(), 80, true));
        let strip = |line: &String| {
            [CYAN, GREEN, PLAIN].iter().fold(line.clone(), |line, code| line.replace(code, ""))
        };
        assert_eq!(coloured.iter().map(strip).collect::<Vec<_>>(), plain);
        assert!(coloured[0].contains("\u{1b}[36m█"), "{coloured:?}");
        assert!(plain.iter().all(|line| !line.contains('\u{1b}')));
    }

    #[test]
    fn nothing_is_shown_before_anything_is_known() {
        assert!(lines(&State::default(), 80, true).is_empty());
    }

    #[test]
    fn times_are_told_in_two_units() {
        assert_eq!([41.6, 185.0, 7620.0].map(time), ["42 s", "3 min 5 s", "2 h 7 min"]);
    }
}
