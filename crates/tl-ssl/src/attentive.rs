//! A head that looks at all places of a frozen network's output instead of their mean.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::softmax;
use tl_core::parameters::map_values;
use tl_core::{Activation, CoreError, FeatureMap, Head, Pass};
use tl_kernels::Linear;

use crate::initial::glorot;

/// One learnt query attends to all tokens, or to all places of a feature map; a linear layer answers from
/// what it gathers (Chen et al. 2022, context autoencoder, section 4.2, with one query and no output layer).
///
/// With keys `K = X·Wk`, values `V = X·Wv` and `h` heads, each head gathers `softmax(q·Kᵀ / √d)·V`.
#[derive(Module, Debug)]
pub struct AttentiveHead {
    pub key: Linear,
    pub value: Linear,
    /// `[1, 1, width]`
    pub query: Param<Tensor<3>>,
    pub linear: Linear,
    #[module(skip)]
    heads: usize,
}

impl AttentiveHead {
    /// A head from places of `width` values to `classes` answers, at its initial values for `seed`.
    pub fn new(width: usize, classes: usize, seed: u64, device: &Device) -> Self {
        // As many heads of 64 values as there is room for, if the width divides into them.
        let heads = if width.is_multiple_of(64) { width / 64 } else { 1 };
        let head = Self {
            key: Linear::new(width, width, device),
            value: Linear::new(width, width, device),
            query: Param::from_tensor(Tensor::zeros([1, 1, width], device)),
            linear: Linear::new(width, classes, device),
            heads: heads.max(1),
        };
        glorot(head, "attentive", seed)
    }

    fn width(&self) -> usize {
        self.linear.weight.dims()[1]
    }

    /// All places, `[batch, places, width]`.
    fn places(&self, features: Activation) -> Result<Tensor<3>, CoreError> {
        let width = self.width();
        let places = match features {
            Activation::Tokens(tokens) => tokens.hidden,
            Activation::Image(map) => map_places(map),
            other => {
                let flat = other.into_vector("the attentive head")?;
                let [batch, values] = flat.dims();
                if !values.is_multiple_of(width) {
                    return Err(self.wrong(values));
                }
                flat.reshape([batch, values / width, width])
            }
        };
        match places.dims()[2] {
            found if found == width => Ok(places),
            found => Err(self.wrong(found)),
        }
    }

    fn wrong(&self, found: usize) -> CoreError {
        let place = "the attentive head".to_string();
        CoreError::WrongWidth { place, expected: self.width(), found }
    }
}

/// The places of a feature map, `[batch, height · width, channels]`.
fn map_places(map: FeatureMap) -> Tensor<3> {
    let [batch, channels, height, width] = map.dims();
    map.into_channels_first().reshape([batch, channels, height * width]).swap_dims(1, 2)
}

impl Head for AttentiveHead {
    fn forward(&self, features: Activation, _: Pass) -> Result<Tensor<2>, CoreError> {
        let places = self.places(features)?;
        let [batch, count, width] = places.dims();
        let each = width / self.heads;
        let split =
            |tensor: Tensor<3>| tensor.reshape([batch, count, self.heads, each]).swap_dims(1, 2);
        let (keys, values) =
            (split(self.key.forward(places.clone())), split(self.value.forward(places)));
        let query = self.query.val().reshape([1, self.heads, 1, each]);
        let scores = (keys * query).sum_dim(3).div_scalar((each as f64).sqrt());
        let gathered = (softmax(scores, 2) * values).sum_dim(2);
        Ok(self.linear.forward(gathered.reshape([batch, width])))
    }

    fn classes(&self) -> usize {
        self.linear.weight.dims()[0]
    }

    /// All places side by side, `[batch, places · width]`.
    fn features(&self, features: Activation) -> Result<Tensor<2>, CoreError> {
        let places = match features {
            Activation::Tokens(tokens) => tokens.hidden,
            Activation::Image(map) => map_places(map),
            other => return other.pooled(),
        };
        let [batch, count, width] = places.dims();
        Ok(places.reshape([batch, count * width]))
    }

    fn with_values(mut self, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        self.linear = map_values(self.linear, |info| {
            let values = if info.path == "weight" { &weight } else { &bias };
            (values.len() == info.elements()).then(|| values.clone())
        });
        self
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use tl_core::{TokenPooling, Tokens};

    use super::*;

    fn tokens(batch: usize, count: usize, width: usize) -> Activation {
        let values: Vec<f32> =
            (0..batch * count * width).map(|at| (at as f32 * 0.7).sin()).collect();
        let data = TensorData::new(values, [batch, count, width]);
        let hidden = Tensor::from_data(data, &Device::flex());
        let pooling = TokenPooling::Class;
        let (lengths, asked) = (None, Vec::new());
        Activation::Tokens(Tokens { hidden, prefix: 1, pooling, lengths, asked })
    }

    fn logits(head: &AttentiveHead, features: Activation) -> Vec<f32> {
        let logits = head.forward(features, Pass::default()).unwrap();
        logits.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn what_is_kept_of_the_features_gives_the_same_answer() {
        let head = AttentiveHead::new(8, 3, 1, &Device::flex());
        let kept = Activation::Vector(head.features(tokens(2, 5, 8)).unwrap());
        assert_eq!(kept.row_shape().elements(), 40);
        assert_eq!(logits(&head, kept), logits(&head, tokens(2, 5, 8)));
        let map = || {
            let values: Vec<f32> = (0..2 * 8 * 6).map(|at| (at as f32 * 0.3).cos()).collect();
            Activation::image(Tensor::from_data(
                TensorData::new(values, [2, 8, 2, 3]),
                &Device::flex(),
            ))
        };
        let kept = Activation::Vector(head.features(map()).unwrap());
        assert_eq!(logits(&head, kept), logits(&head, map()));
    }

    /// Attention written out in f64.
    #[test]
    fn it_gathers_by_the_softmax_of_the_query_s_products() {
        let head = AttentiveHead::new(128, 2, 5, &Device::flex());
        assert_eq!(head.heads, 2);
        let list = |tensor: Tensor<2>| -> Vec<f64> {
            tensor.into_data().try_into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
        };
        let places = list(head.features(tokens(1, 3, 128)).unwrap());
        let (key, value) = (list(head.key.weight.val()), list(head.value.weight.val()));
        let query = list(head.query.val().reshape([1, 128]));
        let row = |weight: &[f64], place: usize| -> Vec<f64> {
            let x = &places[place * 128..(place + 1) * 128];
            weight.chunks(128).map(|w| w.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
        };
        let mut gathered = vec![0.0; 128];
        for half in 0..2 {
            let part = half * 64..(half + 1) * 64;
            let scores: Vec<f64> = (0..3)
                .map(|place| {
                    let keys = row(&key, place);
                    let products = keys[part.clone()].iter().zip(&query[part.clone()]);
                    (products.map(|(a, b)| a * b).sum::<f64>() / 8.0).exp()
                })
                .collect();
            let total: f64 = scores.iter().sum();
            for (place, score) in scores.iter().enumerate() {
                for at in part.clone() {
                    gathered[at] += score / total * row(&value, place)[at];
                }
            }
        }
        let expected = list(head.linear.weight.val());
        let found = logits(&head, tokens(1, 3, 128));
        for (weights, found) in expected.chunks(128).zip(found) {
            let expected: f64 = weights.iter().zip(&gathered).map(|(a, b)| a * b).sum();
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn places_of_another_width_are_an_error() {
        let head = AttentiveHead::new(8, 3, 1, &Device::flex());
        assert!(head.forward(tokens(1, 2, 6), Pass::default()).is_err());
        let odd = Activation::Vector(Tensor::zeros([1, 9], &Device::flex()));
        assert!(head.forward(odd, Pass::default()).is_err());
    }
}
