//! Named entities as people read them.

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;
use tl_data::text::{OUTSIDE, Sentence, Tagged};
use tl_train::metrics::{argmax, softmax, spans};
use tl_train::{Answers, Predictions, WordLogits};

use crate::Examples;
use crate::predict::quoted;

/// An entity in a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entity {
    pub label: String,
    /// The first character, counted from 0, and the one behind the last.
    pub start: usize,
    pub end: usize,
    pub text: String,
    /// The mean over its words of the probability of their tags.
    pub probability: f64,
}

/// What a run answers for one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextEntities {
    /// The number of the text's line.
    pub file: String,
    pub text: String,
    pub entities: Vec<Entity>,
}

/// A word's predicted tag and its probability; `O` where it has no answer.
fn tag<'l>(logits: WordLogits<'_>, labels: &'l [String]) -> (&'l str, f64) {
    let Some(logits) = logits else { return (OUTSIDE, 0.0) };
    let best = argmax(logits);
    let probability = softmax(logits).get(best).copied().unwrap_or_default();
    (labels.get(best).map_or(OUTSIDE, String::as_str), probability)
}

/// The entities of all texts.
pub fn entities(
    found: &Predictions,
    tagged: &Tagged,
    answers: &Answers,
    labels: &[String],
) -> Vec<TextEntities> {
    let all: Vec<usize> = (0..tagged.items.len()).collect();
    let words = found.words(answers, &all);
    let texts = tagged.items.iter().zip(&words).map(|(item, words)| TextEntities {
        file: item.name.clone(),
        text: item.text.clone(),
        entities: of(item, words, labels),
    });
    texts.collect()
}

/// BILOU's marks of a last word and of a single one, which seqeval's usual mode does not know, as those of BIOES.
fn as_bioes(tag: &str) -> Cow<'_, str> {
    match tag.split_at_checked(2) {
        Some(("L-", kind)) => format!("E-{kind}").into(),
        Some(("U-", kind)) => format!("S-{kind}").into(),
        _ => tag.into(),
    }
}

fn of(item: &Sentence, words: &[WordLogits<'_>], labels: &[String]) -> Vec<Entity> {
    let (tags, probabilities): (Vec<&str>, Vec<f64>) =
        words.iter().map(|logits| tag(*logits, labels)).unzip();
    let tags: Vec<Cow<'_, str>> = tags.into_iter().map(as_bioes).collect();
    let tags: Vec<&str> = tags.iter().map(AsRef::as_ref).collect();
    let spans = spans(&tags).into_iter().filter_map(|(begin, end, label)| {
        let (first, last) = (item.words.get(begin)?, item.words.get(end.checked_sub(1)?)?);
        let bytes: Range<usize> = first.start..last.end;
        let text = item.text.get(bytes.clone())?;
        let start = item.text.get(..bytes.start)?.chars().count();
        let sum: f64 = probabilities.get(begin..end)?.iter().sum();
        Some(Entity {
            label: label.to_string(),
            start,
            end: start + text.chars().count(),
            text: text.to_string(),
            probability: sum / (end - begin) as f64,
        })
    });
    spans.collect()
}

/// `file,word,text,tag,predicted,probability`, one line for each word.
pub(crate) fn to_csv(found: &Predictions, examples: &Examples, answers: &Answers) -> String {
    let mut table = String::from("file,word,text,tag,predicted,probability\n");
    let Examples::Tagged(tagged) = examples else { return table };
    let mut items = found.items.clone();
    items.dedup();
    let words = found.words(answers, &items);
    for (index, words) in items.iter().zip(words) {
        let Some(item) = tagged.items.get(*index) else { continue };
        for (at, (logits, word)) in words.into_iter().zip(&item.words).enumerate() {
            let (predicted, probability) = tag(logits, &tagged.classes);
            let truth = item.tags.get(at).and_then(|tag| tagged.classes.get(*tag));
            table += &format!(
                "{},{},{},{},{},{probability:.6}\n",
                quoted(&item.name),
                at + 1,
                quoted(item.text.get(word.clone()).unwrap_or_default()),
                quoted(truth.map_or("", String::as_str)),
                quoted(predicted),
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_characters_and_the_probability_is_the_mean_of_the_words() {
        let tagged = Tagged::lines("Zoë, in München Ost!");
        let labels: Vec<String> = ["O", "B-x", "I-x"].map(String::from).to_vec();
        // Zoë | , | in | München | Ost | !
        let rows = [
            [0.0, 9.0, 0.0],
            [9.0, 0.0, 0.0],
            [9.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [9.0, 0.0, 0.0],
        ];
        let logits: Vec<WordLogits<'_>> = rows.iter().map(|row| Some(&row[..])).collect();
        let found = of(&tagged.items[0], &logits, &labels);
        let texts: Vec<(&str, usize, usize)> =
            found.iter().map(|it| (it.text.as_str(), it.start, it.end)).collect();
        assert_eq!(texts, [("Zoë", 0, 3), ("München Ost", 8, 19)]);
        let expected = 1f64.exp() / (1f64.exp() + 2.0);
        assert!((found[1].probability - expected).abs() < 1e-9);
    }
}
