use std::collections::BTreeMap;
use std::fs;

use crate::weights::{DType, Format, WeightsError, WeightsFile, save_safetensors};

/// A file with this header and so many zero bytes behind it.
fn bytes(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn refusal(bytes: Vec<u8>) -> String {
    let message = WeightsFile::from_bytes(bytes, "false.safetensors").unwrap_err().to_string();
    assert!(message.starts_with("false.safetensors") && message.lines().count() == 1, "{message}");
    message
}

#[test]
fn what_is_saved_is_read_back_with_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = [
        ("z.weight".to_owned(), vec![2, 2], vec![1.5, -2.0, f32::MIN_POSITIVE, 1e30]),
        ("a.bias".to_owned(), vec![2], vec![0.0, -0.0]),
        ("none".to_owned(), vec![0, 3], vec![]),
    ];
    let metadata = BTreeMap::from([("architecture".to_owned(), "resnet18".to_owned())]);
    save_safetensors(&path, &tensors, &[("bn.num_batches_tracked".to_owned(), 1 << 40)], &metadata)
        .unwrap();

    for file in [WeightsFile::open(&path).unwrap(), WeightsFile::open(folder.path()).unwrap()] {
        assert_eq!(file.format(), Format::Safetensors);
        for (name, shape, values) in &tensors {
            assert_eq!(file.shape(name), Some(shape.as_slice()));
            let bits =
                |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&file.values(name).unwrap()), bits(values));
        }
        assert_eq!(file.dtype("bn.num_batches_tracked"), Some(DType::I64));
        assert_eq!(file.shape("bn.num_batches_tracked"), Some(&[][..]));
        assert_eq!(file.values("bn.num_batches_tracked").unwrap(), [(1u64 << 40) as f32]);
        assert_eq!(file.metadata()["format"], "pt");
        assert_eq!(file.metadata()["architecture"], "resnet18");
    }
    let only: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(only, ["model.safetensors"], "nothing is left beside it");
    let again = folder.path().join("again.safetensors");
    save_safetensors(
        &again,
        &tensors,
        &[("bn.num_batches_tracked".to_owned(), 1 << 40)],
        &metadata,
    )
    .unwrap();
    assert_eq!(
        fs::read(&again).unwrap(),
        fs::read(&path).unwrap(),
        "the same input makes the same bytes"
    );
}

#[test]
fn the_formats_own_library_reads_what_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors =
        [("b".to_owned(), vec![3], vec![1.0, 2.0, 3.0]), ("a".to_owned(), vec![1, 1], vec![4.0])];
    save_safetensors(&path, &tensors, &[("count".to_owned(), 5)], &BTreeMap::new()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.tensor("a").unwrap().data(), 4f32.to_le_bytes());
    assert_eq!(read.tensor("count").unwrap().data(), 5i64.to_le_bytes());
    assert_eq!(read.tensor("b").unwrap().shape(), [3]);
}

#[test]
fn a_save_that_cannot_be_leaves_the_older_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "older").unwrap();
    let twice = [("a".to_owned(), vec![1], vec![1.0]), ("a".to_owned(), vec![1], vec![1.0])];
    let message = save_safetensors(&path, &twice, &[], &BTreeMap::new()).unwrap_err().to_string();
    assert!(message.contains("\"a\" would be there twice"), "{message}");
    let short = [("a".to_owned(), vec![2, 2], vec![1.0])];
    let message = save_safetensors(&path, &short, &[], &BTreeMap::new()).unwrap_err().to_string();
    assert!(message.contains("[2, 2] has 1 values"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"older");

    let nowhere = folder.path().join("absent/model.safetensors");
    assert!(matches!(
        save_safetensors(&nowhere, &[], &[], &BTreeMap::new()),
        Err(WeightsError::Write { .. })
    ));
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "").unwrap();
    assert!(matches!(
        save_safetensors(&taken, &[], &[], &BTreeMap::new()),
        Err(WeightsError::Write { .. })
    ));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "what was written aside is removed"
    );
}

#[test]
fn every_float_type_is_read_as_f32() {
    let header = r#"{"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
        "brain":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},
        "flag":{"dtype":"BOOL","shape":[2],"data_offsets":[6,8]},
        "double":{"dtype":"F64","shape":[],"data_offsets":[8,16]},
        "eight":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[16,17]}}"#;
    let mut file = bytes(header, 0);
    file.extend([0x00, 0x3e, 0x01, 0x00, 0xc0, 0x3f, 1, 0]);
    file.extend(0.1f64.to_le_bytes());
    file.push(0);
    let file = WeightsFile::from_bytes(file, "small").unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["half", "brain", "flag", "double", "eight"]);
    assert_eq!(file.values("half").unwrap(), [1.5, 2f32.powi(-24)]);
    assert_eq!(file.values("brain").unwrap(), [1.5]);
    assert_eq!(file.values("flag").unwrap(), [1.0, 0.0]);
    assert_eq!(file.values("double").unwrap(), [0.1]);
    let message = file.values("eight").unwrap_err().to_string();
    assert!(message.contains("\"eight\"") && message.contains("cannot become f32"), "{message}");
}

#[test]
fn a_header_longer_than_the_file_is_refused_before_memory_is_taken() {
    let mut false_length = u64::MAX.to_le_bytes().to_vec();
    false_length.extend_from_slice(b"{}");
    assert!(refusal(false_length).contains("claims 18446744073709551615 bytes where 2 follow"));
    assert!(refusal(b"abc".to_vec()).contains("too few"));
}

#[test]
fn a_header_that_is_no_json_or_lacks_a_field_is_refused() {
    assert!(refusal(bytes("{\"a\": ", 0)).contains("header is not as the format says"));
    assert!(refusal(bytes(r#"{"a":{"dtype":"F32","shape":[1]}}"#, 4)).contains("data_offsets"));
    assert!(
        refusal(bytes(r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4))
            .contains("F99")
    );
}

#[test]
fn overlapping_gapped_and_overlong_offsets_are_refused_by_the_tensors_name() {
    let two = |b: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{b}}}}}"#
        )
    };
    assert!(WeightsFile::from_bytes(bytes(&two("[8,12]"), 12), "good").is_ok());
    assert!(
        refusal(bytes(&two("[4,8]"), 12))
            .contains("\"b\" claims bytes 4..8 where byte 8 comes next")
    );
    assert!(refusal(bytes(&two("[12,16]"), 16)).contains("\"b\" claims bytes 12..16"));
    assert!(refusal(bytes(&two("[8,12]"), 11)).contains("take 12 bytes where 11 follow"));
    assert!(refusal(bytes(&two("[8,12]"), 13)).contains("take 12 bytes where 13 follow"));
    assert!(refusal(bytes(&two("[8,4]"), 12)).contains("\"b\""));
}

#[test]
fn a_shape_that_does_not_make_its_bytes_is_refused_even_where_the_product_overflows() {
    let one =
        |shape: &str| format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,8]}}}}"#);
    assert!(
        refusal(bytes(&one("[3]"), 8)).contains("\"a\" of shape [3] and type F32 claims 8 bytes")
    );
    assert!(refusal(bytes(&one("[4294967296, 4294967296, 2]"), 8)).contains("claims 8 bytes"));
    assert!(refusal(bytes(&one("[2305843009213693954]"), 8)).contains("claims 8 bytes"));
}

#[test]
fn a_prefix_that_all_names_share_is_taken_off_and_recorded() {
    let header = r#"{"module._orig_mod.a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
        "module._orig_mod.module.b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    let file = WeightsFile::from_bytes(bytes(header, 2), "wrapped").unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a", "module.b"]);
    assert_eq!(file.stripped_prefix(), Some("module._orig_mod."));
}

#[test]
fn what_is_no_weights_file_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pth");
    for (content, expected) in [
        (&b""[..], "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"plain text", "not a PyTorch checkpoint"),
    ] {
        fs::write(&path, content).unwrap();
        let message = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(
            message.contains(expected)
                && message.contains("model.pth")
                && message.lines().count() == 1,
            "{message}"
        );
    }
    let text = folder.path().join("notes.txt");
    fs::write(&text, "plain text").unwrap();
    assert!(WeightsFile::open(&text).unwrap_err().to_string().contains("of no known format"));
    assert!(matches!(
        WeightsFile::open(&folder.path().join("absent")),
        Err(WeightsError::NoSuchPath(_))
    ));
    assert!(matches!(WeightsFile::open(folder.path()), Err(WeightsError::NoModelInFolder(_))));
}

#[test]
fn an_absent_tensor_is_named_with_its_likeliest_neighbour() {
    let header = r#"{"backbone.fc.weight":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let file = WeightsFile::from_bytes(bytes(header, 1), "small").unwrap();
    let message = file.values("fc.weight").unwrap_err().to_string();
    assert_eq!(message, "small has no tensor \"fc.weight\": did you mean \"backbone.fc.weight\"?");
}
