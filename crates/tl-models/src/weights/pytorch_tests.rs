//! Files recorded by `xtask/parity/record_weights.py`; element i of each tensor is (i + 1) / 4.

use std::fs;
use std::path::PathBuf;

use crate::weights::{DType, Format, WeightsError, WeightsFile};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn open(name: &str) -> Result<WeightsFile, WeightsError> {
    WeightsFile::open(&fixture(name))
}

fn quarters(count: usize) -> Vec<f32> {
    (1..=count).map(|index| index as f32 / 4.0).collect()
}

#[test]
fn zip_and_legacy_files_hold_the_same_tensors_in_the_models_order() {
    for (name, format) in [("zip.pth", Format::PytorchZip), ("legacy.pth", Format::PytorchLegacy)] {
        let file = open(name).unwrap();
        assert_eq!(file.format(), format);
        let names: Vec<&str> = file.names().collect();
        assert_eq!(names, ["stem.weight", "stem.half", "stem.brain", "head.turned", "head.count"]);
        let dtypes = names.iter().map(|name| file.dtype(name).unwrap()).collect::<Vec<_>>();
        assert_eq!(dtypes, [DType::F32, DType::F16, DType::BF16, DType::F32, DType::I64]);
        assert_eq!(file.values("stem.weight").unwrap(), quarters(6));
        assert_eq!(file.values("stem.half").unwrap(), quarters(3));
        assert_eq!(file.values("stem.brain").unwrap(), quarters(3));
        assert_eq!(file.values("head.count").unwrap(), [7.0]);
        assert_eq!(file.shape("head.count"), Some(&[][..]));
    }
}

#[test]
fn a_transposed_view_is_read_in_its_own_order() {
    for name in ["zip.pth", "legacy.pth"] {
        let file = open(name).unwrap();
        assert_eq!(file.shape("head.turned"), Some(&[3, 2][..]));
        assert_eq!(file.values("head.turned").unwrap(), [0.25, 1.0, 0.5, 1.25, 0.75, 1.5]);
    }
}

#[test]
fn a_checkpoint_gives_its_state_dict_without_wrappers_and_says_so() {
    let file = open("nested.pth").unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["fc.weight", "fc.bias"]);
    assert_eq!(file.values("fc.weight").unwrap(), quarters(4));
    assert_eq!((file.nested_in(), file.stripped_prefix()), (Some("state_dict"), Some("module.")));
    assert_eq!(file.metadata().get("epoch").map(String::as_str), Some("3"));
    assert_eq!(file.metadata().get("arch").map(String::as_str), Some("tiny"));
}

#[test]
fn a_pickle_that_would_run_a_program_is_refused_by_the_programs_name() {
    for name in ["harmful_zip.pth", "harmful_bare.pth"] {
        let message = open(name).unwrap_err().to_string();
        assert!(
            message.contains(name)
                && message.contains("posix.system")
                && message.contains("never run"),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1);
    }
}

#[test]
fn a_foreign_object_among_the_weights_is_refused_and_beside_them_left_out() {
    let message = open("stranger.pth").unwrap_err().to_string();
    assert!(message.contains("argparse.Namespace") && message.contains("state_dict"), "{message}");
    assert!(open("nested.pth").is_ok(), "its Namespace lies outside the state dict");
}

#[test]
fn a_checkpoint_without_tensors_is_an_error() {
    assert!(matches!(open("empty.pth"), Err(WeightsError::NoTensors { .. })));
}

#[test]
fn a_file_cut_anywhere_is_an_error_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    for name in ["zip.pth", "legacy.pth"] {
        let whole = fs::read(fixture(name)).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let read = WeightsFile::open(&path).and_then(|file| all_values(&file));
            let message = read
                .err()
                .unwrap_or_else(|| panic!("{name} cut to {length} bytes was read"))
                .to_string();
            assert!(message.contains("cut.pth") && message.lines().count() == 1, "{message}");
            assert!(
                !message.contains("confuses"),
                "the reader panicked on {name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.pth");
    let mut refused = 0;
    for name in ["zip.pth", "legacy.pth", "nested.pth"] {
        let whole = fs::read(fixture(name)).unwrap();
        // Every third byte, each with another change, keeps this within seconds.
        for index in (0..whole.len()).step_by(3) {
            let change = [0xff, 0x80, 0x01][index % 7 % 3];
            let mut bytes = whole.clone();
            bytes[index] ^= change;
            fs::write(&path, &bytes).unwrap();
            if let Err(error) = WeightsFile::open(&path).and_then(|file| all_values(&file)) {
                let message = error.to_string();
                assert!(message.lines().count() == 1 && message.len() < 600, "{message}");
                assert!(
                    !message.contains("confuses"),
                    "the reader panicked on {name} with byte {index} changed"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 300, "only {refused} changes were noticed");
}

fn all_values(file: &WeightsFile) -> Result<(), WeightsError> {
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    names.iter().try_for_each(|name| file.values(name).map(drop))
}

#[test]
fn a_view_that_repeats_one_number_beyond_the_files_length_is_refused_before_memory_is_taken() {
    // The recorded shape (2, 3) with strides (3, 1) becomes 2³⁰ × 1 with strides (0, 1): BININT1 operands in the
    // pickle are replaced by BININT ones.
    let whole = fs::read(fixture("legacy.pth")).unwrap();
    let recorded = b"K\x02K\x03\x86q";
    let at = whole.windows(recorded.len()).position(|bytes| bytes == recorded).unwrap();
    let strides = at + recorded.len() + 1;
    assert_eq!(&whole[strides..strides + 5], b"K\x03K\x01\x86");
    let mut bytes = whole[..at].to_vec();
    bytes.extend_from_slice(b"J\x00\x00\x00\x40K\x01\x86q");
    bytes.push(whole[strides - 1]);
    bytes.extend_from_slice(b"K\x00K\x01\x86");
    bytes.extend_from_slice(&whole[strides + 5..]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repeated.pth");
    fs::write(&path, bytes).unwrap();
    let message = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(message.contains("stem.weight") && message.contains("4294967296 bytes"), "{message}");
}
