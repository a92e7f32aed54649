//! A linear probe as the program does it: images decoded, features computed once, then the loop.

use std::sync::Arc;

use tl::core::OptimizerConfig;
use tl::data::{Augment, Loader, Part, Preprocess};
use tl::models::Architecture;
use tl::prelude::*;
use tl::train::{Conduct, Earlier, Settings, Silent, Task, fit};

use crate::Outcome;
use crate::request::Request;

/// Images of the data set.
pub const IMAGES: usize = 1000;
/// Epochs of the probe.
pub const EPOCHS: usize = 20;
const LABELS: usize = 10;

/// `count` grey images of `size` pixels and their labels as IDX files.
fn idx(count: usize, size: usize) -> (Vec<u8>, Vec<u8>) {
    let header = |magic: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|&size| size as u32);
        std::iter::once(magic).chain(sizes).flat_map(u32::to_be_bytes).collect()
    };
    let mut images = header(0x0803, &[count, size, size]);
    let mut random = tl::core::rng(0, "pixels", 0, 0);
    images.extend((0..count * size * size).map(|_| random.between(0.0, 256.0) as u8));
    let mut labels = header(0x0801, &[count]);
    labels.extend((0..count).map(|image| (image % LABELS) as u8));
    (images, labels)
}

/// The whole probe; `threads` decode.
pub fn probe(request: &Request, threads: usize) -> Outcome<Box<dyn FnMut() -> Outcome<()>>> {
    let device = tl::device("flex")?;
    let (pixels, labels) = idx(IMAGES, request.size);
    let classes = (0..LABELS).map(|label| label.to_string()).collect();
    let images = Images::idx(&[(Part::Train, &pixels, &labels)], classes)?;
    let split = images.split([1.0, 0.0, 0.0], 0)?;
    let preprocess = Preprocess::imagenet(request.size, request.size);
    let loader = Loader::new(Arc::new(images), preprocess, threads, true)?;
    let model = Network::by_name(&request.network, &device)?.with_head(LABELS, 0, &device);
    let mut plan = Plan::new(vec![Phase::probe(EPOCHS)]);
    plan.optimizer = OptimizerConfig::sgd();
    let settings = Settings { batch_size: request.batch, ..Settings::default() };
    Ok(Box::new(move || {
        let task = Task {
            data: &loader,
            split: &split,
            augment: Augment::none(),
            earlier: Earlier::default(),
        };
        let conduct = Conduct::default();
        fit(model.clone(), &task, &plan, &settings, &conduct, &mut Silent)?;
        Ok(())
    }))
}
