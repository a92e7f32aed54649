//! The model and the method's networks as one module, and how a batch goes through it.

use burn::module::Module;
use burn::prelude::*;
use tl_core::{Activation, Backbone, Head, Model, Pass, Tokens};

use crate::AdaptError;
use crate::contract::Method;
use crate::networks::Networks;

/// One module, so that one optimizer with one state updates all of it.
#[derive(Module, Debug)]
pub(crate) struct Joint<B: Module, H: Module> {
    pub backbone: B,
    pub head: H,
    pub networks: Networks,
}

/// What the model makes of a batch.
pub(crate) struct Forward {
    pub features: Tensor<2>,
    pub logits: Tensor<2>,
}

impl Forward {
    /// The first `rows` rows, and the others.
    pub fn split(self, rows: usize) -> (Self, Self) {
        let total = self.logits.dims()[0];
        let part = |from: usize, count: usize| Self {
            features: self.features.clone().narrow(0, from, count),
            logits: self.logits.clone().narrow(0, from, count),
        };
        (part(0, rows), part(rows, total - rows))
    }
}

impl<B: Backbone, H: Head> Joint<B, H> {
    pub fn new(model: Model<B, H>, networks: Networks) -> Self {
        Self { backbone: model.backbone, head: model.head, networks }
    }

    pub fn into_model(self) -> (Model<B, H>, Networks) {
        (Model { backbone: self.backbone, head: self.head }, self.networks)
    }

    /// The model alone, on the plain device.
    pub fn plain(&self) -> Model<B, H> {
        Model { backbone: self.backbone.valid(), head: self.head.valid() }
    }

    /// Runs a training batch, whose first `sources` rows are the source's, from stage `from` on.
    pub fn forward(
        &self,
        mut batch: Activation,
        from: usize,
        sources: usize,
        method: &dyn Method,
        pass: Pass,
    ) -> Result<Forward, AdaptError> {
        let stages = self.backbone.stages().len();
        let touched = method.touched_stages().clamp(from, stages);
        for stage in from..touched {
            batch = self.backbone.forward_stages(batch, stage..stage + 1, pass)?;
            batch = method.after_stage(batch, stage, sources, pass)?;
        }
        let output = self.backbone.forward_stages(batch, touched..stages, pass)?;
        let features = self.head.features(output)?;
        let logits = self.head.forward(Activation::Vector(features.clone()), pass)?;
        Ok(Forward { features, logits })
    }
}

/// The rows of `first` and below them those of `second`.
pub(crate) fn stack(first: Activation, second: Activation) -> Result<Activation, AdaptError> {
    let (source_shape, target_shape) = (first.row_shape(), second.row_shape());
    match (first, second) {
        _ if !source_shape.goes_with(&target_shape) => {
            Err(AdaptError::Shapes { source_shape, target_shape })
        }
        (Activation::Image(first), Activation::Image(second)) => {
            let maps = vec![first.into_channels_first(), second.into_channels_first()];
            Ok(Activation::image(Tensor::cat(maps, 0)))
        }
        (Activation::Vector(first), Activation::Vector(second)) => {
            Ok(Activation::Vector(Tensor::cat(vec![first, second], 0)))
        }
        (Activation::Texts(first), Activation::Texts(second)) => {
            Ok(Activation::Texts([first, second].concat()))
        }
        (Activation::Tokens(first), Activation::Tokens(second)) => {
            Ok(Activation::Tokens(stack_tokens(first, second)))
        }
        _ => Err(AdaptError::Shapes { source_shape, target_shape }),
    }
}

/// The shorter sequences are padded to the longer ones.
fn stack_tokens(first: Tokens, second: Tokens) -> Tokens {
    let (prefix, pooling) = (first.prefix, first.pooling);
    let longest = first.hidden.dims()[1].max(second.hidden.dims()[1]);
    let mut lengths = Vec::new();
    let padded = [first, second].map(|Tokens { hidden, lengths: own, .. }| {
        let [batch, tokens, width] = hidden.dims();
        lengths.extend(own.unwrap_or_else(|| vec![tokens; batch]));
        if tokens == longest {
            return hidden;
        }
        let padding = Tensor::zeros([batch, longest - tokens, width], &hidden.device());
        Tensor::cat(vec![hidden, padding], 1)
    });
    let (hidden, lengths) = (Tensor::cat(padded.to_vec(), 0), Some(lengths));
    // Nothing is asked of domains but their classes.
    Tokens { hidden, prefix, pooling, lengths, asked: Vec::new() }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use tl_core::{Pieces, TokenPooling};

    use super::*;

    #[test]
    fn sequences_of_two_domains_are_padded_to_the_longest_and_keep_their_lengths() {
        let device = Device::flex();
        let tokens = |values: Vec<f32>, dims: [usize; 3], lengths| {
            let hidden = Tensor::from_data(TensorData::new(values, dims), &device);
            let pooling = TokenPooling::Mean;
            Activation::Tokens(Tokens { hidden, prefix: 0, pooling, lengths, asked: Vec::new() })
        };
        let source = tokens(vec![1.0, 2.0], [1, 1, 2], None);
        let target = tokens(vec![3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 3, 2], Some(vec![2]));
        let both = stack(source.clone(), target).unwrap().into_tokens("test").unwrap();
        assert_eq!(both.lengths, Some(vec![1, 2]));
        let means = both.pooled().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(means, [1.0, 2.0, 4.0, 5.0]);

        let texts = |count| Activation::Texts(vec![Pieces::default(); count]);
        assert!(matches!(stack(texts(2), texts(3)), Ok(Activation::Texts(all)) if all.len() == 5));
        assert!(matches!(stack(texts(2), source), Err(AdaptError::Shapes { .. })));
    }
}
