//! numpy's archives of arrays (`.npz`): a zip of `.npy`, each of which is a header and the bytes of one array.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::file::{Contents, Data, Entry};
use super::guarded;
use super::order::Order;

/// One array in the archive.
pub(super) struct Member {
    /// The number of the archive's member.
    index: usize,
    /// Bytes of its values.
    length: usize,
}

/// More than deflate can make of a byte.
const LARGEST_RATIO: u64 = 1100;

/// The longest header that is read, in bytes; numpy's own take 128.
const LONGEST_HEADER: u64 = 1 << 16;

/// Reads the headers of all arrays. Arrays that go by Keras's `kernel` are turned to PyTorch's order.
pub(super) fn read_table(
    file: &str,
    reader: &mut File,
    length: u64,
) -> Result<Contents, WeightsError> {
    guarded(file, || headers(file, reader, length))
}

fn headers(file: &str, reader: &mut File, length: u64) -> Result<Contents, WeightsError> {
    let damaged = |problem: String| WeightsError::Damaged { file: file.to_owned(), problem };
    let mut archive = opened(file, reader)?;
    if archive.has_duplicate_names() {
        return Err(damaged("an array is there twice".to_owned()));
    }
    let mut entries = Vec::with_capacity(archive.len().min(1 << 16));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| damaged(one_line(error)))?;
        let whole = member.name().map_err(|error| damaged(one_line(error)))?.into_owned();
        let Some(name) = whole.strip_suffix(".npy").map(str::to_owned) else {
            let name = one_line(whole);
            return Err(damaged(format!("its member {name:?} is no array (.npy)")));
        };
        let fault = |problem: String| damaged(format!("array {name:?} {problem}"));
        let (packed, size) = (member.compressed_size(), member.size());
        if packed > length || size > packed.saturating_mul(LARGEST_RATIO) {
            return Err(fault(format!("claims {size} bytes out of {packed}")));
        }
        let (header, text) = read_header(&mut member).map_err(fault)?;
        let Header { dtype, fortran, shape } = parse(&text).map_err(fault)?;
        let elements =
            shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let bytes = elements.and_then(|elements| elements.checked_mul(dtype.1));
        let Some(bytes) = bytes.filter(|&bytes| header.checked_add(bytes as u64) == Some(size))
        else {
            return Err(fault(format!("of shape {shape:?} does not fill its {size} bytes")));
        };
        let order = fortran.then(|| Order::fortran(&shape));
        let order = keras_order(&name, &shape, order);
        let data = Data::Member(Member { index, length: bytes });
        let shape = order.as_ref().map_or(shape, Order::shape);
        entries.push(Entry { name, shape, dtype: dtype.0, order, data });
    }
    Ok(Contents { entries, metadata: BTreeMap::new(), nested_in: None })
}

/// The bytes of the array called `name` as they are stored.
pub(super) fn read_bytes(
    file: &str,
    reader: &mut File,
    name: &str,
    member: &Member,
) -> Result<Vec<u8>, WeightsError> {
    guarded(file, || {
        let damaged = |problem: String| {
            let problem = format!("array {name:?}: {problem}");
            WeightsError::Damaged { file: file.to_owned(), problem }
        };
        let mut archive = opened(file, reader)?;
        let mut found = archive.by_index(member.index).map_err(|error| damaged(one_line(error)))?;
        read_header(&mut found).map_err(damaged)?;
        let mut bytes = Vec::new();
        // What is packed well may be larger than the file by far.
        bytes
            .try_reserve_exact(member.length)
            .map_err(|_| damaged(format!("{} bytes are more than there is room", member.length)))?;
        found
            .by_ref()
            .take(member.length as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(one_line(error)))?;
        // To the end, where the checksum is compared.
        let rest = std::io::copy(&mut found, &mut std::io::sink());
        match rest {
            Err(error) => Err(damaged(one_line(error))),
            Ok(0) if bytes.len() == member.length => Ok(bytes),
            Ok(_) => Err(damaged(format!("it has another length than {}", member.length))),
        }
    })
}

fn opened<'a>(
    file: &str,
    reader: &'a mut File,
) -> Result<ZipArchive<BufReader<&'a mut File>>, WeightsError> {
    ZipArchive::new(BufReader::new(reader))
        .map_err(|error| WeightsError::Damaged { file: file.to_owned(), problem: one_line(error) })
}

/// The length of all that stands in front of an array's values, and the header's text.
fn read_header(member: &mut impl Read) -> Result<(u64, String), String> {
    let short = |_| "ends within its header".to_owned();
    let mut start = [0; 8];
    member.read_exact(&mut start).map_err(short)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err("does not begin as numpy's arrays do".to_owned());
    }
    let (prefix, length) = match start[6] {
        1 => {
            let mut length = [0; 2];
            member.read_exact(&mut length).map_err(short)?;
            (10, u64::from(u16::from_le_bytes(length)))
        }
        2 | 3 => {
            let mut length = [0; 4];
            member.read_exact(&mut length).map_err(short)?;
            (12, u64::from(u32::from_le_bytes(length)))
        }
        version => {
            return Err(format!("is of version {version} of the format, which nobody knows"));
        }
    };
    if length > LONGEST_HEADER {
        return Err(format!("has a header of {length} bytes, which is too long"));
    }
    let mut text = String::new();
    member.by_ref().take(length).read_to_string(&mut text).map_err(one_line)?;
    if text.len() as u64 != length {
        return Err("ends within its header".to_owned());
    }
    Ok((prefix + length, text))
}

#[derive(Debug, PartialEq)]
struct Header {
    /// The type and its bytes.
    dtype: (DType, usize),
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (64, 3, 7, 7), }`: these keys, each once, and nothing else.
fn parse(text: &str) -> Result<Header, String> {
    let strange = || format!("has a header that numpy does not write ({})", one_line(text));
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let mut rest = inner.ok_or_else(strange)?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest).ok_or_else(strange)?;
        let value = after.trim_start().strip_prefix(':').ok_or_else(strange)?.trim_start();
        rest = match key {
            "descr" if descr.is_none() => {
                let (found, after) = quoted(value).ok_or_else(|| {
                    "is of a structured type: save plain arrays of floats".to_owned()
                })?;
                descr = Some(found);
                after
            }
            "fortran_order" if fortran.is_none() => {
                let word = ["True", "False"].into_iter().find(|word| value.starts_with(word));
                let word = word.ok_or_else(strange)?;
                fortran = Some(word == "True");
                &value[word.len()..]
            }
            "shape" if shape.is_none() => {
                let tuple = value.strip_prefix('(').ok_or_else(strange)?;
                let (extents, after) = tuple.split_once(')').ok_or_else(strange)?;
                shape = Some(tuple_of(extents).ok_or_else(strange)?);
                after
            }
            _ => return Err(strange()),
        };
        rest = rest.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err(strange()),
        };
    }
    let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        return Err(strange());
    };
    Ok(Header { dtype: dtype(descr)?, fortran, shape })
}

/// The text between quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

/// `64, 3, 7, 7`; with one extent a comma follows it.
fn tuple_of(text: &str) -> Option<Vec<usize>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Vec::new());
    }
    let (extents, single) = match text.strip_suffix(',') {
        Some(extents) => (extents, true),
        None => (text, false),
    };
    let found: Option<Vec<usize>> =
        extents.split(',').map(|extent| extent.trim().parse().ok()).collect();
    found.filter(|extents| single || extents.len() > 1)
}

fn dtype(descr: &str) -> Result<(DType, usize), String> {
    Ok(match descr {
        "<f2" => (DType::F16, 2),
        "<f4" => (DType::F32, 4),
        "<f8" => (DType::F64, 8),
        "<i8" => (DType::I64, 8),
        "<i4" => (DType::I32, 4),
        "<i2" => (DType::I16, 2),
        "|i1" => (DType::I8, 1),
        "<u8" => (DType::U64, 8),
        "<u4" => (DType::U32, 4),
        "<u2" => (DType::U16, 2),
        "|u1" => (DType::U8, 1),
        "|b1" => (DType::Bool, 1),
        _ if descr.starts_with('>') => {
            return Err(format!("is big-endian ({descr}): convert it with astype('<f4')"));
        }
        _ if descr.contains('O') => {
            return Err("holds Python objects, which are never run: save plain arrays".to_owned());
        }
        _ => return Err(format!("is of type {}: save it as float32", one_line(descr))),
    })
}

/// The order of an array that goes by a name of Keras's: a `kernel` of four axes is height, width, in, out, a
/// `depthwise_kernel` height, width, channel, 1, and one of two axes in, out. Any other array stays as it is.
fn keras_order(name: &str, shape: &[usize], order: Option<Order>) -> Option<Order> {
    let last = name.rsplit(['/', '.']).next().unwrap_or(name);
    let last = last.strip_suffix(":0").unwrap_or(last);
    let axes: &[usize] = match (last, shape.len()) {
        ("kernel", 4) => &[3, 2, 0, 1],
        ("depthwise_kernel", 4) => &[2, 3, 0, 1],
        ("kernel", 2) => &[1, 0],
        _ => return order,
    };
    match order {
        Some(order) => Some(order.then(axes)),
        None => Some(Order::permuted(shape, axes)),
    }
}

#[cfg(test)]
#[path = "npz_tests.rs"]
mod tests;
