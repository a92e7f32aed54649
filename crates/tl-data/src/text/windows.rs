//! Long texts in windows that overlap.

use std::collections::HashSet;
use std::ops::Range;

/// Which rows of encoded texts are the windows of which text: those of a text follow each other, in the order of the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// The pieces that neighbouring windows share.
    stride: usize,
    /// For each row its text.
    texts: Vec<usize>,
    /// Where the rows of each text begin, and behind them how many rows there are.
    begins: Vec<usize>,
}

impl Windows {
    /// So many windows of each text.
    pub fn new(stride: usize, counts: impl IntoIterator<Item = usize>) -> Self {
        let mut windows = Self { stride, texts: Vec::new(), begins: vec![0] };
        for (text, count) in counts.into_iter().enumerate() {
            windows.texts.extend(std::iter::repeat_n(text, count));
            windows.begins.push(windows.texts.len());
        }
        windows
    }

    /// The rows of a text; none where there is no such text.
    pub fn rows(&self, text: usize) -> Range<usize> {
        match (self.begins.get(text), self.begins.get(text + 1)) {
            (Some(from), Some(to)) => *from..*to,
            _ => 0..0,
        }
    }

    /// The rows of these texts, in their order.
    pub fn rows_of(&self, texts: &[usize]) -> Vec<usize> {
        texts.iter().flat_map(|text| self.rows(*text)).collect()
    }

    /// The texts of these rows, each once, in the order of their first rows.
    pub fn texts_of(&self, rows: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::new();
        let texts = rows.iter().filter_map(|row| self.texts.get(*row).copied());
        texts.filter(|text| seen.insert(*text)).collect()
    }

    /// The pieces that neighbouring windows share.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The text of every row.
    pub fn texts(&self) -> &[usize] {
        &self.texts
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// How many texts have several windows.
    pub fn long(&self) -> usize {
        self.begins.windows(2).filter(|ends| ends[1] - ends[0] > 1).count()
    }

    /// What a reader should be told: how many of the `noun` are long, and how many windows there are.
    pub(super) fn note(&self, noun: &str, max_length: usize) -> String {
        let (long, all) = (self.long(), self.begins.len() - 1);
        let (count, stride) = (self.count(), self.stride);
        format!(
            "{long} of {all} {noun} are longer than {max_length} pieces (--max-length); all are read in {count} windows, neighbours of which share {stride} pieces (--stride)"
        )
    }
}

/// The windows of so many pieces: each has `room` for as many, shares `stride` of them with the one before, and begins where
/// the text has pieces beyond it. One where the text is no longer, or empty.
#[cfg(any(feature = "text", test))]
pub(super) fn windows(pieces: usize, room: usize, stride: usize) -> Vec<Range<usize>> {
    let room = room.max(1);
    let step = room.saturating_sub(stride).max(1);
    let more = pieces.saturating_sub(room).div_ceil(step);
    (0..=more).map(|number| number * step..(number * step + room).min(pieces)).collect()
}

/// The window in which `place` has the most context on the side where it has less, from `first` on; the first of equals.
///
/// From window to window there is less before the place and more behind it: the first window that is no better ends the search.
#[cfg(any(feature = "text", test))]
pub(super) fn best(windows: &[Range<usize>], first: usize, place: usize) -> usize {
    let context = |window: &Range<usize>| {
        let (before, behind) =
            (place as i64 - window.start as i64, window.end as i64 - 1 - place as i64);
        before.min(behind)
    };
    let later = windows.iter().skip(first).zip(windows.iter().skip(first + 1));
    first + later.take_while(|(one, next)| context(next) > context(one)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_every_piece_and_neighbours_share_exactly_the_stride() {
        for (pieces, room, stride) in
            [(0, 5, 2), (1, 5, 2), (5, 5, 2), (6, 5, 2), (8, 5, 2), (9, 5, 2), (1000, 7, 6)]
        {
            let found = windows(pieces, room, stride);
            assert_eq!((found[0].start, found.last().unwrap().end), (0, pieces));
            for pair in found.windows(2) {
                assert_eq!(pair[0].end - pair[1].start, stride, "{found:?}");
                assert!(pair[1].end > pair[0].end, "{found:?}");
                assert_eq!(pair[0].len(), room);
            }
            assert!(found.len() == 1 || pieces > room);
        }
        // Side by side.
        assert_eq!(windows(7, 3, 0), [0..3, 3..6, 6..7]);
    }

    #[test]
    fn the_best_window_is_that_of_all_windows_whichever_comes_first() {
        for (pieces, room, stride) in
            [(1, 4, 1), (23, 6, 3), (24, 6, 5), (50, 7, 2), (50, 8, 0), (9, 4, 3)]
        {
            let all = windows(pieces, room, stride);
            let mut before = 0;
            for place in 0..pieces {
                let context = |window: &Range<usize>| {
                    let (place, from, to) = (place as i64, window.start as i64, window.end as i64);
                    if place < from || place >= to {
                        -1
                    } else {
                        (place - from).min(to - 1 - place)
                    }
                };
                let most = all.iter().map(context).max().unwrap();
                let first = all.iter().position(|window| context(window) == most).unwrap();
                let found = best(&all, before, place);
                assert_eq!((found, most >= 0), (first, true), "{place} of {all:?}");
                assert_eq!(best(&all, 0, place), first);
                before = found;
            }
        }
    }

    #[test]
    fn rows_are_numbered_text_after_text() {
        let found = Windows::new(2, [1, 3, 0, 2]);
        assert_eq!((found.rows(1), found.rows(2), found.rows(3)), (1..4, 4..4, 4..6));
        assert_eq!((found.rows(4), found.count(), found.long()), (0..0, 6, 2));
        assert_eq!(found.texts(), [0, 1, 1, 1, 3, 3]);
        assert_eq!(found.rows_of(&[3, 0]), [4, 5, 0]);
        assert_eq!(found.texts_of(&[5, 2, 4, 0, 1, 9]), [3, 1, 0]);
        assert_eq!(Windows::new(2, []).rows(0), 0..0);
    }
}
