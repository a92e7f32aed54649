//! How Burn's own layers call and keep their parameters.

use std::collections::HashSet;

use crate::load::transpose;
use crate::save::NamedTensor;

/// Tensors of PyTorch's names and orders as Burn's layers have them: a norm's `weight` and `bias` are its `gamma` and `beta`, and
/// the matrix of a linear layer is `[in, out]`. Of the networks of images each vector called `weight` is a norm's, and each
/// matrix called so a linear layer's.
pub(super) fn own(tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let norm = |(name, shape, _): &NamedTensor| {
        let module = name.strip_suffix(".weight").filter(|_| shape.len() == 1);
        module.map(str::to_string)
    };
    let norms: HashSet<String> = tensors.iter().filter_map(norm).collect();
    let renamed = tensors.into_iter().map(|(name, shape, values)| {
        let (module, value) = name.rsplit_once('.').unwrap_or(("", &name));
        match (value, shape.as_slice()) {
            ("weight", [_]) => (format!("{module}.gamma"), shape, values),
            ("bias", _) if norms.contains(module) => (format!("{module}.beta"), shape, values),
            ("weight", &[rows, columns]) => {
                let turned = transpose(&values, rows, columns);
                (name, vec![columns, rows], turned)
            }
            _ => (name, shape, values),
        }
    });
    renamed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_and_linear_layers_are_as_burn_has_them_and_nothing_else_moves() {
        let tensor = |name: &str, shape: &[usize]| {
            let values =
                (0..shape.iter().product::<usize>()).map(|value: usize| value as f32).collect();
            (name.to_string(), shape.to_vec(), values)
        };
        let found = own(vec![
            tensor("bn1.weight", &[2]),
            tensor("bn1.bias", &[2]),
            tensor("bn1.running_mean", &[2]),
            tensor("conv1.weight", &[1, 2, 1, 1]),
            tensor("conv1.bias", &[1]),
            tensor("fc.weight", &[2, 3]),
            tensor("fc.bias", &[2]),
            tensor("cls_token", &[1, 1, 2]),
        ]);
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        let expected = [
            "bn1.gamma",
            "bn1.beta",
            "bn1.running_mean",
            "conv1.weight",
            "conv1.bias",
            "fc.weight",
            "fc.bias",
            "cls_token",
        ];
        assert_eq!(names, expected);
        assert_eq!((&found[5].1, &found[5].2), (&vec![3, 2], &vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(found[3].1, [1, 2, 1, 1]);
    }
}
