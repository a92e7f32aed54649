//! From a run's record to its report.

use tl_train::EpochRow;
use tl_train::metrics::{Retrieval, Score};
use tl_train::report::{
    Accuracy, Figure, Headline, ReportInput, Section, SkippedImage, Table, TrainableRow,
    render as render_page,
};

use crate::language::Found;
use crate::record::{RunRecord, Status};

/// `report.html` of a run; `sections` are those that do not follow from its record.
pub(crate) fn render(record: &RunRecord, rows: &[EpochRow], sections: Vec<Section>) -> String {
    let status = match record.status {
        Status::Running => "running",
        Status::Interrupted => "interrupted",
        Status::Failed => "failed",
        Status::Finished => "finished",
    };
    let trainable =
        record.trainable_report.iter().flat_map(|report| &report.phases).flat_map(|phase| {
            phase.stages.iter().map(|row| TrainableRow {
                phase: phase.phase.clone(),
                stage: row.stage.clone(),
                trainable: row.trainable,
                frozen: row.frozen,
                rate: row.rate,
                norm: row.norm.clone(),
                cached: row.cached,
            })
        });
    let (network, data) = (&record.network, &record.data.path);
    let (title, configuration) = match &record.adaptation {
        Some(found) => (
            format!("{network} from {data} to {}", found.target.path),
            serde_json::to_value(&found.options),
        ),
        None => (format!("{network} on {data}"), serde_json::to_value(&record.options)),
    };
    let load = record.load_report.as_ref().map(ToString::to_string).unwrap_or_default();
    render_page(&ReportInput {
        title,
        command: record.command.clone(),
        status: status.to_string(),
        headline: Headline {
            test: record.test.as_ref().map(Accuracy::from),
            validation: record.validation.as_ref().map(Accuracy::from),
            figures: figures(record),
            weights: record.kept.clone().unwrap_or_default(),
        },
        curves: rows.to_vec(),
        evaluation_part: if record.test.is_some() { "test" } else { "validation" }.to_string(),
        evaluation: record.test.clone().or_else(|| record.validation.clone()),
        sections: [
            crate::adapt::sections(record),
            crate::pretrain::sections(record),
            crate::minutes::sections(record),
            entities(record),
            sections,
        ]
        .concat(),
        trainable: trainable.collect(),
        load: load.lines().map(str::to_string).collect(),
        skipped: record
            .skipped
            .iter()
            .map(|image| SkippedImage { file: image.name.clone(), reason: image.reason.clone() })
            .collect(),
        configuration: configuration.unwrap_or_default(),
        versions: record.versions.clone(),
        seeds: vec![record.options.settings.seed],
        seconds: record.seconds,
    })
}

/// What tells how good a language model, vectors of texts, a tagger of entities or answers with numbers are, on each part.
fn figures(record: &RunRecord) -> Vec<Figure> {
    let mut found = Vec::new();
    let language = record.language.as_ref();
    for (part, measured, answers) in [
        ("Test", &record.test, language.and_then(|it| it.test.as_ref())),
        ("Validation", &record.validation, language.and_then(|it| it.validation.as_ref())),
    ] {
        let perplexity = |value: f64| format!("{value:.2}");
        let share = |value: f64| format!("{:.1}\u{a0}%", 100.0 * value);
        found.extend(answers.map(|it| match it {
            Found::Language(it) => Figure {
                name: format!("{part} perplexity"),
                value: perplexity(it.perplexity),
                interval: it.interval.map(|interval| interval.map(perplexity)),
                n: format!("{} pieces", it.n),
            },
            Found::Pairs(Retrieval { first, interval, n, .. }) => Figure {
                name: format!("{part}: own text found first"),
                value: share(*first),
                interval: Some(interval.map(share)),
                n: format!("{n} pairs"),
            },
        }));
        let entities = measured.as_ref().and_then(|it| it.entities.as_ref());
        found.extend(entities.map(|it| Figure {
            name: format!("{part} F1 of entities"),
            value: share(it.usual.micro.f1),
            interval: Some(it.interval.map(share)),
            n: format!("{} entities", it.usual.n),
        }));
    }
    found.extend(crate::numbers::figures(record));
    found.extend(crate::several::figures(record));
    found
}

/// How good words with tags are as entities, over all and by type.
fn entities(record: &RunRecord) -> Vec<Section> {
    let (part, measured) = match (&record.test, &record.validation) {
        (Some(test), _) => ("test", test),
        (None, Some(validation)) => ("validation", validation),
        (None, None) => return Vec::new(),
    };
    let Some(found) = &measured.entities else { return Vec::new() };
    let figures = |name: &str, score: Score, n: u64| {
        let Score { precision, recall, f1 } = score;
        let shares = [precision, recall, f1].map(|share| format!("{:.1} %", 100.0 * share));
        [vec![name.to_string()], shares.to_vec(), vec![n.to_string()]].concat()
    };
    let columns = |first: &str| {
        [first, "precision#", "recall#", "F1#", "entities#"].map(str::to_string).to_vec()
    };
    let (usual, strict) = (&found.usual, &found.strict);
    let all = [
        figures("all entities (micro)", usual.micro, usual.n),
        figures("mean over types (macro)", usual.mean, usual.n),
        figures("mean by entities (weighted)", usual.weighted, usual.n),
        figures(&format!("strict {}, all entities", found.scheme.name()), strict.micro, strict.n),
    ];
    let each = usual.per_type.iter().map(|it| {
        let (precision, recall, f1) = (it.precision, it.recall, it.f1);
        figures(&it.label, Score { precision, recall, f1 }, it.n)
    });
    let [low, high] = found.interval.map(|share| 100.0 * share);
    vec![Section {
        title: format!("Entities on the {part} part"),
        lines: vec![format!(
            "An entity counts where its words and its type are right; the middle 95 % of the F1 over draws of sentences: {low:.1} to {high:.1} %."
        )],
        tables: vec![
            Table { name: "entities".into(), columns: columns("over"), rows: all.to_vec() },
            Table {
                name: "entities by type".into(),
                columns: columns("type"),
                rows: each.collect(),
            },
        ],
        ..Section::default()
    }]
}
