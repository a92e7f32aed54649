//! What earlier tasks left for the next: how much weights matter to them, their heads, and examples.

use burn::prelude::*;
use burn::tensor::TensorData;
use sha2::{Digest, Sha256};
use tl_core::{Plan, Regulariser};

use super::{Importance, Measure};
use crate::{Dataset, TrainError};

/// What earlier tasks left, for the terms that hold on to it.
#[derive(Clone, Default)]
pub struct Earlier<'a> {
    pub importance: Option<&'a Importance>,
    /// The oldest first.
    pub heads: Vec<EarlierHead>,
    pub memory: Vec<Memory<'a>>,
}

/// The head of an earlier task, which stands still.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EarlierHead {
    /// `[classes, width]` in row order.
    pub weight: Vec<f32>,
    /// `[classes]`; zeros where the head has none.
    pub bias: Vec<f32>,
    pub classes: usize,
}

/// Examples of an earlier task that are shown again.
#[derive(Clone)]
pub struct Memory<'a> {
    /// Each of its items has one class, a number that the head knows.
    pub data: &'a dyn Dataset,
    /// The items that are kept.
    pub items: Vec<usize>,
    /// Which of [`Earlier::heads`] answers for them.
    pub head: usize,
}

impl Earlier<'_> {
    /// What tells the heads from others; empty where there is none.
    pub fn heads_fingerprint(&self) -> String {
        let parts = self.heads.iter().map(|head| {
            let values = head.weight.iter().chain(&head.bias);
            let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
            (head.classes.to_string(), bytes)
        });
        hash(parts)
    }

    /// What tells the examples from others; empty where there is none.
    pub fn memory_fingerprint(&self) -> String {
        let parts = self.memory.iter().map(|memory| {
            let Memory { data, items, head } = memory;
            let said = format!("{head} {} {}", data.items().fingerprint(), data.preprocessing());
            let bytes: Vec<u8> =
                items.iter().flat_map(|item| (*item as u64).to_le_bytes()).collect();
            (said, bytes)
        });
        hash(parts)
    }

    /// Succeeds where each head multiplies vectors of `width` values and each example has a head.
    fn check_width(&self, width: usize) -> Result<(), TrainError> {
        for (task, head) in self.heads.iter().enumerate() {
            let found = head.weight.len() / head.classes.max(1);
            let whole = head.classes > 0 && found * head.classes == head.weight.len();
            if !whole || found != width || head.bias.len() != head.classes {
                return Err(TrainError::OtherHead { task: task + 1, found, expected: width });
            }
        }
        let lost = self.memory.iter().find(|memory| memory.head >= self.heads.len());
        lost.map_or(Ok(()), |_| Err(TrainError::NoEarlierTask { kind: "rehearsal" }))
    }
}

/// A hash over texts and bytes; empty where there is none of either.
fn hash(parts: impl Iterator<Item = (String, Vec<u8>)>) -> String {
    let mut hasher = Sha256::new();
    let mut empty = true;
    for (text, bytes) in parts {
        empty = false;
        for part in [text.as_bytes(), &bytes] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    if empty {
        return String::new();
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn asks_for(plan: &Plan, kind: &str) -> bool {
    let mut all = plan.phases.iter().flat_map(|phase| &phase.regularisers);
    all.any(|regulariser| regulariser.kind() == kind)
}

/// Succeeds where earlier tasks left what `plan` holds on to.
///
/// # Errors
/// A plan that asks for an importance that is not there or was measured otherwise, for heads or for examples that are not there.
pub fn check_earlier(plan: &Plan, earlier: &Earlier<'_>) -> Result<(), TrainError> {
    for (kind, measure) in Measure::ALL {
        if asks_for(plan, kind) && earlier.importance.is_none_or(|it| it.measure != measure) {
            return Err(TrainError::NoImportance { kind });
        }
    }
    if asks_for(plan, "lwf") && earlier.heads.is_empty() {
        return Err(TrainError::NoEarlierTask { kind: "lwf" });
    }
    let kept: usize = earlier.memory.iter().map(|memory| memory.items.len()).sum();
    if asks_for(plan, "rehearsal") && kept == 0 {
        return Err(TrainError::NoEarlierTask { kind: "rehearsal" });
    }
    Ok(())
}

/// A head on the plain device.
pub(super) struct StandingHead {
    /// `[classes, width]`
    pub weight: Tensor<2>,
    /// `[classes]`
    pub bias: Tensor<1>,
}

impl StandingHead {
    /// The heads of earlier tasks on `device`, for a network that hands on vectors of `width` values.
    ///
    /// # Errors
    /// A head of another width, examples without a head.
    pub fn all(
        earlier: &Earlier<'_>,
        width: usize,
        device: &Device,
    ) -> Result<Vec<Self>, TrainError> {
        earlier.check_width(width)?;
        let device = device.clone().without_autodiff();
        let of = |head: &EarlierHead| {
            let EarlierHead { weight, bias, classes } = head;
            let weight = TensorData::new(weight.clone(), [*classes, width]);
            Self {
                weight: Tensor::from_data(weight, &device),
                bias: Tensor::from_floats(bias.as_slice(), &device),
            }
        };
        Ok(earlier.heads.iter().map(of).collect())
    }

    /// The logits `[batch, classes]` for vectors `[batch, width]`; a graph goes on through it, and ends at its own values.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        match features.is_autodiff() {
            true => tl_kernels::linear(features, weight.autodiff(), Some(bias.autodiff())),
            false => tl_kernels::linear(features, weight, Some(bias)),
        }
    }
}

/// The terms that do anything.
pub(super) fn active(regularisers: &[Regulariser]) -> impl Iterator<Item = &Regulariser> {
    regularisers.iter().filter(|regulariser| regulariser.strength() > 0.0)
}

#[cfg(test)]
mod tests {
    use tl_core::Phase;

    use super::*;

    fn head(value: f32) -> EarlierHead {
        EarlierHead { weight: vec![value; 6], bias: vec![0.0; 2], classes: 2 }
    }

    #[test]
    fn other_heads_have_another_fingerprint_and_none_has_none() {
        let of =
            |heads: Vec<EarlierHead>| Earlier { heads, ..Earlier::default() }.heads_fingerprint();
        assert_eq!(of(vec![]), "");
        assert_eq!(of(vec![head(1.0)]), of(vec![head(1.0)]));
        assert_ne!(of(vec![head(1.0)]), of(vec![head(2.0)]));
        assert_ne!(of(vec![head(1.0)]), of(vec![head(1.0), head(1.0)]));
        assert_eq!(Earlier::default().memory_fingerprint(), "");
    }

    #[test]
    fn a_head_of_another_width_is_refused() {
        let earlier = |head| Earlier { heads: vec![head], ..Earlier::default() };
        let device = Device::flex();
        assert_eq!(StandingHead::all(&earlier(head(1.0)), 3, &device).unwrap().len(), 1);
        for (wrong, width) in [
            (head(1.0), 4),
            (EarlierHead { bias: vec![0.0], ..head(1.0) }, 3),
            (EarlierHead { classes: 0, ..head(1.0) }, 3),
        ] {
            let message = StandingHead::all(&earlier(wrong), width, &device).err().unwrap();
            assert!(message.to_string().contains("earlier task 1"), "{message}");
        }
    }

    #[test]
    fn what_a_plan_holds_on_to_must_be_there() {
        let plan =
            |term: &str| Plan::new(vec![Phase::finetune(1).regularised(term.parse().unwrap())]);
        for (term, part) in [("si", "--importance si"), ("lwf", "lwf"), ("rehearsal", "--earlier")]
        {
            let message = check_earlier(&plan(term), &Earlier::default()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        let heads = Earlier { heads: vec![head(1.0)], ..Earlier::default() };
        assert!(check_earlier(&plan("lwf"), &heads).is_ok());
        assert!(check_earlier(&plan("rehearsal"), &heads).is_err());
    }
}
