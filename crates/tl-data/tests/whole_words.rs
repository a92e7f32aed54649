//! Which pieces of a text are one word.
#![cfg(feature = "text")]

use std::ops::Range;
use std::sync::Arc;

use serde_json::json;
use tl_data::text::{Columns, Texts, Tokenizer};

/// A tokenizer whose words are cut at spaces, or not at all.
fn tokenizer(cut: bool) -> (tempfile::TempDir, Tokenizer) {
    let pieces =
        ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##der", "##stand", "it", "all", " it"];
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        pieces.iter().enumerate().map(|(id, piece)| (piece.to_string(), json!(id))).collect();
    let mark = |id: usize| {
        json!({
            "id": id, "content": pieces[id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    };
    let special = |id: usize| json!({"id": pieces[id], "ids": [id], "tokens": [pieces[id]]});
    let put = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let sequence = |name: &str, kind: u8| json!({"Sequence": {"id": name, "type_id": kind}});
    let text = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": (0..4).map(mark).collect::<Vec<_>>(),
        "pre_tokenizer": cut.then(|| json!({"type": "WhitespaceSplit"})),
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [put("[CLS]"), sequence("A", 0), put("[SEP]")],
            "pair": [put("[CLS]"), sequence("A", 0), put("[SEP]"), sequence("B", 1), put("[SEP]")],
            "special_tokens": {"[CLS]": special(1), "[SEP]": special(2)}
        },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": if cut { "##" } else { "" },
            "max_input_chars_per_word": 100, "vocab": vocabulary
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, text.to_string()).unwrap();
    let tokenizer = Tokenizer::open(&path).unwrap();
    (folder, tokenizer)
}

fn words(tokenizer: &Tokenizer, text: &str, length: usize) -> Vec<Range<usize>> {
    let texts = Arc::new(Texts::lines(text));
    tokenizer.encode_whole_words(&texts, length).unwrap().words.remove(0)
}

#[test]
fn the_pieces_of_a_word_are_one_and_marks_are_none() {
    let (_folder, tokenizer) = tokenizer(true);
    assert_eq!(words(&tokenizer, "it understand all", 20), [1..2, 2..5, 5..6]);
    // Of a word that is cut the pieces that are left.
    assert_eq!(words(&tokenizer, "it understand all", 5), [1..2, 2..4]);
    assert!(words(&tokenizer, "\n", 20).is_empty());
    assert_eq!((tokenizer.mask(), tokenizer.ordinary()), (Some(3), (4..10).collect()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.csv");
    std::fs::write(&path, "text,other\nit all,all understand\n").unwrap();
    let columns = Columns { pair: Some("other".into()), ..Default::default() };
    let texts = Arc::new(Texts::open(&path, &columns, false).unwrap());
    let found = tokenizer.encode_whole_words(&texts, 20).unwrap();
    assert_eq!(found.words[0], [1..2, 2..3, 4..5, 5..8]);
}

#[test]
fn a_tokenizer_that_cuts_no_words_is_helped_by_the_spaces() {
    let (_folder, tokenizer) = tokenizer(false);
    assert_eq!(words(&tokenizer, "unit it", 20), [1..3, 3..4]);
}
