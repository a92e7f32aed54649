//! The mistakes that a network of texts is surest of, or the largest errors of its numbers, and what spoke for its answer.

use std::ops::Range;

use burn::module::Module;
use tl_core::parameters::{set_trained, values};
use tl_core::{Activation, Backbone, Head, Pass, Pieces};
use tl_data::Items;
use tl_data::text::{Encoding, Tokenizer};
use tl_models::Classifier;
use tl_train::metrics::{argmax, softmax};
use tl_train::report::{Passage, Section};
use tl_train::{Dataset, Predictions, Scale, TextDataset};

use crate::{Error, Network};

/// How many are shown.
const SHOWN: usize = 10;

/// A text or an image that is shown: what is said of its answer, and the place of the answer among the head's.
pub(crate) struct Shown {
    pub item: usize,
    pub said: String,
    pub answer: usize,
}

/// The section of the report; nothing where no text of the part is answered wrongly.
///
/// # Errors
/// A text that the tokenizer cannot cut, a device that fails.
pub(crate) fn section(
    model: &Classifier<Network>,
    data: &TextDataset,
    found: &Predictions,
    tokenizer: &Tokenizer,
    part: &str,
) -> Result<Vec<Section>, Error> {
    let texts = data.texts();
    let (title, shown, answer) = match data.numbers() {
        Some(numbers) => ("Largest errors", farthest(found, &numbers.values), "the answer"),
        None => ("Most confident mistakes", mistakes(found, &*texts.texts), "its logit"),
    };
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    let model = set_trained(model.clone().train(), |_, _| false);
    let mut passages = Vec::new();
    for Shown { item, said: name, answer } in shown {
        let (Some(text), Some(row)) = (texts.texts.items.get(item), texts.first(item)) else {
            continue;
        };
        let parts = match &text.pair {
            // The pieces of the second text are counted from its own beginning.
            Some(pair) => vec![(format!("{} ‖ {pair}", text.text), 0.0)],
            None => {
                let spans = tokenizer.spans(&text.text, texts.max_length)?;
                parts(&text.text, &spans, &shares(&model, row, answer)?)
            }
        };
        passages.push(Passage { name, parts });
    }
    let mut line = format!(
        "What speaks for the answer is underlined, what speaks against it dotted: the gradient of {answer} times \
         the vector of each piece, the strongest piece of a text being 1."
    );
    if data.numbers().is_some() {
        line += " For a number speaks what makes it larger.";
    }
    if texts.windows.is_some() {
        line += " Of a text in several windows the first is looked at.";
    }
    Ok(vec![Section {
        title: format!("{title} on the {part} part"),
        lines: vec![line],
        passages,
        ..Section::default()
    }])
}

/// Some that are answered wrongly, those of the surest answers first.
pub(crate) fn mistakes(found: &Predictions, items: &dyn Items) -> Vec<Shown> {
    let wrong = found.rows().filter_map(|(item, logits)| {
        let best = argmax(logits);
        let sure = softmax(logits).get(best).copied()?;
        let answer = items.classes().get(best).map_or("", String::as_str);
        let said = format!("{answer} at {:.0} %, but {}:", 100.0 * sure, items.class(item));
        (items.label(item)? != best).then_some((sure, Shown { item, said, answer: best }))
    });
    first_of(wrong.collect())
}

/// The texts whose answers are farthest from their numbers.
fn farthest(found: &Predictions, values: &[Option<f64>]) -> Vec<Shown> {
    let errors = found.numbers(Scale::default()).filter_map(|(item, answer)| {
        let number = values.get(item).copied().flatten()?;
        let said = format!("{answer:.4}, but {number}:");
        Some(((answer - number).abs(), Shown { item, said, answer: 0 }))
    });
    first_of(errors.collect())
}

/// Those that are shown: of the largest figures, of equal ones the first items.
fn first_of(mut all: Vec<(f64, Shown)>) -> Vec<Shown> {
    all.sort_by(|(one, first), (other, second)| {
        other.total_cmp(one).then(first.item.cmp(&second.item))
    });
    all.into_iter().take(SHOWN).map(|(_, shown)| shown).collect()
}

/// How much each piece speaks for the answer `class`, from −1 to 1: gradient times input (Shrikumar et al. 2016, arXiv
/// 1605.01713), summed over a piece's vector and divided by the largest of the text.
fn shares(model: &Classifier<Network>, row: &Encoding, class: usize) -> Result<Vec<f64>, Error> {
    let pass = Pass::default();
    let pieces =
        Pieces { ids: row.ids.clone(), segments: row.segments.clone(), ..Pieces::default() };
    let stages = model.backbone.stages().len();
    let texts = Activation::Texts(vec![pieces]);
    let front = model.backbone.valid().forward_stages(texts, 0..1, pass)?;
    let mut tokens = front.into_tokens("the embeddings")?;
    let vectors = tokens.hidden.autodiff().require_grad();
    tokens.hidden = vectors.clone();
    let prefix = tokens.prefix;
    let features = model.backbone.forward_stages(Activation::Tokens(tokens), 1..stages, pass)?;
    let logits = model.head.forward(features, pass)?;
    let gradients = logits.narrow(1, class, 1).sum().backward();
    let [_, count, _] = vectors.dims();
    let Some(gradient) = vectors.grad(&gradients) else { return Ok(vec![0.0; count]) };
    let products = (gradient * vectors.inner()).sum_dim(2).reshape([count]);
    let products = values(products).map_err(tl_train::TrainError::Device)?;
    let largest = products.iter().fold(0f32, |most, value| most.max(value.abs())).max(1e-30);
    Ok(products.into_iter().skip(prefix).map(|value| f64::from(value / largest)).collect())
}

/// The text in its pieces, with what lies between and behind them.
fn parts(text: &str, spans: &[Option<Range<usize>>], shares: &[f64]) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    let mut at = 0;
    for (span, share) in spans.iter().zip(shares) {
        let Some(span) = span.as_ref().filter(|span| span.start >= at) else { continue };
        let (Some(before), Some(own)) = (text.get(at..span.start), text.get(span.clone())) else {
            continue;
        };
        found.push((before.to_string(), 0.0));
        found.push((own.to_string(), *share));
        at = span.end;
    }
    found.push((text.get(at..).unwrap_or_default().to_string(), 0.0));
    found.retain(|(text, _)| !text.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_every_byte_whatever_its_pieces_cover() {
        let text = "a good, film ☃";
        let spans = [None, Some(0..1), Some(2..6), Some(8..12), Some(13..14), None];
        let found = parts(text, &spans, &[0.1, 0.2, 1.0, -0.5, 0.3, 0.0]);
        let whole: String = found.iter().map(|(part, _)| part.as_str()).collect();
        assert_eq!(whole, text);
        assert!(found.contains(&("good".to_string(), 1.0)));
        assert!(found.contains(&("film".to_string(), -0.5)));
    }
}
