//! Four examples of what a network works on.

use tl_core::{Activation, Backbone, ExpectedInput, Pieces};

use crate::formula::{images, signed};

/// The number of classes, and the labels of the examples.
pub const CLASSES: usize = 3;
pub const LABELS: [usize; 4] = [0, 1, 2, 0];

/// Images of the smallest side and `more` pixels, or texts of 2 to 8 pieces, on the plain device; others for each `number`.
pub fn examples<B: Backbone>(backbone: &B, number: u64, more: usize) -> Activation {
    let name = format!("input.{number}");
    match backbone.expected_input() {
        ExpectedInput::Images(expected) => {
            let side = expected.smallest + more;
            Activation::image(images(&name, [LABELS.len(), expected.channels, side, side]))
        }
        ExpectedInput::Texts(expected) => {
            let mut numbers = signed(&name);
            let mut text = |length: usize| {
                let draws = numbers.by_ref().take(length);
                let ids: Vec<u32> =
                    draws.map(|s| ((s + 1.0) / 2.0 * expected.vocabulary as f64) as u32).collect();
                Pieces { segments: vec![0; ids.len()], ids, ..Pieces::default() }
            };
            Activation::Texts([5, 2, 8, 3].map(&mut text).to_vec())
        }
    }
}
