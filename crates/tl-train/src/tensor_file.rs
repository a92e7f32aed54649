//! Named values and numbers in one safetensors file, the form of every checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TrainError;
use crate::ema::Snapshot;
use crate::files::write_bytes;

/// Writes `numbers` and `tensors`, each named `kind/path`; the file is whole or as it was before.
///
/// # Errors
/// When the disk is full or the place may not be written.
pub fn write_tensors<N: Serialize>(
    path: &Path,
    numbers: &N,
    tensors: &[(String, &[f32])],
) -> Result<(), TrainError> {
    let damaged = |reason: String| TrainError::Damaged { path: path.to_path_buf(), reason };
    let numbers = serde_json::to_string(numbers).map_err(|reason| damaged(reason.to_string()))?;
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, values), bytes)| {
            TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|reason| damaged(reason.to_string()))?;
    let metadata = [("numbers".to_string(), numbers)].into_iter().collect();
    let file = serialize(views, Some(metadata)).map_err(|reason| damaged(reason.to_string()))?;
    write_bytes(path, &file)
}

/// Reads what [`write_tensors`] wrote: the numbers, and by kind the values by path.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn read_tensors<N: DeserializeOwned>(
    path: &Path,
) -> Result<(N, BTreeMap<String, Snapshot>), TrainError> {
    let damaged = |reason: String| TrainError::Damaged { path: path.to_path_buf(), reason };
    let bytes =
        std::fs::read(path).map_err(|reason| TrainError::file("cannot read", path, reason))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|reason| damaged(reason.to_string()))?;
    let numbers = header.metadata().as_ref().and_then(|metadata| metadata.get("numbers"));
    let numbers = match numbers {
        Some(text) => serde_json::from_str(text).map_err(|reason| damaged(reason.to_string()))?,
        None => return Err(damaged("it is no checkpoint of this program".into())),
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|reason| damaged(reason.to_string()))?;
    let mut kinds: BTreeMap<String, Snapshot> = BTreeMap::new();
    for (name, view) in file.iter() {
        let Some((kind, rest)) = name.split_once('/') else { continue };
        let values = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        kinds.entry(kind.to_string()).or_default().insert(rest.to_string(), values);
    }
    Ok((numbers, kinds))
}
