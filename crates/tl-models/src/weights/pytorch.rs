//! PyTorch's own files: a pickle that names the tensors, and their storages beside it.
//!
//! The pickle is parsed into plain data. Nothing that it asks for is imported or called: what is neither a tensor nor
//! a plain value is refused where weights should be, and left out elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use pytorch_reader::{PickleError, PickleValue, PytorchError, PytorchReader, Tensor};

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::file::{Contents, Data, Entry};
use super::guarded;

/// The keys under which training programs keep a state dict, the likeliest first.
const STATE_DICT_KEYS: [&str; 10] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "backbone",
    "weights",
    "params",
];

/// Reads the table of tensors; `length` is the file's, in bytes.
pub(super) fn read_table(file: &str, path: &Path, length: u64) -> Result<Contents, WeightsError> {
    let root = guarded(file, || {
        PytorchReader::read_pickle_data(path, None).map_err(|error| refused(file, error))
    })?;
    if let Some(object) = harmful(&root) {
        return Err(WeightsError::UnknownObject {
            file: file.to_owned(),
            object: one_line(object),
        });
    }
    let PickleValue::Dict(_) = &root else {
        return Err(match root {
            PickleValue::Unsupported(object) if object != TENSOR => {
                WeightsError::UnknownObject { file: file.to_owned(), object: one_line(object) }
            }
            _ => WeightsError::NoTensors { file: file.to_owned() },
        });
    };
    let (nesting, state_dict) = descend(&root);
    if let Some(object) = stranger(state_dict) {
        return Err(WeightsError::UnknownObject {
            file: file.to_owned(),
            object: one_line(object),
        });
    }
    let metadata = plain_values(&root);

    let tensors = guarded(file, || PytorchReader::new(path).map_err(|error| damaged(file, error)))?
        .into_tensors();
    let prefix: String = nesting.iter().flat_map(|key| [key.as_str(), "."]).collect();
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let Some(name) = name.strip_prefix(&prefix) else {
            continue;
        };
        // A view may repeat its storage, so the reader's own check leaves room for tensors larger than the file.
        if tensor.byte_len() as u64 > length {
            let (shape, bytes) = (tensor.shape(), tensor.byte_len());
            return Err(damaged(
                file,
                format!(
                    "tensor {name:?} of shape {shape:?} takes {bytes} bytes where the file has {length}"
                ),
            ));
        }
        entries.push(Entry {
            name: name.to_owned(),
            shape: tensor.shape().to_vec(),
            dtype: dtype(&tensor),
            order: None,
            data: Data::Pytorch(tensor),
        });
    }
    sort_by_appearance(path, &mut entries);
    Ok(Contents { entries, metadata, nested_in: (!nesting.is_empty()).then(|| nesting.join(".")) })
}

/// The bytes of one tensor, little-endian and in row-major order.
pub(super) fn read_bytes(file: &str, tensor: &Tensor) -> Result<Vec<u8>, WeightsError> {
    guarded(file, || tensor.read().map_err(|error| damaged(file, error)))
}

/// The reader's error as ours. A whole module, as TorchScript saves it, is a sound file that we have no use for.
fn refused(file: &str, error: PytorchError) -> WeightsError {
    match error {
        PytorchError::Pickle(PickleError::UnsupportedType(object)) => {
            WeightsError::UnknownObject { file: file.to_owned(), object: one_line(object) }
        }
        error => damaged(file, error),
    }
}

fn damaged(file: &str, problem: impl std::fmt::Display) -> WeightsError {
    WeightsError::Damaged { file: file.to_owned(), problem: one_line(problem) }
}

fn dtype(tensor: &Tensor) -> DType {
    use pytorch_reader::DType as Stored;
    match tensor.dtype() {
        Stored::F64 => DType::F64,
        Stored::F32 => DType::F32,
        Stored::F16 => DType::F16,
        Stored::BF16 => DType::BF16,
        Stored::I64 => DType::I64,
        Stored::I32 => DType::I32,
        Stored::I16 => DType::I16,
        Stored::I8 => DType::I8,
        Stored::U64 => DType::U64,
        Stored::U32 => DType::U32,
        Stored::U16 => DType::U16,
        Stored::U8 => DType::U8,
        Stored::Bool => DType::Bool,
    }
}

/// What the reader calls a tensor among the plain values.
const TENSOR: &str = "torch.Tensor";

/// The values directly inside a dictionary or a list.
fn children(value: &PickleValue) -> Box<dyn Iterator<Item = &PickleValue> + '_> {
    match value {
        PickleValue::Dict(fields) => Box::new(fields.values()),
        PickleValue::List(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The first object anywhere for which `wanted` holds; the smallest name, so that messages do not vary.
fn find_object<'a>(value: &'a PickleValue, wanted: &dyn Fn(&str) -> bool) -> Option<&'a str> {
    match value {
        PickleValue::Unsupported(object) => wanted(object).then_some(object),
        _ => children(value).filter_map(|child| find_object(child, wanted)).min(),
    }
}

/// A callable that no weights file has a use for: someone prepared this file to run a program.
fn harmful(root: &PickleValue) -> Option<&str> {
    const MODULES: [&str; 16] = [
        "os",
        "posix",
        "nt",
        "sys",
        "subprocess",
        "shutil",
        "socket",
        "builtins",
        "__builtin__",
        "importlib",
        "runpy",
        "pty",
        "webbrowser",
        "ctypes",
        "pickle",
        "code",
    ];
    const TYPES: [&str; 12] = [
        "int",
        "float",
        "bool",
        "str",
        "bytes",
        "bytearray",
        "list",
        "tuple",
        "dict",
        "set",
        "complex",
        "slice",
    ];
    find_object(root, &|object| {
        let (module, name) = object.split_once('.').unwrap_or((object, ""));
        MODULES.contains(&module) && !TYPES.contains(&name)
    })
}

/// An object in the state dict itself that is neither a tensor nor one of the values PyTorch puts beside them.
fn stranger(state_dict: &PickleValue) -> Option<&str> {
    find_object(state_dict, &|object| {
        !["torch.", "numpy.", "collections."].iter().any(|known| object.starts_with(known))
    })
}

fn is_tensor(value: &PickleValue) -> bool {
    matches!(value, PickleValue::Unsupported(object) if object == TENSOR)
}

/// The keys that lead to the state dict, and the state dict: the first dictionary that holds tensors directly.
fn descend(root: &PickleValue) -> (Vec<String>, &PickleValue) {
    let mut nesting = Vec::new();
    let mut current = root;
    while let PickleValue::Dict(fields) = current {
        if fields.values().any(is_tensor) {
            break;
        }
        let holds_tensors = |value: &PickleValue| {
            matches!(value, PickleValue::Dict(_))
                && find_object(value, &|object| object == TENSOR).is_some()
        };
        let candidates: Vec<(&String, &PickleValue)> =
            fields.iter().filter(|(_, value)| holds_tensors(value)).collect();
        let known =
            STATE_DICT_KEYS.iter().find_map(|key| candidates.iter().find(|(name, _)| name == key));
        let only = candidates.first().filter(|_| candidates.len() == 1);
        // Several unknown dictionaries are the parts of one model: their keys stay in the names.
        let Some((key, inner)) = known.or(only) else {
            break;
        };
        nesting.push((*key).clone());
        current = inner;
    }
    (nesting, current)
}

/// The short plain values at the top of a checkpoint: its epoch, the architecture's name.
fn plain_values(root: &PickleValue) -> BTreeMap<String, String> {
    const LONGEST: usize = 200; // bytes
    let PickleValue::Dict(fields) = root else {
        return BTreeMap::new();
    };
    let text = |value: &PickleValue| match value {
        PickleValue::Bool(value) => Some(value.to_string()),
        PickleValue::Int(value) => Some(value.to_string()),
        PickleValue::Float(value) => Some(value.to_string()),
        PickleValue::String(value) if value.len() <= LONGEST => Some(value.clone()),
        _ => None,
    };
    fields.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

/// Puts the tensors into the order in which their names stand in the pickle, which is the model's own; the reader
/// keeps none. Names that cannot be found follow in alphabetical order.
fn sort_by_appearance(path: &Path, entries: &mut [Entry]) {
    const SEARCHED: u64 = 16 << 20; // bytes; the pickle comes before the storages
    const LONGEST: usize = 512; // bytes of a name
    let mut bytes = Vec::new();
    // Order is a courtesy: a file that cannot be read again says so when its values are read.
    let _ = File::open(path).and_then(|file| file.take(SEARCHED).read_to_end(&mut bytes));
    let mut appearance: HashMap<&[u8], usize> =
        entries.iter().map(|entry| (entry.name.as_bytes(), usize::MAX)).collect();
    let mut left = appearance.len();
    for index in 0..bytes.len() {
        // A string is an opcode and its length: BINUNICODE (`X`, four bytes) or SHORT_BINUNICODE (0x8c, one byte).
        let (start, length) = match bytes[index..] {
            [b'X', a, b, 0, 0, ..] => (index + 5, usize::from(u16::from_le_bytes([a, b]))),
            [0x8c, length, ..] => (index + 2, usize::from(length)),
            _ => continue,
        };
        if length > LONGEST {
            continue;
        }
        let found = bytes.get(start..start + length).and_then(|name| appearance.get_mut(name));
        if let Some(position) = found.filter(|position| **position == usize::MAX) {
            *position = index;
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    let appearance: HashMap<Vec<u8>, usize> =
        appearance.into_iter().map(|(name, index)| (name.to_vec(), index)).collect();
    let position =
        |entry: &Entry| appearance.get(entry.name.as_bytes()).copied().unwrap_or(usize::MAX);
    entries.sort_by(|left, right| {
        position(left).cmp(&position(right)).then_with(|| left.name.cmp(&right.name))
    });
}

#[cfg(test)]
#[path = "pytorch_tests.rs"]
mod tests;
