//! The embeddings of a part of the images in the plane, before and after tuning.

use burn::module::Module;
use tl_core::{Backbone, HEAD};
use tl_data::{Items, Loader};
use tl_train::Progress;
use tl_train::report::{Cloud, Map, Section};

use crate::embed::vectors_of;
use crate::looks::Tuned;
use crate::plane::plane;
use crate::{Error, RunRecord};

/// The most points of a map; of images of more than 64 pixels fewer, down to the second figure: each goes through both networks.
const POINTS: [usize; 2] = [500, 100];
const SMALL: usize = 64;

/// The section of the report; nothing for fewer than three images.
///
/// # Errors
/// A device that fails.
pub(crate) fn section(
    tuned: &Tuned<'_>,
    loader: &Loader,
    progress: &mut dyn Progress,
) -> Result<Option<Section>, Error> {
    let Tuned { first, outcome, record, device } = *tuned;
    let (part, last) = outcome.last();
    let chosen = spread_out(&last.items, room(loader.preprocess().crop));
    if chosen.len() < 3 {
        return Ok(None);
    }
    let (size, trained) = (record.options.settings.batch_size, trains_stages(record));
    let (before, after) = (first.backbone.valid(), outcome.model.backbone.valid());
    progress.begin("embedding", chosen.len() as u64);
    let found = vectors_of(loader, &chosen, size, device, progress, |input| {
        let mut made = Vec::new();
        if trained {
            made.push(before.embed(input.clone())?);
        }
        made.push(after.embed(input)?);
        Ok(made)
    })?;
    let names: &[&str] = match trained {
        true => &["Before tuning", "After tuning"],
        false => &["Before and after tuning: the stages stayed as they were"],
    };
    let width = after.embedding_width();
    let images: &dyn Items = &**loader.images();
    let map = |(name, values): (&&str, &Vec<f32>)| {
        let plane = plane(values.chunks_exact(width.max(1)), width);
        Map {
            title: format!("{name} ({:.0}\u{a0}% of the variance)", 100.0 * plane.share),
            clouds: clouds(images, &found.items, &plane.points),
            of_one_unit: false,
        }
    };
    let maps: Vec<Map> = names.iter().zip(&found.values).map(map).collect();
    Ok(Some(Section {
        title: format!("Embeddings of the {part} part"),
        lines: vec![format!(
            "The features behind the last stage of {} images, each map on the two directions in which they vary most. A point tells its image.",
            found.items.len()
        )],
        maps,
        ..Section::default()
    }))
}

/// How many images of so many pixels are drawn.
fn room(pixels: usize) -> usize {
    let [most, least] = POINTS;
    let fitting = most * SMALL * SMALL / (pixels * pixels).max(1);
    fitting.clamp(least, most)
}

/// At most `count` of `items`, evenly from all of them.
fn spread_out(items: &[usize], count: usize) -> Vec<usize> {
    let taken = count.min(items.len());
    (0..taken).filter_map(|at| items.get(at * items.len() / taken).copied()).collect()
}

/// Whether any phase trains a stage, and not the head alone.
fn trains_stages(record: &RunRecord) -> bool {
    let phases = record.trainable_report.iter().flat_map(|report| &report.phases);
    phases.flat_map(|phase| &phase.stages).any(|row| row.trainable > 0 && row.stage != HEAD)
}

/// A cloud for each class, in their order; those without a label last.
fn clouds(images: &dyn Items, items: &[usize], points: &[[f64; 2]]) -> Vec<Cloud> {
    let of = |class: Option<usize>, name: &str| {
        let own =
            || items.iter().zip(points).filter(move |(item, _)| images.label(**item) == class);
        Cloud {
            name: name.to_string(),
            points: own().map(|(_, point)| *point).collect(),
            titles: own().map(|(item, _)| format!("{}: {name}", images.name(*item))).collect(),
        }
    };
    let classes = images.classes().iter().enumerate();
    let known = classes.map(|(class, name)| of(Some(class), name));
    known.chain([of(None, "no label")]).filter(|cloud| !cloud.points.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_fewer_and_lie_evenly_in_the_part() {
        assert_eq!([32, 64, 96, 224].map(room), [500, 500, 222, 100]);
        assert_eq!(spread_out(&[5, 6, 7, 8, 9, 10], 3), [5, 7, 9]);
        assert_eq!(spread_out(&[5, 6], 3), [5, 6]);
        assert!(spread_out(&[], 3).is_empty());
    }
}
