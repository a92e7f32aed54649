//! A step of the masked autoencoder, beside which stands the step of its encoder on all patches.

use burn::module::Module;
use burn::prelude::*;
use tl::Network;
use tl::core::parameters::{Control, is_statistic, set_trained};
use tl::core::plan::ParameterRates;
use tl::core::{Backbone, Optimizer, OptimizerConfig, VisibleTokens, rng};
use tl::kernels::Fused;
use tl::ssl::methods::{Mae, Mask};
use tl::ssl::{Decoder, DecoderShape, Method, Sizes};

use crate::Outcome;
use crate::networks::{Work, images, network};
use crate::request::Request;

/// The network and what predicts the hidden patches.
#[derive(Module, Debug)]
struct Joint {
    backbone: Network,
    decoder: Decoder,
}

/// A decoder of the paper's proportions: half the encoder's width and a third of its depth, heads 32 wide, as
/// 512 and 8 are beside 1,024 and 24.
fn decoder(width: usize, depth: usize) -> DecoderShape {
    DecoderShape { width: width / 2, depth: depth / 3, heads: width / 64 }
}

/// Three quarters of the patches hidden: forward, loss, backward, step of SGD with momentum.
pub fn step(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    let backbone = model.backbone;
    let (width, size) = (backbone.embedding_width(), request.size);
    // Patches and norm are stages too.
    let depth = backbone.stages().len().saturating_sub(2);
    let mae = Mae { decoder: Some(decoder(width, depth)), ..Mae::default() };
    let heads =
        Method::heads(&mae, &backbone, Sizes { embedding: width, image: size }, 0, &device)?;
    let patches = backbone.patch_grid(size, size)?.patches();
    let input = images(request, &device).into_image("the bench")?.into_channels_first();
    let joint = Joint { backbone: backbone.train(), decoder: heads.train() };
    let mut joint = Some(set_trained(joint, |path, control| match control {
        Control::Gradient => !is_statistic(path) && path != "backbone.pos_embed",
        Control::Flag => true,
    }));
    let mut optimizer = Optimizer::new(OptimizerConfig::sgd()).with_kernel(&Fused);
    let (batch, mut number) = (request.batch, 0);
    Ok(Box::new(move || {
        let own = joint.take().ok_or("an earlier step failed")?;
        number += 1;
        let draw = |image: usize| {
            Mask::draw(patches, mae.mask_ratio, &mut rng(0, "mask", number, image as u64))
        };
        let masks: Vec<Mask> = (0..batch).map(draw).collect();
        let views: Tensor<4> = input.clone().autodiff();
        let loss = mae.losses_with(&own.backbone, &own.decoder, &views, &masks)?.0.mean();
        let value = loss.clone().into_scalar::<f32>();
        let mut gradients = loss.backward();
        let rates = |_: &str, _: usize| ParameterRates { rate: 1e-4, weight_decay: 0.0 };
        joint = Some(optimizer.step(own, &mut gradients, 1.0, rates));
        if value.is_finite() { Ok(()) } else { Err("the loss is not finite".into()) }
    }))
}
