//! From a network into a file of another library, under the names that this one has for it.
//!
//! | module | what it holds |
//! |---|---|
//! | `torchvision` | torchvision's names, where the origin is timm |
//! | `timm` | timm's names, where the origin is torchvision |
//! | `pack` | Burn's own names and orders, in its format burnpack |

mod pack;
mod timm;
mod torchvision;

use std::collections::BTreeMap;
use std::path::Path;

use crate::architecture::{Architecture, Classifier};
use crate::save::{NamedTensor, SaveError, counters, tensors};
use crate::weights::{WeightsError, WeightsFile, save_burnpack, save_safetensors};

/// Whose names and orders a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// torchvision, as safetensors.
    Torchvision,
    /// timm, as safetensors.
    Timm,
    /// Burn: torchvision's (timm's) module names with Burn's own parameters, as burnpack. A module of `burn-nn`'s layers whose
    /// fields are called as there loads it.
    Burn,
}

impl Library {
    /// As a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
            Self::Burn => "burn",
        }
    }

    /// What a name of the library's file ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Torchvision | Self::Timm => "safetensors",
            Self::Burn => "bpk",
        }
    }
}

/// Why a network cannot be written for a library.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error("{library} has no {network}{what}: {mend}")]
    NoPlace { library: &'static str, network: &'static str, what: String, mend: &'static str },
    #[error(
        "{file} does not hold what was written to it ({name}): the disk may be failing; write it elsewhere"
    )]
    NotEqual { file: String, name: String },
}

impl From<WeightsError> for ExportError {
    fn from(error: WeightsError) -> Self {
        Self::Save(error.into())
    }
}

/// Writes `model`, head and statistics included, under the names that `library` has for it, and reads the file again: every bit
/// is as it was.
///
/// # Errors
/// A network that the library does not have; a file that cannot be written; a device that cannot be read.
pub fn export<B: Architecture>(
    path: &Path,
    model: &Classifier<B>,
    library: Library,
    metadata: &BTreeMap<String, String>,
) -> Result<(), ExportError> {
    let network = model.backbone.name();
    let own = tensors(model, &model.backbone, |path| path.to_string())?;
    if library == Library::Burn {
        save_burnpack(path, &pack::own(own.clone()), metadata)?;
        // Read again, Burn's own names and orders are PyTorch's.
        return check(path, &own);
    }
    // With an Inception's auxiliary classifier timm's network answers twice, also once it is trained; without it is its usual one.
    let usual =
        |(name, ..): &NamedTensor| library != Library::Timm || !name.starts_with("AuxLogits.");
    let renamed = own.into_iter().filter(usual).map(|tensor| renamed(library, network, tensor));
    let tensors = renamed.collect::<Result<Vec<_>, _>>()?;
    save_safetensors(path, &tensors, &counters(&tensors), metadata)?;
    check(path, &tensors)
}

/// `tensor` as the library calls and keeps it.
fn renamed(
    library: Library,
    network: &'static str,
    (name, shape, values): NamedTensor,
) -> Result<NamedTensor, ExportError> {
    let found = match library {
        Library::Timm => timm::name(network, &name).map(|own| (timm::shape(&own, &shape), own)),
        _ => torchvision::name(network, &name).map(|own| (shape, own)),
    };
    let (shape, name) = found.ok_or_else(|| {
        let what = match library == Library::Torchvision && network.starts_with("vit_") {
            true => format!(" with a {name}"),
            false => String::new(),
        };
        let mend = "write it with --to burn, or under the names of its origin with `tl merge`";
        ExportError::NoPlace { library: library.name(), network, what, mend }
    })?;
    Ok((name, shape, values))
}

/// Succeeds where the file at `path` holds `tensors`, bit for bit.
fn check(path: &Path, tensors: &[NamedTensor]) -> Result<(), ExportError> {
    let file = WeightsFile::open(path)?;
    let same = |one: &[f32], other: &[f32]| {
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
    };
    for (name, shape, values) in tensors {
        let same_shape = file.shape(name) == Some(shape.as_slice());
        if !same_shape || !same(&file.values(name)?, values) {
            let file = file.description().to_string();
            return Err(ExportError::NotEqual { file, name: name.clone() });
        }
    }
    Ok(())
}
