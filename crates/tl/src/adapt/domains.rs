//! `tl-data`'s loaders as the two domains of the loop.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use tl_adapt::domains::pairs;
use tl_adapt::{AdaptError, Domains, Examples, PairedItems, Part, View};
use tl_core::{Activation, RowShape};
use tl_data::{Augment, Items, Loader, PairedOrder, Restyle, Style};
use tl_train::{Progress, TrainError};

use crate::Error;

/// Images decoded at once while a domain is read.
const CHUNK: usize = 64;
/// The reach of Fourier domain adaptation, the paper's β.
const REACH: f64 = 0.05;

/// Two domains of images on disk or in memory. Every image is read once at the beginning, so that those that cannot be read
/// are known, and kept where all of them fit into the memory that is given.
#[derive(Clone)]
pub struct LoadedDomains {
    training: Side,
    validation: Side,
    target: Side,
    device: Device,
    /// How images of both domains are varied.
    augment: Augment,
    /// Whether each batch of the source has every class in equal numbers.
    balanced: bool,
    /// The source's loader with each image in the style of a target image.
    restyled: Option<Loader>,
    /// What tells these images from others.
    fingerprint: String,
}

/// The items of a loader that can be read.
#[derive(Clone)]
struct Side {
    loader: Loader,
    items: Vec<usize>,
    /// None for the target.
    labels: Vec<usize>,
    kept: Option<Arc<Examples>>,
}

/// Items of a loader.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    pub loader: &'a Loader,
    pub items: &'a [usize],
}

impl LoadedDomains {
    /// Reads the source's training and validation items and the target's, at most `memory` bytes of them into memory.
    ///
    /// # Errors
    /// An image that cannot be read under a strict loader.
    pub fn read(
        source: &Loader,
        [training, validation]: [&[usize]; 2],
        target: Chosen<'_>,
        memory: u64,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let size = source.preprocess().crop as u64;
        let count = (training.len() + validation.len() + target.items.len()) as u64;
        let keep = count * 3 * size * size * size_of::<f32>() as u64 <= memory;
        let fingerprint = fingerprint(source, [training, validation], target);
        progress.begin("reading images", count);
        let mut side = |loader: &Loader, items: &[usize], labelled: bool| {
            Side::read(loader, items, labelled, keep, progress)
        };
        let domains = Self {
            training: side(source, training, true)?,
            validation: side(source, validation, true)?,
            target: side(target.loader, target.items, false)?,
            device: device.clone().without_autodiff(),
            augment: Augment::none(),
            balanced: false,
            restyled: None,
            fingerprint,
        };
        progress.end();
        for (name, side, asked) in [
            ("source's training part", &domains.training, training.len()),
            ("source's validation part", &domains.validation, validation.len()),
            ("target", &domains.target, target.items.len()),
        ] {
            side.require_readable(name, asked)?;
        }
        Ok(domains)
    }

    /// The same domains; varied images of both are changed at random.
    #[must_use]
    pub fn augmented(self, augment: Augment) -> Self {
        Self { augment, ..self }
    }

    /// The same domains; each batch of the source has every class in equal numbers, to within one image.
    #[must_use]
    pub fn balanced(self, balanced: bool) -> Self {
        Self { balanced, ..self }
    }

    /// The same domains; varied source images take the low frequencies of random target images.
    ///
    /// # Errors
    /// When the target has no image.
    pub fn restyled(&self) -> Result<Self, Error> {
        let restyle = Restyle {
            style: Style::Fourier { reach: REACH },
            examples: self.target.loader.clone(),
            items: self.target.items.clone(),
            share: 1.0,
        };
        let restyled = Some(self.training.loader.restyled(restyle)?);
        Ok(Self { restyled, ..self.clone() })
    }

    fn side(&self, part: Part) -> Result<&Side, AdaptError> {
        match part {
            Part::SourceTraining => Ok(&self.training),
            Part::SourceValidation => Ok(&self.validation),
            Part::Target => Ok(&self.target),
            Part::LabelledTarget => Err(AdaptError::Empty { part: "target's labelled part" }),
        }
    }
}

/// A short name for the domains of these items, before anything is read.
pub(super) fn fingerprint(
    source: &Loader,
    [training, validation]: [&[usize]; 2],
    target: Chosen<'_>,
) -> String {
    format!(
        "{} {} {:?} {:016x}",
        source.images().fingerprint(),
        target.loader.images().fingerprint(),
        source.preprocess(),
        tl_random::hash(&format!("{training:?} {validation:?} {:?}", target.items)),
    )
}

impl Side {
    fn read(
        loader: &Loader,
        items: &[usize],
        labelled: bool,
        keep: bool,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let (mut readable, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for batch in loader.batches(items.to_vec(), CHUNK, None) {
            let batch = batch?;
            progress.advance(batch.indices.len() as u64, "");
            for (row, (&item, label)) in batch.indices.iter().zip(&batch.labels).enumerate() {
                let width = batch.pixels.len() / batch.indices.len();
                match label {
                    Some(label) if labelled => labels.push(*label),
                    // A source image that belongs to no class serves nothing.
                    None if labelled => continue,
                    _ => {}
                }
                readable.push(item);
                if keep {
                    values.extend_from_slice(&batch.pixels[row * width..][..width]);
                }
            }
        }
        let shape = shape(loader);
        let kept = keep.then(|| Arc::new(Examples { shape, values }));
        Ok(Self { loader: loader.clone(), items: readable, labels, kept })
    }

    /// Succeeds when two or more images can be read: one shows no distribution.
    fn require_readable(&self, name: &str, asked: usize) -> Result<(), Error> {
        if self.items.len() >= asked.min(2) {
            return Ok(());
        }
        let first = self.loader.skipped().into_iter().next();
        let first =
            first.map_or_else(String::new, |one| format!(" ({}: {})", one.name, one.reason));
        let what = match self.items.len() {
            0 => format!("none of the {asked} images of the {name} can be read{first}"),
            _ => format!("only one of the {asked} images of the {name} can be read{first}"),
        };
        Err(Error::options(what, "give images that can be read"))
    }

    /// Decodes `items`, which were read before.
    fn load(
        loader: &Loader,
        items: Vec<usize>,
        view: Option<tl_data::View>,
        device: &Device,
    ) -> Result<Activation, AdaptError> {
        let (count, size) = (items.len(), loader.preprocess().crop);
        let batch = loader.batches(items, count.max(1), view).next();
        let batch = batch.transpose().map_err(TrainError::from)?.unwrap_or_else(empty);
        if batch.indices.len() != count {
            return Err(AdaptError::Count {
                what: "images that can still be read",
                found: batch.indices.len(),
                expected: count,
            });
        }
        let data = TensorData::new(batch.pixels, [count, 3, size, size]);
        Ok(Activation::image(Tensor::<4>::from_data(data, device)))
    }
}

fn shape(loader: &Loader) -> RowShape {
    let size = loader.preprocess().crop;
    RowShape::Image { channels: 3, height: size, width: size }
}

fn empty() -> tl_data::Batch {
    tl_data::Batch { indices: Vec::new(), pixels: Vec::new(), labels: Vec::new() }
}

impl Domains for LoadedDomains {
    fn source_labels(&self) -> &[usize] {
        &self.training.labels
    }

    fn validation_labels(&self) -> &[usize] {
        &self.validation.labels
    }

    fn targets(&self) -> usize {
        self.target.items.len()
    }

    fn pairs(&self, seed: u64, epoch: u64, batch_size: usize) -> Vec<PairedItems> {
        let (labels, targets) = (self.source_labels(), self.targets());
        if !self.balanced {
            return pairs(labels.len(), targets, seed, epoch, batch_size);
        }
        let mut classes = vec![Vec::new(); labels.iter().max().map_or(0, |&last| last + 1)];
        labels.iter().enumerate().for_each(|(item, &label)| classes[label].push(item));
        let order = PairedOrder::new(classes, (0..targets).collect(), [batch_size; 2], seed);
        let steps = order.pairs(epoch).into_iter();
        steps.map(|[source, target]| PairedItems { source, target }).collect()
    }

    fn class_name(&self, class: usize) -> String {
        let name = self.training.loader.images().classes.get(class);
        name.map_or_else(|| class.to_string(), String::clone)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn batch(&self, part: Part, items: &[usize], view: View) -> Result<Activation, AdaptError> {
        let side = self.side(part)?;
        let found: Option<Vec<usize>> =
            items.iter().map(|&item| side.items.get(item).copied()).collect();
        let found = found.ok_or(AdaptError::Count {
            what: "the number of an example",
            found: items.iter().copied().max().unwrap_or(0),
            expected: side.items.len(),
        })?;
        let restyled = self.restyled.as_ref().filter(|_| part == Part::SourceTraining);
        let varies = restyled.is_some() || self.augment != Augment::none();
        match (view, &side.kept) {
            (View::Varied { seed, epoch }, _) if varies => {
                // Image 5 of the one domain shares no numbers with image 5 of the other.
                let seed = match part {
                    Part::Target => tl_random::mix(seed ^ tl_random::hash("target")),
                    _ => seed,
                };
                let view = tl_data::View { augment: self.augment.clone(), seed, epoch };
                Side::load(restyled.unwrap_or(&side.loader), found, Some(view), &self.device)
            }
            (_, Some(kept)) => kept.batch(items, &self.device),
            _ => Side::load(&side.loader, found, None, &self.device),
        }
    }
}
