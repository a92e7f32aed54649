//! One view of every weights file: tensors by name, read as f32 when asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::format::{Format, HEAD, recognise, unknown};
use super::order::Order;
use super::{burnpack, npz, onnx, pytorch, safetensors};

/// Where the bytes of one tensor lie.
pub(super) enum Data {
    /// Bytes `start..start + length` of the file.
    Span { start: u64, length: usize },
    /// Somewhere in a PyTorch container, which knows how to gather it.
    Pytorch(pytorch_reader::Tensor),
    /// In a pack of Burn's.
    Burnpack(Box<burn_pack::Tensor>),
    /// In a member of a zip archive, behind its header.
    Member(npz::Member),
    /// Already here: numbers that a file spells out one by one.
    Values(Vec<f32>),
}

/// One tensor as the format's reader found it.
pub(super) struct Entry {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: DType,
    /// Where the axes lie in another order in the file; `shape` is the tensor's own.
    pub order: Option<Order>,
    pub data: Data,
}

/// What a format's reader hands over.
pub(super) struct Contents {
    pub entries: Vec<Entry>,
    pub metadata: BTreeMap<String, String>,
    pub nested_in: Option<String>,
}

enum Bytes {
    File(Mutex<File>),
    Memory(Cow<'static, [u8]>),
}

/// A weights file: its tensors by name, in the file's order, read only when asked for.
///
/// Wrappers are taken off the names and recorded: the dictionary the state dict lies in
/// ([`nested_in`](Self::nested_in)), and a prefix that all names share because the model was saved inside a wrapper
/// ([`stripped_prefix`](Self::stripped_prefix)).
pub struct WeightsFile {
    description: String,
    path: Option<PathBuf>,
    format: Format,
    entries: Vec<Entry>,
    position: HashMap<String, usize>,
    metadata: BTreeMap<String, String>,
    nested_in: Option<String>,
    stripped_prefix: Option<String>,
    length: u64,
    bytes: Bytes,
}

impl fmt::Debug for WeightsFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "WeightsFile({}, {:?}, {} tensors)",
            self.description,
            self.format,
            self.entries.len()
        )
    }
}

/// Prefixes that wrappers put before every name: data parallelism, compilation, a training program's own module, a flattened
/// checkpoint.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "state_dict."];

impl WeightsFile {
    /// Opens a safetensors, PyTorch, burnpack, ONNX or npz file, told apart by content, or the `model.safetensors`
    /// (`pytorch_model.bin`) of a run directory or a model's folder.
    ///
    /// Only the table of tensors is read, and with it the numbers that an ONNX file spells out one by one. Errors: nothing
    /// there, none of these formats, a damaged or false table (every tensor's declared size is checked against the file's
    /// length before memory is taken), a pickle that asks for objects.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let path = if path.is_dir() {
            let inside = ["model.safetensors", "pytorch_model.bin"].map(|name| path.join(name));
            let Some(inner) = inside.into_iter().find(|inner| inner.is_file()) else {
                return Err(WeightsError::NoModelInFolder(path.to_owned()));
            };
            inner
        } else {
            path.to_owned()
        };
        let name = path.display().to_string();
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => WeightsError::NoSuchPath(path.clone()),
            _ => WeightsError::Read { file: name.clone(), source },
        };
        let mut file = File::open(&path).map_err(unreadable)?;
        let status = file.metadata().map_err(unreadable)?;
        if !status.is_file() {
            return Err(unknown(&name, "neither a file nor a folder", ""));
        }
        let length = status.len();
        let mut head = Vec::with_capacity(HEAD);
        Read::by_ref(&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
        let format = recognise(&name, &path, &head, length)?;
        let contents = match format {
            Format::Safetensors => {
                file.rewind().map_err(unreadable)?;
                safetensors::read_table(&name, &mut file, length)?
            }
            Format::Burnpack => burnpack::read_table(&name, &path)?,
            Format::Onnx => onnx::read_table(&name, &mut file, length)?,
            Format::Npz => npz::read_table(&name, &mut file, length)?,
            _ => pytorch::read_table(&name, &path, length)?,
        };
        Self::new(name, Some(path), format, contents, length, Bytes::File(Mutex::new(file)))
    }

    /// Reads a safetensors file that is already in memory, such as weights embedded in the program; `name` is what
    /// messages call it.
    pub fn from_bytes(
        bytes: impl Into<Cow<'static, [u8]>>,
        name: &str,
    ) -> Result<Self, WeightsError> {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        let contents = safetensors::read_table(name, &mut &bytes[..], length)?;
        Self::new(
            name.to_owned(),
            None,
            Format::Safetensors,
            contents,
            length,
            Bytes::Memory(bytes),
        )
    }

    fn new(
        description: String,
        path: Option<PathBuf>,
        format: Format,
        contents: Contents,
        length: u64,
        bytes: Bytes,
    ) -> Result<Self, WeightsError> {
        let Contents { mut entries, metadata, nested_in } = contents;
        if entries.is_empty() {
            return Err(WeightsError::NoTensors { file: description });
        }
        let mut stripped_prefix = String::new();
        while let Some(wrapper) =
            WRAPPERS.iter().find(|w| entries.iter().all(|entry| entry.name.starts_with(**w)))
        {
            stripped_prefix.push_str(wrapper);
            entries.iter_mut().for_each(|entry| drop(entry.name.drain(..wrapper.len())));
        }
        let mut position = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            if position.insert(entry.name.clone(), index).is_some() {
                let problem = format!("tensor {:?} is there twice", entry.name);
                return Err(WeightsError::Damaged { file: description, problem });
            }
        }
        let stripped_prefix = (!stripped_prefix.is_empty()).then_some(stripped_prefix);
        Ok(Self {
            description,
            path,
            format,
            entries,
            position,
            metadata,
            nested_in,
            stripped_prefix,
            length,
            bytes,
        })
    }

    /// The names of all tensors, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// How many tensors the file holds; at least one.
    #[allow(clippy::len_without_is_empty)] // never empty: such a file is an error
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the file has a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.position.contains_key(name)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.position.get(name)?)
    }

    /// The extents of a tensor, outermost first; empty for a single number.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entry(name).map(|entry| entry.shape.as_slice())
    }

    /// How a tensor's elements are stored.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.entry(name).map(|entry| entry.dtype)
    }

    /// The elements of a tensor in row-major order, as f32: floats rounded to nearest, integers and booleans by value.
    ///
    /// Each call reads the file again. Errors: no such tensor, a type that has no f32, a file that shrank or whose
    /// checksum is wrong.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let entry = self.entry(name).ok_or_else(|| WeightsError::NoSuchTensor {
            file: self.description.clone(),
            name: name.to_owned(),
            nearest: self.nearest(name),
        })?;
        let no_conversion = || WeightsError::NoSuchConversion {
            file: self.description.clone(),
            name: name.to_owned(),
            dtype: entry.dtype.to_string(),
        };
        if entry.dtype == DType::Other {
            return Err(no_conversion());
        }
        let in_order = |values: Vec<f32>| match &entry.order {
            Some(order) => order.restore(&values),
            None => values,
        };
        let decode =
            |bytes: &[u8]| entry.dtype.decode(bytes).map(in_order).ok_or_else(no_conversion);
        match (&entry.data, &self.bytes) {
            (Data::Pytorch(tensor), _) => decode(&pytorch::read_bytes(&self.description, tensor)?),
            (Data::Burnpack(tensor), _) => {
                decode(&burnpack::read_bytes(&self.description, tensor)?)
            }
            (Data::Values(values), _) => Ok(in_order(values.clone())),
            // Only a file on disk is read as an archive.
            (Data::Member(_), Bytes::Memory(_)) => Err(no_conversion()),
            (Data::Member(member), Bytes::File(file)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                decode(&npz::read_bytes(&self.description, &mut file, name, member)?)
            }
            (Data::Span { start, length }, Bytes::Memory(bytes)) => {
                // The table was checked against the length of these very bytes.
                let span = usize::try_from(*start)
                    .ok()
                    .and_then(|start| bytes.get(start..start.checked_add(*length)?));
                decode(span.unwrap_or_default())
            }
            (Data::Span { start, length }, Bytes::File(file)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; *length];
                file.seek(SeekFrom::Start(*start))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(|source| WeightsError::Damaged {
                        file: self.description.clone(),
                        problem: format!("tensor {name:?}: {}", one_line(source)),
                    })?;
                decode(&bytes)
            }
        }
    }

    /// A name that ends or begins alike, for the message about one that is absent.
    fn nearest(&self, name: &str) -> Option<String> {
        let last = name.rsplit('.').next().unwrap_or(name);
        let alike = |other: &&str| other.ends_with(name) || name.ends_with(*other);
        let same_module = |other: &&str| {
            other.rsplit('.').next() == Some(last)
                && other.split('.').next() == name.split('.').next()
        };
        self.names().find(alike).or_else(|| self.names().find(same_module)).map(str::to_owned)
    }

    /// What the file says about itself: safetensors' metadata, or the plain values beside a PyTorch state dict.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The sha256 of the whole file, as 64 hexadecimal digits; reads it from end to end.
    pub fn sha256(&self) -> Result<String, WeightsError> {
        match &self.bytes {
            Bytes::Memory(bytes) => Ok(hexadecimal(&Sha256::digest(bytes))),
            Bytes::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.rewind()
                    .and_then(|()| sha256_of(&mut *file))
                    .map_err(|source| WeightsError::Read { file: self.description.clone(), source })
            }
        }
    }

    /// The file on disk; None for weights in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What messages call this file: its path, or the name it was given.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The format the content showed.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The dictionary inside a checkpoint that held the state dict (`state_dict`, `model.state_dict`).
    pub fn nested_in(&self) -> Option<&str> {
        self.nested_in.as_deref()
    }

    /// The prefix that was taken off every name (`module.`).
    pub fn stripped_prefix(&self) -> Option<&str> {
        self.stripped_prefix.as_deref()
    }
}

/// The sha256 of all that a reader yields, as hexadecimal digits.
pub(super) fn sha256_of(reader: &mut impl Read) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&digest.finalize())),
            Ok(count) => digest.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
