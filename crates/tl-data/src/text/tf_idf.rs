//! Words weighed by how rare they are: the features of a text without any network.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Term frequency times inverse document frequency (Salton and Buckley 1988), with scikit-learn's defaults.
///
/// A word is two or more letters, digits or low lines, without regard to case. A word in `d` of `n` texts weighs
/// `ln((1 + n) / (1 + d)) + 1` for each time that it stands in a text, and a text's weights are divided by their length.
#[derive(Clone, Debug, PartialEq)]
pub struct TfIdf {
    /// Its column and weight of each word of the texts that it was learned from.
    words: HashMap<String, (u32, f64)>,
}

impl TfIdf {
    /// The words of `texts`; their columns are in the order of the words.
    pub fn learned<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut count, mut found) = (0u64, BTreeMap::<String, u64>::new());
        for text in texts {
            count += 1;
            for word in words(text).into_iter().collect::<BTreeSet<_>>() {
                *found.entry(word).or_default() += 1;
            }
        }
        let weight = |texts: u64| ((1 + count) as f64 / (1 + texts) as f64).ln() + 1.0;
        let words = found.into_iter().zip(0..);
        Self { words: words.map(|((word, texts), at)| (word, (at, weight(texts)))).collect() }
    }

    /// How many words it knows.
    pub fn width(&self) -> usize {
        self.words.len()
    }

    /// The columns of a text's words and their values, in the order of the columns; words that it does not know are
    /// left out.
    pub fn features(&self, text: &str) -> Vec<(u32, f32)> {
        let mut found: BTreeMap<u32, f64> = BTreeMap::new();
        for (column, weight) in words(text).iter().filter_map(|word| self.words.get(word)) {
            *found.entry(*column).or_default() += weight;
        }
        let length = found.values().map(|value| value * value).sum::<f64>().sqrt();
        found.into_iter().map(|(column, value)| (column, (value / length) as f32)).collect()
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let parts = text.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
    parts.filter(|word| word.chars().nth(1).is_some()).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What scikit-learn's `TfidfVectorizer` made of texts.
    #[derive(serde::Deserialize)]
    struct Recorded {
        learned: Vec<String>,
        texts: Vec<String>,
        words: Vec<String>,
        features: Vec<Vec<(u32, f64)>>,
    }

    #[test]
    fn words_and_weights_are_those_of_scikit_learn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tf_idf.json");
        let recorded: Recorded =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let found = TfIdf::learned(recorded.learned.iter().map(String::as_str));
        assert_eq!(found.width(), recorded.words.len());
        for (at, word) in recorded.words.iter().enumerate() {
            assert_eq!(found.words.get(word).map(|it| it.0 as usize), Some(at), "{word}");
        }
        for (text, expected) in recorded.texts.iter().zip(&recorded.features) {
            let features = found.features(text);
            assert_eq!(features.len(), expected.len(), "{text}");
            for ((column, value), (at, weight)) in features.iter().zip(expected) {
                assert_eq!(column, at, "{text}");
                assert!((f64::from(*value) - weight).abs() < 1e-7, "{text}: {value} {weight}");
            }
        }
    }
}
