//! A ranking in a folder: its page, and the same as JSON.

use std::path::Path;

use tl_train::files::{make_folder, write_bytes};
use tl_train::report::{Bars, ReportInput, Section, SkippedImage, Table, render};

use super::{Ranked, Ranking, Score};
use crate::Error;
use crate::record::RUN_FILE;

/// The page of a ranking.
pub const REPORT_FILE: &str = "report.html";
/// The ranking itself.
pub const RANKING_FILE: &str = "ranking.json";

/// Succeeds where a ranking may be written into `folder`.
///
/// # Errors
/// A folder that holds a run or a ranking, or a place that is no folder.
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    for name in [RUN_FILE, REPORT_FILE, RANKING_FILE] {
        if folder.join(name).exists() {
            return Err(Error::Run {
                path: folder.join(name),
                problem: "would be overwritten or mixed up with another result".into(),
                mend: "choose another --out",
            });
        }
    }
    Ok(make_folder(folder)?)
}

/// Writes the page and the JSON into `folder`; `command` is the command line for the page.
///
/// # Errors
/// When they cannot be written.
pub fn write(ranking: &Ranking, folder: &Path, command: &str) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(ranking).unwrap_or_default();
    write_bytes(&folder.join(RANKING_FILE), json.as_bytes())?;
    write_bytes(&folder.join(REPORT_FILE), page(ranking, command).as_bytes())?;
    Ok(())
}

fn page(ranking: &Ranking, command: &str) -> String {
    let Ranking { data, train, validation, classes, .. } = ranking;
    let lines = vec![format!(
        "{train} examples of the training part and {validation} of the validation part, in {classes} classes; the test part \
         was not looked at. Larger is better; values of one score can be compared with each other alone."
    )];
    let skipped = ranking.skipped.iter();
    render(&ReportInput {
        title: format!("Networks ranked on {data}"),
        command: command.to_string(),
        status: "finished".to_string(),
        sections: vec![Section {
            title: "Scores".to_string(),
            lines,
            bars: ranking.scores.iter().map(|score| bars(ranking, *score)).collect(),
            tables: vec![table(ranking)],
            ..Section::default()
        }],
        skipped: skipped
            .map(|it| SkippedImage { file: it.name.clone(), reason: it.reason.clone() })
            .collect(),
        seconds: seconds(ranking),
        ..ReportInput::default()
    })
}

/// Of all passes and scores; candidates that share a pass count it once.
fn seconds(ranking: &Ranking) -> f64 {
    let mut passes: Vec<(&str, &str)> = Vec::new();
    let mut sum = 0.0;
    for it in &ranking.candidates {
        sum += it.score_seconds;
        if !passes.contains(&(&it.network, &it.weights)) {
            passes.push((&it.network, &it.weights));
            sum += it.pass_seconds;
        }
    }
    sum
}

fn bars(ranking: &Ranking, score: Score) -> Bars {
    let row =
        |it: &Ranked| (it.candidate.clone(), it.scores.get(&score).copied().unwrap_or(f64::NAN));
    Bars { title: score.name().to_string(), rows: ranking.candidates.iter().map(row).collect() }
}

fn table(ranking: &Ranking) -> Table {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let mut columns = names(&["rank#", "candidate"]);
    columns.extend(ranking.scores.iter().map(|score| format!("{}#", score.name())));
    columns.extend(names(&[
        "width#",
        "pass, s#",
        "trained#",
        "fine-tuning, s#",
        "fine-tuning, MB#",
    ]));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_string());
    let rows = ranking.candidates.iter().map(|it| {
        let mut cells = vec![or_none(it.rank.map(|rank| rank.to_string())), it.candidate.clone()];
        let value = |score: &Score| or_none(it.scores.get(score).map(|it| format!("{it:.4}")));
        cells.extend(ranking.scores.iter().map(value));
        cells.extend([it.width.to_string(), format!("{:.1}", it.pass_seconds)]);
        cells.push(or_none(it.cost.map(|cost| cost.trained_parameters.to_string())));
        cells.push(or_none(it.cost.and_then(|cost| cost.seconds).map(|it| format!("{it:.0}"))));
        let memory = it.cost.and_then(|cost| cost.memory_bytes);
        cells.push(or_none(memory.map(|bytes| format!("{:.0}", bytes as f64 / 1e6))));
        cells
    });
    Table { name: "Candidates".to_string(), columns, rows: rows.collect() }
}
