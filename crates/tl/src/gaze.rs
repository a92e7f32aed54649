//! Where a network of images looks: Grad-CAM of its surest mistakes and of a few right answers, over small pictures.

use std::collections::BTreeSet;

use tl_data::{Items, Loader, Rgb8};
use tl_train::grad_cam::{Gaze, grad_cam};
use tl_train::metrics::{argmax, softmax};
use tl_train::report::{Section, Shot};
use tl_train::{Dataset, Predictions, TrainError};

use crate::Error;
use crate::highlights::{Shown, mistakes};
use crate::looks::Tuned;

/// The most mistakes that are shown, and images in all.
const MISTAKES: usize = 5;
const SHOWN: usize = 8;
/// Pixels of a picture's side.
const SIDE: usize = 112;
/// How much of a pixel's colour the strongest place takes.
const STRENGTH: f64 = 0.65;

/// The section of the report; nothing where the network has no places to look at, or no image has a label.
///
/// # Errors
/// A device that fails.
pub(crate) fn section(tuned: &Tuned<'_>, loader: &Loader) -> Result<Option<Section>, Error> {
    let Tuned { outcome, device, .. } = *tuned;
    let (model, (part, found)) = (&outcome.model, outcome.last());
    let images: &dyn Items = &**loader.images();
    let mut shown: Vec<Shown> = mistakes(found, images).into_iter().take(MISTAKES).collect();
    let wrong = shown.len();
    shown.extend(right(found, images, SHOWN - wrong));
    let order: Vec<usize> = shown.iter().map(|it| it.item).collect();
    let Some(batch) = Dataset::batches(loader, order, SHOWN, None, device).next() else {
        return Ok(None);
    };
    let (items, input) = batch?;
    // Whatever can no longer be read is left out.
    shown.retain(|it| items.contains(&it.item));
    let classes: Vec<usize> = shown.iter().map(|it| it.answer).collect();
    if classes.is_empty() || items.len() != classes.len() {
        return Ok(None);
    }
    let Some(gazes) = grad_cam(model, &input, &classes)? else { return Ok(None) };
    let pixels = input.into_rows().map_err(TrainError::Device)?;
    let each = pixels.chunks(pixels.len() / classes.len());
    let mut gallery = Vec::new();
    for ((it, pixels), gaze) in shown.iter().zip(each).zip(&gazes.maps) {
        let picture = small(&loader.preprocess().picture(pixels)?)?;
        let name = images.name(it.item);
        gallery.push(Shot {
            caption: format!("{name}: {}", it.said.trim_end_matches(':')),
            pictures: vec![
                (picture.to_png()?, name.to_string()),
                (laid_over(&picture, gaze)?.to_png()?, format!("{name}, where the network looks")),
            ],
        });
    }
    Ok(Some(Section {
        title: format!("Where the network looks, on the {part} part"),
        lines: vec![format!(
            "{} The redder a place, the more it speaks for the answer that was given (Grad-CAM on the output of {}, {} × {} places; the \
             strongest place of an image has the full colour).",
            match wrong {
                0 => "Right answers; there is no wrong one.".to_string(),
                _ => format!(
                    "First the surest mistakes ({wrong}), then right answers of different classes."
                ),
            },
            gazes.stage,
            gazes.maps.first().map_or(0, |map| map.height),
            gazes.maps.first().map_or(0, |map| map.width),
        )],
        gallery,
        ..Section::default()
    }))
}

/// The surest right answers, at first one of each class.
fn right(found: &Predictions, images: &dyn Items, count: usize) -> Vec<Shown> {
    let mut all: Vec<(f64, Shown)> = found
        .rows()
        .filter_map(|(item, logits)| {
            let best = argmax(logits);
            let sure = softmax(logits).get(best).copied()?;
            let said = format!("{} at {:.0} %, right", images.class(item), 100.0 * sure);
            (images.label(item)? == best).then_some((sure, Shown { item, said, answer: best }))
        })
        .collect();
    all.sort_by(|(one, first), (other, second)| {
        other.total_cmp(one).then(first.item.cmp(&second.item))
    });
    let mut seen = BTreeSet::new();
    let (of_new_classes, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, shown)| seen.insert(shown.answer));
    of_new_classes.into_iter().chain(others).map(|(_, shown)| shown).take(count).collect()
}

/// A square picture in at most [`SIDE`] pixels; each is the mean of those that it stands for.
fn small(picture: &Rgb8) -> Result<Rgb8, Error> {
    let (width, height) = (picture.width(), picture.height());
    let (wide, high) = (width.min(SIDE), height.min(SIDE));
    let mut bytes = Vec::with_capacity(3 * wide * high);
    for row in 0..high {
        let rows = row * height / high..(row + 1) * height / high;
        for column in 0..wide {
            let columns = column * width / wide..(column + 1) * width / wide;
            let count = (rows.len() * columns.len()).max(1);
            for channel in 0..3 {
                let all = rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x)));
                let sum: usize = all
                    .filter_map(|(y, x)| picture.bytes().get((y * width + x) * 3 + channel))
                    .map(|byte| usize::from(*byte))
                    .sum();
                bytes.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    Ok(Rgb8::new(wide, high, bytes)?)
}

/// A picture in grey, over which a map lies from yellow to red.
fn laid_over(picture: &Rgb8, gaze: &Gaze) -> Result<Rgb8, Error> {
    let (width, height) = (picture.width(), picture.height());
    let largest = gaze.values.iter().copied().fold(0f32, f32::max);
    let mut bytes = Vec::with_capacity(picture.bytes().len());
    let (pixels, _) = picture.bytes().as_chunks::<3>();
    for (at, pixel) in pixels.iter().enumerate() {
        let across = ((at % width) as f64 + 0.5) / width as f64;
        let down = ((at / width) as f64 + 0.5) / height as f64;
        let value = gaze.at(across, down) / f64::from(largest.max(f32::MIN_POSITIVE));
        let grey = pixel.iter().map(|byte| f64::from(*byte)).sum::<f64>() / 3.0;
        let share = STRENGTH * value.clamp(0.0, 1.0);
        let tint = [255.0, 220.0 * (1.0 - value.clamp(0.0, 1.0)), 0.0];
        bytes.extend(tint.map(|tint| ((1.0 - share) * grey + share * tint).round() as u8));
    }
    Ok(Rgb8::new(width, height, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_grey_where_nothing_speaks_and_red_where_most_does() {
        let picture = Rgb8::new(2, 1, vec![30, 60, 90, 200, 200, 200]).unwrap();
        let gaze = Gaze { height: 1, width: 2, values: vec![0.0, 4.0] };
        let shown = laid_over(&picture, &gaze).unwrap();
        // 0.35 · 200 + 0.65 · 255 = 235.75, and 70.
        assert_eq!(shown.bytes(), [60, 60, 60, 236, 70, 70]);
        let nothing = Gaze { values: vec![0.0; 2], ..gaze };
        assert_eq!(laid_over(&picture, &nothing).unwrap().bytes(), [60, 60, 60, 200, 200, 200]);
    }

    #[test]
    fn a_large_picture_becomes_the_means_of_its_parts() {
        let bytes: Vec<u8> = (0..224 * 224).flat_map(|at| [(at % 2) as u8 * 100, 7, 0]).collect();
        let found = small(&Rgb8::new(224, 224, bytes).unwrap()).unwrap();
        assert_eq!((found.width(), found.height()), (112, 112));
        assert!(found.bytes().as_chunks::<3>().0.iter().all(|pixel| *pixel == [50, 7, 0]));
        let own = Rgb8::new(3, 2, (0..18).collect()).unwrap();
        assert_eq!(small(&own).unwrap(), own);
    }

    #[test]
    fn right_answers_are_of_as_many_classes_as_there_are() {
        let lines: Vec<String> = (0..4).map(|at| format!("text {at}")).collect();
        let mut texts = tl_data::text::Texts::lines(&lines.join("\n"));
        texts.classes = ["a", "b"].map(str::to_string).to_vec();
        for (item, label) in texts.items.iter_mut().zip([0, 0, 1, 1]) {
            item.label = Some(label);
        }
        // Surest: item 0, then 1, both of class 0; item 2 of class 1; item 3 is wrong.
        let logits = vec![5.0, 0.0, 4.0, 0.0, 0.0, 1.0, 3.0, 0.0];
        let found = Predictions { items: vec![0, 1, 2, 3], logits, classes: 2 };
        let items = |count| -> Vec<usize> {
            right(&found, &texts, count).into_iter().map(|it| it.item).collect()
        };
        assert_eq!(items(2), [0, 2]);
        assert_eq!(items(8), [0, 2, 1]);
    }
}
