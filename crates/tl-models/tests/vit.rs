//! What vision transformers can do beside the contract: other grids, some patches alone.

use std::collections::BTreeMap;

use crate::formula::{Rule, deviation_f32, filled, images, rows};
use burn::prelude::*;
use tl_core::visible::gather_tokens;
use tl_core::{Activation, Backbone, CoreError, Pass, TokenPooling, VisibleTokens};
use tl_kernels::{AttentionMask, attention};
use tl_models::weights::WeightsFile;
use tl_models::{
    Architecture, Classifier, LoadError, LoadOptions, Vit, VitConfig, VitSize, load, save,
};

fn tiny(patch: usize, image: usize) -> Vit {
    Vit::new(VitConfig::new(VitSize::Tiny, patch, image).depth(3), &Device::flex())
}

fn reloaded(model: &Classifier<Vit>, into: Vit) -> Result<Classifier<Vit>, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, model, &BTreeMap::new()).unwrap();
    let into = into.with_head(5, 9, &Device::flex());
    let (loaded, report) = load(into, &WeightsFile::open(&path).unwrap(), LoadOptions::default())?;
    let reshaped: Vec<&str> = report.reshaped.iter().map(|entry| entry.name.as_str()).collect();
    assert!(reshaped.is_empty() || reshaped == ["pos_embed"]);
    Ok(loaded)
}

#[test]
fn a_file_of_another_grid_is_resampled_as_images_of_another_size_are() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    for size in [16, 24, 56] {
        let batch = || Activation::image(images("input", [2, 3, size, size]));
        let loaded = reloaded(&model, tiny(8, size)).unwrap();
        let found = loaded.forward(batch(), Pass::default()).unwrap();
        let expected = model.forward(batch(), Pass::default()).unwrap();
        let [found, expected] = [found, expected].map(|it| rows(Activation::Vector(it)));
        let off = deviation_f32(&found, &expected);
        assert!(off < 1e-5, "{size}: {off:.1e}");
    }
}

#[test]
fn a_file_of_another_patch_size_is_one_clear_error() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    let message = reloaded(&model, tiny(4, 32)).unwrap_err().to_string();
    assert!(message.contains("patch_embed.proj.weight"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn images_that_are_no_whole_patches_are_an_error() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    for (size, part) in
        [([1, 3, 30, 32], "30 by 32"), ([1, 3, 7, 7], "8 by 8"), ([1, 1, 32, 32], "1 channel")]
    {
        let batch = Activation::image(images("input", size));
        let message = model.forward(batch, Pass::default()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

/// All patches in another order, their output put back in order, is the output of all patches.
#[test]
fn the_order_of_visible_patches_is_theirs_alone() {
    for pooling in [TokenPooling::Class, TokenPooling::Mean] {
        let model = filled(tiny(8, 32).pooled_by(pooling), 5, &Rule::plain());
        let batch = images("input", [2, 3, 32, 32]);
        let all = model.backbone.embed(Activation::image(batch.clone())).unwrap();
        let orders: Vec<Vec<usize>> =
            (0..2).map(|image| tl_random::rng(1, "order", 0, image).permutation(16)).collect();
        let tokens = model.backbone.encode_visible(batch, &orders, Pass::default()).unwrap();
        assert_eq!(tokens.hidden.dims(), [2, 17, 192]);
        let [found, expected] =
            [tokens.pooled(), all].map(|pooled| rows(Activation::Vector(pooled)));
        assert!(deviation_f32(&found, &expected) < 1e-5);
    }
}

/// Encoding some patches is encoding all of them with those that are not visible taken out of attention.
#[test]
fn visible_patches_are_those_of_all_with_the_attention_of_the_others_removed() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    let visible = vec![vec![3, 9, 4], vec![15, 0, 7]];
    let batch = images("input", [2, 3, 32, 32]);
    let found =
        model.backbone.encode_visible(batch.clone(), &visible, Pass::default()).unwrap().hidden;

    let all = model.backbone.forward_stages(Activation::image(batch), 0..1, Pass::default());
    let mut hidden = all.unwrap().into_tokens("test").unwrap().hidden;
    let seen = |image: usize, token: usize| token == 0 || visible[image].contains(&(token - 1));
    let keys: Vec<f32> = (0..2 * 17)
        .map(|at| if seen(at / 17, at % 17) { 0.0 } else { f32::NEG_INFINITY })
        .collect();
    let keys = Tensor::<2>::from_data(TensorData::new(keys, [2, 17]), &Device::flex());
    for block in &model.backbone.blocks {
        let joint = block.attn.qkv.forward(block.norm1.forward(hidden.clone()));
        let mask = AttentionMask { keys: Some(keys.clone()), causal: false };
        hidden = hidden + block.attn.proj.forward(attention(joint, 3, mask));
        hidden = hidden.clone() + block.mlp.forward(block.norm2.forward(hidden));
    }
    let hidden = model.backbone.norm.forward(hidden);
    let chosen: Vec<Vec<usize>> = visible
        .iter()
        .map(|patches| std::iter::once(0).chain(patches.iter().map(|patch| patch + 1)).collect())
        .collect();
    let expected = gather_tokens(hidden, &chosen);
    let [found, expected] =
        [found, expected].map(|it| it.into_data().try_into_vec::<f32>().unwrap());
    let off = deviation_f32(&found, &expected);
    assert!(off < 1e-5, "{off:.1e}");
}

#[test]
fn visible_patches_are_encoded_as_if_the_others_did_not_exist() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    let batch = images("input", [2, 3, 32, 32]);
    let visible = vec![vec![3, 9, 4], vec![15, 0, 7]];
    let encode = |batch: Tensor<4>| {
        let tokens = model.backbone.encode_visible(batch, &visible, Pass::default()).unwrap();
        rows(Activation::Tokens(tokens))
    };
    let before = encode(batch.clone());
    // Whatever stands in the other patches changes nothing.
    let other = images("other", [2, 3, 32, 32]);
    let keep: Vec<f32> = (0..2 * 16)
        .flat_map(|at| vec![f32::from(u8::from(visible[at / 16].contains(&(at % 16)))); 192])
        .collect();
    let keep = Tensor::<3>::from_data(TensorData::new(keep, [2, 16, 192]), &Device::flex());
    let grid = model.backbone.patch_grid(32, 32).unwrap();
    let mixed = grid.patchify(batch) * keep.clone()
        + grid.patchify(other) * (keep.mul_scalar(-1.0).add_scalar(1.0));
    assert_eq!(encode(grid.unpatchify(mixed, 3)), before);
}

#[test]
fn patches_that_do_not_exist_are_an_error() {
    let model = filled(tiny(8, 32), 5, &Rule::plain());
    let batch = || images("input", [2, 3, 32, 32]);
    let refused = |visible: Vec<Vec<usize>>| {
        let found = model.backbone.encode_visible(batch(), &visible, Pass::default());
        matches!(found, Err(CoreError::BadVisible { .. }))
    };
    assert!(refused(vec![vec![16], vec![0]]));
    assert!(refused(vec![vec![1], vec![0, 1]]));
    assert!(refused(vec![vec![1, 1], vec![0, 1]]));
    assert!(refused(vec![vec![], vec![]]));
    assert!(refused(vec![vec![1]]));
    assert!(!refused(vec![vec![1], vec![1]]));
}
