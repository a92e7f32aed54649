//! What a run is fitted on: images or texts.

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, Pieces};
use tl_data::text::{Blocks, EncodedTagged, EncodedTexts, Encoding, Windows};
use tl_data::{Batch, Items, Loader, Skipped, View};

use crate::{Answers, Numbers, Several, TrainError};

/// Some rows by their numbers, as input of a network on the plain device.
pub type Input = Result<(Vec<usize>, Activation), TrainError>;

/// Items that can be turned into the input of a network: a row for each, or for each of its windows.
///
/// What is read, kept and learnt from are rows; labels, splits and answers are of items. Without windows both have the same
/// numbers.
pub trait Dataset: Sync {
    /// Names, classes and parts of the items.
    fn items(&self) -> &dyn Items;

    /// What happens to an item before it is input, in words: a cache or a checkpoint made otherwise is of no use.
    fn preprocessing(&self) -> String;

    /// What a network has to answer for these items as [`Dataset::batches`] shows them in `view`, number after number,
    /// where that is not one label for each: as many as its answer has rows. Nothing where it is.
    fn targets(&self, items: &[usize], view: Option<&View>) -> Option<Vec<usize>> {
        let _ = (items, view);
        None
    }

    /// Whether what is asked for are pieces of language, so that e to the loss tells among how many a network wavers.
    fn asks_for_pieces(&self) -> bool {
        false
    }

    /// Whether the items are shown otherwise in each epoch whatever a phase says of it: nothing made of them may be kept.
    fn varies(&self) -> bool {
        false
    }

    /// Which rows are the windows of which item, where items may have several.
    fn windows(&self) -> Option<&Windows> {
        None
    }

    /// The rows of these items.
    fn rows(&self, items: &[usize]) -> Vec<usize> {
        self.windows().map_or_else(|| items.to_vec(), |windows| windows.rows_of(items))
    }

    /// The items of these rows, each once, in the order of their first rows.
    fn items_of(&self, rows: &[usize]) -> Vec<usize> {
        self.windows().map_or_else(|| rows.to_vec(), |windows| windows.texts_of(rows))
    }

    /// Where items are answered with a number: those, and the scale in which the network learns them.
    fn numbers(&self) -> Option<&Numbers> {
        None
    }

    /// Where items may have several labels or none: those.
    fn several(&self) -> Option<&Several> {
        None
    }

    /// The label of every row; where it is answered with a number, or may have several labels, 0 for each that is known.
    fn labels(&self) -> Vec<Option<usize>> {
        let labels = match (self.numbers(), self.several()) {
            (Some(numbers), _) => numbers.labels(),
            (None, Some(several)) => several.labels(),
            (None, None) => self.items().labels(),
        };
        let of = |item: &usize| labels.get(*item).copied().flatten();
        match self.windows() {
            None => labels,
            Some(windows) => windows.texts().iter().map(of).collect(),
        }
    }

    /// The length of every row, where they differ: batches are made of rows of like length.
    fn lengths(&self) -> Option<&[usize]>;

    /// The bytes of an input that is worth keeping, since it is made anew for each pass; 0 where it is not, as of texts.
    fn input_bytes(&self) -> u64 {
        0
    }

    /// The rows `order` in batches of `batch_size`; one that cannot be used is left out.
    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        view: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b>;

    /// The items that were left out so far; none of what was read at once.
    fn skipped(&self) -> Vec<Skipped> {
        Vec::new()
    }

    /// Where items have several answers: words with tags.
    fn answers(&self) -> Option<&Answers> {
        None
    }

    /// What a reader should be told about the inputs, one line each.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Dataset for Loader {
    fn items(&self) -> &dyn Items {
        &**self.images()
    }

    fn preprocessing(&self) -> String {
        format!("{:?}", self.preprocess())
    }

    fn lengths(&self) -> Option<&[usize]> {
        None
    }

    fn input_bytes(&self) -> u64 {
        (3 * self.preprocess().crop.pow(2) * size_of::<f32>()) as u64
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        view: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        let size = self.preprocess().crop;
        let batches = Loader::batches(self, order, batch_size, view);
        Box::new(batches.map(move |batch| Ok(to_device(batch?, size, device))))
    }

    fn skipped(&self) -> Vec<Skipped> {
        Loader::skipped(self)
    }
}

/// A batch as images `[batch, 3, size, size]` on the plain device.
fn to_device(batch: Batch, size: usize, device: &Device) -> (Vec<usize>, Activation) {
    let shape = [batch.indices.len(), 3, size, size];
    let tensor = Tensor::<4>::from_data(TensorData::new(batch.pixels, shape), device);
    (batch.indices, Activation::image(tensor))
}

/// Texts as numbers of pieces.
#[derive(Clone, Debug)]
pub struct TextDataset {
    texts: EncodedTexts,
    lengths: Vec<usize>,
    numbers: Option<Numbers>,
}

impl TextDataset {
    /// These texts.
    pub fn new(texts: EncodedTexts) -> Self {
        Self { lengths: texts.lengths(), texts, numbers: None }
    }

    /// The same texts, each answered with its number.
    pub fn with_numbers(self, numbers: Numbers) -> Self {
        Self { numbers: Some(numbers), ..self }
    }

    /// The same with their numbers, if they have some, [in the scale](Numbers::scaled) of the texts `train`.
    ///
    /// # Errors
    /// As there.
    pub fn scaled(self, train: &[usize], centred: bool) -> Result<Self, TrainError> {
        let numbers = self.numbers.map(|numbers| numbers.scaled(train, centred)).transpose()?;
        Ok(Self { numbers, ..self })
    }

    /// The texts and their pieces.
    pub fn texts(&self) -> &EncodedTexts {
        &self.texts
    }
}

impl Dataset for TextDataset {
    fn items(&self) -> &dyn Items {
        &*self.texts.texts
    }

    fn preprocessing(&self) -> String {
        let EncodedTexts { tokenizer, max_length, windows, .. } = &self.texts;
        let windows = in_windows(windows.as_ref());
        let numbers = self.numbers.as_ref().map_or(String::new(), |it| format!(" {:?}", it.scale));
        format!("{tokenizer} {max_length}{windows}{numbers}")
    }

    fn windows(&self) -> Option<&Windows> {
        self.texts.windows.as_ref()
    }

    fn numbers(&self) -> Option<&Numbers> {
        self.numbers.as_ref()
    }

    fn lengths(&self) -> Option<&[usize]> {
        Some(&self.lengths)
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        _: Option<View>,
        _: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        text_batches(&self.texts.rows, order, batch_size)
    }

    fn notes(&self) -> Vec<String> {
        self.texts.notes()
    }
}

/// How texts are read in windows, in words; nothing where they are not.
fn in_windows(windows: Option<&Windows>) -> String {
    windows.map_or(String::new(), |windows| format!(" stride {}", windows.stride()))
}

/// The pieces of texts in batches.
fn text_batches<'b>(
    rows: &'b [Encoding],
    order: Vec<usize>,
    batch_size: usize,
) -> Box<dyn Iterator<Item = Input> + 'b> {
    let batches: Vec<Vec<usize>> = order.chunks(batch_size.max(1)).map(<[_]>::to_vec).collect();
    Box::new(batches.into_iter().map(|batch| {
        let texts = batch.iter().map(|index| pieces(rows, *index)).collect();
        Ok((batch, Activation::Texts(texts)))
    }))
}

/// A row as input; one that does not exist is empty.
pub(crate) fn pieces(rows: &[Encoding], index: usize) -> Pieces {
    let Encoding { ids, segments } = rows.get(index).cloned().unwrap_or_default();
    Pieces { ids, segments, asked: Vec::new() }
}

/// Sentences as numbers of pieces; their words have tags.
#[derive(Clone, Debug)]
pub struct TaggedDataset {
    encoded: EncodedTagged,
    lengths: Vec<usize>,
    answers: Answers,
}

impl TaggedDataset {
    /// These sentences.
    pub fn new(encoded: EncodedTagged) -> Self {
        let items = &encoded.tagged.items;
        let sentence = |row: usize| {
            let windows = encoded.windows.as_ref();
            windows.map_or(Some(row), |windows| windows.texts().get(row).copied())
        };
        let tags = |(row, words): (usize, &Range<usize>)| {
            let tags = sentence(row).and_then(|item| items.get(item)?.tags.get(words.clone()));
            tags.unwrap_or_default().to_vec()
        };
        let answers = Answers {
            scheme: encoded.tagged.scheme,
            places: encoded.places.clone(),
            tags: encoded.words.iter().enumerate().map(tags).collect(),
            windows: encoded.windows.clone(),
        };
        let lengths = encoded.rows.iter().map(|row| row.ids.len()).collect();
        Self { encoded, lengths, answers }
    }
}

impl Dataset for TaggedDataset {
    fn items(&self) -> &dyn Items {
        &*self.encoded.tagged
    }

    fn preprocessing(&self) -> String {
        let EncodedTagged { tokenizer, max_length, windows, .. } = &self.encoded;
        format!("words {tokenizer} {max_length}{}", in_windows(windows.as_ref()))
    }

    fn windows(&self) -> Option<&Windows> {
        self.encoded.windows.as_ref()
    }

    fn lengths(&self) -> Option<&[usize]> {
        Some(&self.lengths)
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        _: Option<View>,
        _: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        text_batches(&self.encoded.rows, order, batch_size)
    }

    fn answers(&self) -> Option<&Answers> {
        Some(&self.answers)
    }

    fn notes(&self) -> Vec<String> {
        self.encoded.notes()
    }
}

/// Blocks of pieces, of each of which the next is asked for.
#[derive(Clone, Debug)]
pub struct BlockDataset {
    blocks: Blocks,
}

impl BlockDataset {
    /// These blocks.
    pub fn new(blocks: Blocks) -> Self {
        Self { blocks }
    }

    /// The blocks.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn row(&self, index: usize) -> &[u32] {
        self.blocks.rows().get(index).map_or(&[], |row| &row.ids)
    }
}

impl Dataset for BlockDataset {
    fn items(&self) -> &dyn Items {
        &self.blocks
    }

    fn preprocessing(&self) -> String {
        let longest = self.blocks.lengths().iter().max().copied().unwrap_or(0);
        format!("{} blocks of {longest}", self.blocks.tokenizer())
    }

    fn targets(&self, items: &[usize], _: Option<&View>) -> Option<Vec<usize>> {
        let behind = |&item: &usize| self.row(item).iter().skip(1).map(|piece| *piece as usize);
        Some(items.iter().flat_map(behind).collect())
    }

    fn asks_for_pieces(&self) -> bool {
        true
    }

    fn lengths(&self) -> Option<&[usize]> {
        Some(self.blocks.lengths())
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        _: Option<View>,
        _: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        text_batches(self.blocks.rows(), order, batch_size)
    }
}
