//! `tl finetune --dry-run`: what would be done, without doing it.

use serde::Serialize;
use tl::core::TrainableReport;
use tl::data::{Duplicates, NearDuplicates, Split};
use tl::earlier::EarlierRecord;
use tl::train::{Dataset, Scale};
use tl::{Examples, Prepared};

use crate::class_counts::{ClassCounts, labelled, table};
use crate::failure::Failure;
use crate::finetune_summary::earlier;
use crate::output;

/// Seconds and bytes of the whole fitting, as far as rates that were measured tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Expected {
    decode_seconds: f64,
    frozen_pass_seconds: f64,
    steps_seconds: f64,
    evaluation_seconds: f64,
    /// Measuring validation and test part in the end.
    measuring_seconds: f64,
    seconds: f64,
    /// The largest cache of any phase, and the most memory.
    cache_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

impl Expected {
    /// Nothing where nothing was measured.
    fn of(report: &TrainableReport) -> Option<Self> {
        let measuring_seconds = report.measuring?;
        let mut found = Self { measuring_seconds, seconds: measuring_seconds, ..Self::default() };
        for phase in &report.phases {
            let time = phase.time.unwrap_or_default();
            found.decode_seconds += time.decode;
            found.frozen_pass_seconds += time.frozen;
            found.steps_seconds += time.steps;
            found.evaluation_seconds += time.evaluation;
            found.seconds += time.total();
            found.cache_bytes = found.cache_bytes.max(phase.cached_bytes);
            found.memory_bytes = found.memory_bytes.max(phase.memory_bytes);
        }
        Some(found)
    }

    fn text(&self) -> String {
        let memory = self
            .memory_bytes
            .map_or(String::new(), |bytes| format!(" · memory about {:.0} MB", bytes as f64 / 1e6));
        format!(
            "expected: about {:.0} s (decode {:.1}, frozen pass {:.1}, steps {:.1}, evaluation {:.1}) · cache {:.1} MB{memory}\n",
            self.seconds,
            self.decode_seconds,
            self.frozen_pass_seconds,
            self.steps_seconds,
            self.evaluation_seconds + self.measuring_seconds,
            self.cache_bytes as f64 / 1e6
        )
    }
}

/// Items that are there more than once: images by the content of their files.
fn duplicates(examples: &Examples, data: &dyn Dataset, split: &Split) -> Duplicates {
    match examples {
        Examples::Images(images) => {
            let first = images.first_alike_by_content();
            let of = |item: usize| first.get(item).copied().unwrap_or(item);
            Duplicates::of(&**images, split, of)
        }
        Examples::Texts(_) | Examples::Tagged(_) => {
            let items = data.items();
            Duplicates::of(items, split, |item| items.first_alike(item))
        }
    }
}

/// The same in a line; nothing where there is none.
fn told(found: Duplicates) -> String {
    let Duplicates { items, other_class, other_part } = found;
    if items == 0 {
        return "no duplicates\n".to_string();
    }
    format!(
        "duplicates: {items} items are the same as an earlier one, {other_class} of them with another class, {other_part} in another part\n"
    )
}

/// What `--dry-run --json` prints.
#[derive(Serialize)]
struct DryRun<'a> {
    dry_run: bool,
    network: &'a str,
    weights: &'a str,
    preprocess: &'a tl::record::Preprocessing,
    classes: Vec<ClassCounts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<NumberCounts>,
    duplicates: Duplicates,
    #[serde(skip_serializing_if = "Option::is_none")]
    near_duplicates: Option<NearDuplicates>,
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    earlier: &'a [EarlierRecord],
    trainable_report: &'a TrainableReport,
    load_report: &'a Option<tl::models::weights::LoadReport>,
}

/// The texts of each part that are to be answered with numbers, and the mean and deviation of the training part.
#[derive(Serialize)]
struct NumberCounts {
    train: usize,
    validation: usize,
    test: usize,
    #[serde(flatten)]
    scale: Scale,
}

impl NumberCounts {
    fn of(data: &dyn Dataset, split: &Split) -> Option<Self> {
        let numbers = data.numbers()?;
        let known = |part: &[usize]| {
            part.iter()
                .filter(|item| numbers.values.get(**item).is_some_and(Option::is_some))
                .count()
        };
        let [train, validation, test] =
            [&split.train, &split.validation, &split.test].map(|it| known(it));
        Some(Self { train, validation, test, scale: numbers.scale })
    }

    fn text(&self) -> String {
        let Self { train, validation, test, scale: Scale { mean, deviation } } = self;
        format!(
            "numbers: {train} training, {validation} validation and {test} test; of training the mean {mean:.4}, the deviation \
             {deviation:.4}\n"
        )
    }
}

/// What would be done, without doing it.
pub fn show(prepared: &Prepared, examples: &Examples, json: bool) -> Result<(), Failure> {
    let Prepared { data, split, report, record, .. } = prepared;
    let numbers = NumberCounts::of(&**data, split);
    let classes = match &numbers {
        Some(_) => Vec::new(),
        None => ClassCounts::all(data.items(), split),
    };
    let duplicates = duplicates(examples, &**data, split);
    let expected = Expected::of(report);
    let near = prepared.near_duplicates();
    let notes = [split.notes(), data.notes(), near.lines].concat();
    if json {
        return output::object(&DryRun {
            dry_run: true,
            network: &record.network,
            weights: &record.options.weights,
            preprocess: &record.preprocess,
            classes,
            numbers,
            duplicates,
            near_duplicates: near.found,
            notes,
            expected,
            earlier: &record.earlier,
            trainable_report: report,
            load_report: &record.load_report,
        });
    }
    let mut text = format!(
        "{} ({}), {}, on {}\n\n{}",
        record.network,
        record.options.weights,
        record.preprocess,
        record.device,
        numbers.map_or_else(
            || table(&classes, labelled(data.items(), split)),
            |numbers| numbers.text()
        )
    );
    for note in &notes {
        text += &format!("note: {note}\n");
    }
    text += &told(duplicates);
    text += &earlier(prepared).map_or(String::new(), |line| line + "\n");
    if let Some(load) = &record.load_report {
        text += &format!("\n{}\n", load.to_string().trim_end());
    }
    let expected = expected.map_or(String::new(), |expected| expected.text());
    output::print(&format!("{text}\n{report}{expected}\nnothing was written\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_phases_are_added_and_the_largest_cache_is_told() {
        let phase = |decode: f64, cached: u64, memory: u64| {
            serde_json::json!({
                "phase": "p", "epochs": 1, "stages": [], "cached_bytes": cached, "memory_bytes": memory, "seconds": null,
                "time": {"decode": decode, "frozen": 2.0, "steps": 3.0, "evaluation": 0.5, "once": 0.0}
            })
        };
        let report = serde_json::json!({
            "phases": [phase(1.0, 5_000_000, 70_000_000), phase(4.0, 3_000_000, 90_000_000)],
            "measuring": 1.5
        });
        let report: TrainableReport = serde_json::from_value(report).unwrap();
        let found = Expected::of(&report).unwrap();
        assert_eq!(found.seconds, 6.5 + 9.5 + 1.5);
        assert_eq!(
            found.text(),
            "expected: about 18 s (decode 5.0, frozen pass 4.0, steps 6.0, evaluation 2.5) · cache 5.0 MB · memory about 90 MB\n"
        );
        let unknown = TrainableReport { measuring: None, ..report };
        assert_eq!(Expected::of(&unknown), None);
    }
}
