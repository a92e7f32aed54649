//! Images that are there more than once.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::decode::read_image_file;
use crate::images::Source;
use crate::{Images, Items, Split};

/// Items that are the same as an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Duplicates {
    /// Items of which there is an earlier one.
    pub items: usize,
    /// Of these, such as have another class than that one.
    pub other_class: usize,
    /// Such as stand in another part than that one: what is learnt from one is then measured on the other.
    pub other_part: usize,
}

impl Duplicates {
    /// Of `items`, where `first` tells the first item that is the same.
    pub fn of(items: &dyn Items, split: &Split, first: impl Fn(usize) -> usize) -> Self {
        let mut parts = vec![0_u8; items.count()];
        for (number, part) in [&split.train, &split.validation, &split.test].iter().enumerate() {
            for item in part.iter() {
                if let Some(own) = parts.get_mut(*item) {
                    *own = number as u8 + 1;
                }
            }
        }
        let part = |item: usize| parts.get(item).copied().unwrap_or_default();
        let mut found = Self::default();
        for item in 0..items.count() {
            let first = first(item);
            if first == item {
                continue;
            }
            found.items += 1;
            let classes = |item: usize| (items.label(item), items.several(item));
            found.other_class += usize::from(classes(first) != classes(item));
            // What is in no part is not used.
            let both = part(first) > 0 && part(item) > 0;
            found.other_part += usize::from(both && part(first) != part(item));
        }
        found
    }
}

impl Images {
    /// For each image the first one with the same content. Only files of the same size are read; what cannot be read is like no
    /// other.
    pub fn first_alike_by_content(&self) -> Vec<usize> {
        let mut sizes: HashMap<u64, usize> = HashMap::new();
        for item in &self.items {
            if let Source::File { bytes, .. } = &item.source {
                *sizes.entry(*bytes).or_default() += 1;
            }
        }
        let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
        let items = self.items.iter().enumerate();
        items
            .map(|(index, item)| {
                let mut hasher = Sha256::new();
                match &item.source {
                    Source::File { bytes, .. } if sizes.get(bytes) == Some(&1) => return index,
                    Source::File { path, .. } => match read_image_file(path) {
                        Ok(content) => hasher.update(content),
                        Err(_) => return index,
                    },
                    other => other.identify(&mut hasher),
                }
                *seen.entry(hasher.finalize().into()).or_insert(index)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_the_same_content_are_found_and_counted_by_class_and_part() {
        let folder = tempfile::tempdir().unwrap();
        // By name: a/1 b"one!", a/2 b"two!", a/3 b"one!", b/1 b"two!", b/2 b"longer".
        for (name, content) in [
            ("a/1.png", "one!"),
            ("a/2.png", "two!"),
            ("a/3.png", "one!"),
            ("b/1.png", "two!"),
            ("b/2.png", "longer"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let images = Images::open(folder.path()).unwrap();
        let first = images.first_alike_by_content();
        assert_eq!(first, [0, 1, 0, 1, 4]);
        let split = Split { train: vec![0, 1, 4], validation: vec![2], test: vec![] };
        let found = Duplicates::of(&images, &split, |item| first[item]);
        // The second "two!" has another class and is in no part.
        assert_eq!(found, Duplicates { items: 2, other_class: 1, other_part: 1 });

        // Of images that may have several labels all of them count.
        let mut images = images;
        for (item, own) in images.items.iter_mut().zip([&[0, 1][..], &[1], &[0], &[1], &[]]) {
            (item.label, item.several) = (None, Some(own.into()));
        }
        let found = Duplicates::of(&images, &split, |item| first[item]);
        assert_eq!(found, Duplicates { items: 2, other_class: 1, other_part: 1 });
    }
}
