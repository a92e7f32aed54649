//! From a run's record to its report.

use tl_train::EpochRow;
use tl_train::report::{
    Accuracy, Headline, ReportInput, SkippedImage, TrainableRow, render as render_page,
};

use crate::record::{RunRecord, Status};

/// `report.html` of a run.
pub(crate) fn render(record: &RunRecord, rows: &[EpochRow]) -> String {
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
            weights: record.kept.clone().unwrap_or_default(),
        },
        curves: rows.to_vec(),
        evaluation_part: if record.test.is_some() { "test" } else { "validation" }.to_string(),
        evaluation: record.test.clone().or_else(|| record.validation.clone()),
        sections: [crate::adapt::sections(record), crate::pretrain::sections(record)].concat(),
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
