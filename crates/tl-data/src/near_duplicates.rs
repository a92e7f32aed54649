//! Images that look alike in two parts of the data, by a hash of how they look.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::batches::lock;
use crate::images::Source;
use crate::resize::{Interpolation, Window, resize};
use crate::{Images, Loader, Part, Rgb8, Split};

/// The bits of two hashes that may differ, where nobody says.
pub const USUAL_DISTANCE: u32 = 4;

/// The most pairs that are named.
const NAMED: usize = 5;

/// Columns and rows of the small grey image; of two neighbours in a row comes one bit.
const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// The least difference of the darkest and the brightest place of that image, of 255 × 1000: below it the image is flat, and
/// what it shows cannot be told.
const CONTRAST: u32 = 4 * 1000;

/// What was found of images that look alike in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearDuplicates {
    /// The most bits of 64 in which two hashes differ.
    pub distance: u32,
    /// Images of all parts that have a hash: those that can be read and are not flat.
    pub compared: usize,
    /// Images of the validation part that look like one of training, and of the test part that look like one of either.
    pub images: usize,
    /// The nearest of them, at most five.
    pub examples: Vec<NearDuplicate>,
}

/// An image that is measured on, and the one that it looks like most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearDuplicate {
    pub image: String,
    pub part: Part,
    pub like: String,
    pub of_part: Part,
    /// The bits in which their hashes differ.
    pub distance: u32,
}

impl NearDuplicates {
    /// For a reader, a line each; nothing where no image looks like another.
    pub fn lines(&self) -> Vec<String> {
        if self.images == 0 {
            return Vec::new();
        }
        let (looks, are) =
            if self.images == 1 { ("image looks", "it") } else { ("images look", "them") };
        let head = format!(
            "{} {looks} like one of another part (at most {} of 64 bits of how they look differ, {} images compared): what is \
             measured on {are} may have been trained on",
            self.images, self.distance, self.compared
        );
        let each = self.examples.iter().map(|it| {
            let NearDuplicate { image, part, like, of_part, distance } = it;
            format!("{image} ({part}) looks like {like} ({of_part}), {distance} bits differ")
        });
        std::iter::once(head).chain(each).collect()
    }
}

/// The difference hash of an image: for each place of 9 × 8 whether its right neighbour is brighter. Nothing where the image is flat.
pub(crate) fn difference_hash(image: &Rgb8) -> Option<u64> {
    let whole = Window { left: 0, top: 0, width: COLUMNS, height: ROWS };
    let small = resize(image, COLUMNS, ROWS, whole, Interpolation::Bilinear);
    // Rec. 601, in thousandths.
    let grey = |pixel: &[u8]| {
        pixel
            .iter()
            .zip([299, 587, 114])
            .map(|(value, weight)| u32::from(*value) * weight)
            .sum::<u32>()
    };
    let grey: Vec<u32> = small.bytes().chunks_exact(3).map(grey).collect();
    let (darkest, brightest) = (grey.iter().min()?, grey.iter().max()?);
    if brightest - darkest < CONTRAST {
        return None;
    }
    let bits = grey.chunks_exact(COLUMNS).flat_map(|row| row.windows(2).map(|two| two[1] > two[0]));
    Some(bits.fold(0, |hash, bit| hash << 1 | u64::from(bit)))
}

impl Images {
    /// Whether every image is a file of its own, rather than a part of data in memory or another one shifted.
    pub fn are_files(&self) -> bool {
        self.items.iter().all(|item| matches!(item.source, Source::File { .. }))
    }
}

impl Loader {
    /// How many images of these parts were not decoded yet by this loader, which must be [hashed](Loader::hashed); those that are known
    /// to be broken do not count.
    pub fn without_hash(&self, split: &Split) -> usize {
        self.unseen(split).len()
    }

    fn unseen(&self, split: &Split) -> Vec<usize> {
        let all = split.train.iter().chain(&split.validation).chain(&split.test).copied();
        let skipped = lock(&self.source.skipped);
        let unseen = all.filter(|index| !skipped.contains_key(index));
        unseen
            .filter(|index| self.source.hashes.get(*index).is_none_or(|slot| slot.get().is_none()))
            .collect()
    }

    /// The images of one part that look like one of another, at most `distance` of 64 bits apart.
    ///
    /// Of images that were decoded before the hash is known, if the loader is [hashed](Loader::hashed); the others are decoded now, on
    /// its threads. Those that cannot be read are left out.
    pub fn near_duplicates(&self, split: &Split, distance: u32) -> NearDuplicates {
        let loader = if self.source.hashes.is_empty() { self.hashed() } else { self.clone() };
        let unseen = loader.unseen(split);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..loader.threads.min(unseen.len()) {
                scope.spawn(|| {
                    while let Some(&index) = unseen.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // Why it cannot be read is told where it is used.
                        let read = || loader.source.decode(index).map(drop);
                        let _ = loader.source.guarded(index, read);
                    }
                });
            }
        });
        let hash = |index: &usize| *loader.source.hashes.get(*index)?.get()?;
        compare(loader.images(), split, distance, loader.threads, &hash)
    }
}

fn compare(
    images: &Images,
    split: &Split,
    distance: u32,
    threads: usize,
    hash: &dyn Fn(&usize) -> Option<u64>,
) -> NearDuplicates {
    let parts = [
        (Part::Train, &split.train),
        (Part::Validation, &split.validation),
        (Part::Test, &split.test),
    ];
    let mut earlier = Bands::new(distance);
    let mut compared = 0;
    let mut found: Vec<(u32, usize, usize, Part, Part)> = Vec::new();
    for (part, indices) in parts {
        let own: Vec<(usize, u64)> =
            indices.iter().filter_map(|index| Some((*index, hash(index)?))).collect();
        compared += own.len();
        let near = earlier.nearest_of(&own, threads);
        found.extend(own.iter().zip(near).filter_map(|((index, _), near)| {
            let (bits, like, of_part) = near?;
            Some((bits, *index, like, part, of_part))
        }));
        own.iter().for_each(|(index, hash)| earlier.add(*hash, *index, part));
    }
    found.sort_unstable();
    let name = |index: usize| images.items.get(index).map_or(String::new(), |it| it.name.clone());
    let example = |(distance, image, like, part, of_part): &(u32, usize, usize, Part, Part)| {
        let (image, like) = (name(*image), name(*like));
        NearDuplicate { image, part: *part, like, of_part: *of_part, distance: *distance }
    };
    let examples = found.iter().take(NAMED).map(example).collect();
    NearDuplicates { distance, compared, images: found.len(), examples }
}

/// Hashes by their bands: two that differ in at most `distance` bits are the same in one of `distance + 1` bands.
struct Bands {
    distance: u32,
    masks: Vec<u64>,
    /// For each band and what it holds the hashes, each once.
    tables: Vec<HashMap<u64, Vec<u64>>>,
    /// Of each hash the image of the smallest index, and its part: of margins and blank pages thousands have the same one.
    first: HashMap<u64, (usize, Part)>,
}

impl Bands {
    fn new(distance: u32) -> Self {
        let distance = distance.min(63);
        let bands = distance + 1;
        let upto = |band: u32| (1_u128 << (band * 64 / bands)) - 1;
        let masks: Vec<u64> = (0..bands).map(|band| (upto(band + 1) ^ upto(band)) as u64).collect();
        let tables = vec![HashMap::new(); masks.len()];
        Self { distance, tables, masks, first: HashMap::new() }
    }

    fn add(&mut self, hash: u64, index: usize, part: Part) {
        if let Some(known) = self.first.get_mut(&hash) {
            *known = (*known).min((index, part));
            return;
        }
        self.first.insert(hash, (index, part));
        for (mask, table) in self.masks.iter().zip(&mut self.tables) {
            table.entry(hash & mask).or_default().push(hash);
        }
    }

    /// The nearest hash, of equals the one of the smallest index: its distance, its image and the part of that.
    fn nearest(&self, hash: u64) -> Option<(u32, usize, Part)> {
        let near = self.masks.iter().zip(&self.tables).filter_map(|(mask, table)| {
            let same = table.get(&(hash & mask))?.iter();
            let near = same.map(|other| ((hash ^ other).count_ones(), *other));
            let near = near.filter(|(bits, _)| *bits <= self.distance);
            near.filter_map(|(bits, other)| {
                let (index, part) = self.first.get(&other)?;
                Some((bits, *index, *part))
            })
            .min()
        });
        near.min()
    }

    /// The [nearest](Self::nearest) of each, on `threads` threads.
    fn nearest_of(&self, own: &[(usize, u64)], threads: usize) -> Vec<Option<(u32, usize, Part)>> {
        let mut found = vec![None; own.len()];
        let share = own.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for (own, found) in own.chunks(share).zip(found.chunks_mut(share)) {
                scope.spawn(move || {
                    for ((_, hash), found) in own.iter().zip(found) {
                        *found = self.nearest(*hash);
                    }
                });
            }
        });
        found
    }
}

#[cfg(test)]
mod tests;
