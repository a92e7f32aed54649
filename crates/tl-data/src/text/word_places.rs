//! Which pieces of a text are which of its words.

use std::ops::Range;

use super::TextItem;

/// The places of each word's pieces.
pub(super) fn whole_words(row: &tokenizers::Encoding, item: &TextItem) -> Vec<Range<usize>> {
    let (numbers, sequences, offsets) =
        (row.get_word_ids(), row.get_sequence_ids(), row.get_offsets());
    let mut words: Vec<Range<usize>> = Vec::new();
    // The word of the piece before: text, number, and where the piece ends.
    let mut before: Option<(Option<usize>, u32, usize)> = None;
    for (place, (number, special)) in numbers.iter().zip(row.get_special_tokens_mask()).enumerate()
    {
        let Some(number) = number.filter(|_| *special == 0) else {
            before = None;
            continue;
        };
        let sequence = sequences.get(place).copied().flatten();
        let (from, to) = offsets.get(place).copied().unwrap_or_default();
        let text = match sequence {
            Some(1) => item.pair.as_deref().unwrap_or_default(),
            _ => &item.text,
        };
        // A tokenizer that cuts no words takes a whole text for one.
        let spaced = |end: usize| {
            let between = text.get(end.min(from)..from).unwrap_or_default();
            let own = text.get(from..to).unwrap_or_default();
            between.contains(char::is_whitespace) || own.starts_with(char::is_whitespace)
        };
        let goes_on =
            before.is_some_and(|(of, word, end)| of == sequence && word == number && !spaced(end));
        match words.last_mut().filter(|_| goes_on) {
            Some(word) => word.end = place + 1,
            None => words.push(place..place + 1),
        }
        before = Some((sequence, number, to));
    }
    words
}

/// The first piece of each word: the first one that shares a byte with it and belongs to no word before.
pub(super) fn places(row: &tokenizers::Encoding, words: &[Range<usize>]) -> Vec<Option<usize>> {
    let pieces = row.get_offsets().iter().zip(row.get_special_tokens_mask()).enumerate();
    let mut pieces = pieces
        .filter(|(_, ((from, to), special))| **special == 0 && from < to)
        .map(|(place, ((from, to), _))| (place, *from, *to))
        .peekable();
    words
        .iter()
        .map(|word| {
            while pieces.next_if(|(_, _, to)| *to <= word.start).is_some() {}
            // Of a piece that reaches into the next word that one has nothing of its own.
            pieces.next_if(|(_, from, _)| *from < word.end).map(|(place, ..)| place)
        })
        .collect()
}
