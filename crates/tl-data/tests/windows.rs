//! Long texts in windows.
#![cfg(feature = "text")]

use std::sync::Arc;

use serde_json::Value;
use tl_data::text::{Columns, EncodedTexts, Tagged, Texts, Tokenizer};

const RECORDED: &str = include_str!("fixtures/windows.json");

/// What `xtask/parity/record_windows.py` recorded of one tokenizer, and the tokenizer.
fn recorded(name: &str) -> (Tokenizer, Value) {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, recorded[name]["tokenizer"].to_string()).unwrap();
    (Tokenizer::open(&path).unwrap(), recorded[name]["cases"].clone())
}

fn lines(text: &str) -> Arc<Texts> {
    Arc::new(Texts::lines(text))
}

fn ids(encoded: &EncodedTexts) -> Vec<&[u32]> {
    encoded.rows.iter().map(|row| row.ids.as_slice()).collect()
}

#[test]
fn windows_are_those_of_transformers() {
    for name in ["pieces of words", "letters"] {
        let (tokenizer, cases) = recorded(name);
        for case in cases.as_array().unwrap() {
            let [length, stride] =
                ["max_length", "stride"].map(|key| case[key].as_u64().unwrap() as usize);
            let texts = lines(case["text"].as_str().unwrap());
            let found = tokenizer.encode_windows(&texts, length, stride).unwrap();
            let expected: Vec<Vec<u32>> = serde_json::from_value(case["windows"].clone()).unwrap();
            assert_eq!(ids(&found), expected, "{name}: {case}");
            assert!(found.rows.iter().all(|row| row.segments == vec![0; row.ids.len()]));
        }
    }
}

#[test]
fn an_empty_text_and_one_of_exactly_the_length_are_one_window() {
    let (tokenizer, _) = recorded("pieces of words");
    // Four pieces between two marks, five, none.
    let texts = lines("it was all day\nit was all day it\n\n");
    let found = tokenizer.encode_windows(&texts, 6, 2).unwrap();
    let windows = found.windows.as_ref().unwrap();
    assert_eq!([0, 1, 2].map(|text| windows.rows(text)), [0..1, 1..3, 3..4]);
    assert_eq!(found.rows[3].ids, [1, 2]);
    assert_eq!((windows.count(), windows.long()), (4, 1));
    assert!(
        found.notes()[0].starts_with("1 of 3 texts are longer than 6 pieces"),
        "{:?}",
        found.notes()
    );
    assert!(found.notes()[0].contains("in 4 windows, neighbours of which share 2"));
    // What is no longer is read as it is without windows.
    let plain = tokenizer.encode(&texts, 6).unwrap();
    assert_eq!((&found.rows[0], &found.rows[3]), (&plain.rows[0], &plain.rows[2]));
    // What is longer begins as what is cut.
    assert_eq!((found.first(1), plain.first(1)), (Some(&plain.rows[1]), Some(&plain.rows[1])));
    let letters = recorded("letters").0;
    let found = letters.encode_windows(&lines("\nit"), 2, 1).unwrap();
    assert_eq!(ids(&found), [&[][..], &[8_u32, 19]]);
}

#[test]
fn the_windows_of_a_text_of_100_000_characters_hold_all_of_it() {
    let (tokenizer, _) = recorded("pieces of words");
    let text = "it was understandable day ".repeat(3_847);
    assert!(text.len() > 100_000);
    let pieces = tokenizer.pieces(&[&text]).unwrap().remove(0);
    for (length, stride) in [(32, 8), (32, 29), (512, 0)] {
        let found = tokenizer.encode_windows(&lines(&text), length, stride).unwrap();
        let mut whole: Vec<u32> = Vec::new();
        for (number, row) in found.rows.iter().enumerate() {
            let own = &row.ids[1..row.ids.len() - 1];
            assert_eq!((row.ids[0], *row.ids.last().unwrap()), (1, 2));
            let shared = if number == 0 { 0 } else { stride };
            assert_eq!(whole[whole.len() - shared..], own[..shared]);
            whole.extend(&own[shared..]);
        }
        assert_eq!(whole, pieces, "{length} {stride}");
    }
}

#[test]
fn a_stride_that_leaves_no_room_and_pairs_are_refused_with_the_mend() {
    let (tokenizer, _) = recorded("pieces of words");
    let texts = lines("it was all day");
    let tagged = Arc::new(Tagged::lines("it was all day"));
    for stride in [4, 5, usize::MAX] {
        let refused = [
            tokenizer.encode_windows(&texts, 6, stride).unwrap_err().to_string(),
            tokenizer.encode_word_windows(&tagged, 6, stride).unwrap_err().to_string(),
        ];
        for message in refused {
            assert!(message.contains("6 pieces, 2 of them marks"), "{message}");
            assert!(message.contains("give --stride below 4"), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }
    assert!(tokenizer.encode_windows(&texts, 6, 3).is_ok());
    let message = tokenizer.encode_windows(&texts, 2, 0).unwrap_err().to_string();
    assert!(message.contains("give --max-length from 3"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.csv");
    std::fs::write(&path, "text,other\nit,all\n").unwrap();
    let columns = Columns { pair: Some("other".into()), ..Columns::default() };
    let pairs = Arc::new(Texts::open(&path, &columns, false).unwrap());
    let message = tokenizer.encode_windows(&pairs, 6, 2).unwrap_err().to_string();
    assert!(message.contains("pairs") && message.contains("leave out --stride"), "{message}");
}

#[test]
fn every_word_is_answered_for_once_in_the_window_that_shows_most_around_it() {
    let (tokenizer, _) = recorded("pieces of words");
    // Pieces: it was un ##der ##stand ##able all day it was, of which the first of each word answers; \u{200b} is a word without one.
    let text = "it was understandable all day it was";
    let tagged = Tagged::lines(&format!("{text}\n\nit\n"));
    assert_eq!(tagged.items[0].words.len(), 7);
    let found = tokenizer.encode_word_windows(&Arc::new(tagged), 7, 3).unwrap();
    let windows = found.windows.as_ref().unwrap();
    // Windows of five pieces: 0..5, 2..7, 4..9, 6..10.
    assert_eq!([0, 1, 2].map(|text| windows.rows(text)), [0..4, 4..5, 5..6]);
    // The words begin at the pieces 0, 1, 2, 6, 7, 8, 9; of piece 6 the third window shows most,
    // of piece 7 it shows as much as the fourth, of the last two the fourth shows most.
    assert_eq!(found.words, [0..3, 3..3, 3..5, 5..7, 0..0, 0..1]);
    let places: Vec<Vec<usize>> =
        found.places.iter().map(|row| row.iter().map(|place| place.unwrap()).collect()).collect();
    let expected: [&[usize]; 6] = [&[1, 2, 3], &[], &[3, 4], &[3, 4], &[], &[1]];
    assert_eq!(places, expected);
    // The piece at each place is that of the word's beginning.
    let at = |row: usize, place: usize| found.rows[row].ids[place];
    assert_eq!([at(0, 3), at(2, 3), at(2, 4), at(3, 4)], [5, 9, 10, 4]);
    let note = &found.notes()[0];
    assert!(note.starts_with("1 of 3 sentences are longer than 7 pieces"), "{note}");
    assert_eq!(found.notes().len(), 1);
}

#[test]
fn a_word_without_a_piece_is_told_and_moves_no_other() {
    let (tokenizer, _) = recorded("letters");
    // The tokenizer knows no digit: "12" has no piece.
    let tagged = Arc::new(Tagged::lines("it 12 was all"));
    let found = tokenizer.encode_word_windows(&tagged, 5, 2).unwrap();
    let all: Vec<Option<usize>> = found.places.concat();
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true]);
    assert!(found.notes()[1].starts_with("1 words have no piece"), "{:?}", found.notes());
}

#[test]
fn a_text_that_is_cut_between_words_is_counted_also_where_there_are_no_marks() {
    let (letters, _) = recorded("letters");
    let texts = lines("it was all\nit was\nit was\nit");
    let found = letters.encode(&texts, 6).unwrap();
    assert_eq!((found.cut, found.rows[0].ids.len(), found.rows[1].ids.len()), (1, 6, 6));
    assert_eq!(found.rows[0], found.rows[1]);
}
