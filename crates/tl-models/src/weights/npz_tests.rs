use std::io::{Cursor, Write};
use std::path::PathBuf;

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;
use crate::weights::{Format, WeightsFile};

/// An array as numpy writes it: a header of a multiple of 64 bytes.
fn array(descr: &str, fortran: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn archive(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.npz");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn refusal(member: Vec<u8>) -> String {
    let (_folder, path) = written(&archive(&[("w.npy", member)], CompressionMethod::Stored));
    let message = WeightsFile::open(&path).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn arrays_of_each_order_and_width_are_read_stored_or_deflated() {
    let halves: Vec<u8> = [0x3E00u16, 0xC000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let members = [
        ("conv.weight.npy", array("<f4", "False", "(2, 3)", &floats(&[0., 1., 2., 3., 4., 5.]))),
        ("columns.npy", array("<f4", "True", "(2, 3)", &floats(&[0., 3., 1., 4., 2., 5.]))),
        ("half.npy", array("<f2", "False", "(2,)", &halves)),
        ("double.npy", array("<f8", "False", "()", &0.25f64.to_le_bytes())),
    ];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let (_folder, path) = written(&archive(&members, method));
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.format(), Format::Npz);
        let names: Vec<&str> = file.names().collect();
        assert_eq!(names, ["conv.weight", "columns", "half", "double"]);
        let rows = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(file.values("conv.weight").unwrap(), rows);
        assert_eq!(file.values("columns").unwrap(), rows);
        assert_eq!(file.shape("columns"), Some(&[2, 3][..]));
        assert_eq!(file.values("half").unwrap(), [1.5, -2.0]);
        assert_eq!(file.shape("double"), Some(&[][..]));
        assert_eq!(file.values("double").unwrap(), [0.25]);
    }
}

#[test]
fn the_kernels_of_keras_are_turned_by_their_names_alone() {
    // Height 1, width 2, 2 channels in, 3 out; and the same as a plain weight.
    let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
    let shape = "(1, 2, 2, 3)";
    let members = [
        ("conv/kernel.npy", array("<f4", "False", shape, &floats(&values))),
        ("conv.weight.npy", array("<f4", "False", shape, &floats(&values))),
        ("dense/kernel:0.npy", array("<f4", "False", "(3, 4)", &floats(&values))),
        ("conv/bias.npy", array("<f4", "False", "(3,)", &floats(&[1., 2., 3.]))),
    ];
    let (_folder, path) = written(&archive(&members, CompressionMethod::Stored));
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.shape("conv/kernel"), Some(&[3, 2, 1, 2][..]));
    // Out 0: in 0 at both places, then in 1; a place is 6 further, a channel in 3, one out 1.
    let expected = [0., 6., 3., 9., 1., 7., 4., 10., 2., 8., 5., 11.];
    assert_eq!(file.values("conv/kernel").unwrap(), expected);
    assert_eq!(file.shape("conv.weight"), Some(&[1, 2, 2, 3][..]));
    assert_eq!(file.values("conv.weight").unwrap(), values);
    assert_eq!(file.shape("dense/kernel:0"), Some(&[4, 3][..]));
    assert_eq!(file.values("dense/kernel:0").unwrap()[..3], [0.0, 4.0, 8.0]);
}

#[test]
fn what_is_no_plain_array_is_refused() {
    let of = |descr: &str| array(descr, "False", "(1,)", &[0; 4]);
    assert!(refusal(of(">f4")).contains("big-endian"));
    assert!(refusal(of("|O")).contains("never run"));
    assert!(refusal(of("<c8")).contains("<c8"));
    assert!(refusal(b"no array".to_vec()).contains("begin"));
    // More and fewer values than its shape has.
    assert!(refusal(array("<f4", "False", "(2,)", &[0; 4])).contains("[2]"));
    assert!(refusal(array("<f4", "False", "(1,)", &[0; 8])).contains("[1]"));
    let (_folder, path) = written(&archive(
        &[("w.npy", of("<f4")), ("readme.txt", b"hello".to_vec())],
        CompressionMethod::Stored,
    ));
    assert!(WeightsFile::open(&path).unwrap_err().to_string().contains("readme.txt"));
}

#[test]
fn headers_are_read_strictly() {
    let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (64, 3, 7, 7), }";
    let header = parse(good).unwrap();
    assert_eq!(header, Header { dtype: (DType::F32, 4), fortran: false, shape: vec![64, 3, 7, 7] });
    for bad in [
        "",
        "{}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': no, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_archive_with_a_changed_byte_is_found_out_by_its_checksum() {
    let member = array("<f4", "False", "(4,)", &floats(&[1., 2., 3., 4.]));
    let mut bytes = archive(&[("w.npy", member)], CompressionMethod::Stored);
    let place = bytes.windows(4).position(|four| four == 2.0f32.to_le_bytes()).unwrap();
    bytes[place + 2] ^= 1;
    let (_folder, path) = written(&bytes);
    let file = WeightsFile::open(&path).unwrap();
    let message = file.values("w").unwrap_err().to_string();
    assert!(message.contains("array \"w\"") && message.contains("damaged"), "{message}");
}
