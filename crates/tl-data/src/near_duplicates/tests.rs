use std::sync::Arc;

use super::*;
use crate::Preprocess;
use crate::testing::unsplit;

/// Stripes that rise and fall by column and row, `shift` brighter.
fn waves(width: usize, height: usize, kind: usize, shift: u8) -> Rgb8 {
    let value = |row: usize, column: usize| {
        let (x, y) = (column * 9 / width, row * 8 / height);
        ((x * 37 + y * 53 + kind * x * (y + 3) * 29) % 180) as u8 + shift
    };
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    let bytes = places.flat_map(|(row, column)| [value(row, column); 3]).collect();
    Rgb8::new(width, height, bytes).unwrap()
}

#[test]
fn an_image_that_is_larger_or_brighter_has_nearly_the_same_hash_and_another_image_has_not() {
    let one = difference_hash(&waves(90, 80, 1, 0)).unwrap();
    let brighter = difference_hash(&waves(90, 80, 1, 40)).unwrap();
    let larger = difference_hash(&waves(180, 160, 1, 0)).unwrap();
    let other = difference_hash(&waves(90, 80, 2, 0)).unwrap();
    assert!((one ^ brighter).count_ones() <= USUAL_DISTANCE);
    assert!((one ^ larger).count_ones() <= USUAL_DISTANCE);
    assert!((one ^ other).count_ones() > 2 * USUAL_DISTANCE);
}

#[test]
fn rising_rows_are_ones_and_falling_rows_zeros_and_a_flat_image_has_no_hash() {
    let of = |value: &dyn Fn(usize, usize) -> u8| {
        let places = (0..8).flat_map(|row| (0..9).map(move |column| (row, column)));
        let bytes = places.flat_map(|(row, column)| [value(row, column); 3]).collect();
        difference_hash(&Rgb8::new(9, 8, bytes).unwrap())
    };
    assert_eq!(of(&|_, column| 20 * column as u8), Some(u64::MAX));
    assert_eq!(of(&|_, column| 200 - 20 * column as u8), Some(0));
    let first_row = |row: usize, column: usize| {
        if row == 0 { 20 * column as u8 } else { 200 - 20 * column as u8 }
    };
    assert_eq!(of(&first_row), Some(0xff << 56));
    assert_eq!(of(&|row, column| 100 + ((row + column) % 4) as u8), None);
}

#[test]
fn no_hash_within_the_distance_is_missed_and_the_nearest_is_found() {
    for distance in [0, 1, 4, 16] {
        let mut random = tl_random::rng(5, "hashes", u64::from(distance), 0);
        let known: Vec<u64> = (0..200).map(|_| random.next_u64()).collect();
        let mut bands = Bands::new(distance);
        known.iter().enumerate().for_each(|(index, hash)| bands.add(*hash, index, Part::Train));
        for round in 0..300 {
            let mut hash = known[round % known.len()];
            for _ in 0..random.below(20) {
                hash ^= 1 << random.below(64);
            }
            let by_hand =
                known.iter().enumerate().map(|(at, it)| ((hash ^ it).count_ones(), at)).min();
            let by_hand = by_hand.filter(|(bits, _)| *bits <= distance);
            assert_eq!(bands.nearest(hash).map(|(bits, at, _)| (bits, at)), by_hand);
        }
    }
}

#[test]
fn of_equal_hashes_one_is_compared_and_threads_change_nothing() {
    let mut bands = Bands::new(4);
    for index in [7, 3, 5] {
        bands.add(0xff, index, Part::Train);
    }
    assert!(bands.tables.iter().flat_map(HashMap::values).all(|hashes| hashes.len() == 1));
    let own: Vec<(usize, u64)> = (0..9).map(|at| (at, 0xff << at)).collect();
    let alone: Vec<_> = own.iter().map(|(_, hash)| bands.nearest(*hash)).collect();
    assert_eq!((alone[0], alone[1]), (Some((0, 3, Part::Train)), Some((2, 3, Part::Train))));
    for threads in [0, 1, 2, 20] {
        assert_eq!(bands.nearest_of(&own, threads), alone);
    }
    assert!(bands.nearest_of(&[], 2).is_empty());
}

#[test]
fn images_that_look_alike_in_two_parts_are_counted_and_the_nearest_named() {
    let mut images = unsplit(2, 5);
    images.items.iter_mut().enumerate().for_each(|(at, item)| item.name = format!("{at}.png"));
    // Of image 9 there is no hash.
    let hashes = [0u64, 0xff, 0xffff, 0xff_ffff, 0, 0b111, 0x1fe, 0xff00_0000, 0xffff_0000_0000];
    let hash = |index: &usize| hashes.get(*index).copied();
    let split = Split { train: vec![0, 1, 2], validation: vec![3, 4, 5], test: vec![6, 7, 8, 9] };
    let found = compare(&images, &split, 4, 2, &hash);
    // 4 is 0; 5 lies 3 from it; 6 lies 2 from 1; 7 and 8 lie 8 or more from all.
    assert_eq!((found.compared, found.images), (9, 3));
    let pairs: Vec<(&str, &str, u32)> = found
        .examples
        .iter()
        .map(|it| (it.image.as_str(), it.like.as_str(), it.distance))
        .collect();
    assert_eq!(pairs, [("4.png", "0.png", 0), ("6.png", "1.png", 2), ("5.png", "0.png", 3)]);
    assert_eq!((found.examples[1].part, found.examples[1].of_part), (Part::Test, Part::Train));
    let lines = found.lines();
    assert!(lines.len() == 4 && lines[0].starts_with("3 images look like"), "{lines:?}");
    assert!(compare(&images, &split, 0, 2, &hash).images == 1);
    let alone = Split { train: vec![0, 4], ..Split::default() };
    assert!(compare(&images, &alone, 4, 2, &hash).lines().is_empty());
}

#[test]
fn a_hash_is_noted_while_an_image_is_decoded_and_the_others_are_read_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, shift) in
        [("a/1.png", 1, 0), ("a/2.png", 2, 0), ("b/1.png", 1, 30), ("b/2.png", 3, 0)]
    {
        let image = waves(90, 80, kind, shift);
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, image.to_png().unwrap()).unwrap();
    }
    std::fs::write(folder.path().join("b/3.png"), "no image").unwrap();
    let images = Images::open(folder.path()).unwrap();
    assert!(images.are_files() && !unsplit(2, 1).are_files());
    let loader = Loader::new(Arc::new(images), Preprocess::imagenet(8, 8), 2, false).unwrap();
    let split = Split { train: vec![0, 1], validation: vec![3, 4], test: vec![2] };
    let hashed = loader.hashed();
    assert_eq!(hashed.without_hash(&split), 5);
    assert_eq!(hashed.batches(vec![0, 3], 2, None).count(), 1);
    assert_eq!(hashed.without_hash(&split), 3);
    // What is found to be broken is not waited for.
    assert_eq!(hashed.batches(vec![1, 4], 2, None).count(), 1);
    assert_eq!((hashed.without_hash(&split), hashed.skipped().len()), (1, 1));
    let found = hashed.near_duplicates(&split, USUAL_DISTANCE);
    assert_eq!((found.compared, found.images), (4, 1));
    let NearDuplicate { image, like, .. } = &found.examples[0];
    assert_eq!((image.as_str(), like.as_str()), ("b/1.png", "a/1.png"));
    // One that noted nothing down finds the same, and what is left out is not skipped by it.
    assert_eq!(loader.near_duplicates(&split, USUAL_DISTANCE), found);
    assert!(loader.skipped().is_empty());
}
