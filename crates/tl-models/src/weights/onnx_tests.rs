use std::io::Cursor;

use super::*;
use crate::weights::{Format, WeightsFile};

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn span(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn tensor(name: &str, kind: u64, shape: &[u64], more: &[Vec<u8>]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|extent| varint(*extent)).collect();
    let head = [span(1, &dims), number(2, kind), span(8, name.as_bytes())].concat();
    span(5, &[head, more.concat()].concat())
}

/// A model as exporters begin it: a version, a name, the graph, and something behind it.
fn model(initialisers: &[Vec<u8>]) -> Vec<u8> {
    let graph = [span(1, b"a node"), initialisers.concat(), span(2, b"graph")].concat();
    [number(1, 7), span(2, b"exporter"), span(7, &graph), span(8, b"")].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn opened(bytes: &[u8]) -> Result<WeightsFile, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    WeightsFile::open(&path)
}

#[test]
fn initialisers_are_read_from_each_field_that_may_hold_them() {
    let one = |value: f32| value.to_le_bytes();
    // One float to a field: key 4 of kind 5.
    let unpacked = [varint(4 << 3 | 5), one(3.0).to_vec(), varint(4 << 3 | 5), one(-4.0).to_vec()];
    // 1.5 as a half is 0x3E00, as a bfloat16 0x3FC0; -2 is 0xC000 in both.
    let halves: Vec<u8> = [0x3E00u16, 0xC000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let bits: Vec<u8> = [0x3FC0u64, 0xC000].iter().flat_map(|bits| varint(*bits)).collect();
    let bytes = model(&[
        tensor("raw", 1, &[2, 2], &[span(9, &floats(&[1.0, 2.0, 3.0, 4.0]))]),
        tensor("packed", 1, &[3], &[span(4, &floats(&[5.0, 6.0, 7.0]))]),
        tensor("unpacked", 1, &[2], &[unpacked.concat()]),
        tensor("f16", 10, &[2], &[span(9, &halves)]),
        tensor("bf16", 16, &[2], &[span(5, &bits)]),
        tensor("f64", 11, &[1], &[span(10, &0.25f64.to_le_bytes())]),
        tensor("axes", 7, &[2], &[span(7, &[varint(1), varint(2)].concat())]),
    ]);
    let file = opened(&bytes).unwrap();
    assert_eq!(file.format(), Format::Onnx);
    let names: Vec<&str> = file.names().collect();
    // The vector of whole numbers is no weight.
    assert_eq!(names, ["raw", "packed", "unpacked", "f16", "bf16", "f64"]);
    assert_eq!(file.shape("raw"), Some(&[2, 2][..]));
    let values = |name: &str| file.values(name).unwrap();
    assert_eq!(values("raw"), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values("packed"), [5.0, 6.0, 7.0]);
    assert_eq!(values("unpacked"), [3.0, -4.0]);
    assert_eq!(values("f16"), [1.5, -2.0]);
    assert_eq!(values("bf16"), [1.5, -2.0]);
    assert_eq!(values("f64"), [0.25]);
}

#[test]
fn weights_in_another_file_are_refused_in_one_line() {
    let entry = span(13, &[span(1, b"location"), span(2, b"model.data")].concat());
    let bytes = model(&[tensor("w", 1, &[2, 2], &[entry, number(14, 1)])]);
    let message = opened(&bytes).unwrap_err().to_string();
    assert!(message.contains("\"w\" in another file"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn a_tensor_that_does_not_fit_its_shape_or_is_there_twice_is_refused() {
    for more in [span(9, &floats(&[1.0])), span(4, &floats(&[1.0])), Vec::new()] {
        let bytes = model(&[tensor("w", 1, &[2], &[more])]);
        let message = opened(&bytes).unwrap_err().to_string();
        assert!(message.contains("\"w\"") && message.lines().count() == 1, "{message}");
    }
    // Two of one name.
    let one = tensor("w", 1, &[1], &[span(9, &floats(&[1.0]))]);
    let message = opened(&model(&[one.clone(), one])).unwrap_err().to_string();
    assert!(message.contains("\"w\" is there twice"), "{message}");
    // Extents whose product is beyond any machine.
    let bytes = model(&[tensor("w", 1, &[1 << 40, 1 << 40], &[span(9, &[])])]);
    assert!(opened(&bytes).unwrap_err().to_string().contains("too large"));
}

#[test]
fn a_model_cut_anywhere_is_an_error_and_nothing_worse() {
    let bytes = model(&[
        tensor("raw", 1, &[2, 2], &[span(9, &floats(&[1.0, 2.0, 3.0, 4.0]))]),
        tensor("packed", 1, &[3], &[span(4, &floats(&[5.0, 6.0, 7.0]))]),
    ]);
    // The last field, which is empty, may be missing: two bytes.
    for length in 1..bytes.len() - 2 {
        let cut = &bytes[..length];
        assert!(read_table("cut", &mut Cursor::new(cut), length as u64).is_err(), "{length}");
    }
}
