//! A tokenizer of BERT's from `vocab.txt` alone, as old folders have it.

use std::collections::HashSet;
use std::path::Path;

use tokenizers::decoders::wordpiece::WordPiece as Decoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Model, Tokenizer};

const UNKNOWN: &str = "[UNK]";
const BEGIN: &str = "[CLS]";
const END: &str = "[SEP]";
const MARKS: [&str; 5] = ["[PAD]", UNKNOWN, BEGIN, END, "[MASK]"];

/// The tokenizer of the pieces in `vocab`, one a line; the text of `tokenizer_config.json` says whether case counts, which it does not
/// where nothing is said.
///
/// # Errors
/// What is wrong with the pieces, in words.
pub(super) fn of_vocabulary(vocab: &Path, config: Option<&str>) -> Result<Tokenizer, String> {
    let said = config.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let flag = |key: &str| said.as_ref()?.get(key)?.as_bool();
    let lower = flag("do_lower_case").unwrap_or(true);
    let normalizer = BertNormalizer::new(
        true,
        flag("tokenize_chinese_chars").unwrap_or(true),
        flag("strip_accents"),
        lower,
    );
    let text = |reason: tokenizers::Error| reason.to_string();
    let model = WordPiece::from_file(&vocab.to_string_lossy())
        .unk_token(UNKNOWN.to_string())
        .build()
        .map_err(text)?;
    let number = |mark: &str| {
        let missing = || format!("lacks the piece {mark}");
        model.token_to_id(mark).map(|id| (mark.to_string(), id)).ok_or_else(missing)
    };
    let (begin, end, _) = (number(BEGIN)?, number(END)?, number(UNKNOWN)?);
    let known: HashSet<String> = model.get_vocab().into_keys().collect();
    let marks = MARKS.into_iter().filter(|mark| known.contains(*mark));
    let marks: Vec<AddedToken> = marks.map(|mark| AddedToken::from(mark, true)).collect();
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer)).map_err(text)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(end, begin)));
    tokenizer.with_decoder(Some(Decoder::default()));
    tokenizer.add_special_tokens(marks).map_err(text)?;
    Ok(tokenizer)
}
