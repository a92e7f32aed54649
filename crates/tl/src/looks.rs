//! What the report shows of a network of images beside its figures: their embeddings, and where it looks.

use burn::tensor::Device;
use tl_data::Loader;
use tl_models::Classifier;
use tl_train::Progress;
use tl_train::report::Section;

use crate::outcome::Outcome;
use crate::{Error, Network, RunRecord, embedding_map, gaze};

/// A run that was tuned and measured.
pub(crate) struct Tuned<'a> {
    /// As tuning began.
    pub first: &'a Classifier<Network>,
    pub outcome: &'a Outcome,
    pub record: &'a RunRecord,
    pub device: &'a Device,
}

/// Both sections. What cannot be drawn is told in its place: no run is lost for a drawing.
pub(crate) fn sections(
    tuned: &Tuned<'_>,
    loader: &Loader,
    progress: &mut dyn Progress,
) -> Vec<Section> {
    let told = |title: &str, found: Result<Option<Section>, Error>| match found {
        Ok(section) => section,
        Err(error) => Some(Section {
            title: title.to_string(),
            warnings: vec![format!("This could not be drawn: {error}")],
            ..Section::default()
        }),
    };
    let map = told("Embeddings", embedding_map::section(tuned, loader, progress));
    let gaze = told("Where the network looks", gaze::section(tuned, loader));
    map.into_iter().chain(gaze).collect()
}
