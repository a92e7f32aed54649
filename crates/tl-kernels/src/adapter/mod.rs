//! What may be fitted to a layer without touching its weights.
//!
//! Every [`Linear`](crate::Linear), [`Conv2d`](crate::Conv2d) and table of pieces has a [`Slot`], which is empty until
//! [`replace`] puts an [`Adapter`] into it. An empty slot holds no parameter: records and files of a network without
//! adapters know nothing of it. Everything in a slot lies below the path segment `adapter`.

mod bottleneck;
mod low_rank;
mod slot;

use burn::module::Param;
use burn::prelude::*;

pub use bottleneck::Bottleneck;
pub use low_rank::LowRank;
pub(crate) use low_rank::joint_delta;
pub use slot::{Site, SiteKind, Slot, replace, sites};

/// What stands in a slot: one of these, or several.
#[derive(Module, Debug, Default)]
pub struct Adapter {
    /// `W + s·BA`
    pub low_rank: Option<LowRank>,
    /// A factor for each value that goes into a linear layer, `[in]`.
    pub scale_input: Option<Param<Tensor<1>>>,
    /// A factor for each value that comes out of one, `[out]`.
    pub scale_output: Option<Param<Tensor<1>>>,
    /// Two thin layers on the output.
    pub bottleneck: Option<Bottleneck>,
    /// Vectors in front of a text's own, `[count, width]`; in the slot of a table of pieces alone.
    pub prompt: Option<Param<Tensor<2>>>,
}

impl Adapter {
    /// Whether it is a low-rank path alone, which several layers side by side can do by one product.
    pub(crate) fn is_low_rank_alone(&self) -> bool {
        let plain = self.low_rank.as_ref().is_some_and(|path| path.magnitude.is_none());
        let scaled = self.scale_input.is_some() || self.scale_output.is_some();
        plain && !scaled && self.bottleneck.is_none()
    }

    /// A linear layer with the adapter: `product` gives `x·Wᵀ`, with the bias if it is told so, plus what it is given.
    pub(crate) fn linear(
        &self,
        input: Tensor<2>,
        weight: &Param<Tensor<2>>,
        bias: Option<Tensor<1>>,
        product: impl Fn(Tensor<2>, bool, Option<Tensor<2>>) -> Tensor<2>,
    ) -> Tensor<2> {
        let input = match &self.scale_input {
            Some(scale) => input * scale.val().unsqueeze(),
            None => input,
        };
        let output = match &self.low_rank {
            None => product(input, true, None),
            Some(path) => {
                let delta = path.linear(input.clone());
                match path.gain(weight) {
                    None => product(input, true, Some(delta)),
                    Some(gain) => {
                        let scaled = product(input, false, Some(delta)) * gain.unsqueeze();
                        match bias {
                            Some(bias) => scaled + bias.unsqueeze(),
                            None => scaled,
                        }
                    }
                }
            }
        };
        let output = match &self.scale_output {
            Some(scale) => output * scale.val().unsqueeze(),
            None => output,
        };
        match &self.bottleneck {
            Some(bottleneck) => bottleneck.linear(output),
            None => output,
        }
    }
}
