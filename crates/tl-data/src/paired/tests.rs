use std::sync::Arc;

use super::*;
use crate::testing::{folder_with, loader, unsplit};
use crate::{CropRange, Images, Preprocess};

fn pairing() -> Pairing {
    Pairing {
        source_batch: 4,
        target_batch: 3,
        balanced: false,
        augment: Augment::cropped(CropRange { scale: [0.3, 1.0], ratio: [0.5, 2.0] }),
        seed: 7,
    }
}

/// `source` images of two classes beside `target` others.
fn paired(source: usize, target: usize, threads: usize, pairing: Pairing) -> PairedLoader {
    let of = |count: usize| loader(unsplit(2, count / 2), threads, true);
    PairedLoader::new(of(source), (0..source).collect(), of(target), (0..target).collect(), pairing)
        .unwrap()
}

fn collect(batches: PairedBatches) -> Vec<PairedBatch> {
    batches.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_shorter_domain_begins_again_in_a_fresh_order() {
    for (source, target) in [(20, 6), (4, 30)] {
        let paired = paired(source, target, 2, pairing());
        let batches = collect(paired.batches(0, 0));
        assert_eq!(batches.len(), paired.steps());
        assert_eq!(paired.steps(), usize::max(source.div_ceil(4), target.div_ceil(3)));
        assert!(batches.iter().enumerate().all(|(step, batch)| batch.step == step));
        assert!(batches.iter().all(|batch| batch.source.indices.len() == 4));
        assert!(batches.iter().all(|batch| batch.target.indices.len() == 3));
        let sources: Vec<usize> =
            batches.iter().flat_map(|batch| batch.source.indices.clone()).collect();
        let targets: Vec<usize> =
            batches.iter().flat_map(|batch| batch.target.indices.clone()).collect();
        for (drawn, count) in [(sources, source), (targets, target)] {
            let rounds: Vec<&[usize]> = drawn.chunks_exact(count).collect();
            for round in &rounds {
                let mut sorted = round.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            }
            assert!(rounds.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}

#[test]
fn an_image_that_comes_again_is_changed_anew() {
    let batches = collect(paired(20, 6, 1, pairing()).batches(0, 0));
    let pixels = |batch: &PairedBatch, index: usize| {
        let place = batch.target.indices.iter().position(|&item| item == index)?;
        Some(batch.target.pixels[place * 3 * 64..][..3 * 64].to_vec())
    };
    let changed = (0..6).filter(|&index| {
        let seen: Vec<_> = batches.iter().filter_map(|batch| pixels(batch, index)).collect();
        seen.len() >= 2 && seen[0] != seen[1]
    });
    assert!(changed.count() >= 4);
}

#[test]
fn an_epoch_entered_late_goes_on_as_if_it_had_begun() {
    let paired = paired(20, 14, 2, Pairing { balanced: true, ..pairing() });
    let whole = collect(paired.batches(3, 0));
    for first in 0..=paired.steps() {
        assert!(collect(paired.batches(3, first)) == whole[first..], "from step {first}");
    }
    assert!(collect(paired.batches(3, 99)).is_empty());
}

#[test]
fn the_batches_are_the_same_for_any_number_of_threads() {
    let with = |threads| collect(paired(20, 14, threads, pairing()).batches(1, 0));
    let one = with(1);
    assert!(one == with(2) && one == with(5));
}

#[test]
fn seed_and_epoch_change_the_order() {
    let seeded =
        |seed, epoch| collect(paired(20, 14, 1, Pairing { seed, ..pairing() }).batches(epoch, 0));
    assert!(seeded(7, 0) == seeded(7, 0));
    for (seed, epoch) in [(8, 0), (7, 1)] {
        let (one, other) = (seeded(7, 0), seeded(seed, epoch));
        assert_ne!(one[0].source.indices, other[0].source.indices);
        assert_ne!(one[0].target.indices, other[0].target.indices);
    }
}

#[test]
fn balanced_batches_hold_every_class_in_equal_numbers() {
    // 3 images of class 0 beside 17 of class 1.
    let images = unsplit(2, 20);
    let of_class = |label| (0..40).filter(move |&index| index % 2 == label);
    let items: Vec<usize> = of_class(0).take(3).chain(of_class(1).take(17)).collect();
    let target = loader(unsplit(2, 5), 1, true);
    let pairing = Pairing { balanced: true, ..pairing() };
    let paired =
        PairedLoader::new(loader(images, 1, true), items, target, vec![0, 1], pairing).unwrap();
    let batches = collect(paired.batches(0, 0));
    assert_eq!(batches.len(), 5);
    for batch in batches {
        let first = batch.source.labels.iter().filter(|&&label| label == 0).count();
        assert_eq!((first, batch.source.labels.len()), (2, 4));
        assert!(batch.source.indices.iter().zip(&batch.source.labels).all(|(i, l)| i % 2 == *l));
    }
}

#[test]
fn labels_of_the_target_change_nothing() {
    let source = || loader(unsplit(2, 5), 1, true);
    let with = |target: Images| {
        let items = (0..target.len()).collect();
        let target = loader(target, 1, true);
        let paired = PairedLoader::new(source(), (0..10).collect(), target, items, pairing());
        collect(paired.unwrap().batches(0, 0))
    };
    let labelled = unsplit(3, 4);
    let mut renamed = labelled.clone();
    renamed.classes = vec!["x".into(), "y".into(), "z".into()];
    renamed.items.iter_mut().for_each(|item| item.label = Some(2 - item.label.unwrap()));
    let all = with(labelled.clone());
    assert!(all == with(renamed));
    assert!(all == with(labelled.unlabelled()));
}

#[test]
fn a_flat_folder_of_large_colour_photos_goes_with_small_grey_digits() {
    let folder = folder_with(&["1.png", "2.png"]);
    crate::testing::write_image(&folder.path().join("3.png"), 90, 41);
    let photos = loader(Images::open(folder.path()).unwrap(), 2, true);
    let digits = loader(unsplit(2, 5), 2, true);
    let paired =
        PairedLoader::new(digits, (0..10).collect(), photos, vec![0, 1, 2], pairing()).unwrap();
    for batch in collect(paired.batches(0, 0)) {
        assert_eq!(batch.source.pixels.len(), 4 * 3 * 64);
        assert_eq!(batch.target.pixels.len(), 3 * 3 * 64);
    }
}

#[test]
fn broken_images_leave_the_domains_in_step() {
    let folder = folder_with(&["1.png", "2.png", "3.png", "4.png"]);
    for name in ["1.png", "2.png", "3.png"] {
        std::fs::write(folder.path().join(name), "no image").unwrap();
    }
    let of = |strict| {
        let target = loader(Images::open(folder.path()).unwrap(), 1, strict);
        let one = Pairing { source_batch: 1, target_batch: 1, ..pairing() };
        let source = loader(unsplit(2, 8), 1, true);
        PairedLoader::new(source, (0..16).collect(), target, vec![0, 1, 2, 3], one).unwrap()
    };
    let paired = of(false);
    let batches = collect(paired.batches(0, 0));
    assert_eq!(batches.len(), 4);
    assert!(batches.iter().all(|batch| batch.target.indices == [3]));
    let whole =
        collect(self::paired(16, 4, 1, Pairing { source_batch: 1, ..pairing() }).batches(0, 0));
    assert!(batches.iter().all(|batch| batch.source.indices == whole[batch.step].source.indices));
    assert_eq!(paired.target().skipped().len(), 3);
    let mut strict = of(true).batches(0, 0);
    let error = strict.find_map(Result::err).unwrap().to_string();
    assert!(error.contains("not an image"), "{error}");
    assert!(strict.next().is_none());
}

#[test]
fn domains_that_do_not_fit_are_refused() {
    let digits = || loader(unsplit(2, 5), 1, true);
    let all = || (0..10).collect::<Vec<usize>>();
    let new = |source, source_items, target, target_items, pairing| {
        PairedLoader::new(source, source_items, target, target_items, pairing).unwrap_err()
    };
    let empty = new(digits(), all(), digits(), vec![], pairing());
    assert!(empty.to_string().contains("target domain has no image"), "{empty}");
    let empty = new(digits(), vec![], digits(), all(), pairing());
    assert!(empty.to_string().contains("source domain has no image"), "{empty}");
    let beyond = new(digits(), all(), digits(), vec![10], pairing());
    assert!(matches!(beyond, DataError::NoSuchItem { index: 10, count: 10 }));
    let large = Preprocess::imagenet(32, 28);
    let large = Loader::new(Arc::new(unsplit(2, 5)), large, 1, true).unwrap();
    let crops = new(digits(), all(), large, all(), pairing());
    assert!(crops.to_string().contains("8×8") && crops.to_string().contains("28×28"), "{crops}");
    let without = loader(unsplit(2, 5).unlabelled(), 1, true);
    assert!(matches!(new(without, all(), digits(), all(), pairing()), DataError::NoClasses));
    let mut partly = unsplit(2, 5);
    partly.items[4].label = None;
    let partly = new(loader(partly, 1, true), all(), digits(), all(), pairing());
    assert!(partly.to_string().contains("train/000004 of the source"), "{partly}");
    for (source_batch, target_batch) in [(0, 3), (4, 0)] {
        let zero = Pairing { source_batch, target_batch, ..pairing() };
        assert!(matches!(new(digits(), all(), digits(), all(), zero), DataError::ZeroBatch));
    }
    let flip = Pairing { augment: Augment { flip: 2.0, ..Augment::none() }, ..pairing() };
    assert!(matches!(new(digits(), all(), digits(), all(), flip), DataError::Augment(_)));
}

#[test]
fn one_image_on_each_side_is_enough() {
    let one = Pairing { source_batch: 1, target_batch: 1, ..pairing() };
    let digits = || loader(unsplit(2, 1), 1, true);
    let paired = PairedLoader::new(digits(), vec![1], digits(), vec![0], one).unwrap();
    let batches = collect(paired.batches(0, 0));
    assert_eq!((batches.len(), batches[0].source.labels[0]), (1, 1));
}
