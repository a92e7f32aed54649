//! Runs in groups: which belong together, which can be compared, which is the best.

use std::collections::BTreeSet;

use serde::Serialize;
use tl_train::metrics::mean_and_deviation;

use super::{PartFigure, RunLine};

/// A figure over the runs of a group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    /// The sample deviation; 0 of one run.
    pub deviation: f64,
}

/// Runs that differ in the seed alone; perhaps one by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunGroup {
    /// Places among the runs.
    pub runs: Vec<usize>,
    pub seeds: Vec<u64>,
    /// Nothing where a run lacks it.
    pub validation: Option<Spread>,
    pub test: Option<Spread>,
    pub seconds: Spread,
    /// Groups of one letter were measured on the same validation and test parts; figures of others are not comparable.
    pub parts: String,
    /// Whether it is the best of at least two of its letter, by the validation part.
    pub best: bool,
}

/// Finished runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideBySide {
    pub runs: Vec<RunLine>,
    pub groups: Vec<RunGroup>,
}

/// Missing.
const NOTHING: &str = "–";

impl SideBySide {
    /// Groups `runs`, in their order.
    pub fn of(runs: Vec<RunLine>) -> Self {
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            let fits = |group: &&mut Vec<usize>| {
                let other = |at: &usize| &runs[*at];
                group.iter().map(other).all(|it| it.setting == run.setting && it.seed != run.seed)
            };
            match members.iter_mut().find(fits) {
                Some(group) => group.push(place),
                None => members.push(vec![place]),
            }
        }
        let mut known: Vec<BTreeSet<&str>> = Vec::new();
        let mut groups: Vec<RunGroup> = Vec::new();
        for places in members {
            let of = |figure: fn(&RunLine) -> Option<f64>| {
                let values: Option<Vec<f64>> = places.iter().map(|at| figure(&runs[*at])).collect();
                values.map(|values| {
                    let (mean, deviation) = mean_and_deviation(&values);
                    Spread { mean, deviation }
                })
            };
            let parts: BTreeSet<&str> = places.iter().map(|at| runs[*at].parts.as_str()).collect();
            let letter = known.iter().position(|it| *it == parts).unwrap_or_else(|| {
                known.push(parts);
                known.len() - 1
            });
            groups.push(RunGroup {
                seeds: places.iter().map(|at| runs[*at].seed).collect(),
                validation: of(|run| Some(run.validation.as_ref()?.value)),
                test: of(|run| Some(run.test.as_ref()?.value)),
                seconds: of(|run| Some(run.seconds))
                    .unwrap_or(Spread { mean: 0.0, deviation: 0.0 }),
                parts: letters(letter),
                runs: places,
                best: false,
            });
        }
        let mut found = Self { runs, groups };
        for place in 0..found.groups.len() {
            found.groups[place].best = found.is_best(place);
        }
        found
    }

    /// Whether a group is better, by the validation part, than all others that it can be compared with, of which there is one.
    ///
    /// What neighbours say of features that were pre-trained marks nothing beside runs that answer.
    fn is_best(&self, place: usize) -> bool {
        let Some((figure, own)) = self.validation(place) else { return false };
        let answers = |group| self.validation(group).is_some_and(|(it, _)| !it.is_provisional());
        if figure.is_provisional() && (0..self.groups.len()).any(answers) {
            return false;
        }
        let rivals = (0..self.groups.len()).filter(|other| {
            *other != place
                && self.groups[*other].parts == self.groups[place].parts
                && self.validation(*other).is_some_and(|(it, _)| {
                    it.name == figure.name && (!figure.is_provisional() || it.n == figure.n)
                })
        });
        let mut rivals = rivals.peekable();
        // The first of equals.
        rivals.peek().is_some()
            && rivals.all(|other| {
                let value = self.validation(other).map_or(f64::NAN, |(_, value)| value);
                figure.is_better(own, value) || own == value && place < other
            })
    }

    fn validation(&self, group: usize) -> Option<(&PartFigure, f64)> {
        let group = &self.groups[group];
        let figure = self.runs[*group.runs.first()?].validation.as_ref()?;
        Some((figure, group.validation?.mean))
    }

    /// Whether some runs were measured on other parts than others.
    pub fn differ_in_parts(&self) -> bool {
        self.groups.iter().any(|group| group.parts != "A")
    }

    /// The names of the columns; that of a column of numbers ends in `#`.
    pub fn columns() -> [&'static str; 13] {
        [
            "run",
            "network",
            "tuned by",
            "data",
            "trained#",
            "epochs#",
            "seconds#",
            "measure",
            "validation#",
            "test#",
            "parts",
            "seed#",
            "kept",
        ]
    }

    /// A row for each run, and one for the mean of each group of several; the best is marked by a `*`.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for group in &self.groups {
            let several = group.runs.len() > 1;
            let star = |marked: bool| if marked { "* " } else { "" };
            for &at in &group.runs {
                let run = &self.runs[at];
                let text = |figure: &Option<PartFigure>| {
                    figure.as_ref().map_or(NOTHING.to_string(), PartFigure::text)
                };
                rows.push(vec![
                    format!("{}{}", star(group.best && !several), run.run),
                    run.network.clone(),
                    run.method.clone(),
                    run.data.clone(),
                    run.trained.map_or(NOTHING.to_string(), |count| count.to_string()),
                    run.epochs.map_or(NOTHING.to_string(), |count| count.to_string()),
                    format!("{:.1}", run.seconds),
                    measure(run),
                    text(&run.validation),
                    text(&run.test),
                    group.parts.clone(),
                    run.seed.to_string(),
                    run.kept.clone().unwrap_or(NOTHING.to_string()),
                ]);
            }
            if several {
                rows.push(self.mean_row(group, star(group.best)));
            }
        }
        rows
    }

    fn mean_row(&self, group: &RunGroup, star: &str) -> Vec<String> {
        let first = &self.runs[group.runs[0]];
        let text = |spread: Option<Spread>, figure: &Option<PartFigure>| match (spread, figure) {
            (Some(it), Some(figure)) => figure.unit.spread(it.mean, it.deviation),
            _ => NOTHING.to_string(),
        };
        let nothing = || NOTHING.to_string();
        vec![
            format!("{star}mean ± deviation of {} seeds", group.runs.len()),
            first.network.clone(),
            first.method.clone(),
            first.data.clone(),
            first.trained.map_or_else(nothing, |count| count.to_string()),
            nothing(),
            format!("{:.1} ± {:.1}", group.seconds.mean, group.seconds.deviation),
            measure(first),
            text(group.validation, &first.validation),
            text(group.test, &first.test),
            group.parts.clone(),
            nothing(),
            nothing(),
        ]
    }

    /// What has to be said of the rows: which are the best, and which cannot be compared.
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, group) in self.groups.iter().enumerate().filter(|(_, group)| group.best) {
            let Some((figure, value)) = self.validation(place) else { continue };
            let names: Vec<&str> =
                group.runs.iter().map(|at| self.runs[*at].run.as_str()).collect();
            let of_parts = match self.differ_in_parts() {
                true => format!(" on the parts {}", group.parts),
                false => String::new(),
            };
            lines.push(format!(
                "* best by validation {}{of_parts}: {}, {}",
                figure.name,
                names.join(", "),
                figure.unit.text(value)
            ));
        }
        if self.differ_in_parts() {
            lines.push(
                "not comparable: runs of different letters were measured on different validation or test parts".into(),
            );
        }
        lines
    }
}

/// What a run is measured by, on the validation and on the test part where these differ.
fn measure(run: &RunLine) -> String {
    let names = [&run.validation, &run.test].map(|it| it.as_ref().map(|it| it.name.clone()));
    match names {
        [Some(one), Some(other)] if one != other => format!("{one}; {other}"),
        [Some(one), _] | [None, Some(one)] => one,
        [None, None] => NOTHING.to_string(),
    }
}

/// A, B … Z, then A1, B1 …
fn letters(number: usize) -> String {
    let letter = char::from(b'A' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn run(name: &str, setting: &str, seed: u64, parts: &str, value: f64, test: f64) -> RunLine {
        let figure = |value| PartFigure {
            name: "accuracy".into(),
            value,
            interval: Some([0.5, 1.0]),
            n: Some(12),
            unit: Unit::Share,
        };
        RunLine {
            run: name.into(),
            network: "mobilenet_v2".into(),
            method: "probe".into(),
            data: "photos".into(),
            trained: Some(3),
            epochs: Some(1),
            seconds: 2.0,
            validation: Some(figure(value)),
            test: Some(figure(test)),
            seed,
            kept: None,
            curve: Vec::new(),
            parts: parts.into(),
            setting: setting.into(),
        }
    }

    #[test]
    fn seeds_are_one_group_and_the_validation_part_alone_tells_the_best() {
        let runs = vec![
            run("a", "x", 0, "p0", 0.8, 0.99),
            run("b", "y", 0, "p0", 0.9, 0.1),
            run("c", "x", 1, "p1", 0.6, 0.99),
            run("d", "y", 1, "p1", 0.7, 0.1),
        ];
        let found = SideBySide::of(runs);
        let places: Vec<&[usize]> = found.groups.iter().map(|it| it.runs.as_slice()).collect();
        assert_eq!(places, [&[0, 2], &[1, 3]]);
        assert!(!found.differ_in_parts());
        // Of .9 and .7: mean .8, sample deviation √.02.
        let spread = found.groups[1].validation.unwrap();
        assert!((spread.mean - 0.8).abs() < 1e-12);
        assert!((spread.deviation - 0.02f64.sqrt()).abs() < 1e-12);
        let best: Vec<bool> = found.groups.iter().map(|it| it.best).collect();
        assert_eq!(best, [false, true]);
        assert_eq!(found.rows().len(), 6);
        assert_eq!(found.sentences(), ["* best by validation accuracy: b, d, 80.0 %"]);
    }

    #[test]
    fn runs_on_other_parts_have_another_letter_and_no_best_among_them() {
        let runs = vec![
            run("a", "x", 0, "p0", 0.8, 0.8),
            run("b", "y", 0, "p1", 0.9, 0.9),
            // The same again is a run of its own.
            run("c", "x", 0, "p0", 0.8, 0.8),
        ];
        let found = SideBySide::of(runs);
        let parts: Vec<&str> = found.groups.iter().map(|it| it.parts.as_str()).collect();
        assert_eq!(parts, ["A", "B", "A"]);
        let best: Vec<bool> = found.groups.iter().map(|it| it.best).collect();
        assert_eq!(best, [true, false, false]);
        assert!(found.sentences()[1].starts_with("not comparable"));
    }

    #[test]
    fn neighbours_of_features_mark_the_best_among_themselves_alone() {
        let pretrained = |name: &str, value: f64, n: u64| {
            let mut line = run(name, name, 0, "pretrained", value, 0.0);
            line.test = None;
            let accuracy = line.validation.take().unwrap();
            let figure = PartFigure { name: "k-NN accuracy".into(), n: Some(n), ..accuracy };
            RunLine { validation: Some(figure), ..line }
        };
        let best = |runs: Vec<RunLine>| -> Vec<bool> {
            SideBySide::of(runs).groups.iter().map(|group| group.best).collect()
        };
        let two = || vec![pretrained("a", 0.5, 40), pretrained("b", 0.6, 40)];
        assert_eq!(best(two()), [false, true]);
        // Of other numbers of images they cannot be compared.
        assert_eq!(best(vec![pretrained("a", 0.5, 40), pretrained("b", 0.6, 30)]), [false; 2]);
        let tuned = [run("c", "c", 0, "p", 0.8, 0.8), run("d", "d", 0, "p", 0.7, 0.7)];
        let all = two().into_iter().chain(tuned).collect();
        assert_eq!(best(all), [false, false, true, false]);
    }

    #[test]
    fn what_is_missing_is_a_dash_and_less_perplexity_is_better() {
        let mut low = run("a", "x", 0, "p", 0.0, 0.0);
        let mut high = run("b", "y", 0, "p", 0.0, 0.0);
        for (line, value) in [(&mut low, 10.0), (&mut high, 20.0)] {
            line.test = None;
            line.validation = Some(PartFigure {
                name: "perplexity".into(),
                value,
                interval: None,
                n: None,
                unit: Unit::Falling,
            });
        }
        let found = SideBySide::of(vec![high, low]);
        assert!(found.groups[1].best && !found.groups[0].best);
        let rows = found.rows();
        assert_eq!((rows[1][0].as_str(), rows[1][8].as_str()), ("* a", "10.00"));
        assert_eq!((rows[1][9].as_str(), rows[1][12].as_str()), (NOTHING, NOTHING));
        assert_eq!(["A", "Z", "A1"], [0, 25, 26].map(letters).each_ref().map(String::as_str));
    }
}
