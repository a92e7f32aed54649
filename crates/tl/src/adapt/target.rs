//! What the target's images are, and what each of them is for.

use std::collections::HashSet;
use std::sync::Arc;

use tl_data::{DataError, Images, Items, Part, Split};

use super::prepare::AdaptRequest;
use super::{TargetData, TargetRecord};
use crate::Error;

/// The target's images and what each is for.
pub(super) struct Target {
    pub images: Arc<Images>,
    pub name: String,
    /// What the methods see, without labels.
    pub adapted: Vec<usize>,
    /// Labelled ones, for the oracle alone.
    pub test: Vec<usize>,
    /// Whether `test` is a part of its own.
    pub own_test_part: bool,
}

impl Target {
    /// What `run.json` says of it before anything was read.
    pub fn record(&self) -> TargetRecord {
        TargetRecord {
            path: self.name.clone(),
            fingerprint: self.images.fingerprint(),
            images: self.adapted.len(),
            test: self.test.len(),
            own_test_part: self.own_test_part,
        }
    }
}

/// The images that a generated target is made of: training images that the source leaves out, as many as it has; where it
/// takes all of them, the same images, with those that the validators look at.
fn originals(whole: &Split, split: &Split, seed: u64) -> Vec<usize> {
    let taken: HashSet<usize> = split.train.iter().copied().collect();
    let left: Vec<usize> =
        whole.train.iter().copied().filter(|item| !taken.contains(item)).collect();
    if left.is_empty() {
        let mut all = [whole.train.as_slice(), &whole.validation].concat();
        all.sort_unstable();
        return all;
    }
    let order = tl_random::rng(seed, "originals of the target", 0, 0).permutation(left.len());
    order.into_iter().take(split.train.len()).map(|place| left[place]).collect()
}

/// Lays out the target: labels by the source's names, or none; and what a reader should be told, one line each.
///
/// # Errors
/// Classes that the source does not have, fewer than two images, a shift that cannot be made.
pub(super) fn target(
    request: &AdaptRequest,
    whole: &Split,
    split: &Split,
) -> Result<(Target, Vec<String>), Error> {
    let (source, options) = (&request.source, &request.options);
    let (images, name) = match &request.target {
        TargetData::Images { images, name } => (Images::clone(images), name.clone()),
        TargetData::Shift(shift) => {
            let shifter = shift.clone().prepare(options.settings.seed)?;
            (source.shifted(&shifter), format!("{} of {}", shift.name(), request.source_name))
        }
    };
    let mut notes = images.notes.clone();
    let images = if options.oracle { images } else { images.unlabelled() };
    let images = images.with_classes(&source.classes).map_err(other_classes)?;
    let items = || images.items.iter().enumerate();
    let (adapted, test, own_test_part) = match &request.target {
        TargetData::Shift(_) => {
            let originals = originals(whole, split, options.settings.seed);
            let own = !split.test.is_empty();
            let test = if own { &split.test } else { &originals };
            (originals.clone(), test.clone(), own)
        }
        TargetData::Images { .. } => {
            let is_test = |part: Option<Part>| part == Some(Part::Test);
            let own = items().any(|(_, item)| is_test(item.part))
                && items().any(|(_, item)| !is_test(item.part));
            let of = |test: bool| -> Vec<usize> {
                let chosen = items().filter(|(_, item)| !own || is_test(item.part) == test);
                chosen.map(|(index, _)| index).collect()
            };
            (of(false), of(true), own)
        }
    };
    let test: Vec<usize> =
        test.into_iter().filter(|&item| images.items[item].label.is_some()).collect();
    if adapted.is_empty() {
        return Err(DataError::EmptyDomain { domain: "target".into() }.into());
    }
    if adapted.len() < 2 {
        return Err(Error::options(
            "one image of the target shows no distribution to adapt to",
            "give two or more",
        ));
    }
    if !test.is_empty() && matches!(request.target, TargetData::Images { .. }) {
        notes.push("the target's labels are used for the figures named oracle alone".to_string());
        let counts = images.class_counts(&test);
        let missing = source.classes.iter().zip(counts).filter(|(_, count)| *count == 0);
        let missing: Vec<&str> = missing.map(|(class, _)| class.as_str()).collect();
        if !missing.is_empty() {
            notes.push(format!(
                "the target has no image of {}; methods expect every class of the source there",
                missing.join(", ")
            ));
        }
    }
    let target = Target { images: Arc::new(images), name, adapted, test, own_test_part };
    Ok((target, notes))
}

fn other_classes(error: DataError) -> Error {
    match error {
        DataError::UnknownClass { class, known } => Error::options(
            format!("the target has a class {class:?} that the source does not have ({known})"),
            "give both domains the same classes, or add --no-oracle to leave the target's folders aside",
        ),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_target_is_made_from_what_the_source_leaves_and_else_from_the_same_images() {
        let whole = Split { train: vec![0, 1, 2, 3, 4, 5], validation: vec![6, 7], test: vec![8] };
        let split = Split { train: vec![1, 4], ..whole.clone() };
        let found = originals(&whole, &split, 3);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|item| [0, 2, 3, 5].contains(item)), "{found:?}");
        assert_eq!(originals(&whole, &whole, 3), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
