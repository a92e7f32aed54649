//! From images to tokens, all patches or some.

use burn::module::Param;
use burn::prelude::*;
use tl_core::backbone::check_images;
use tl_core::visible::{check_visible, gather_tokens};
use tl_core::{CoreError, FeatureMap, Pass, PatchGrid, Tokens, VisibleTokens};
use tl_kernels::linear;

use super::Vit;
use super::positions::resampling;

impl Vit {
    /// All patches of `[batch, 3, height, width]` with their positions, behind the prefix:
    /// `[batch, tokens, width]`.
    pub(super) fn embed_all(&self, images: Tensor<4>) -> Result<Tensor<3>, CoreError> {
        let [_, _, height, width] = images.dims();
        let grid = self.patch_grid(height, width)?;
        Ok(self.assemble(grid.patchify(images), self.positions(&grid)))
    }

    /// Embeds patches' values `[batch, kept, 3 · patch · patch]`, adds `positions` `[1 or batch, kept,
    /// width]`, and puts the prefix in front.
    fn assemble(&self, patches: Tensor<3>, positions: Tensor<3>) -> Tensor<3> {
        let [batch, kept, values] = patches.dims();
        let width = self.config.width;
        let proj = &self.patch_embed.proj;
        let weight = proj.weight.val().reshape([width, values]);
        let rows = patches.reshape([batch * kept, values]);
        let embedded = linear(rows, weight, proj.bias.as_ref().map(Param::val));
        let embedded = embedded.reshape([batch, kept, width]) + positions;
        let mut class = self.cls_token.val();
        if self.config.embedded_prefix() == 1 {
            class = class + self.pos_embed.val().narrow(1, 0, 1);
        }
        let mut parts = vec![class.expand([batch, 1, width])];
        if let Some(registers) = &self.reg_token {
            parts.push(registers.val().expand([batch, self.config.registers, width]));
        }
        parts.push(embedded);
        let tokens = Tensor::cat(parts, 1);
        match &self.norm_pre {
            Some(norm) => norm.forward(tokens),
            None => tokens,
        }
    }

    /// The position embeddings of a grid's patches, `[1, patches, width]`.
    fn positions(&self, grid: &PatchGrid) -> Tensor<3> {
        let (prefix, side) = (self.config.embedded_prefix(), self.config.grid());
        let own = self.pos_embed.val().narrow(1, prefix, side * side);
        if [grid.rows, grid.columns] == [side, side] {
            return own;
        }
        let weights = resampling([side, side], [grid.rows, grid.columns]);
        let data = TensorData::new(weights, [1, grid.patches(), side * side]);
        let weights = Tensor::<3>::from_data(data, &own.device().without_autodiff());
        let weights = if own.is_autodiff() { weights.autodiff() } else { weights };
        weights.matmul(own)
    }
}

impl VisibleTokens for Vit {
    fn patch_grid(&self, height: usize, width: usize) -> Result<PatchGrid, CoreError> {
        PatchGrid::over(self.config.patch, height, width, self.config.name)
    }

    fn encode_visible(
        &self,
        images: Tensor<4>,
        visible: &[Vec<usize>],
        _: Pass,
    ) -> Result<Tokens, CoreError> {
        let map = FeatureMap::channels_first(images);
        check_images(&map, self.patch_embed.proj.inputs(), self.config.patch, self.config.name)?;
        let [batch, _, height, width] = map.dims();
        let grid = self.patch_grid(height, width)?;
        check_visible(visible, grid.patches(), batch)?;
        let patches = gather_tokens(grid.patchify(map.into_channels_first()), visible);
        let positions = self.positions(&grid);
        let spread = positions.expand([batch, grid.patches(), self.config.width]);
        let tokens = self.assemble(patches, gather_tokens(spread, visible));
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(tokens));
        Ok(self.tokens(self.norm.forward(tokens)))
    }
}
