//! What `run.json` says of a pre-training.

use serde::{Deserialize, Serialize};
use tl_ssl::PretrainRow;

use super::PretrainOptions;

/// Rows of PNG files, each under its name.
pub type PictureRows = Vec<(String, Vec<Vec<u8>>)>;

/// A pre-training: what was asked for and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainRecord {
    pub options: PretrainOptions,
    /// Images that were learnt from.
    pub images: usize,
    /// Labelled images of the probe after each epoch: neighbours, and those asked for.
    pub probe: [usize; 2],
    /// Parameters of the network.
    pub parameters: usize,
    /// The epochs, the network before the first step among them.
    pub rows: Vec<PretrainRow>,
    /// What the method shows of what it does: rows of PNG files. The report holds them, `run.json` does not.
    #[serde(skip)]
    pub pictures: PictureRows,
}

impl PretrainRecord {
    /// The accuracy of the nearest neighbours before the first step and after the last.
    pub fn knn(&self) -> [Option<f64>; 2] {
        [self.rows.first(), self.rows.last()].map(|row| row.and_then(|row| row.knn))
    }
}
