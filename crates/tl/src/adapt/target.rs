//! What the target's examples are, and what each of them is for.

use std::collections::HashSet;

use tl_data::{DataError, Part, Split};

use super::prepare::AdaptRequest;
use super::{TargetData, TargetRecord};
use crate::{Error, Examples};

/// The target's examples and what each is for.
pub(super) struct Target {
    pub examples: Examples,
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
            fingerprint: self.examples.items().fingerprint(),
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
    let (examples, name) = match &request.target {
        TargetData::Given { examples, name } => (examples.clone(), name.clone()),
        TargetData::Shift(shift) => {
            let shifted = source.shifted(shift, options.settings.seed)?;
            (shifted, format!("{} of {}", shift.name(), request.source_name))
        }
    };
    let mut notes = examples.notes().to_vec();
    let examples = if options.oracle { examples } else { examples.unlabelled() };
    let classes = source.items().classes();
    let examples = examples.with_classes(classes).map_err(other_classes)?;
    let items = examples.items();
    let (adapted, test, own_test_part) = match &request.target {
        TargetData::Shift(_) => {
            let originals = originals(whole, split, options.settings.seed);
            let own = !split.test.is_empty();
            let test = if own { &split.test } else { &originals };
            (originals.clone(), test.clone(), own)
        }
        TargetData::Given { .. } => {
            let is_test = |part: Option<Part>| part == Some(Part::Test);
            let all = 0..items.count();
            let own = all.clone().any(|item| is_test(items.part(item)))
                && all.clone().any(|item| !is_test(items.part(item)));
            let of = |test: bool| -> Vec<usize> {
                all.clone().filter(|&item| !own || is_test(items.part(item)) == test).collect()
            };
            (of(false), of(true), own)
        }
    };
    let test: Vec<usize> = test.into_iter().filter(|&item| items.label(item).is_some()).collect();
    if adapted.is_empty() {
        return Err(DataError::EmptyDomain { domain: "target".into() }.into());
    }
    if adapted.len() < 2 {
        return Err(Error::options(
            "one example of the target shows no distribution to adapt to",
            "give two or more",
        ));
    }
    if !test.is_empty() && matches!(request.target, TargetData::Given { .. }) {
        notes.push("the target's labels are used for the figures named oracle alone".to_string());
        let counts = items.class_counts(&test);
        let missing = classes.iter().zip(counts).filter(|(_, count)| *count == 0);
        let missing: Vec<&str> = missing.map(|(class, _)| class.as_str()).collect();
        if !missing.is_empty() {
            notes.push(format!(
                "the target has no example of {}; methods expect every class of the source there",
                missing.join(", ")
            ));
        }
    }
    let target = Target { examples, name, adapted, test, own_test_part };
    Ok((target, notes))
}

fn other_classes(error: DataError) -> Error {
    match error {
        DataError::UnknownClass { class, known } => Error::options(
            format!("the target has a class {class:?} that the source does not have ({known})"),
            "give both domains the same classes, or add --no-oracle to leave the target's labels aside",
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
