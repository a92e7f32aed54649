//! Grad-CAM against gradients that are known by hand, on networks of one number.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, Head, Model, Pass, Stage, TokenPooling, Tokens,
};
use tl_kernels::LinearHead;
use tl_train::grad_cam::{Gazes, grad_cam};

/// Stage 0 multiplies by a number, stage 1 squares; as tokens, stage 0 makes them of places and stage 1 adds the mean of all to each.
#[derive(Module, Debug)]
struct Square {
    factor: Param<Tensor<1>>,
    #[module(skip)]
    pooling: Option<TokenPooling>,
}

const FACTOR: f64 = 1.5;
const CHANNELS: usize = 2;

impl Backbone for Square {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new("scale", &["factor"]), Stage::new("last", &[])]
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        for stage in range {
            input = match (stage, self.pooling) {
                (0, None) => {
                    let map = input.into_image("scale")?.into_channels_first();
                    Activation::image(map * self.factor.val().reshape([1, 1, 1, 1]))
                }
                (0, Some(pooling)) => {
                    let map = input.into_image("scale")?.into_channels_first();
                    let [batch, channels, height, width] = map.dims();
                    let places = map.reshape([batch, channels, height * width]).swap_dims(1, 2);
                    // The class token in front is the mean of the places.
                    let class = places.clone().mean_dim(1);
                    let hidden = Tensor::cat(vec![class, places], 1);
                    let hidden = hidden * self.factor.val().reshape([1, 1, 1]);
                    Activation::Tokens(Tokens {
                        hidden,
                        prefix: 1,
                        pooling,
                        lengths: None,
                        asked: Vec::new(),
                    })
                }
                (_, None) => {
                    let map = input.into_image("last")?.into_channels_first();
                    Activation::image(map.clone() * map)
                }
                (_, Some(_)) => {
                    let mut tokens = input.into_tokens("last")?;
                    let squares = tokens.hidden.clone() * tokens.hidden.clone();
                    tokens.hidden = tokens.hidden + squares.mean_dim(1);
                    Activation::Tokens(tokens)
                }
            };
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        CHANNELS
    }

    fn head_input_width(&self) -> usize {
        CHANNELS
    }

    fn expected_input(&self) -> ExpectedInput {
        ExpectedInput::imagenet(1)
    }
}

/// `[classes, channels]`
const HEAD: [f64; 6] = [1.0, -2.0, 0.5, 0.25, -1.0, -1.5];

fn model(pooling: Option<TokenPooling>) -> Model<Square, LinearHead> {
    let device = Device::flex();
    let factor = Tensor::from_data(TensorData::new(vec![FACTOR as f32], [1]), &device);
    let head = HEAD.iter().map(|value| *value as f32).collect();
    Model {
        backbone: Square { factor: Param::from_tensor(factor), pooling },
        head: LinearHead::new(CHANNELS, 3, 0.0, &device).with_values(head, vec![0.5; 3]),
    }
}

/// `[2, CHANNELS, 2, 2]`
const PIXELS: [f64; 16] =
    [1.0, 2.0, -1.0, 0.5, 0.25, 0.0, 1.5, -0.5, 0.0, 3.0, 1.0, -2.0, 1.0, 1.0, 0.5, 0.75];

fn images(values: &[f64], side: usize) -> Activation {
    let batch = values.len() / (CHANNELS * side * side);
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let data = TensorData::new(values, [batch, CHANNELS, side, side]);
    Activation::image(Tensor::<4>::from_data(data, &Device::flex()))
}

fn near(found: &Gazes, expected: &[Vec<f64>]) {
    assert_eq!(found.maps.len(), expected.len());
    for (map, expected) in found.maps.iter().zip(expected) {
        assert_eq!(map.values.len(), expected.len());
        for (one, other) in map.values.iter().zip(expected) {
            assert!((f64::from(*one) - other).abs() < 1e-5, "{map:?} {expected:?}");
        }
    }
}

/// The features of channel `channel` of an image.
fn features(image: usize, channel: usize) -> [f64; 4] {
    let at = (image * CHANNELS + channel) * 4;
    std::array::from_fn(|place| PIXELS[at + place])
}

#[test]
fn behind_the_last_stage_the_weights_are_those_of_the_head() {
    // y = Σ_k w_k mean(B_k) + b with B = (fA)²: α_k = w_k / 4.
    let expected = |image: usize, class: usize| -> Vec<f64> {
        let map = |place: usize| -> f64 {
            let of = |channel: usize| {
                let weight = HEAD[class * CHANNELS + channel] / 4.0;
                weight * (FACTOR * features(image, channel)[place]).powi(2)
            };
            (0..CHANNELS).map(of).sum::<f64>().max(0.0)
        };
        (0..4).map(map).collect()
    };
    let found = grad_cam(&model(None), &images(&PIXELS, 2), &[0, 1]).unwrap().unwrap();
    assert_eq!((found.stage.as_str(), found.maps[0].height, found.maps[0].width), ("last", 2, 2));
    near(&found, &[expected(0, 0), expected(1, 1)]);
    // One class for all.
    let found = grad_cam(&model(None), &images(&PIXELS, 2), &[1, 1]).unwrap().unwrap();
    near(&found, &[expected(0, 1), expected(1, 1)]);
    // What speaks against a class everywhere is no place to look at.
    let found = grad_cam(&model(None), &images(&PIXELS, 2), &[2, 2]).unwrap().unwrap();
    assert!(found.maps.iter().flat_map(|map| &map.values).all(|value| *value == 0.0));
}

#[test]
fn patches_behind_a_class_token_are_seen_where_they_last_reach_it() {
    // The class token T_0 = f mean(A) is read as T_0 + mean over five tokens of their squares:
    // ∂y/∂T_k,i = w_k · 2 T_k,i / 5 for a place i, so α_k = w_k · 2/5 · mean over places of T_k.
    let class = 1;
    let expected: Vec<Vec<f64>> = (0..2)
        .map(|image| {
            let token = |channel: usize, place: usize| FACTOR * features(image, channel)[place];
            let weight = |channel: usize| {
                let mean = (0..4).map(|place| token(channel, place)).sum::<f64>() / 4.0;
                HEAD[class * CHANNELS + channel] * 0.4 * mean
            };
            let map = |place: usize| {
                let all = (0..CHANNELS).map(|channel| weight(channel) * token(channel, place));
                all.sum::<f64>().max(0.0)
            };
            (0..4).map(map).collect()
        })
        .collect();
    let model = model(Some(TokenPooling::Class));
    let found = grad_cam(&model, &images(&PIXELS, 2), &[class; 2]).unwrap().unwrap();
    assert_eq!((found.stage.as_str(), found.maps[1].height), ("scale", 2));
    near(&found, &expected);
}

#[test]
fn tokens_whose_mean_is_read_are_seen_behind_the_last_stage() {
    let found = grad_cam(&model(Some(TokenPooling::Mean)), &images(&PIXELS, 2), &[1, 1]);
    let found = found.unwrap().unwrap();
    assert_eq!(found.stage, "last");
    // y = Σ_k w_k mean(U_k): α_k = w_k / 4, of U_k = T_k + mean over five tokens of their squares.
    let expected: Vec<Vec<f64>> = (0..2)
        .map(|image| {
            let map = |place: usize| {
                let of = |channel: usize| {
                    let places = features(image, channel).map(|value| FACTOR * value);
                    let own = places.iter().sum::<f64>() / 4.0;
                    let squares = places.iter().map(|value| value * value).sum::<f64>();
                    let token = places[place] + (squares + own * own) / 5.0;
                    HEAD[CHANNELS + channel] / 4.0 * token
                };
                (0..CHANNELS).map(of).sum::<f64>().max(0.0)
            };
            (0..4).map(map).collect()
        })
        .collect();
    near(&found, &expected);
}

#[test]
fn of_a_network_with_a_single_place_that_place_is_told() {
    let pixels = [2.0, 1.0, 1.0, 2.0];
    let found = grad_cam(&model(None), &images(&pixels, 1), &[0, 0]).unwrap().unwrap();
    assert_eq!((found.stage.as_str(), found.maps[0].values.len()), ("last", 1));
    // Σ_k w_k (fA_k)², and none below 0: (4 − 2·1) f² = 2 · 2.25, and (1 − 2·4) f² < 0.
    near(&found, &[vec![4.5], vec![0.0]]);
}

#[test]
fn a_class_that_is_not_there_is_an_error() {
    let message = grad_cam(&model(None), &images(&PIXELS, 2), &[0, 3]).unwrap_err().to_string();
    assert!(message.contains('3'), "{message}");
}
