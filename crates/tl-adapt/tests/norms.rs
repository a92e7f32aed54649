//! AdaBN's statistics against sums over all of the target in f64.

use crate::support::fashion::{examples, fog, network};
use crate::support::values;
use burn::prelude::*;
use tl_adapt::methods::adapt_norms;
use tl_core::{Activation, Pass};
use tl_data::Part;
use tl_kernels::{Nonlinearity, conv};
use tl_train::ema::snapshot;

#[test]
fn norms_get_mean_and_variance_of_the_target_and_nothing_else_moves() {
    let device = Device::flex();
    let model = network(5, &device);
    let target = examples(Part::Train, 0, 20, fog).examples;
    let items: Vec<usize> = tl_core::rng(0, "order", 0, 0).permutation(target.len());
    let batches = || items.chunks(20).map(|chunk| target.batch(chunk, &device));
    let adapted = adapt_norms(model.clone(), batches()).unwrap();
    // What the first norm sees, channel by channel.
    let all = target.batch(&items, &device).unwrap();
    let images = all.into_image("test").unwrap().into_channels_first();
    let seen = conv(&model.backbone.blocks[0].conv, images, Nonlinearity::None);
    let [count, channels, height, width] = seen.dims();
    let seen = values(seen.permute([1, 0, 2, 3]).reshape([channels, count * height * width]));
    let found = snapshot(&adapted).unwrap();
    let statistic = |name: &str| &found[&format!("backbone.blocks.0.norm.running_{name}")];
    for (channel, row) in seen.chunks(count * height * width).enumerate() {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / row.len() as f64;
        let squares = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
        let variance = squares / row.len() as f64;
        let close = |found: f32, expected: f64| {
            (f64::from(found) - expected).abs() < 1e-4 * (1.0 + expected.abs())
        };
        assert!(close(statistic("mean")[channel], mean), "mean of {channel}");
        assert!(close(statistic("var")[channel], variance), "variance of {channel}");
    }
    for (path, values) in snapshot(&model).unwrap() {
        assert_eq!(values == found[&path], !path.contains("running"), "{path}");
    }
    // On the target the norms' outputs have mean 0 and variance 1, so that answers are of the usual size.
    let logits = adapted.forward(target.batch(&items, &device).unwrap(), Pass::default()).unwrap();
    assert!(Activation::Vector(logits).into_rows().unwrap().iter().all(|v| v.is_finite()));
}

#[test]
fn a_target_without_examples_is_an_error() {
    let nothing = adapt_norms(network(5, &Device::flex()), std::iter::empty());
    assert!(nothing.is_err_and(|error| error.to_string().contains("target holds no example")));
}
