//! Setting items aside for validation and test: stratified and seeded.

use std::collections::BTreeMap;

use crate::grouped::{divide, has_groups};
use crate::{DataError, Images, Items, Part};

/// Which items are for training, which for validation, which for test: ascending indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

impl Images {
    /// Divides the images; see [`Split::of`].
    ///
    /// # Errors
    /// As there.
    pub fn split(&self, fractions: [f64; 3], seed: u64) -> Result<Split, DataError> {
        Split::of(self, fractions, seed)
    }
}

impl Split {
    /// Divides items into train, validation and test, every class in the same proportion. Items that are the
    /// same stay together, with the class of the first of them. Where items are of [groups](Items::group), whole groups are
    /// divided, and every class comes as near to its proportion as they allow.
    ///
    /// Where the data come already split, their parts are kept. A validation part that is missing
    /// is then taken out of train, in the proportion of the first two fractions; a test part that
    /// is missing stays empty ([`Split::notes`] says so). Over all classes together each part is
    /// within one item of its fraction, also when the classes are small; items that are the same count as one.
    ///
    /// # Errors
    /// Fractions outside `0..=1` or that do not sum to 1; parts without any training item.
    pub fn of(items: &dyn Items, fractions: [f64; 3], seed: u64) -> Result<Self, DataError> {
        let in_range = fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction));
        if !in_range || (fractions.iter().sum::<f64>() - 1.0).abs() > 1e-6 {
            return Err(DataError::Fractions { fractions });
        }
        let all = 0..items.count();
        let of_part = |part| -> Vec<usize> {
            all.clone().filter(|&index| items.part(index) == Some(part)).collect()
        };
        if all.clone().all(|index| items.part(index).is_none()) {
            return Ok(stratify(items, all.collect(), fractions, seed));
        }
        // An item without a part beside items with one can only come from hand-made data: train.
        let train: Vec<usize> = all
            .clone()
            .filter(|&index| matches!(items.part(index), Some(Part::Train) | None))
            .collect();
        let (validation, test) = (of_part(Part::Validation), of_part(Part::Test));
        if train.is_empty() {
            return Err(DataError::NoTrainPart);
        }
        let fitting = fractions[0] + fractions[1];
        if !validation.is_empty() || fractions[1] == 0.0 {
            return Ok(Split { train, validation, test });
        }
        let share = fractions[1] / fitting;
        Ok(Split { test, ..stratify(items, train, [1.0 - share, share, 0.0], seed) })
    }
}

/// Divides `indices` class by class.
fn stratify(items: &dyn Items, indices: Vec<usize>, fractions: [f64; 3], seed: u64) -> Split {
    if has_groups(items, &indices) {
        return divide(items, &indices, fractions, seed);
    }
    let mut alike: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in indices {
        alike.entry(items.first_alike(index)).or_default().push(index);
    }
    let mut classes: BTreeMap<Option<usize>, Vec<Vec<usize>>> = BTreeMap::new();
    for (first, group) in alike {
        classes.entry(items.label(first)).or_default().push(group);
    }
    let mut split = Split::default();
    // What is due to a part and not yet given, in groups of equal items: carried from class to class, so that
    // ten classes of three items yield validation items although a tenth of three rounds to
    // none.
    let [mut due_validation, mut due_test] = [0.0_f64; 2];
    for (class, mut groups) in classes {
        let number = class.map_or(u64::MAX, |class| class as u64);
        tl_random::rng(seed, "split", 0, number).shuffle(&mut groups);
        let count = groups.len();
        // A class keeps one item for training, if there is any training.
        let mut free = if fractions[0] > 0.0 { count - 1 } else { count };
        for (part, due, fraction) in [
            (&mut split.validation, &mut due_validation, fractions[1]),
            (&mut split.test, &mut due_test, fractions[2]),
        ] {
            *due += fraction * count as f64;
            let given = (due.round().max(0.0) as usize).min(free);
            part.extend(groups.drain(..given).flatten());
            *due -= given as f64;
            free -= given;
        }
        // Without a training share the rest belongs to whichever part has one.
        let rest = groups.into_iter().flatten();
        match fractions {
            [0.0, _, 0.0] => split.validation.extend(rest),
            [0.0, ..] => split.test.extend(rest),
            _ => split.train.extend(rest),
        }
    }
    split.sort();
    split
}

impl Split {
    /// Keeps `per_class` training items of each class; validation and test stay.
    ///
    /// The items for fewer shots are among those for more, with the same seed.
    ///
    /// # Errors
    /// 0 shots; a class with fewer training items, which is named.
    pub fn shots(
        mut self,
        items: &dyn Items,
        per_class: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        if per_class == 0 {
            return Err(DataError::ZeroShots);
        }
        let mut kept = Vec::new();
        for (label, class) in items.classes().iter().enumerate() {
            let has_label = |index: &usize| items.label(*index) == Some(label);
            let mut members: Vec<usize> = self.train.iter().copied().filter(has_label).collect();
            if members.len() < per_class {
                let available = members.len();
                return Err(DataError::TooFewShots {
                    class: class.clone(),
                    available,
                    wanted: per_class,
                });
            }
            tl_random::rng(seed, "shots", label as u64, 0).shuffle(&mut members);
            kept.extend_from_slice(&members[..per_class]);
        }
        self.train = kept;
        self.sort();
        Ok(self)
    }

    /// What a reader should be told, one line each: parts that are empty.
    pub fn notes(&self) -> Vec<String> {
        let empty = [
            (&self.validation, "no validation part: nothing is chosen, the last weights are kept"),
            (&self.test, "no test part: no figure here speaks for new data"),
        ];
        empty
            .iter()
            .filter(|(part, _)| part.is_empty())
            .map(|(_, note)| (*note).to_string())
            .collect()
    }

    pub(crate) fn sort(&mut self) {
        for part in [&mut self.train, &mut self.validation, &mut self.test] {
            part.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{idx_bytes, unsplit};

    #[test]
    fn every_class_is_split_in_the_same_proportion() {
        let images = unsplit(2, 20);
        let split = images.split([0.7, 0.15, 0.15], 7).unwrap();
        assert_eq!(images.class_counts(&split.train), [14, 14]);
        assert_eq!(images.class_counts(&split.validation), [3, 3]);
        assert_eq!(images.class_counts(&split.test), [3, 3]);
        let mut all = [split.train.clone(), split.validation, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        assert_eq!(split.train, images.split([0.7, 0.15, 0.15], 7).unwrap().train);
        assert_ne!(split.train, images.split([0.7, 0.15, 0.15], 8).unwrap().train);
    }

    #[test]
    fn small_classes_yield_validation_images_together() {
        let images = unsplit(20, 3);
        let split = images.split([0.8, 0.1, 0.1], 1).unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [48, 6, 6]);
        assert!(images.class_counts(&split.train).iter().all(|&count| count >= 1));
        let lonely = unsplit(20, 1).split([0.1, 0.5, 0.4], 1).unwrap();
        assert_eq!(lonely.train.len(), 20);
    }

    #[test]
    fn without_training_everything_goes_to_the_other_parts() {
        let images = unsplit(3, 5);
        assert_eq!(images.split([0.0, 0.0, 1.0], 1).unwrap().test.len(), 15);
        assert_eq!(images.split([0.0, 1.0, 0.0], 1).unwrap().validation.len(), 15);
        let both = images.split([0.0, 0.5, 0.5], 1).unwrap();
        assert_eq!(both.validation.len() + both.test.len(), 15);
    }

    #[test]
    fn given_parts_are_kept_and_a_missing_validation_part_comes_out_of_train() {
        let labels: Vec<u8> = (0..40).map(|index| index % 2).collect();
        let (pixels, train) = idx_bytes(&labels);
        let (few, test) = idx_bytes(&[0, 1]);
        let parts = [(Part::Train, &pixels[..], &train[..]), (Part::Test, &few[..], &test[..])];
        let images = Images::idx(&parts, Vec::new()).unwrap();
        let split = images.split([0.6, 0.2, 0.2], 3).unwrap();
        assert_eq!(images.class_counts(&split.train), [15, 15]);
        assert_eq!(images.class_counts(&split.validation), [5, 5]);
        assert!(split.test.iter().all(|&index| images.items[index].part == Some(Part::Test)));
        assert_eq!(split.test.len(), 2);
        assert_eq!(images.split([0.8, 0.0, 0.2], 3).unwrap().train.len(), 40);
        assert!(split.notes().is_empty());
        let only_train = Images::idx(&parts[..1], Vec::new()).unwrap().split([0.6, 0.2, 0.2], 3);
        assert!(only_train.unwrap().notes()[0].contains("no test part"));
        let only_test = Images::idx(&parts[1..], Vec::new()).unwrap();
        assert!(matches!(only_test.split([0.6, 0.2, 0.2], 3), Err(DataError::NoTrainPart)));
    }

    #[test]
    fn fractions_that_do_not_sum_to_one_are_refused() {
        let images = unsplit(2, 5);
        for fractions in [[0.7, 0.2, 0.2], [1.2, -0.2, 0.0], [f64::NAN, 0.5, 0.5], [0.0; 3]] {
            let split = images.split(fractions, 1);
            assert!(matches!(split, Err(DataError::Fractions { .. })), "{fractions:?}");
        }
    }

    #[test]
    fn shots_are_nested_and_a_class_with_fewer_is_named() {
        let images = unsplit(3, 10);
        let split = images.split([0.8, 0.1, 0.1], 7).unwrap();
        let two = split.clone().shots(&images, 2, 5).unwrap();
        let five = split.clone().shots(&images, 5, 5).unwrap();
        assert_eq!(images.class_counts(&two.train), [2, 2, 2]);
        assert!(two.train.iter().all(|index| five.train.contains(index)));
        assert_eq!(two.validation, split.validation);
        assert_ne!(two.train, split.clone().shots(&images, 2, 6).unwrap().train);
        let error = split.clone().shots(&images, 9, 5).unwrap_err().to_string();
        assert!(error.contains("\"0\" has 8"), "{error}");
        assert!(matches!(split.shots(&images, 0, 5), Err(DataError::ZeroShots)));
    }
}
