//! Where the words of a line of text lie.

use std::ops::Range;

/// The words of a text as bytes of it: what stands between spaces, and each sign at its edge alone.
///
/// `@` and `#` at a word's beginning belong to it, as in names of people and topics.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begin = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, letter) in ends {
        match (begin, letter.is_whitespace()) {
            (Some(from), true) => {
                split_signs(text, from..at, &mut found);
                begin = None;
            }
            (None, false) => begin = Some(at),
            _ => {}
        }
    }
    found
}

/// A run of letters and signs, its outer signs set apart.
fn split_signs(text: &str, run: Range<usize>, found: &mut Vec<Range<usize>>) {
    let word = &text[run.clone()];
    let kept = |letter: char| letter.is_alphanumeric() || letter == '@' || letter == '#';
    let Some(first) = word.find(kept) else {
        found.extend(each_letter(text, run));
        return;
    };
    let last = word.char_indices().rev().find(|(_, letter)| letter.is_alphanumeric());
    let end = last.map_or(first, |(at, letter)| at + letter.len_utf8()).max(first);
    let middle = run.start + first..run.start + end;
    found.extend(each_letter(text, run.start..middle.start));
    if !middle.is_empty() {
        found.push(middle.clone());
    }
    found.extend(each_letter(text, middle.end..run.end));
}

fn each_letter(text: &str, run: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let from = run.start;
    text[run].char_indices().map(move |(at, letter)| from + at..from + at + letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_at_the_edges_are_words_of_their_own() {
        let cut = |text: &'static str| -> Vec<&'static str> {
            words(text).into_iter().map(|word| &text[word]).collect()
        };
        assert_eq!(
            cut(" Anna, @bob and “Zoë”! "),
            ["Anna", ",", "@bob", "and", "“", "Zoë", "”", "!"]
        );
        assert_eq!(cut("it's 3.5 #go. # ..."), ["it's", "3.5", "#go", ".", "#", ".", ".", "."]);
        assert_eq!(cut(""), Vec::<&str>::new());
        assert_eq!(cut("\u{3000}日本\u{3000}"), ["日本"]);
    }
}
