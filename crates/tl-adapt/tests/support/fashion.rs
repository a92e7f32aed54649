//! Clothes by day and in fog: four classes of the embedded photos, and the same sort of photos,
//! others, with a haze of blue-grey before them.

use std::path::Path;

use burn::prelude::*;
use tl_adapt::{Examples, InMemory, LabelledExamples, Oracle};
use tl_core::RowShape;
use tl_data::Images;
use tl_data::Part;
use tl_models::{Architecture, Classifier, SmallConv};

/// T-shirt, trousers, sneaker, bag.
const CLASSES: [usize; 4] = [0, 1, 7, 8];
const SIZE: usize = 28;

/// How a pixel in 0..1 of a colour channel looks.
type Look = fn(f32, usize) -> f32;

pub fn day(value: f32, _: usize) -> f32 {
    value
}

pub fn fog(value: f32, channel: usize) -> f32 {
    [0.55, 0.6, 0.65][channel] + 0.3 * value
}

/// `per_class` images of each class, from the `skip`-th on, as they look.
pub fn examples(part: Part, skip: usize, per_class: usize, look: Look) -> LabelledExamples {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/fashion_mnist");
    let images = Images::open(&folder).unwrap();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    let mut seen = [0; CLASSES.len()];
    for (index, item) in images.items.iter().enumerate() {
        let class = CLASSES.iter().position(|class| Some(*class) == item.label);
        let (Some(class), true) = (class, item.part == Some(part)) else { continue };
        seen[class] += 1;
        if seen[class] <= skip || seen[class] > skip + per_class {
            continue;
        }
        let pixels = images.decode(index).unwrap();
        for channel in 0..3 {
            let bytes = pixels.bytes().iter().skip(channel).step_by(3);
            values.extend(bytes.map(|b| 2.0 * look(f32::from(*b) / 255.0, channel) - 1.0));
        }
        labels.push(class);
    }
    let shape = RowShape::Image { channels: 3, height: SIZE, width: SIZE };
    LabelledExamples { examples: Examples::Rows { shape, values }, labels }
}

/// Both domains: `per_class` images of each class by day, as many others in fog.
pub fn domains(per_class: usize, device: &Device) -> InMemory {
    let source = examples(Part::Train, 0, per_class, day);
    let target = examples(Part::Train, per_class, per_class, fog).examples;
    let validation = examples(Part::Validation, 0, 25, day);
    InMemory::new(source, validation, target, device).unwrap()
}

/// Test photos in fog and their labels.
pub fn oracle() -> Oracle {
    Oracle::new(examples(Part::Test, 0, 60, fog)).unwrap()
}

pub fn network(seed: u64, device: &Device) -> Classifier<SmallConv> {
    SmallConv::new(device).with_head(CLASSES.len(), seed, device)
}
