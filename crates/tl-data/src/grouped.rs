//! Dividing items that belong together: whole groups, every class as near to its share as they allow.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Items, Split};

/// Items that are divided together, and how many of them each class has that has some; the kind behind the last class counts all.
struct Group {
    members: Vec<usize>,
    counts: Vec<(usize, f64)>,
}

/// Whether any of `indices` is of a group, or of several classes, which no division class by class keeps in proportion.
pub(crate) fn has_groups(items: &dyn Items, indices: &[usize]) -> bool {
    indices.iter().any(|&index| items.group(index).is_some() || items.several(index).is_some())
}

/// Divides `indices` group by group; an item without one is a group with those that are the same.
///
/// The largest groups are given first, those of equal size in an order drawn from `seed`, each to the part that lacks most
/// of what the group holds: `Σ h(class) · (share − given(class))`, over the classes and all items together, where `h` and
/// `given` are parts of all that the class has.
/// Nothing is more than a whole group away from its share where there are enough small groups; few large ones leave
/// what they leave. One group of each class stays for training, if there is any training: a class that is tested must be trained.
pub(crate) fn divide(
    items: &dyn Items,
    indices: &[usize],
    fractions: [f64; 3],
    seed: u64,
) -> Split {
    let mut groups = groups(items, indices);
    tl_random::rng(seed, "split of groups", 0, 0).shuffle(&mut groups);
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    let kinds = items.classes().len() + 1;
    let mut totals = vec![0.0; kinds];
    for (kind, count) in groups.iter().flat_map(|group| &group.counts) {
        totals[*kind] += count;
    }
    // What is due to each part and not yet given, as a share of the whole.
    let mut due: [Vec<f64>; 3] = fractions.map(|fraction| vec![fraction; kinds]);
    let mut given: [Vec<Group>; 3] = Default::default();
    for group in groups {
        // Of each kind how much of the whole the group holds.
        let shares: Vec<(usize, f64)> =
            group.counts.iter().map(|(kind, count)| (*kind, count / totals[*kind])).collect();
        let lack = |part: usize| -> f64 {
            shares.iter().map(|(kind, share)| share * due[part][*kind]).sum()
        };
        let open = (0..3).filter(|part| fractions[*part] > 0.0);
        // Of equals the first part.
        let part = open.reduce(|best, part| if lack(part) > lack(best) { part } else { best });
        let part = part.unwrap_or(0);
        shares.iter().for_each(|(kind, share)| due[part][*kind] -= share);
        given[part].push(group);
    }
    if fractions[0] > 0.0 {
        keep_trained(&mut given, kinds);
    }
    let members = |groups: Vec<Group>| -> Vec<usize> {
        groups.into_iter().flat_map(|group| group.members).collect()
    };
    let [train, validation, test] = given.map(members);
    let mut split = Split { train, validation, test };
    split.sort();
    split
}

/// Moves the smallest group of each kind that training has nothing of from another part to training.
fn keep_trained(given: &mut [Vec<Group>; 3], kinds: usize) {
    let mut trained: BTreeSet<usize> =
        given[0].iter().flat_map(|group| &group.counts).map(|(kind, _)| *kind).collect();
    for kind in 0..kinds {
        if trained.contains(&kind) {
            continue;
        }
        let mut smallest: Option<(usize, usize, usize)> = None;
        for (part, groups) in given.iter().enumerate().skip(1) {
            for (place, group) in groups.iter().enumerate() {
                let size = group.members.len();
                let smaller = smallest.is_none_or(|(least, ..)| size < least);
                if smaller && group.counts.iter().any(|(own, _)| *own == kind) {
                    smallest = Some((size, part, place));
                }
            }
        }
        if let Some((_, part, place)) = smallest {
            let group = given[part].remove(place);
            trained.extend(group.counts.iter().map(|(kind, _)| *kind));
            given[0].push(group);
        }
    }
}

fn groups(items: &dyn Items, indices: &[usize]) -> Vec<Group> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Key<'n> {
        Named(&'n str),
        Alike(usize),
    }
    let mut found: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for &index in indices {
        let key =
            items.group(index).map_or_else(|| Key::Alike(items.first_alike(index)), Key::Named);
        found.entry(key).or_default().push(index);
    }
    let all = items.classes().len();
    let of = |members: Vec<usize>| {
        let mut own: BTreeMap<usize, f64> = BTreeMap::new();
        for &index in &members {
            let labels = items.label(index).into_iter();
            let labels = labels.chain(items.several(index).unwrap_or_default().iter().copied());
            labels
                .filter(|label| *label < all)
                .for_each(|label| *own.entry(label).or_default() += 1.0);
        }
        own.insert(all, members.len() as f64);
        Group { members, counts: own.into_iter().collect() }
    };
    found.into_values().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Images;
    use crate::testing::unsplit;

    /// Images of two classes in groups of these sizes; every image's class is that of the group, or alternates.
    fn grouped(sizes: &[usize], mixed: bool) -> Images {
        let count: usize = sizes.iter().sum();
        let mut images = unsplit(2, count.div_ceil(2));
        images.items.truncate(count);
        let groups = sizes.iter().enumerate().flat_map(|(group, size)| vec![group; *size]);
        for (place, (item, group)) in images.items.iter_mut().zip(groups).enumerate() {
            item.group = Some(Arc::from(format!("g{group}")));
            item.label = Some(if mixed { place % 2 } else { group % 2 });
        }
        images
    }

    fn parts_of(images: &Images, split: &Split) -> Vec<Vec<String>> {
        let of = |part: &Vec<usize>| {
            let mut names: Vec<String> =
                part.iter().map(|index| images.group(*index).unwrap().to_string()).collect();
            names.sort();
            names.dedup();
            names
        };
        [&split.train, &split.validation, &split.test].map(of).to_vec()
    }

    #[test]
    fn no_group_lies_in_two_parts_and_all_are_given() {
        let sizes = [7, 1, 4, 4, 2, 9, 3, 3, 5, 2, 6, 1, 8, 4];
        for mixed in [false, true] {
            let images = grouped(&sizes, mixed);
            let split = Split::of(&images, [0.6, 0.2, 0.2], 5).unwrap();
            let parts = parts_of(&images, &split).concat();
            let mut once = parts.clone();
            once.sort();
            once.dedup();
            assert_eq!((parts.len(), once.len()), (sizes.len(), sizes.len()));
            let all = split.train.len() + split.validation.len() + split.test.len();
            assert_eq!(all, images.len());
        }
    }

    #[test]
    fn equal_groups_are_divided_class_by_class() {
        // Ten groups of four, the classes in turn: of each class five groups.
        let images = grouped(&[4; 10], false);
        for seed in 0..10 {
            let split = Split::of(&images, [0.6, 0.2, 0.2], seed).unwrap();
            assert_eq!(images.class_counts(&split.train), [12, 12]);
            assert_eq!(images.class_counts(&split.validation), [4, 4]);
            assert_eq!(images.class_counts(&split.test), [4, 4]);
        }
    }

    #[test]
    fn the_seed_decides_alone() {
        let images = grouped(&[2; 30], true);
        let of = |seed| Split::of(&images, [0.7, 0.15, 0.15], seed).unwrap();
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn a_class_of_one_group_is_trained_and_not_tested_alone() {
        // Twelve groups of four of the first class and one of the second, which would fill up what another part lacks.
        let mut images = grouped(&[4; 13], false);
        for (place, item) in images.items.iter_mut().enumerate() {
            item.label = Some(usize::from(place >= 48));
        }
        for seed in 0..10 {
            let split = Split::of(&images, [0.2, 0.4, 0.4], seed).unwrap();
            assert_eq!(images.class_counts(&split.train)[1], 4);
            assert_eq!(parts_of(&images, &split).concat().len(), 13);
            assert!(!split.validation.is_empty() && !split.test.is_empty());
        }
    }

    #[test]
    fn one_group_stays_for_training() {
        let images = grouped(&[6], true);
        let split = Split::of(&images, [0.1, 0.45, 0.45], 1).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (6, 0));
        let none = Split::of(&images, [0.0, 0.5, 0.5], 1).unwrap();
        assert_eq!(none.validation.len(), 6);
    }
}
