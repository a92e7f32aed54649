//! Images or texts as the two domains of the loop.

use std::sync::Arc;

use burn::tensor::Device;
use tl_adapt::domains::pairs;
use tl_adapt::{AdaptError, Domains, Examples, PairedItems, Part, View};
use tl_core::Activation;
use tl_data::{Augment, PairedOrder, Restyle, Style};
use tl_train::{Dataset, Progress, TrainError};

use crate::Error;
use crate::examples::Input;

/// Examples read at once while a domain is read.
const CHUNK: usize = 64;
/// The reach of Fourier domain adaptation, the paper's β.
const REACH: f64 = 0.05;

/// Two domains of images or texts. Every image is read once at the beginning, so that those that cannot be read are known, and
/// kept where all of them fit into the memory that is given.
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
    /// The source with each image in the style of a target image.
    restyled: Option<Input>,
    /// What tells these examples from others.
    fingerprint: String,
}

/// The items of a domain that can be read.
#[derive(Clone)]
struct Side {
    input: Input,
    items: Vec<usize>,
    /// None for the target.
    labels: Vec<usize>,
    kept: Option<Arc<Examples>>,
}

/// Some of the examples of a domain.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub input: &'a Input,
    pub items: &'a [usize],
}

impl LoadedDomains {
    /// Reads the source's training and validation items and the target's, at most `memory` bytes of them into memory.
    ///
    /// # Errors
    /// An image that cannot be read under a strict loader.
    pub fn read(
        source: &Input,
        [training, validation]: [&[usize]; 2],
        target: Chosen<'_>,
        memory: u64,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let count = (training.len() + validation.len() + target.items.len()) as u64;
        let keep = (1..=memory).contains(&(count * source.input_bytes()));
        let device = device.clone().without_autodiff();
        let fingerprint = fingerprint(&**source, [training, validation], target);
        progress.begin("reading", count);
        let mut side = |input: &Input, items: &[usize], labelled: bool| {
            Side::read(input, items, labelled, keep, &device, progress)
        };
        let domains = Self {
            training: side(source, training, true)?,
            validation: side(source, validation, true)?,
            target: side(target.input, target.items, false)?,
            device,
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
    /// When the target has no image, texts.
    pub fn restyled(&self) -> Result<Self, Error> {
        let (Input::Images(source), Input::Images(target)) =
            (&self.training.input, &self.target.input)
        else {
            return Err(Error::options("texts have no style of pixels", "leave out fda"));
        };
        let restyle = Restyle {
            style: Style::Fourier { reach: REACH },
            examples: target.clone(),
            items: self.target.items.clone(),
            share: 1.0,
        };
        let restyled = Some(Input::Images(source.restyled(restyle)?));
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
    source: &dyn Dataset,
    [training, validation]: [&[usize]; 2],
    target: Chosen<'_>,
) -> String {
    format!(
        "{} {} {} {:016x}",
        source.items().fingerprint(),
        target.input.items().fingerprint(),
        source.preprocessing(),
        tl_random::hash(&format!("{training:?} {validation:?} {:?}", target.items)),
    )
}

impl Side {
    fn read(
        input: &Input,
        items: &[usize],
        labelled: bool,
        keep: bool,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let (mut readable, mut labels) = (Vec::new(), Vec::new());
        let mut rows = None;
        let label = |item: usize| input.items().label(item);
        // An example of the source that belongs to no class serves nothing.
        let wanted = items.iter().copied().filter(|&item| !labelled || label(item).is_some());
        for batch in input.batches(wanted.collect(), CHUNK, None, device) {
            let (indices, batch) = batch?;
            progress.advance(indices.len() as u64, "");
            if labelled {
                labels.extend(indices.iter().filter_map(|&item| label(item)));
            }
            readable.extend(indices);
            if keep {
                let (_, values) =
                    rows.get_or_insert_with(|| (batch.row_shape(), Vec::<f32>::new()));
                values.extend(batch.into_rows().map_err(TrainError::Device)?);
            }
        }
        let kept = rows.map(|(shape, values)| Arc::new(Examples::Rows { shape, values }));
        Ok(Self { input: input.clone(), items: readable, labels, kept })
    }

    /// Succeeds when two or more examples can be read: one shows no distribution.
    fn require_readable(&self, name: &str, asked: usize) -> Result<(), Error> {
        if self.items.len() >= asked.min(2) {
            return Ok(());
        }
        let first = self.input.skipped().into_iter().next();
        let first =
            first.map_or_else(String::new, |one| format!(" ({}: {})", one.name, one.reason));
        let what = match self.items.len() {
            0 => format!("none of the {asked} examples of the {name} can be read{first}"),
            _ => format!("only one of the {asked} examples of the {name} can be read{first}"),
        };
        Err(Error::options(what, "give examples that can be read"))
    }

    /// Reads `items`, which were read before.
    fn load(
        input: &Input,
        items: Vec<usize>,
        view: Option<tl_data::View>,
        device: &Device,
    ) -> Result<Activation, AdaptError> {
        let count = items.len();
        let gone = |found| AdaptError::Count {
            what: "examples that can still be read",
            found,
            expected: count,
        };
        let first = input.batches(items, count.max(1), view, device).next();
        let (indices, batch) = first.transpose()?.ok_or_else(|| gone(0))?;
        if indices.len() == count { Ok(batch) } else { Err(gone(indices.len())) }
    }
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
        let name = self.training.input.items().classes().get(class);
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
                Side::load(restyled.unwrap_or(&side.input), found, Some(view), &self.device)
            }
            (_, Some(kept)) => kept.batch(items, &self.device),
            _ => Side::load(&side.input, found, None, &self.device),
        }
    }
}
