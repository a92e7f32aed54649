//! What a weights file holds and what it looks like, without building a network.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dtype::DType;
use super::error::WeightsError;
use super::file::WeightsFile;
use super::format::Format;
use super::looks;

/// One tensor of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSummary {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: DType,
}

/// What a weights file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The file, as it was named.
    pub file: String,
    /// The format its content shows.
    pub format: Format,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The file's sha256, 64 hexadecimal digits.
    pub sha256: String,
    /// The architecture that names and shapes point to (`resnet18`, `bert`), or `unknown`.
    pub looks_like: String,
    /// The width of the last layer, where the architecture is known and has a head.
    pub outputs: Option<usize>,
    /// Elements of float tensors that training changes: all but the running statistics.
    pub parameters: u64,
    /// Whether it looks like a fresh initialisation; None when it has no norms to tell by.
    pub looks_untrained: Option<bool>,
    /// The dictionary inside a checkpoint that held the state dict.
    pub nested_in: Option<String>,
    /// The prefix that was taken off every name.
    pub stripped_prefix: Option<String>,
    /// What the file says about itself.
    pub metadata: BTreeMap<String, String>,
    /// Every tensor, in the file's order.
    pub tensors: Vec<TensorSummary>,
}

/// Reads what a file or a run directory holds. Errors: as [`WeightsFile::open`].
pub fn inspect(path: &Path) -> Result<Inspection, WeightsError> {
    let file = WeightsFile::open(path)?;
    let tensors: Vec<TensorSummary> = file
        .names()
        .filter_map(|name| {
            let (shape, dtype) = (file.shape(name)?.to_vec(), file.dtype(name)?);
            Some(TensorSummary { name: name.to_owned(), shape, dtype })
        })
        .collect();
    let parameters = tensors
        .iter()
        .filter(|tensor| tensor.dtype.is_float() && !tensor.name.contains("running_"))
        .map(|tensor| tensor.shape.iter().map(|extent| *extent as u64).product::<u64>())
        .sum();
    let (looks_like, outputs) = looks::like(&file);
    Ok(Inspection {
        file: file.description().to_owned(),
        format: file.format(),
        bytes: file.length(),
        sha256: file.sha256()?,
        looks_like,
        outputs,
        parameters,
        looks_untrained: looks_untrained(&file),
        nested_in: file.nested_in().map(str::to_owned),
        stripped_prefix: file.stripped_prefix().map(str::to_owned),
        metadata: file.metadata().clone(),
        tensors,
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            Format::Safetensors => "safetensors",
            Format::PytorchZip => "PyTorch (zip)",
            Format::PytorchLegacy => "PyTorch (legacy)",
            Format::PytorchTar => "PyTorch (tar)",
            Format::Burnpack => "burnpack",
            Format::Onnx => "ONNX",
            Format::Npz => "npz",
        };
        writeln!(
            formatter,
            "{}: {format}, {} bytes, sha256 {}",
            self.file, self.bytes, self.sha256
        )?;
        write!(formatter, "looks like {}", self.looks_like)?;
        if let Some(outputs) = self.outputs {
            write!(formatter, " with {outputs} outputs")?;
        }
        writeln!(formatter, ": {} tensors, {} parameters", self.tensors.len(), self.parameters)?;
        let trained = match self.looks_untrained {
            Some(true) => "looks untrained: every norm still has its initial scale and mean",
            Some(false) => "looks trained: its norms have moved",
            None => "trained or not: cannot tell, it has no norms",
        };
        writeln!(formatter, "{trained}")?;
        if let Some(key) = &self.nested_in {
            writeln!(formatter, "the state dict lies under {key:?}")?;
        }
        if let Some(prefix) = &self.stripped_prefix {
            writeln!(formatter, "the prefix {prefix:?} was taken off every name")?;
        }
        for (key, value) in &self.metadata {
            writeln!(formatter, "{key}: {value}")?;
        }
        let width =
            self.tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0);
        for tensor in &self.tensors {
            writeln!(
                formatter,
                "  {:width$}  {:4}  {:?}",
                tensor.name, tensor.dtype, tensor.shape
            )?;
        }
        Ok(())
    }
}

/// Whether a file looks like a fresh initialisation: every norm scale is 1 (or 0, as a residual branch's last norm
/// may begin), every running mean 0. None when it has no norms.
pub fn looks_untrained(file: &WeightsFile) -> Option<bool> {
    let mut scales = 0;
    let mut ones = false;
    for name in file.names() {
        let statistics = name.strip_suffix(".running_mean");
        if statistics.is_some() && file.values(name).ok()?.iter().any(|mean| *mean != 0.0) {
            return Some(false);
        }
        let Some(module) = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".gamma"))
        else {
            continue;
        };
        let is_norm = file.contains(&format!("{module}.running_mean")) || named_as_norm(module);
        if !is_norm || file.shape(name).is_none_or(|shape| shape.len() != 1) {
            continue;
        }
        let values = file.values(name).ok()?;
        let same = |value: f32| values.iter().all(|scale| *scale == value);
        if !same(1.0) && !same(0.0) {
            return Some(false);
        }
        ones |= same(1.0);
        scales += 1;
    }
    // All zeros is no initialisation that anyone uses.
    (scales > 0).then_some(ones)
}

/// Whether a module's own name is one that layer norms go by: `LayerNorm`, `norm1`, `ln_f`, `bn2`.
fn named_as_norm(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module).to_lowercase();
    last.contains("norm") || last.starts_with("ln") || last.starts_with("bn")
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
