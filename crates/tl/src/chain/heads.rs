//! Several heads behind one network.

use burn::prelude::*;
use tl_core::{Activation, CoreError, Head, Pass};
use tl_kernels::LinearHead;
use tl_train::Predictions;

/// The heads of several tasks: each answers for itself, and the answers stand side by side.
#[derive(Module, Debug)]
pub(super) struct Heads {
    pub heads: Vec<LinearHead>,
}

impl Head for Heads {
    fn forward(&self, features: Activation, pass: Pass) -> Result<Tensor<2>, CoreError> {
        let answers = self.heads.iter().map(|head| head.forward(features.clone(), pass));
        // Each by a product of its own: its bits do not depend on the others.
        Ok(Tensor::cat(answers.collect::<Result<Vec<_>, _>>()?, 1))
    }

    fn classes(&self) -> usize {
        self.heads.iter().map(Head::classes).sum()
    }

    fn with_values(self, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        let classes = self.classes().max(1);
        let width = weight.len() / classes;
        let (mut weight, mut bias) = (weight.into_iter(), bias.into_iter());
        let own = |head: LinearHead| {
            let count = head.classes();
            let own = weight.by_ref().take(count * width).collect();
            head.with_values(own, bias.by_ref().take(count).collect())
        };
        Self { heads: self.heads.into_iter().map(own).collect() }
    }
}

/// The answers of each head, where `joint` holds those of all side by side.
pub(super) fn apart(joint: &Predictions, heads: &[LinearHead]) -> Vec<Predictions> {
    let mut from = 0;
    let own = |head: &LinearHead| {
        let classes = head.classes();
        let columns = from..from + classes;
        from = columns.end;
        let rows = joint.rows().filter_map(|(_, row)| row.get(columns.clone()));
        let logits = rows.flatten().copied().collect();
        Predictions { items: joint.items.clone(), logits, classes }
    };
    heads.iter().map(own).collect()
}

/// The answers of several heads for the same items side by side, for a task that is not known.
pub(super) fn together(each: &[Predictions]) -> Predictions {
    let mut rows: Vec<_> = each.iter().map(|found| found.rows()).collect();
    let items = each.first().map(|found| found.items.clone()).unwrap_or_default();
    let mut logits = Vec::new();
    for _ in &items {
        for (_, row) in rows.iter_mut().filter_map(Iterator::next) {
            logits.extend_from_slice(row);
        }
    }
    Predictions { items, logits, classes: each.iter().map(|found| found.classes).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(classes: usize, values: &[f32], device: &Device) -> LinearHead {
        let head = LinearHead::new(values.len() / classes, classes, 0.0, device);
        head.with_values(values.to_vec(), (0..classes).map(|class| class as f32).collect())
    }

    #[test]
    fn heads_side_by_side_answer_as_each_alone() {
        let device = Device::flex();
        let heads =
            [head(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], &device), head(1, &[0.7, 0.8, 0.9], &device)];
        let features = || Activation::Vector(Tensor::<2>::from_floats([[1.0, -2.0, 3.0]], &device));
        let row = |logits: Tensor<2>| logits.into_data().try_to_vec::<f32>().unwrap();
        let pass = Pass::default();
        let alone: Vec<Vec<f32>> =
            heads.iter().map(|head| row(head.forward(features(), pass).unwrap())).collect();
        let all = Heads { heads: heads.to_vec() };
        assert_eq!(all.classes(), 3);
        let joint = row(all.forward(features(), pass).unwrap());
        assert_eq!(joint, alone.concat());
        let found = Predictions { items: vec![7], logits: joint, classes: 3 };
        let parts = apart(&found, &heads);
        assert_eq!(parts.iter().map(|part| part.logits.clone()).collect::<Vec<_>>(), alone);
        assert_eq!(together(&parts).logits, found.logits);
        assert_eq!((together(&parts).items, together(&parts).classes), (vec![7], 3));
        // Values for all are those of each.
        let weight: Vec<f32> = (0..9).map(|value| value as f32).collect();
        let filled = all.with_values(weight, vec![0.0, 0.0, 1.0]);
        let found = row(filled.forward(features(), pass).unwrap());
        // [0 1 2], [3 4 5], [6 7 8] times (1, −2, 3), and the biases.
        assert_eq!(found, [4.0, 10.0, 17.0]);
    }
}
