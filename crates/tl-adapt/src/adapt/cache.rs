//! What frozen stages make of every example, computed once in a phase.

use burn::prelude::*;
use tl_core::{Activation, FrozenPrefix, Head};
use tl_train::{FeatureStore, Room, TrainError};

use crate::AdaptError;
use crate::domains::{Domains, Part, View};

/// Examples that go through the frozen stages together.
const CHUNK: usize = 64;

/// Every example of the three parts at the cut, in memory.
pub(super) struct Cache {
    training: FeatureStore,
    validation: FeatureStore,
    target: FeatureStore,
}

impl Cache {
    /// Runs all examples through `prefix`; `None` where the outputs take more than `memory` bytes.
    /// With every stage frozen the head sees nothing but the vectors it multiplies, so that those
    /// are kept.
    pub fn fill<H: Head>(
        domains: &dyn Domains,
        prefix: &FrozenPrefix,
        head: Option<&H>,
        memory: u64,
    ) -> Result<Option<Self>, AdaptError> {
        let counts =
            [domains.source_labels().len(), domains.validation_labels().len(), domains.targets()];
        let at_cut = |part, items: &[usize]| -> Result<Activation, AdaptError> {
            let output = prefix.forward(domains.batch(part, items, View::Plain)?)?;
            Ok(match head {
                Some(head) => Activation::Vector(head.features(output)?),
                None => output,
            })
        };
        // Sequences differ in length: the longest of a few of each part stands for all.
        let mut longest = 0;
        let parts = [Part::SourceTraining, Part::SourceValidation, Part::Target];
        for (part, count) in parts.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
            let few: Vec<usize> = (0..count.min(CHUNK)).collect();
            longest = longest.max(at_cut(part, &few)?.row_shape().elements());
        }
        let bytes = longest * counts.iter().sum::<usize>() * size_of::<f32>();
        if bytes as u64 > memory {
            return Ok(None);
        }
        let room = Room { memory, folder: None, key: String::new() };
        let all = |part, name, count: usize| -> Result<FeatureStore, AdaptError> {
            let items: Vec<usize> = (0..count).collect();
            let mut failure = None;
            let batches = items.chunks(CHUNK).map(|chunk| {
                at_cut(part, chunk).map(|rows| (chunk.to_vec(), rows)).map_err(|error| {
                    let said = error.to_string();
                    failure = Some(error);
                    TrainError::Device(said)
                })
            });
            let store = FeatureStore::fill(batches, count, &room);
            match failure {
                Some(error) => Err(error),
                None => store?.ok_or(AdaptError::Empty { part: name }),
            }
        };
        Ok(Some(Self {
            training: all(Part::SourceTraining, "source's training part", counts[0])?,
            validation: all(Part::SourceValidation, "source's validation part", counts[1])?,
            target: all(Part::Target, "target", counts[2])?,
        }))
    }

    /// Examples of a part as a batch on `device`; the few labelled ones of the target are not kept.
    ///
    /// # Errors
    /// An example that is not kept.
    pub fn batch(
        &self,
        part: Part,
        items: &[usize],
        device: &Device,
    ) -> Option<Result<Activation, AdaptError>> {
        let store = match part {
            Part::SourceTraining => &self.training,
            Part::SourceValidation => &self.validation,
            Part::Target => &self.target,
            Part::LabelledTarget => return None,
        };
        Some(store.batch(items, device).map_err(AdaptError::from))
    }
}
