//! What frozen stages make of every example, computed once in a phase.

use tl_core::{Activation, FrozenPrefix, Head};

use crate::AdaptError;
use crate::domains::{Domains, Examples, Part, View};

/// Every example of the three parts at the cut, in memory.
pub(super) struct Cache {
    training: Examples,
    validation: Examples,
    target: Examples,
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
        let shape = at_cut(Part::Target, &[0])?.row_shape();
        let bytes = shape.elements() * counts.iter().sum::<usize>() * size_of::<f32>();
        if bytes as u64 > memory {
            return Ok(None);
        }
        let all = |part, count: usize| -> Result<Examples, AdaptError> {
            let mut values = Vec::with_capacity(count * shape.elements());
            let items: Vec<usize> = (0..count).collect();
            for chunk in items.chunks(64) {
                let rows = at_cut(part, chunk)?.into_rows();
                values.extend(rows.map_err(AdaptError::device)?);
            }
            Ok(Examples { shape, values })
        };
        Ok(Some(Self {
            training: all(Part::SourceTraining, counts[0])?,
            validation: all(Part::SourceValidation, counts[1])?,
            target: all(Part::Target, counts[2])?,
        }))
    }

    /// The examples of a part; the few labelled ones of the target are not kept.
    pub fn part(&self, part: Part) -> Option<&Examples> {
        match part {
            Part::SourceTraining => Some(&self.training),
            Part::SourceValidation => Some(&self.validation),
            Part::Target => Some(&self.target),
            Part::LabelledTarget => None,
        }
    }
}
