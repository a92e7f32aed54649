//! The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::{Deserialize, Serialize};

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::file::{Contents, Data, Entry};

/// The longest header the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Bytes of the header's length.
const PREFIX: u64 = 8;

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: HashMap<String, TensorInfo>,
}

/// Reads and checks the header of a file of `length` bytes.
///
/// The tensors must cover the rest of the file exactly, without gap or overlap, each with the bytes that its shape
/// and type make: a header cannot then ask for more memory than the file has bytes.
pub(super) fn read_table(
    file: &str,
    reader: &mut impl Read,
    length: u64,
) -> Result<Contents, WeightsError> {
    let damaged = |problem: String| WeightsError::Damaged { file: file.to_owned(), problem };
    if length < PREFIX {
        return Err(damaged(format!("{length} bytes are too few for a safetensors file")));
    }
    let unreadable = |source| WeightsError::Read { file: file.to_owned(), source };
    let mut prefix = [0; PREFIX as usize];
    reader.read_exact(&mut prefix).map_err(unreadable)?;
    let header_length = u64::from_le_bytes(prefix);
    if header_length > length - PREFIX {
        return Err(damaged(format!(
            "its header claims {header_length} bytes where {} follow",
            length - PREFIX
        )));
    }
    if header_length > LONGEST_HEADER {
        return Err(damaged(format!(
            "its header claims {header_length} bytes, more than the format allows"
        )));
    }
    let mut header = vec![0; header_length as usize];
    reader.read_exact(&mut header).map_err(unreadable)?;
    let Header { metadata, tensors } = serde_json::from_slice(&header).map_err(|error| {
        damaged(format!("its header is not as the format says ({})", one_line(error)))
    })?;

    let mut tensors: Vec<(String, TensorInfo)> = tensors.into_iter().collect();
    tensors.sort_by(|(left_name, left), (right_name, right)| {
        left.data_offsets.cmp(&right.data_offsets).then_with(|| left_name.cmp(right_name))
    });
    let data = PREFIX + header_length;
    let mut expected = 0;
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, info) in tensors {
        let (start, end) = info.data_offsets;
        if start != expected || end < start {
            return Err(damaged(format!(
                "tensor {name:?} claims bytes {start}..{end} where byte {expected} comes next"
            )));
        }
        let elements =
            info.shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize()));
        if bits != (end - start).checked_mul(8) {
            let (bytes, shape, dtype) = (end - start, &info.shape, info.dtype);
            return Err(damaged(format!(
                "tensor {name:?} of shape {shape:?} and type {dtype} claims {bytes} bytes"
            )));
        }
        expected = end;
        let data = Data::Span { start: data + start as u64, length: end - start };
        entries.push(Entry {
            name,
            shape: info.shape,
            dtype: dtype(info.dtype),
            order: None,
            data,
        });
    }
    if expected as u64 != length - data {
        return Err(damaged(format!(
            "its tensors take {expected} bytes where {} follow the header",
            length - data
        )));
    }
    Ok(Contents { entries, metadata, nested_in: None })
}

fn dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        _ => DType::Other,
    }
}

/// The header's entry of one tensor, in the order that other writers use.
#[derive(Serialize)]
struct Written<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    data_offsets: (u64, u64),
}

/// Writes f32 tensors (name, shape, row-major values) and single integers (`num_batches_tracked`: 0 dimensions, i64)
/// as a safetensors file that the origin's library loads.
///
/// The metadata gains `format: "pt"` where it has no `format`. The same input makes the same bytes. The file is
/// written aside in the same folder, synced, then renamed: it is whole or absent, and a failure leaves an older file
/// as it was. Errors: a shape that does not fit its values, a name twice, a folder that cannot be written.
pub fn save_safetensors(
    path: &Path,
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    integers: &[(String, i64)],
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let header = header(path, tensors, integers, metadata)?;
    let write = |file: File| -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for (_, value) in integers {
            writer.write_all(&value.to_le_bytes())?;
        }
        for value in tensors.iter().flat_map(|(_, _, values)| values) {
            writer.write_all(&value.to_le_bytes())?;
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    write_aside(path, write).map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

/// The header's JSON, padded so that the data begins at a multiple of 8 bytes; integers come first, which keeps
/// every tensor aligned to its element.
fn header(
    path: &Path,
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    integers: &[(String, i64)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let unwritable = |name: &str, problem: String| WeightsError::Unwritable {
        path: path.to_owned(),
        name: name.to_owned(),
        problem,
    };
    let mut metadata = metadata.clone();
    metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());

    let mut fields = serde_json::Map::new();
    let mut end = 0;
    let mut add = |name: &str, dtype, shape: &[usize], bytes: usize| {
        let start = end;
        end += bytes as u64;
        let entry = serde_json::to_value(Written { dtype, shape, data_offsets: (start, end) });
        let entry = entry.map_err(|error| unwritable(name, one_line(error)))?;
        match name == "__metadata__" || fields.insert(name.to_owned(), entry).is_some() {
            true => Err(unwritable(name, "would be there twice: names must differ".to_owned())),
            false => Ok(()),
        }
    };
    for (name, _) in integers {
        add(name, Dtype::I64, &[], size_of::<i64>())?;
    }
    for (name, shape, values) in tensors {
        if shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent))
            != Some(values.len())
        {
            return Err(unwritable(
                name,
                format!("of shape {shape:?} has {} values", values.len()),
            ));
        }
        add(name, Dtype::F32, shape, size_of_val(values.as_slice()))?;
    }
    fields.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut header = serde_json::Value::Object(fields).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(PREFIX as usize), b' ');
    Ok(header)
}

/// Lets `write` fill a new file beside `path`, then renames it to `path`; removes it when anything fails.
fn write_aside(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    // One name for all tries: what a killed program left is overwritten by the next.
    let aside = path.with_file_name(format!(".{name}.partial"));
    let done = File::create(&aside).and_then(write).and_then(|()| fs::rename(&aside, path));
    if done.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&aside);
    }
    done?;
    // A rename is on disk once its folder is; where folders cannot be synced the data itself already is.
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
#[path = "safetensors_tests.rs"]
mod tests;
