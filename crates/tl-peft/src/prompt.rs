//! Prompt tuning: vectors of their own in front of every text (Lester et al. 2021, arXiv 2104.08691).
//!
//! The input of the network is `[P; E(x)]`, `P` `[tokens, width]` in the place of pieces, before positions are added. The
//! vectors begin as those of pieces drawn from the vocabulary (section 3.2 there).

use std::collections::HashMap;

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::Backbone;
use tl_core::parameters::{values, visit_parameters};
use tl_core::rng;
use tl_kernels::adapter::{Adapter, SiteKind, sites};

use crate::PeftError;

/// The slot of the table of pieces in a backbone, with its rows and width.
pub(crate) fn table<B: Backbone>(backbone: &B) -> Option<(String, usize, usize)> {
    let all = sites(backbone).into_iter();
    all.filter(|(_, site, _)| site.kind == SiteKind::Table)
        .map(|(path, site, _)| (path, site.input, site.output))
        .next()
}

/// A slot's content of these vectors.
pub(crate) fn holding(prompt: Tensor<2>) -> Adapter {
    Adapter { prompt: Some(Param::from_tensor(prompt)), ..Adapter::default() }
}

/// `tokens` vectors for `backbone` as they begin.
pub(crate) fn begin<B: Backbone>(
    backbone: &B,
    tokens: usize,
    seed: u64,
    device: &Device,
) -> Result<HashMap<String, Option<Adapter>>, PeftError> {
    let Some((path, rows, width)) = table(backbone) else {
        return Err(PeftError::WrongSite {
            kind: "prompt",
            layer: "the input".into(),
            problem: "where no table of pieces takes vectors in front of a text".into(),
            mend: "give lora or bottleneck",
        });
    };
    let mut vectors: Option<Result<Vec<f32>, String>> = None;
    visit_parameters(backbone, |info, tensor| {
        let whole = info.path.starts_with(&path) && info.shape == [rows, width];
        if whole && vectors.is_none() {
            let mut random = rng(seed, "adapter.prompt", 0, 0);
            let table = tensor.reshape([rows, width]);
            let drawn = (0..tokens).map(|_| table.clone().narrow(0, random.below(rows), 1));
            let drawn = Tensor::cat(drawn.collect(), 0);
            vectors = Some(values(drawn.reshape([tokens * width])));
        }
    });
    let vectors = match vectors {
        Some(found) => found.map_err(PeftError::Device)?,
        None => vec![0.0; tokens * width],
    };
    let prompt = Tensor::from_data(TensorData::new(vectors, [tokens, width]), device);
    Ok(HashMap::from([(path, Some(holding(prompt)))]))
}
