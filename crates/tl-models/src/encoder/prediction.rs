//! The last stage of a masked language model: from places to pieces.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{CoreError, Tokens};
use tl_kernels::{Embedding, Gelu, LayerNorm, Linear};

use super::{EncoderConfig, Family, HiddenActivation};

/// `norm(act(W h + b)) Eᵀ + c` for each place `h` that is asked for, where `E` is the table of words (Devlin et al. 2018,
/// arXiv 1810.04805, section 3.1; Press and Wolf 2017, arXiv 1608.05859, for the tie).
///
/// The table belongs to the embeddings: trained there, it is trained by both its uses.
#[derive(Module, Debug)]
pub struct Prediction {
    pub transform: Linear,
    pub norm: LayerNorm,
    /// `[vocabulary]`
    pub bias: Param<Tensor<1>>,
}

impl Prediction {
    pub(super) fn new(config: &EncoderConfig, device: &Device) -> Self {
        Self {
            transform: Linear::new(config.width, config.width, device),
            norm: LayerNorm::new(config.width, config.epsilon, device),
            bias: Param::from_tensor(Tensor::zeros([config.vocabulary], device)),
        }
    }

    /// The logits of the places that are asked for, text after text: `[asked, vocabulary]`.
    pub(super) fn forward(
        &self,
        tokens: Tokens,
        words: &Embedding,
        config: &EncoderConfig,
    ) -> Result<Tensor<2>, CoreError> {
        let [batch, longest, width] = tokens.hidden.dims();
        if tokens.asked.is_empty() {
            let what = format!("a batch of {}", config.family.name());
            return Err(CoreError::Empty { what, needs: "hidden piece" });
        }
        let places: Vec<i64> = tokens.asked.iter().map(|row| *row as i64).collect();
        let (count, device) = (places.len(), tokens.hidden.device().without_autodiff());
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device);
        let rows = tokens.hidden.reshape([batch * longest, width]).select(0, places);
        let activation = match config.family {
            // RoBERTa's has an activation of its own.
            Family::Roberta => HiddenActivation::Gelu(Gelu::Exact),
            Family::Bert | Family::DistilBert => config.activation,
        };
        let hidden = self.norm.forward(activation.forward(self.transform.forward(rows)));
        Ok(words.scores(hidden) + self.bias.val().unsqueeze())
    }
}
