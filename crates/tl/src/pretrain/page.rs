//! The sections of a pre-training's report.

use tl_train::report::{PictureRow, Section, Table};

use crate::RunRecord;

/// What a pre-training adds to the report; nothing for another run.
pub(crate) fn sections(record: &RunRecord) -> Vec<Section> {
    let Some(found) = &record.pretraining else { return Vec::new() };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let mut lines = vec![format!(
        "{} on {} images without labels; the network has {} parameters.",
        found.options.method, found.images, found.parameters
    )];
    if let [Some(before), Some(after)] = found.knn() {
        lines.push(format!(
            "Of {} images {} have the class of their nearest neighbours among {} others; with the network as it \
             was before the first step {}.",
            found.probe[1],
            percent(after),
            found.probe[0],
            percent(before)
        ));
    }
    let mut terms: Vec<&String> = found.rows.iter().flat_map(|row| row.terms.keys()).collect();
    terms.sort();
    terms.dedup();
    let mut columns = vec!["epoch#".to_string()];
    columns.extend(terms.iter().map(|name| format!("{name}#")));
    columns.extend(["k-NN#", "deviation#", "directions#"].map(str::to_string));
    let rows = found.rows.iter().map(|row| {
        let mut cells = vec![row.epoch.to_string()];
        cells.extend(
            terms.iter().map(|name| or_none(row.terms.get(*name).map(|it| format!("{it:.4}")))),
        );
        cells.push(or_none(row.knn.map(percent)));
        cells.push(or_none(row.spread.map(|it| format!("{:.3}", it.deviation))));
        cells.push(or_none(row.spread.map(|it| format!("{:.1}", it.effective_rank))));
        cells
    });
    let table = Table { name: "Epochs of pre-training".into(), columns, rows: rows.collect() };
    let pictures = found
        .pictures
        .iter()
        .map(|(name, pictures)| PictureRow { name: name.clone(), pictures: pictures.clone() });
    vec![Section {
        title: "Pre-training".into(),
        lines,
        tables: vec![table],
        pictures: pictures.collect(),
        ..Section::default()
    }]
}
