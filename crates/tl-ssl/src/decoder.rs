//! The decoder of a masked autoencoder: from the tokens of visible patches to the pixels of hidden ones.

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::visible::{gather_tokens, sine_positions};
use tl_core::{PatchGrid, Tokens};
use tl_kernels::{Block, BlockConfig, LayerNorm, Linear};

use crate::methods::Mask;

/// The sizes of a decoder, which may be much smaller than the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderShape {
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    pub heads: usize,
}

impl DecoderShape {
    /// The paper's, for encoders of width 768: two thirds of the width, 8 blocks, 16 heads.
    pub const PAPER: Self = Self { width: 512, depth: 8, heads: 16 };
}

/// A linear layer, blocks on all places of the image, a norm and a linear layer to pixels (He et al. 2021,
/// arXiv 2111.06377, section 3). Positions are sines and cosines.
#[derive(Module, Debug)]
pub struct Decoder {
    pub embed: Linear,
    /// What stands for a hidden patch, `[1, 1, width]`.
    pub mask_token: Param<Tensor<3>>,
    pub blocks: Vec<Block>,
    pub norm: LayerNorm,
    pub pred: Linear,
}

impl Decoder {
    /// A decoder of tokens of width `encoded` to patches of `values` values, all linear weights 0.
    pub fn new(shape: DecoderShape, encoded: usize, values: usize, device: &Device) -> Self {
        let DecoderShape { width, depth, heads } = shape;
        let config = BlockConfig::vit(width, heads);
        Self {
            embed: Linear::new(encoded, width, device),
            mask_token: Param::from_tensor(Tensor::zeros([1, 1, width], device)),
            blocks: (0..depth).map(|_| Block::new(config, device)).collect(),
            norm: LayerNorm::new(width, config.epsilon, device),
            pred: Linear::new(width, values, device),
        }
    }

    /// The values of the hidden patches, `[batch, hidden, values]`, in the order of each mask.
    ///
    /// `tokens` are those of the visible patches behind their prefix, `[batch, prefix + visible, width]`.
    pub fn forward(&self, tokens: Tokens, masks: &[Mask], grid: &PatchGrid) -> Tensor<3> {
        let Tokens { hidden: encoded, prefix, .. } = tokens;
        let embedded = self.embed.forward(encoded);
        let [batch, count, width] = embedded.dims();
        let visible = count - prefix;
        let mask_token = self.mask_token.val().expand([batch, 1, width]);
        let patches = embedded.clone().narrow(1, prefix, visible);
        // Behind the visible ones stands the token that every hidden patch becomes.
        let places = masks.iter().map(|mask| places(mask, grid.patches())).collect::<Vec<_>>();
        let all = gather_tokens(Tensor::cat(vec![patches, mask_token], 1), &places);
        let all = all + self.positions(grid, width, &embedded);
        let all = Tensor::cat(vec![embedded.narrow(1, 0, prefix), all], 1);
        let all = self.blocks.iter().fold(all, |tokens, block| block.forward(tokens));
        let hidden: Vec<Vec<usize>> = masks
            .iter()
            .map(|mask| mask.hidden.iter().map(|patch| prefix + patch).collect())
            .collect();
        self.pred.forward(self.norm.forward(gather_tokens(all, &hidden)))
    }

    fn positions(&self, grid: &PatchGrid, width: usize, like: &Tensor<3>) -> Tensor<3> {
        let values = sine_positions(grid.rows, grid.columns, width);
        let data = TensorData::new(values, [1, grid.patches(), width]);
        let positions = Tensor::<3>::from_data(data, &like.device().without_autodiff());
        if like.is_autodiff() { positions.autodiff() } else { positions }
    }
}

/// For each patch the place of its token among the visible ones, or one behind them if it is hidden.
fn places(mask: &Mask, patches: usize) -> Vec<usize> {
    let mut places = vec![mask.visible.len(); patches];
    for (place, &patch) in mask.visible.iter().enumerate() {
        places[patch] = place;
    }
    places
}
