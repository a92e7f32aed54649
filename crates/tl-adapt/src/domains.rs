//! Two domains: a labelled source and a target without labels, and how their examples are paired.

use burn::prelude::*;
use tl_core::{Activation, Pieces, RowShape, rng};

use crate::AdaptError;

/// A part of the data of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Source examples that the network is trained on.
    SourceTraining,
    /// Source examples that are held back for the validators.
    SourceValidation,
    /// Target examples, without labels.
    Target,
    /// A few target examples whose labels the user gives for training.
    LabelledTarget,
}

/// Which view of an example is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// As it is.
    Plain,
    /// Varied at random, by the seed and the epoch alone.
    Varied { seed: u64, epoch: u64 },
}

/// The numbers of the examples of one step: as many of the source as of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedItems {
    pub source: Vec<usize>,
    pub target: Vec<usize>,
}

/// Where a run gets its examples from.
///
/// The target has no labels here: whoever has them hands them to an [`crate::Oracle`].
pub trait Domains {
    /// The label of every source training example.
    fn source_labels(&self) -> &[usize];

    /// The label of every source validation example.
    fn validation_labels(&self) -> &[usize];

    /// The number of target examples.
    fn targets(&self) -> usize;

    /// Examples `items` of `part` on the plain device.
    ///
    /// # Errors
    /// When they cannot be read.
    fn batch(&self, part: Part, items: &[usize], view: View) -> Result<Activation, AdaptError>;

    /// What a class is called where people read of it; its number by default.
    fn class_name(&self, class: usize) -> String {
        class.to_string()
    }

    /// The number of the source that a training example is from, where there are several.
    fn source_domain(&self, _item: usize) -> usize {
        0
    }

    /// The labels of the few target examples that the user gives for training; none by default.
    /// Their cross-entropy is added to that of the source. Validators do not see them.
    fn labelled_target_labels(&self) -> &[usize] {
        &[]
    }

    /// A short name for the data: a run goes on from a checkpoint only with data of the same name. The
    /// default knows labels and numbers alone; whoever can should put the examples into it.
    fn fingerprint(&self) -> String {
        let labels =
            (self.source_labels(), self.validation_labels(), self.labelled_target_labels());
        format!("{:016x}", tl_random::hash(&format!("{labels:?} {}", self.targets())))
    }

    /// The pairs of one epoch, a function of seed and epoch alone.
    fn pairs(&self, seed: u64, epoch: u64, batch_size: usize) -> Vec<PairedItems> {
        pairs(self.source_labels().len(), self.targets(), seed, epoch, batch_size)
    }
}

/// Two streams in lockstep: the longer one is gone through once, the shorter one as often as it
/// takes, each time in another order. A remainder that fills no batch is left out.
pub fn pairs(
    sources: usize,
    targets: usize,
    seed: u64,
    epoch: u64,
    batch_size: usize,
) -> Vec<PairedItems> {
    let batch = batch_size.min(sources.max(targets)).max(1);
    let steps = sources.max(targets) / batch;
    let source = stream(sources, steps * batch, seed, "shuffle.source", epoch);
    let target = stream(targets, steps * batch, seed, "shuffle.target", epoch);
    source
        .chunks(batch)
        .zip(target.chunks(batch))
        .map(|(source, target)| PairedItems { source: source.to_vec(), target: target.to_vec() })
        .collect()
}

fn stream(examples: usize, length: usize, seed: u64, purpose: &str, epoch: u64) -> Vec<usize> {
    let mut order = Vec::with_capacity(length + examples);
    for round in 0.. {
        if order.len() >= length || examples == 0 {
            break;
        }
        order.extend(rng(seed, purpose, epoch, round).permutation(examples));
    }
    order.truncate(length);
    order
}

/// Checks what every run needs: examples in every part, labels that the network knows, one shape.
///
/// # Errors
/// An empty part, a label beyond `classes`, examples of two shapes.
pub fn check(domains: &dyn Domains, classes: usize) -> Result<(), AdaptError> {
    let parts = [
        (domains.source_labels(), Part::SourceTraining, "source's training part"),
        (domains.validation_labels(), Part::SourceValidation, "source's validation part"),
        (domains.labelled_target_labels(), Part::LabelledTarget, "target's labelled part"),
    ];
    if domains.targets() == 0 {
        return Err(AdaptError::Empty { part: "target" });
    }
    let target_shape = domains.batch(Part::Target, &[0], View::Plain)?.row_shape();
    for (labels, kind, part) in parts {
        match (labels.is_empty(), kind) {
            (true, Part::LabelledTarget) => continue,
            (true, _) => return Err(AdaptError::Empty { part }),
            (false, _) => {}
        }
        if let Some(example) = labels.iter().position(|&label| label >= classes) {
            return Err(AdaptError::Label { part, example, label: labels[example], classes });
        }
        let source_shape = domains.batch(kind, &[0], View::Plain)?.row_shape();
        if !source_shape.goes_with(&target_shape) {
            return Err(AdaptError::Shapes { source_shape, target_shape });
        }
    }
    Ok(())
}

/// Examples without labels, in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Examples {
    /// Values of one shape: row after row, channels first.
    Rows { shape: RowShape, values: Vec<f32> },
    /// Texts, as a tokenizer cut them.
    Texts(Vec<Pieces>),
}

impl Examples {
    /// The number of examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Rows { shape, values } => values.len() / shape.elements().max(1),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// A hash of everything in them.
    fn fingerprint(&self) -> u64 {
        let fold = |state: u64, value: u32| tl_random::mix(state ^ u64::from(value));
        match self {
            Self::Rows { values, .. } => values.iter().map(|it| it.to_bits()).fold(0, fold),
            Self::Texts(texts) => {
                let numbers = |text: &Pieces| [text.ids.clone(), text.segments.clone()].concat();
                texts.iter().flat_map(numbers).fold(1, fold)
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows `items` on `device`.
    ///
    /// # Errors
    /// A number beyond the examples.
    pub fn batch(&self, items: &[usize], device: &Device) -> Result<Activation, AdaptError> {
        let beyond = |item| AdaptError::Count {
            what: "the number of an example",
            found: item,
            expected: self.len(),
        };
        match self {
            Self::Rows { shape, values: all } => {
                let width = shape.elements();
                let mut values = Vec::with_capacity(items.len() * width);
                for &item in items {
                    let row = all.get(item * width..(item + 1) * width);
                    values.extend_from_slice(row.ok_or_else(|| beyond(item))?);
                }
                Ok(Activation::from_rows(*shape, values, device))
            }
            Self::Texts(texts) => {
                let chosen = items
                    .iter()
                    .map(|&item| texts.get(item).cloned().ok_or_else(|| beyond(item)))
                    .collect::<Result<_, _>>()?;
                Ok(Activation::Texts(chosen))
            }
        }
    }
}

/// Examples and the label of each, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledExamples {
    pub examples: Examples,
    pub labels: Vec<usize>,
}

impl LabelledExamples {
    fn check(&self) -> Result<(), AdaptError> {
        let (found, expected) = (self.labels.len(), self.examples.len());
        if found == expected {
            return Ok(());
        }
        Err(AdaptError::Count { what: "labels", found, expected })
    }
}

/// Both domains in memory.
#[derive(Clone, Debug)]
pub struct InMemory {
    source: LabelledExamples,
    validation: LabelledExamples,
    target: Examples,
    labelled_target: Option<LabelledExamples>,
    device: Device,
}

impl InMemory {
    /// Two domains whose batches go to `device`.
    ///
    /// # Errors
    /// When the numbers of examples and labels differ.
    pub fn new(
        source: LabelledExamples,
        validation: LabelledExamples,
        target: Examples,
        device: &Device,
    ) -> Result<Self, AdaptError> {
        for part in [&source, &validation] {
            part.check()?;
        }
        let device = device.clone().without_autodiff();
        Ok(Self { source, validation, target, labelled_target: None, device })
    }

    /// The same with a few labelled examples of the target.
    ///
    /// # Errors
    /// When the numbers of examples and labels differ.
    pub fn with_labelled_target(self, labelled: LabelledExamples) -> Result<Self, AdaptError> {
        labelled.check()?;
        Ok(Self { labelled_target: Some(labelled), ..self })
    }
}

impl Domains for InMemory {
    fn source_labels(&self) -> &[usize] {
        &self.source.labels
    }

    fn validation_labels(&self) -> &[usize] {
        &self.validation.labels
    }

    fn targets(&self) -> usize {
        self.target.len()
    }

    fn fingerprint(&self) -> String {
        let few = self.labelled_target.as_ref().map(|part| &part.examples);
        let parts = [Some(&self.source.examples), Some(&self.validation.examples), few];
        let parts = parts.into_iter().flatten().chain([&self.target]);
        let values = parts.fold(0, |state, part| tl_random::mix(state ^ part.fingerprint()));
        let labels = (&self.source.labels, &self.validation.labels, self.labelled_target_labels());
        format!("{:016x}{values:016x}", tl_random::hash(&format!("{labels:?}")))
    }

    fn labelled_target_labels(&self) -> &[usize] {
        self.labelled_target.as_ref().map_or(&[], |part| &part.labels)
    }

    fn batch(&self, part: Part, items: &[usize], _: View) -> Result<Activation, AdaptError> {
        let absent = AdaptError::Empty { part: "target's labelled part" };
        let examples = match part {
            Part::LabelledTarget => &self.labelled_target.as_ref().ok_or(absent)?.examples,
            Part::SourceTraining => &self.source.examples,
            Part::SourceValidation => &self.validation.examples,
            Part::Target => &self.target,
        };
        examples.batch(items, &self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_stream_is_gone_through_once_and_the_shorter_one_again() {
        let found = pairs(10, 4, 7, 0, 3);
        assert_eq!(found.len(), 3);
        let mut source: Vec<usize> = found.iter().flat_map(|pair| pair.source.clone()).collect();
        source.sort_unstable();
        source.dedup();
        assert_eq!(source.len(), 9);
        let target: Vec<usize> = found.iter().flat_map(|pair| pair.target.clone()).collect();
        for item in 0..4 {
            assert!(target.iter().filter(|found| **found == item).count() >= 2);
        }
        assert_eq!(found, pairs(10, 4, 7, 0, 3));
        assert_ne!(found, pairs(10, 4, 7, 1, 3));
        assert_ne!(found, pairs(10, 4, 8, 0, 3));
    }

    #[test]
    fn a_batch_larger_than_both_domains_is_cut_to_the_larger_one() {
        let found = pairs(2, 3, 0, 0, 100);
        assert_eq!((found.len(), found[0].source.len(), found[0].target.len()), (1, 3, 3));
    }

    fn domains(labels: Vec<usize>, width: usize, targets: usize) -> InMemory {
        let shape = RowShape::Vector { width: 2 };
        let examples = Examples::Rows { shape, values: vec![0.0; 2 * labels.len()] };
        let part = LabelledExamples { examples, labels };
        let shape = RowShape::Vector { width };
        let target = Examples::Rows { shape, values: vec![0.0; targets * width] };
        InMemory::new(part.clone(), part, target, &Device::flex()).unwrap()
    }

    #[test]
    fn the_fingerprint_knows_values_and_labels() {
        let base = domains(vec![0, 1], 2, 3);
        let other_labels = domains(vec![1, 1], 2, 3);
        let mut other_values = base.clone();
        let mut values = vec![0.0; 6];
        values[4] = 1.0;
        other_values.target = Examples::Rows { shape: RowShape::Vector { width: 2 }, values };
        assert_eq!(base.fingerprint(), domains(vec![0, 1], 2, 3).fingerprint());
        assert_ne!(base.fingerprint(), other_labels.fingerprint());
        assert_ne!(base.fingerprint(), other_values.fingerprint());
    }

    #[test]
    fn domains_that_do_not_fit_are_errors_that_say_why() {
        let message = |domains: InMemory| check(&domains, 2).unwrap_err().to_string();
        assert!(check(&domains(vec![0, 1], 2, 3), 2).is_ok());
        assert!(message(domains(vec![0, 2], 2, 3)).contains("label 2, but there are 2 classes"));
        assert!(message(domains(vec![0, 1], 3, 3)).contains("same size"));
        assert!(message(domains(vec![0, 1], 2, 0)).contains("the target holds no example"));
        assert!(message(domains(vec![], 2, 1)).contains("source's training part holds no"));
        let shape = RowShape::Vector { width: 1 };
        let examples = Examples::Rows { shape, values: vec![0.0] };
        let part = LabelledExamples { examples, labels: vec![] };
        let target = Examples::Rows { shape, values: vec![] };
        assert!(InMemory::new(part.clone(), part, target, &Device::flex()).is_err());
    }
}
