//! Sentences that people rated, as two classes.

use std::path::Path;

use super::read::read;
use super::texts::{Named, TextItem, Texts};
use crate::DataError;

impl Texts {
    /// The sentiment files of Hutto and Gilbert (2014): a number, the mean rating of 20 people from −4 to 4, and a
    /// sentence, between tabs. Ratings beyond ±`neutral` become `positive` and `negative`; the others are left out where
    /// classes are `labelled`, and are texts without a class where they are not: ratings then choose nothing.
    ///
    /// # Errors
    /// A file that cannot be read or is of another kind.
    pub fn rated(path: &Path, neutral: f64, labelled: bool) -> Result<Self, DataError> {
        let class = |rating: f64| if rating > 0.0 { "positive" } else { "negative" }.to_string();
        let rated = sentences(path)?.into_iter().map(|(item, rating)| {
            let class = (rating.abs() > neutral).then(|| class(rating));
            Named { item, class }
        });
        let named: Vec<Named> = rated.filter(|it| it.class.is_some() || !labelled).collect();
        match named.is_empty() {
            true => Err(DataError::NoTexts(path.to_path_buf())),
            false => Ok(Self::of(named)),
        }
    }

    /// All sentences of such a file, each with its rating itself.
    ///
    /// # Errors
    /// As [`Texts::rated`].
    pub fn ratings(path: &Path) -> Result<Self, DataError> {
        let rated = sentences(path)?.into_iter();
        let named = rated.map(|(item, rating)| Named { item, class: Some(rating.to_string()) });
        let found = Self::of(named.collect());
        if found.is_empty() { Err(DataError::NoTexts(path.to_path_buf())) } else { Ok(found) }
    }
}

/// The sentences of a file and their ratings, each called by its line.
fn sentences(path: &Path) -> Result<Vec<(TextItem, f64)>, DataError> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let sentence = |(number, line): (usize, &str)| {
        let line_number = number + 1;
        let mut fields = line.splitn(3, '\t');
        let (_, rating, sentence) = (fields.next(), fields.next(), fields.next());
        let rating = rating.and_then(|rating| rating.trim().parse::<f64>().ok());
        let (Some(rating), Some(sentence)) = (rating, sentence) else {
            let problem = "is no number, rating and sentence between tabs".to_string();
            let path = path.to_path_buf();
            return Err(DataError::TextFile { path, line: line_number, problem });
        };
        let item = TextItem {
            name: line_number.to_string(),
            text: sentence.to_string(),
            pair: None,
            label: None,
            part: None,
        };
        Ok((item, rating))
    };
    lines.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;

    #[test]
    fn ratings_become_classes_and_neutral_sentences_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rated.txt");
        std::fs::write(&path, "1\t2.5\tso\tgood\r\n2\t-0.5\tso so\r\n3_1\t-1.2\tbad\r\n").unwrap();
        let texts = Texts::rated(&path, 0.5, true).unwrap();
        assert_eq!(texts.labels(), [Some(1), Some(0)]);
        assert_eq!(texts.items[0].text, "so\tgood");
        let all = Texts::rated(&path, 0.5, false).unwrap();
        assert_eq!(all.labels(), [Some(1), None, Some(0)]);
        let ratings = Texts::ratings(&path).unwrap();
        let of = |index: usize| ratings.class(index).to_string();
        assert_eq!([of(0), of(1), of(2)], ["2.5", "-0.5", "-1.2"]);
        std::fs::write(&path, "text,label\n").unwrap();
        let message = Texts::rated(&path, 0.5, true).unwrap_err().to_string();
        assert!(message.contains("line 1"), "{message}");
    }
}
