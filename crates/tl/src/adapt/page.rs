//! The sections that an adaptation adds to `report.html`.

use tl_train::report::{Cloud, Map, Section, Table};

use super::record::{AdaptRecord, Candidate, LN_2_NOTE};
use crate::RunRecord;

/// What the report shows of an adaptation; nothing for a fitting.
pub(crate) fn sections(record: &RunRecord) -> Vec<Section> {
    let Some(found) = &record.adaptation else { return Vec::new() };
    vec![choice(found), domains(found), candidates(found), classes(found), epochs(found)]
}

fn percent(share: f64) -> String {
    // Not broken before the sign.
    format!("{:.1}\u{a0}%", 100.0 * share)
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}

fn choice(found: &AdaptRecord) -> Section {
    let mut section =
        Section { title: "Chosen without target labels".into(), ..Section::default() };
    let Some(chosen) = found.chosen() else { return section };
    section.warnings.clone_from(&chosen.warnings);
    let count = found.candidates.len();
    let methods = if count == 1 { "method" } else { "methods" };
    section.lines.push(format!("The pick of {count} {methods}: {}.", found.choice_in_words()));
    if let Some(oracle) = &chosen.oracle {
        let [low, high] = oracle.interval;
        let part = match found.target.own_test_part {
            true => "the target's test part",
            false => "the target images that were adapted to",
        };
        section.lines.push(format!(
            "Oracle, by target labels, which chose nothing: {} (95 % interval {}–{}, n = {}) on {part}.",
            percent(oracle.accuracy),
            percent(low),
            percent(high),
            oracle.n
        ));
    }
    section
}

fn domains(found: &AdaptRecord) -> Section {
    let mut section = Section { title: "Both domains".into(), ..Section::default() };
    if let Some(chosen) = found.chosen() {
        let [before, after] = chosen.a_distance.map(|distance| match distance {
            Some(distance) => format!("{distance:.2}"),
            None => "unknown".to_string(),
        });
        section.lines.push(format!(
            "A-distance of the features: {before} before, {after} after (0: alike, 2: apart)."
        ));
        let note = |name| chosen.notes.get(name);
        if let (Some(accuracy), Some(lambda)) = (note("domain_accuracy"), note("lambda")) {
            section.lines.push(format!(
                "Domain classifier in the last epoch: accuracy {}, lambda {lambda:.3}. Note: {LN_2_NOTE}.",
                percent(*accuracy)
            ));
        }
    }
    for (title, clouds) in ["Features before", "Features after"].iter().zip(found.maps.chunks(2)) {
        let cloud = |(name, points): (&str, &Vec<[f64; 2]>)| Cloud {
            name: name.to_string(),
            points: points.clone(),
            titles: Vec::new(),
        };
        let clouds = ["source", "target"].into_iter().zip(clouds).map(cloud).collect();
        section.maps.push(Map { title: title.to_string(), clouds, of_one_unit: false });
    }
    section
}

fn candidates(found: &AdaptRecord) -> Section {
    let rows = found.candidates.iter().map(|candidate| row(candidate, found));
    let table = Table {
        name: "Methods".into(),
        columns: owned([
            "method",
            "epoch#",
            "validator's score#",
            "source accuracy#",
            "oracle#",
            "best epoch#",
            "worst epoch#",
            "seconds#",
        ]),
        rows: rows.collect(),
    };
    Section {
        title: "Methods from the same source phase".into(),
        lines: vec![
            "Oracle, best and worst epoch are measured on target labels and chose nothing. A score in brackets is one that the \
             method trains on: it does not judge the method."
                .into(),
        ],
        tables: vec![table],
        ..Section::default()
    }
}

fn row(candidate: &Candidate, found: &AdaptRecord) -> Vec<String> {
    let score = |validator| match candidate.scores.get(validator) {
        Some(score) if candidate.trains_on.contains(&validator) => format!("({score:.4})"),
        Some(score) => format!("{score:.4}"),
        None => "–".to_string(),
    };
    let oracle = |of: fn(&super::OracleRecord) -> f64| match &candidate.oracle {
        Some(oracle) => percent(of(oracle)),
        None => "–".to_string(),
    };
    let mark = if candidate.method == found.method { " (chosen)" } else { "" };
    vec![
        format!("{}{mark}", candidate.method),
        format!("{}", candidate.epoch),
        score(found.validator),
        score(tl_adapt::Validator::SourceAccuracy),
        oracle(|oracle| oracle.accuracy),
        oracle(|oracle| oracle.best_epoch),
        oracle(|oracle| oracle.worst_epoch),
        format!("{:.1}", candidate.seconds),
    ]
}

fn classes(found: &AdaptRecord) -> Section {
    let rows = found.classes.iter().map(|class| {
        let [before, after] = class.predicted;
        let mut row = vec![class.class.clone(), before.to_string(), after.to_string()];
        row.extend(match class.oracle_recall {
            Some([before, after]) => [
                percent(before),
                percent(after),
                format!("{:+.1} points", 100.0 * (after - before)),
            ],
            None => ["–", "–", "–"].map(str::to_string),
        });
        row
    });
    let table = Table {
        name: "Classes on the target".into(),
        columns: owned([
            "class",
            "predicted before#",
            "predicted after#",
            "oracle: found before#",
            "oracle: found after#",
            "oracle: gain#",
        ]),
        rows: rows.collect(),
    };
    Section {
        title: "Classes on the target: gains and losses".into(),
        tables: vec![table],
        ..Section::default()
    }
}

fn epochs(found: &AdaptRecord) -> Section {
    let shown = |values: &std::collections::BTreeMap<String, f64>| {
        let text: Vec<String> =
            values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        text.join(" · ")
    };
    let rows = found.rows.iter().map(|row| {
        vec![
            row.epoch.to_string(),
            row.method.clone(),
            shown(&row.terms),
            shown(&row.notes),
            row.scores.get(found.validator).map_or("–".into(), |score| format!("{score:.4}")),
            row.oracle.map_or("–".into(), |oracle| percent(oracle.value())),
        ]
    });
    let table = Table {
        name: "Epochs of the source phase and of the chosen method".into(),
        columns: owned(["epoch#", "method", "loss terms", "notes", "score#", "oracle#"]),
        rows: rows.collect(),
    };
    Section { title: "Loss terms and notes".into(), tables: vec![table], ..Section::default() }
}
