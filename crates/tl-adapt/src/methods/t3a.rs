//! Test-time classifier adjustment (Iwasawa and Matsuo 2021, NeurIPS): the head's linear layer is
//! replaced by class prototypes of the target's surest features; nothing is differentiated.

use tl_train::metrics::argmax;

use crate::HeadValues;
use crate::contract::{Method, Round, Step, Terms};
use crate::outputs::{Outputs, entropy, softmax};
use crate::{AdaptError, Validator};

/// Trains on the source; before the model answers on the target its head is adjusted.
#[derive(Clone, Debug, PartialEq)]
pub struct T3a {
    /// The most features a prototype is made of: the paper's M.
    pub keep: usize,
}

impl Default for T3a {
    fn default() -> Self {
        Self { keep: 100 }
    }
}

impl Method for T3a {
    fn name(&self) -> &'static str {
        "t3a"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn rounds(&self) -> Vec<Round> {
        vec![Round::SOURCE_ALONE]
    }

    fn terms(&self, _: &Step<'_>) -> Result<Terms, AdaptError> {
        Ok(Terms::default())
    }

    fn adapts_head(&self) -> bool {
        true
    }

    fn target_head(&self, head: &HeadValues, target: &Outputs) -> Option<HeadValues> {
        let mut supports = Supports::new(head, self.keep);
        supports.add(target);
        Some(supports.prototypes())
    }
}

/// The features that support each class, surest first; it begins with the head's own weights.
#[derive(Clone, Debug)]
pub struct Supports {
    keep: usize,
    width: usize,
    classes: Vec<Vec<(f64, Vec<f32>)>>,
}

impl Supports {
    /// The supports before any example was seen.
    pub fn new(head: &HeadValues, keep: usize) -> Self {
        let width = head.width();
        let mut supports = Self { keep, width, classes: vec![Vec::new(); head.bias.len()] };
        for row in head.weight.chunks_exact(width.max(1)) {
            let logits = head.logits(row);
            supports.insert(row, &logits);
        }
        supports
    }

    /// Takes in features and the logits that the original head gave them.
    pub fn add(&mut self, outputs: &Outputs) {
        for (features, logits) in outputs.feature_rows().zip(outputs.logit_rows()) {
            self.insert(features, logits);
        }
    }

    fn insert(&mut self, features: &[f32], logits: &[f32]) {
        let surprise = entropy(&softmax(logits, 1.0));
        let Some(class) = self.classes.get_mut(argmax(logits)) else { return };
        let place = class.partition_point(|(other, _)| *other <= surprise);
        if place < self.keep.max(1) {
            class.insert(place, (surprise, features.to_vec()));
            class.truncate(self.keep.max(1));
        }
    }

    /// The head whose weights are the unit-length means of each class's unit-length supports.
    pub fn prototypes(&self) -> HeadValues {
        let mut weight = Vec::with_capacity(self.classes.len() * self.width);
        for class in &self.classes {
            let mut sum = vec![0.0; self.width];
            for (_, features) in class {
                let length = length(features.iter().map(|&value| f64::from(value)));
                sum.iter_mut().zip(features).for_each(|(sum, &v)| *sum += f64::from(v) / length);
            }
            let length = length(sum.iter().copied());
            weight.extend(sum.iter().map(|value| (value / length) as f32));
        }
        HeadValues { weight, bias: vec![0.0; self.classes.len()] }
    }
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt().max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_move_from_the_weights_towards_the_surest_features() {
        let head = HeadValues { weight: vec![1.0, 0.0, 0.0, 1.0], bias: vec![0.0; 2] };
        let mut supports = Supports::new(&head, 100);
        assert_eq!(supports.prototypes().weight, head.weight);
        let features = vec![3.0, 4.0];
        let outputs = Outputs { logits: head.logits(&features), features, width: 2, classes: 2 };
        supports.add(&outputs);
        // Class 1 is supported by (0, 1) and (.6, .8): their sum (.6, 1.8) has length √3.6.
        let expected = [1.0, 0.0, 0.6 / 3.6f32.sqrt(), 1.8 / 3.6f32.sqrt()];
        let found = supports.prototypes().weight;
        assert!(found.iter().zip(expected).all(|(found, wanted)| (found - wanted).abs() < 1e-6));
    }

    #[test]
    fn only_the_surest_features_are_kept() {
        let head = HeadValues { weight: vec![1.0, -1.0], bias: vec![0.0; 2] };
        let mut supports = Supports::new(&head, 1);
        let row = |value: f32| Outputs {
            features: vec![value],
            logits: head.logits(&[value]),
            width: 1,
            classes: 2,
        };
        supports.add(&row(0.1));
        assert_eq!(supports.classes[0], [(supports.classes[0][0].0, vec![1.0])]);
        supports.add(&row(5.0));
        assert_eq!(supports.classes[0][0].1, [5.0]);
    }
}
