//! Burn's own format, burnpack (`.bpk`).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn_pack::{Bytes, DType as Stored, Reader, Tensor, Writer};

use super::dtype::DType;
use super::error::{WeightsError, one_line};
use super::file::{Contents, Data, Entry};
use super::guarded;
use super::order::Order;

/// Reads the table of tensors, and gives them the names and orders that PyTorch has for Burn's own layers: a norm's `gamma` and
/// `beta` are its `weight` and `bias`, and the matrix of a linear layer, `[in, out]` in Burn, is `[out, in]`. A scale without a
/// `beta` beside it is none of a norm and keeps its name, and the matrix of an embedding its order.
pub(super) fn read_table(file: &str, path: &Path) -> Result<Contents, WeightsError> {
    let fault = |error: burn_pack::Error| WeightsError::Damaged {
        file: file.to_owned(),
        problem: one_line(error),
    };
    let (metadata, tensors) = guarded(file, || {
        let reader = Reader::from_file_exact(path).map_err(fault)?;
        let metadata = reader.metadata().clone();
        Ok((metadata, reader.into_tensors().map_err(fault)?))
    })?;
    let norms: HashSet<String> = tensors
        .iter()
        .filter_map(|tensor| tensor.name.strip_suffix(".beta"))
        .map(str::to_string)
        .collect();
    let entries = tensors.into_iter().map(|tensor| {
        let stored: Vec<usize> = tensor.shape.to_vec();
        let (module, value) = tensor.name.rsplit_once('.').unwrap_or(("", &tensor.name));
        let of_norm = norms.contains(module);
        let name = match value {
            "gamma" if of_norm => format!("{module}.weight"),
            "beta" if of_norm => format!("{module}.bias"),
            _ => tensor.name.clone(),
        };
        let turned = value == "weight" && stored.len() == 2 && !is_embedding(module);
        let order = turned.then(|| Order::permuted(&stored, &[1, 0]));
        let shape = order.as_ref().map_or(stored, Order::shape);
        let dtype = dtype(tensor.dtype);
        Entry { name, shape, dtype, order, data: Data::Burnpack(Box::new(tensor)) }
    });
    Ok(Contents { entries: entries.collect(), metadata, nested_in: None })
}

/// Whether a module's own name is one that embeddings go by.
fn is_embedding(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module).to_lowercase();
    last.contains("embed") || last == "wte" || last == "wpe"
}

/// The bytes of one tensor as they are stored.
pub(super) fn read_bytes(file: &str, tensor: &Tensor) -> Result<Vec<u8>, WeightsError> {
    guarded(file, || match tensor.to_bytes() {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => {
            let problem = format!("tensor {:?}: {}", tensor.name, one_line(error));
            Err(WeightsError::Damaged { file: file.to_owned(), problem })
        }
    })
}

fn dtype(stored: Stored) -> DType {
    match stored {
        Stored::F64 => DType::F64,
        Stored::F32 | Stored::Flex32 => DType::F32,
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
        Stored::Bool(_) | Stored::QFloat(_) => DType::Other,
    }
}

/// Writes f32 tensors (name, shape, row-major values) as burnpack, under these very names: aside, then renamed.
///
/// # Errors
/// A shape that does not fit its values, a name twice, a folder that cannot be written.
pub fn save_burnpack(
    path: &Path,
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let mut names = HashSet::new();
    let mut packed = Vec::with_capacity(tensors.len());
    for (name, shape, values) in tensors {
        let unwritable = |problem: String| WeightsError::Unwritable {
            path: path.to_owned(),
            name: name.clone(),
            problem,
        };
        let elements =
            shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        if elements != Some(values.len()) {
            return Err(unwritable(format!("of shape {shape:?} has {} values", values.len())));
        }
        if !names.insert(name) {
            return Err(unwritable("would be there twice: names must differ".to_owned()));
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let bytes = Bytes::from_bytes_vec(bytes);
        packed.push(Tensor::new(name.clone(), Stored::F32, shape.clone(), None, bytes));
    }
    let writer = Writer::new(packed).auto_extension(false);
    let writer = metadata.iter().fold(writer, |it, (key, value)| it.with_metadata(key, value));
    writer.write_to_file(path).map_err(|error| WeightsError::Write {
        path: path.to_owned(),
        source: std::io::Error::other(one_line(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Format, WeightsFile};

    fn tensor(name: &str, shape: &[usize]) -> (String, Vec<usize>, Vec<f32>) {
        let values =
            (0..shape.iter().product::<usize>()).map(|value: usize| value as f32).collect();
        (name.to_string(), shape.to_vec(), values)
    }

    #[test]
    fn a_pack_is_read_by_the_names_and_orders_of_pytorch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.bpk");
        let tensors = [
            tensor("bn1.gamma", &[2]),
            tensor("bn1.beta", &[2]),
            tensor("ls1.gamma", &[3]),
            tensor("fc.weight", &[2, 3]),
            tensor("fc.bias", &[3]),
            tensor("word_embeddings.weight", &[2, 3]),
            tensor("conv1.weight", &[1, 2, 1, 1]),
        ];
        let metadata = BTreeMap::from([("network".to_string(), "toy".to_string())]);
        save_burnpack(&path, &tensors, &metadata).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.format(), Format::Burnpack);
        assert_eq!(file.metadata()["network"], "toy");
        let mut names: Vec<&str> = file.names().collect();
        names.sort_unstable();
        let expected = [
            "bn1.bias",
            "bn1.weight",
            "conv1.weight",
            "fc.bias",
            "fc.weight",
            "ls1.gamma",
            "word_embeddings.weight",
        ];
        assert_eq!(names, expected);
        assert_eq!(file.shape("fc.weight"), Some(&[3, 2][..]));
        assert_eq!(file.values("fc.weight").unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(file.shape("word_embeddings.weight"), Some(&[2, 3][..]));
        assert_eq!(file.values("bn1.bias").unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn two_tensors_that_get_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.bpk");
        let names = ["bn1.gamma", "bn1.beta", "bn1.weight"];
        save_burnpack(&path, &names.map(|name| tensor(name, &[2])), &BTreeMap::new()).unwrap();
        let message = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(message.contains("\"bn1.weight\" is there twice"), "{message}");
    }

    #[test]
    fn a_pack_cut_anywhere_is_one_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.bpk");
        save_burnpack(&path, &[tensor("fc.weight", &[8, 8])], &BTreeMap::new()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [5, 9, 40, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let message = WeightsFile::open(&path).unwrap_err().to_string();
            assert_eq!(message.lines().count(), 1, "{length}: {message}");
            assert!(message.contains("weights.bpk"), "{length}: {message}");
        }
    }
}
