//! The initialisers of an ONNX graph: a message of protobuf, of which the few fields that hold weights are read.
//!
//! The numbers of the fields are those of `onnx.proto`: `ModelProto.graph` 7, `GraphProto.initializer` 5, and `TensorProto`'s own.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::file::{Contents, Data, Entry};

const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;

/// Reads where each initialiser lies, under the name that the exporter wrote. Whole numbers, single or in a vector, are constants
/// of the graph, such as shapes, and no weights: they are left out.
pub(super) fn read_table(
    file: &str,
    reader: &mut (impl Read + Seek),
    length: u64,
) -> Result<Contents, WeightsError> {
    let damaged = |problem: String| WeightsError::Damaged { file: file.to_owned(), problem };
    reader.rewind().map_err(|error| damaged(one_line(error)))?;
    let mut wire = Wire { reader: BufReader::new(reader), place: 0 };
    let mut graph = None;
    while let Some((number, value)) = wire.field(length).map_err(damaged)? {
        if let (GRAPH, Value::Span(start, end)) = (number, value) {
            graph = Some((start, end));
        }
    }
    let (start, end) = graph.ok_or_else(|| damaged("it holds no graph".to_owned()))?;
    wire.go(start).map_err(damaged)?;
    let mut entries = Vec::new();
    while let Some((number, value)) = wire.field(end).map_err(damaged)? {
        let (INITIALIZER, Value::Span(start, inner_end)) = (number, value) else { continue };
        let tensor = wire.tensor(start, inner_end).map_err(damaged)?;
        wire.go(inner_end).map_err(damaged)?;
        if tensor.elsewhere {
            return Err(WeightsError::ElsewhereInOnnx { file: file.to_owned(), name: tensor.name });
        }
        let whole = !tensor.dtype.is_float() && tensor.shape.len() < 2;
        if whole {
            continue;
        }
        let name = tensor.name.clone();
        let entry =
            tensor.entry().map_err(|problem| damaged(format!("tensor {name:?} {problem}")))?;
        entries.push(entry);
    }
    Ok(Contents { entries, metadata: BTreeMap::new(), nested_in: None })
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Value {
    Number(u64),
    /// Four or eight bytes.
    Fixed([u8; 8]),
    /// From the first byte to behind the last.
    Span(u64, u64),
}

/// A message that is read field by field.
struct Wire<R> {
    reader: BufReader<R>,
    place: u64,
}

impl<R: Read + Seek> Wire<R> {
    fn go(&mut self, place: u64) -> Result<(), String> {
        // Within the buffer where it can be.
        let moved = match (i64::try_from(place), i64::try_from(self.place)) {
            (Ok(to), Ok(from)) => self.reader.seek_relative(to - from),
            _ => self.reader.seek(SeekFrom::Start(place)).map(drop),
        };
        self.place = place;
        moved.map_err(one_line)
    }

    fn bytes<const N: usize>(&mut self, end: u64) -> Result<[u8; N], String> {
        if end.checked_sub(self.place).is_none_or(|left| left < N as u64) {
            return Err("a message of it ends within a field".to_owned());
        }
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(one_line)?;
        self.place += N as u64;
        Ok(bytes)
    }

    fn varint(&mut self, end: u64) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes::<1>(end)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of it is longer than 64 bits".to_owned())
    }

    /// The next field before `end`, and what lies behind it next.
    fn field(&mut self, end: u64) -> Result<Option<(u64, Value)>, String> {
        if self.place >= end {
            return Ok(None);
        }
        let key = self.varint(end)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint(end)?),
            1 => Value::Fixed(self.bytes::<8>(end)?),
            2 => {
                let length = self.varint(end)?;
                let start = self.place;
                let behind = start.checked_add(length).filter(|behind| *behind <= end);
                let behind = behind.ok_or("a field of it is longer than its message")?;
                self.go(behind)?;
                Value::Span(start, behind)
            }
            5 => {
                let [a, b, c, d] = self.bytes::<4>(end)?;
                Value::Fixed([a, b, c, d, 0, 0, 0, 0])
            }
            kind => return Err(format!("it is no message of protobuf (a field of kind {kind})")),
        };
        Ok(Some((key >> 3, value)))
    }

    /// The numbers of a field that repeats: one, or many packed.
    fn numbers(&mut self, value: Value, into: &mut Vec<u64>) -> Result<(), String> {
        match value {
            Value::Number(number) => into.push(number),
            Value::Span(start, end) => {
                self.go(start)?;
                while self.place < end {
                    let number = self.varint(end)?;
                    into.push(number);
                }
            }
            Value::Fixed(_) => return Err("a field of it is of another kind".to_owned()),
        }
        Ok(())
    }

    /// The same where each is of `N` bytes.
    fn fixed<const N: usize>(
        &mut self,
        value: Value,
        into: &mut Vec<[u8; N]>,
    ) -> Result<(), String> {
        match value {
            Value::Fixed(bytes) => into.extend(bytes.first_chunk::<N>()),
            Value::Span(start, end) => {
                self.go(start)?;
                while self.place < end {
                    let number = self.bytes::<N>(end)?;
                    into.push(number);
                }
            }
            Value::Number(_) => return Err("a field of it is of another kind".to_owned()),
        }
        Ok(())
    }

    fn tensor(&mut self, start: u64, end: u64) -> Result<Tensor, String> {
        let mut tensor = Tensor::default();
        let (mut extents, mut singles, mut doubles) = (Vec::new(), Vec::new(), Vec::new());
        let mut numbers = Vec::new();
        self.go(start)?;
        while let Some((number, value)) = self.field(end)? {
            let behind = self.place;
            match (number, value) {
                (1, _) => self.numbers(value, &mut extents)?,
                (2, Value::Number(kind)) => tensor.set_kind(kind),
                (4, _) => self.fixed::<4>(value, &mut singles)?,
                (5 | 7 | 11, _) => self.numbers(value, &mut numbers)?,
                (8, Value::Span(start, end)) => tensor.name = self.text(start, end)?,
                (9, Value::Span(start, end)) => tensor.raw = Some((start, end)),
                (10, _) => self.fixed::<8>(value, &mut doubles)?,
                (13, _) => tensor.elsewhere = true,
                (14, Value::Number(place)) => tensor.elsewhere |= place == 1,
                _ => {}
            }
            self.go(behind)?;
        }
        let extent = |extent: u64| usize::try_from(extent).ok();
        tensor.shape = extents
            .into_iter()
            .map(extent)
            .collect::<Option<_>>()
            .ok_or("a tensor of it is too large for this machine")?;
        tensor.values = tensor.spelled(&singles, &doubles, &numbers);
        Ok(tensor)
    }

    fn text(&mut self, start: u64, end: u64) -> Result<String, String> {
        const LONGEST: u64 = 1 << 16;
        if end - start > LONGEST {
            return Err("a name of it is longer than 65,536 bytes".to_owned());
        }
        self.go(start)?;
        let mut text = vec![0; (end - start) as usize];
        self.reader.read_exact(&mut text).map_err(one_line)?;
        self.place = end;
        String::from_utf8(text).map_err(|_| "a name of it is no text".to_owned())
    }
}

/// One initialiser.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    /// Bytes of an element among raw ones.
    width: usize,
    raw: Option<(u64, u64)>,
    /// The values that are spelled out one by one.
    values: Vec<f32>,
    elsewhere: bool,
}

impl Default for Tensor {
    fn default() -> Self {
        let (name, shape, values) = (String::new(), Vec::new(), Vec::new());
        Self { name, shape, dtype: DType::Other, width: 0, raw: None, values, elsewhere: false }
    }
}

impl Tensor {
    fn set_kind(&mut self, kind: u64) {
        (self.dtype, self.width) = match kind {
            1 => (DType::F32, 4),
            2 => (DType::U8, 1),
            3 => (DType::I8, 1),
            4 => (DType::U16, 2),
            5 => (DType::I16, 2),
            6 => (DType::I32, 4),
            7 => (DType::I64, 8),
            9 => (DType::Bool, 1),
            10 => (DType::F16, 2),
            11 => (DType::F64, 8),
            12 => (DType::U32, 4),
            13 => (DType::U64, 8),
            16 => (DType::BF16, 2),
            _ => (DType::Other, 0),
        };
    }

    /// The values in the fields of the tensor's type; halves stand there as the numbers that their bits make.
    fn spelled(&self, singles: &[[u8; 4]], doubles: &[[u8; 8]], numbers: &[u64]) -> Vec<f32> {
        let signed = |number: &u64| *number as i64 as f32;
        match self.dtype {
            DType::F32 => singles.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            DType::F64 => doubles.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
            DType::F16 => {
                numbers.iter().map(|bits| half::f16::from_bits(*bits as u16).to_f32()).collect()
            }
            DType::BF16 => {
                numbers.iter().map(|bits| half::bf16::from_bits(*bits as u16).to_f32()).collect()
            }
            DType::U64 | DType::U32 => numbers.iter().map(|number| *number as f32).collect(),
            _ => numbers.iter().map(signed).collect(),
        }
    }

    fn entry(self) -> Result<Entry, String> {
        let Self { name, shape, dtype, width, raw, values, .. } = self;
        let elements =
            shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let elements = elements.ok_or("is too large")?;
        let data = match raw {
            // Of a type that is only listed.
            _ if dtype == DType::Other => Data::Values(Vec::new()),
            Some((start, end)) => {
                let length = usize::try_from(end - start).map_err(|_| "is too large")?;
                if elements.checked_mul(width) != Some(length) {
                    return Err(format!("of shape {shape:?} and type {dtype} has {length} bytes"));
                }
                Data::Span { start, length }
            }
            None if values.len() == elements => Data::Values(values),
            None => return Err(format!("of shape {shape:?} has {} values", values.len())),
        };
        Ok(Entry { name, shape, dtype, order: None, data })
    }
}

#[cfg(test)]
#[path = "onnx_tests.rs"]
mod tests;
