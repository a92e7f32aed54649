//! What every network promises, checked on every one that has a name: stages, what a phase leaves alone, files.
//!
//! Everything runs on the smallest images that a network can work on, or a little larger ones.

mod examples;
mod files;
mod frozen;
mod grey;
mod stages;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::Tensor;
use tl_core::parameters::{values, visit_parameters};

/// Whether each parameter and statistic of `before` has other bits in `after`, by path. No copy of all values is made: the
/// largest networks would not leave room for one.
fn changes<M: Module, N: Module>(before: &M, after: &N) -> BTreeMap<String, bool> {
    let mut old: BTreeMap<String, Tensor<1>> = BTreeMap::new();
    visit_parameters(before, |info, tensor| {
        old.insert(info.path.clone(), tensor);
    });
    let mut changed = BTreeMap::new();
    visit_parameters(after, |info, tensor| {
        let before = old.remove(&info.path);
        let before = values(before.unwrap_or_else(|| panic!("{} is new", info.path))).unwrap();
        let after = values(tensor).unwrap();
        let same = before.len() == after.len()
            && before.iter().zip(&after).all(|(one, other)| one.to_bits() == other.to_bits());
        changed.insert(info.path.clone(), !same);
    });
    assert!(old.is_empty(), "{:?} are gone", old.into_keys().collect::<Vec<_>>());
    changed
}

/// The paths that have other bits in `after`.
fn changed<M: Module, N: Module>(before: &M, after: &N) -> Vec<String> {
    changes(before, after).into_iter().filter(|(_, it)| *it).map(|(path, _)| path).collect()
}
