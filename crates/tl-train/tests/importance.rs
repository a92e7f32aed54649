//! How much weights matter to what was learnt, against closed forms for a network of one matrix.

use crate::toy::{VECTORS, Vectors, logits, model, near};
use tl_train::regularise::{Measure, importance_of};

/// What matters by `measure` over `items`, row by row of the matrix.
fn found(measure: Measure, items: &[usize]) -> Vec<f32> {
    let model = model();
    let data = Vectors::new();
    let found = importance_of(&model, &data, items, measure, 3).unwrap();
    assert_eq!(found.weights["backbone.weight"].len(), 4);
    assert_eq!(found.importance.len(), 1, "the head is not held");
    found.importance["backbone.weight"].clone()
}

#[test]
fn the_fisher_information_is_that_of_single_examples() {
    let mut mean = [0.0; 4];
    for (item, vector) in VECTORS.into_iter().enumerate() {
        let own = found(Measure::Ewc, &[item]);
        let [one, other] = logits(vector).map(f64::exp);
        let (first, second) = (one / (one + other), other / (one + other));
        // With two classes both logits have the same squared gradient: that of the probability of the other answer.
        let of = |wrong: f64| [0, 1, 2, 3].map(|place: usize| (vector[place / 2] * wrong).powi(2));
        assert!(near(&own, &of(second)) || near(&own, &of(first)), "{own:?}");
        (0..4).for_each(|place| mean[place] += f64::from(own[place]) / 4.0);
    }
    assert!(near(&found(Measure::Ewc, &[0, 1, 2, 3]), &mean));
}

#[test]
fn how_far_answers_move_is_the_mean_of_absolute_gradients() {
    let mut expected = [0.0; 4];
    for vector in VECTORS {
        for (place, value) in expected.iter_mut().enumerate() {
            *value += (2.0 * logits(vector)[place % 2] * vector[place / 2]).abs() / 4.0;
        }
    }
    let found = found(Measure::Mas, &[0, 1, 2, 3]);
    assert!(near(&found, &expected), "{found:?} {expected:?}");
}
