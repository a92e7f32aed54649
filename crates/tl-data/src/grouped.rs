//! Dividing items that belong together: whole groups, every class as near to its share as they allow.

use std::collections::BTreeMap;

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
/// what they leave. One group stays for training, if there is any training.
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
    let mut given: [Vec<Vec<usize>>; 3] = Default::default();
    for Group { members, counts } in groups {
        // Of each kind how much of the whole the group holds.
        let shares: Vec<(usize, f64)> =
            counts.iter().map(|(kind, count)| (*kind, count / totals[*kind])).collect();
        let lack = |part: usize| -> f64 {
            shares.iter().map(|(kind, share)| share * due[part][*kind]).sum()
        };
        let open = (0..3).filter(|part| fractions[*part] > 0.0);
        // Of equals the first part.
        let part = open.reduce(|best, part| if lack(part) > lack(best) { part } else { best });
        let part = part.unwrap_or(0);
        shares.iter().for_each(|(kind, share)| due[part][*kind] -= share);
        given[part].push(members);
    }
    if given[0].is_empty() && fractions[0] > 0.0 {
        // The smallest group of the part that has most.
        let most = if given[1].len() >= given[2].len() { 1 } else { 2 };
        let smallest = given[most].pop();
        given[0].extend(smallest);
    }
    let [train, validation, test] = given.map(|groups| groups.concat());
    let mut split = Split { train, validation, test };
    split.sort();
    split
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
    fn one_group_stays_for_training() {
        let images = grouped(&[6], true);
        let split = Split::of(&images, [0.1, 0.45, 0.45], 1).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (6, 0));
        let none = Split::of(&images, [0.0, 0.5, 0.5], 1).unwrap();
        assert_eq!(none.validation.len(), 6);
    }
}
