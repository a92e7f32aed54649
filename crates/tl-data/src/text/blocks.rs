//! Texts joined and cut into equal lengths, for a language model.

use super::Encoding;
#[cfg(feature = "text")]
use super::{Texts, Tokenizer};
#[cfg(feature = "text")]
use crate::DataError;
use crate::{Items, Part, Split};

/// Below so many texts of data that are not divided the pieces are divided, not the texts.
#[cfg(feature = "text")]
const FEW: usize = 20;

/// Pieces of equally many tokens; of each part the last may be shorter.
#[derive(Clone, Debug)]
pub struct Blocks {
    rows: Vec<Encoding>,
    names: Vec<String>,
    parts: Vec<Part>,
    lengths: Vec<usize>,
    fingerprint: String,
    tokenizer: String,
}

#[cfg(feature = "text")]
impl Blocks {
    /// Joins the texts of each part, with `end` behind each, and cuts them into `length` pieces.
    ///
    /// The texts are divided as [`Split::of`] does. Where they are fewer than 20 and not divided already, all are joined,
    /// and the last blocks are the test part, those before them the validation part. Texts without a letter are left out.
    ///
    /// # Errors
    /// Texts that cannot be cut or divided, none at all.
    pub fn of(
        texts: &Texts,
        fractions: [f64; 3],
        seed: u64,
        tokenizer: &Tokenizer,
        end: u32,
        length: usize,
    ) -> Result<Self, DataError> {
        let list: Vec<&str> = texts.items.iter().map(|item| item.text.as_str()).collect();
        let pieces = tokenizer.pieces(&list)?;
        let mut blocks = Self {
            rows: Vec::new(),
            names: Vec::new(),
            parts: Vec::new(),
            lengths: Vec::new(),
            fingerprint: texts.fingerprint(),
            tokenizer: tokenizer.key().to_string(),
        };
        let split = Split::of(texts, fractions, seed)?;
        let full = |index: &usize| !list[*index].trim().is_empty();
        let divided = texts.items.iter().any(|item| item.part.is_some());
        let joined = |indices: &[usize]| -> Vec<Vec<u32>> {
            let each = indices.iter().filter(|index| full(index));
            let stream: Vec<u32> =
                each.flat_map(|index| pieces[*index].iter().copied().chain([end])).collect();
            // A single piece has nothing behind it.
            stream.chunks(length.max(2)).filter(|row| row.len() > 1).map(<[u32]>::to_vec).collect()
        };
        if divided || list.len() >= FEW {
            blocks.add(Part::Train, joined(&split.train));
            blocks.add(Part::Validation, joined(&split.validation));
            blocks.add(Part::Test, joined(&split.test));
            return Ok(blocks);
        }
        let mut rows = joined(&(0..list.len()).collect::<Vec<_>>());
        let share = |fraction: f64| (fraction * rows.len() as f64).round() as usize;
        let (validation, test) = (share(fractions[1]), share(fractions[2]));
        let last = rows.split_off(rows.len().saturating_sub(test));
        let middle = rows.split_off(rows.len().saturating_sub(validation));
        blocks.add(Part::Train, rows);
        blocks.add(Part::Validation, middle);
        blocks.add(Part::Test, last);
        Ok(blocks)
    }

    fn add(&mut self, part: Part, rows: Vec<Vec<u32>>) {
        for (number, row) in rows.into_iter().enumerate() {
            self.names.push(format!("{} {}", part.name(), number + 1));
            self.parts.push(part);
            self.lengths.push(row.len());
            self.rows.push(Encoding { segments: vec![0; row.len()], ids: row });
        }
    }
}

impl Blocks {
    /// The pieces of each block.
    pub fn rows(&self) -> &[Encoding] {
        &self.rows
    }

    /// How many pieces each block has.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// What identifies the tokenizer.
    pub fn tokenizer(&self) -> &str {
        &self.tokenizer
    }

    /// The blocks of each part.
    pub fn split(&self) -> Split {
        let of = |part| (0..self.rows.len()).filter(|at| self.parts[*at] == part).collect();
        Split { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) }
    }
}

impl Items for Blocks {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn part(&self, index: usize) -> Option<Part> {
        self.parts.get(index).copied()
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}
