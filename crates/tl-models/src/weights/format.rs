//! The formats of weights files, told apart by content.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::WeightsError;

/// The format a file was recognised as, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON header, then the bytes of every tensor.
    Safetensors,
    /// PyTorch since 1.6: a zip archive with a pickle.
    PytorchZip,
    /// PyTorch before 1.6: a sequence of pickles, then the storages; or a bare pickle.
    PytorchLegacy,
    /// PyTorch before 0.1.10: a tar archive.
    PytorchTar,
    /// Burn's own: a header, a table in CBOR, then the bytes of every tensor.
    Burnpack,
    /// A graph as ONNX has it, whose initialisers are the tensors.
    Onnx,
    /// numpy's archive of arrays: a zip of `.npy`.
    Npz,
}

/// Bytes needed to recognise a format; a tar archive shows itself at byte 257.
pub(super) const HEAD: usize = 512;

pub(super) fn unknown(file: &str, found: &str, mend: &'static str) -> WeightsError {
    WeightsError::UnknownFormat { file: file.to_owned(), found: found.to_owned(), mend }
}

/// Tells the format by content, because extensions lie: `.bin` and `.pt` are both zip and legacy, and downloads are
/// often something else altogether.
pub(super) fn recognise(
    name: &str,
    path: &Path,
    head: &[u8],
    length: u64,
) -> Result<Format, WeightsError> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    if head.is_empty() {
        return Err(unknown(name, "empty", ""));
    }
    if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
        if first_member(head).is_some_and(|member| member.ends_with(b".npy")) {
            return Ok(Format::Npz);
        }
        return Ok(Format::PytorchZip);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Format::PytorchTar);
    }
    let pickle = head[0] == 0x80 && head.get(1).is_some_and(|protocol| (1..=5).contains(protocol));
    let header = head.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    if head.get(8) == Some(&b'{') && (!pickle || header.is_some_and(|header| header < length)) {
        return Ok(Format::Safetensors);
    }
    if pickle {
        return Ok(Format::PytorchLegacy);
    }
    if begins(&burn_pack::MAGIC_NUMBER.to_le_bytes()) {
        return Ok(Format::Burnpack);
    }
    // The version of the format (field 1) and the program that wrote it (field 2), as exporters begin.
    if let [0x08, 1..=20, 0x12, ..] = head {
        return Ok(Format::Onnx);
    }
    if begins(b"version https://git-lfs") {
        return Err(unknown(
            name,
            "a Git LFS pointer instead of the file",
            " (`git lfs pull` fetches it)",
        ));
    }
    if begins(b"\x89HDF") {
        return Err(unknown(name, "an HDF5 file", ""));
    }
    if begins(b"GGUF") {
        return Err(unknown(name, "a GGUF file", ""));
    }
    let text = String::from_utf8_lossy(head).trim_start().to_lowercase();
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return Err(unknown(name, "a web page", " (download the raw file)"));
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        // The oldest pickles have no magic number; a safetensors file cut before its ninth byte has none either.
        "pth" | "pt" | "bin" | "pkl" | "ckpt" => Ok(Format::PytorchLegacy),
        "safetensors" => Ok(Format::Safetensors),
        // A message of protobuf has no magic number, nor has a pack that was cut.
        "onnx" => Ok(Format::Onnx),
        "bpk" => Ok(Format::Burnpack),
        _ => Err(unknown(name, "of no known format", "")),
    }
}

/// The name of the first file in a zip archive that begins with `head`.
fn first_member(head: &[u8]) -> Option<&[u8]> {
    // A local header: 26 bytes, the lengths of name and extra field, then the name.
    let length = u16::from_le_bytes(*head.get(26..)?.first_chunk::<2>()?);
    head.get(30..30 + usize::from(length))
}
