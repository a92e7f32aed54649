//! Going on with a text, with the keys and values of what stands there kept or computed anew for each piece.

use burn::prelude::*;
use tl::core::{Activation, CausalCache, Past};
use tl::kernels::StandingWeights;
use tl::models::{Architecture, Gpt2, Gpt2Config};
use tl::{Network, device};

use crate::Outcome;
use crate::networks::Work;
use crate::request::Request;

/// From one piece to `request.size` more, each the likeliest.
pub fn text(request: &Request, cached: bool) -> Outcome<Work> {
    let device: Device = device("flex")?;
    let network = Network::Gpt2(Gpt2::new(Gpt2Config::default(), &device));
    let network = network.with_head(1, 0, &device).backbone;
    let most = request.size;
    let weights = StandingWeights::default();
    Ok(Box::new(move || {
        let (mut text, mut past) = (vec![0], Past::default());
        while text.len() <= most {
            let from = past.pieces;
            let logits = weights.run(|| network.next_logits(&text[from..], &mut past))?;
            let logits = Activation::Vector(logits).into_rows()?;
            let likelier = |a: &usize, b: &usize| logits[*a].total_cmp(&logits[*b]);
            text.push((0..logits.len()).max_by(likelier).unwrap_or(0) as u32);
            if !cached {
                past = Past::default();
            }
        }
        Ok(())
    }))
}
