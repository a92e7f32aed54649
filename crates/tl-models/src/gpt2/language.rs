//! GPT-2 as a language model: which piece comes next.

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{CausalCache, CoreError, Past, PastLayer, Tokens};

use super::Gpt2;
use crate::Architecture;

impl Gpt2 {
    /// The logits of the piece behind each, `[pieces, vocabulary]`, text after text; a text's last piece, which
    /// nothing follows, has none. Neither has a prompt in front of a text.
    pub(super) fn next_pieces(&self, tokens: &Tokens) -> Result<Tensor<2>, CoreError> {
        let [batch, longest, width] = tokens.hidden.dims();
        let whole = vec![longest; batch];
        let lengths = tokens.lengths.as_ref().unwrap_or(&whole);
        let places: Vec<i64> = lengths
            .iter()
            .enumerate()
            .flat_map(|(text, length)| {
                (tokens.prefix + 1..*length).map(move |next| (text * longest + next - 1) as i64)
            })
            .collect();
        if places.is_empty() {
            let what = format!("a batch of {}", self.name());
            return Err(CoreError::Empty { what, needs: "text of two pieces" });
        }
        let device = tokens.hidden.device().without_autodiff();
        let count = places.len();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device);
        let rows = tokens.hidden.clone().reshape([batch * longest, width]).select(0, places);
        Ok(self.wte.scores(self.ln_f.forward(rows)))
    }
}

impl CausalCache for Gpt2 {
    fn next_logits(&self, pieces: &[u32], past: &mut Past) -> Result<Tensor<2>, CoreError> {
        if pieces.is_empty() {
            return Err(CoreError::Empty { what: "the prompt".into(), needs: "piece" });
        }
        let mut place = self.before() + past.pieces;
        self.check(pieces, place)?;
        let mut words = self.wte.forward(pieces, 1);
        if past.pieces == 0 {
            (words, place) = (self.wte.adapter.in_front_of(words), 0);
        }
        let [_, count, _] = words.dims();
        let mut hidden = words + self.wpe.rows(place, count);
        let mut before = std::mem::take(&mut past.layers).into_iter();
        for block in &self.h {
            let mut layer: Option<PastLayer> = before.next();
            hidden = block.go_on(hidden, &mut layer, &self.config);
            past.layers.extend(layer);
        }
        past.pieces += pieces.len();
        let last = hidden.narrow(1, count - 1, 1).reshape([1, self.config.width]);
        Ok(self.wte.scores(self.ln_f.forward(last)))
    }
}
