//! Small texts and a small text encoder, as a folder that others would publish.
#![allow(dead_code)] // Each test file uses its part.

use std::collections::BTreeMap;

use serde_json::json;
use tl::burn::module::Module;
use tl::burn::tensor::Device;
use tl::core::parameters::map_values;
use tl::core::rng;
use tl::models::{
    Architecture, Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, save, save_backbone,
};

use super::Place;

/// The words that the tokenizer knows beside its marks.
const WORDS: [&str; 12] =
    ["good", "bad", "fine", "awful", "the", "film", "is", "was", "a", "very", "so", "##ly"];
const MARKS: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// Writes `folder` with the config.json, model.safetensors and tokenizer.json of a BERT of two layers.
pub fn encoder(place: &Place, folder: &str) {
    let config = json!({
        "model_type": "bert", "vocab_size": 16, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 32,
        "hidden_dropout_prob": 0.0
    });
    place.file(&format!("{folder}/config.json"), config.to_string().as_bytes());
    place.file(&format!("{folder}/tokenizer.json"), tokenizer(&[]).as_bytes());
    let path = place.path(&format!("{folder}/config.json"));
    let device = Device::flex();
    let config = EncoderConfig::read(&path, Family::Bert).unwrap();
    let model = Encoder::new(config, &device).with_head(2, 7, &device);
    save(&path.with_file_name("model.safetensors"), &model, &BTreeMap::new()).unwrap();
}

/// Writes `folder` with the config.json and tokenizer.json of the same BERT, whose tokenizer has a mask.
pub fn masked(place: &Place, folder: &str) {
    let config = json!({
        "model_type": "bert", "vocab_size": 17, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 32,
        "hidden_dropout_prob": 0.1
    });
    place.file(&format!("{folder}/config.json"), config.to_string().as_bytes());
    place.file(&format!("{folder}/tokenizer.json"), tokenizer(&["[MASK]"]).as_bytes());
}

/// A tokenizer of marks and words, with `more` marks behind them.
fn tokenizer(more: &[&str]) -> String {
    let pieces: Vec<&str> = MARKS.iter().chain(&WORDS).chain(more).copied().collect();
    let vocabulary: BTreeMap<&str, usize> =
        pieces.iter().enumerate().map(|(number, piece)| (*piece, number)).collect();
    let mark = |id: usize| {
        json!({
            "id": id, "content": pieces[id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    };
    let marks = (0..MARKS.len()).chain(MARKS.len() + WORDS.len()..pieces.len());
    let marks: Vec<_> = marks.map(mark).collect();
    let special = |id: usize| json!({"id": MARKS[id], "ids": [id], "tokens": [MARKS[id]]});
    let put = |name: &str, kind: usize| json!({"SpecialToken": {"id": name, "type_id": kind}});
    let sequence = |name: &str, kind: usize| json!({"Sequence": {"id": name, "type_id": kind}});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": marks,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [put("[CLS]", 0), sequence("A", 0), put("[SEP]", 0)],
            "pair": [
                put("[CLS]", 0), sequence("A", 0), put("[SEP]", 0), sequence("B", 1), put("[SEP]", 1)
            ],
            "special_tokens": {"[CLS]": special(2), "[SEP]": special(3)}
        },
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary
        }
    })
    .to_string()
}

/// A table of `count` different sentences that are good or bad by a word of theirs.
pub fn reviews(count: usize) -> String {
    let mut table = String::from("text,label\n");
    for number in 0..count {
        let good = number % 2 == 0;
        let word = [["bad", "awful"], ["good", "fine"]][usize::from(good)][number / 2 % 2];
        let filler = ["the film", "a film, so", "so very", "is the"][number / 4 % 4];
        let more = "very ".repeat(number / 16 % 5) + &"so ".repeat(number / 80);
        let label = if good { "positive" } else { "negative" };
        table += &format!("\"{filler} was {more}{word}\",{label}\n");
    }
    table
}

/// A table of `count` different texts of more than thirty words; the one that decides stands behind the sixteenth.
pub fn articles(count: usize) -> String {
    let mut table = String::from("text,label\n");
    for number in 0..count {
        let (label, word) = [
            ("positive", "good"),
            ("negative", "bad"),
            ("positive", "fine"),
            ("negative", "awful"),
        ][number % 4];
        let (before, behind) = (16 + number / 4 % 10, 14 + number / 40);
        table += &format!("{}{word}{},{label}\n", "so ".repeat(before), " very".repeat(behind));
    }
    table
}

/// The words of a fitting of `data` into `out` that takes a second or two.
pub fn quick<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["finetune", data, "--task", "text", "--model", "bert", "--weights", "encoder"];
    let words = [&words[..], &["--out", out, "--recipe", "finetune", "--lr", "3e-3"], more];
    words.concat()
}

/// A file of `count` different sentences in which a film stands here and there: a word and its tag a line.
pub fn tagged(count: usize) -> String {
    let mut file = String::new();
    for number in 0..count {
        let filler = ["so", "very", "a", "is"][number % 4];
        let film = [&["the B-film", "film I-film"][..], &["film B-film"], &[]][number / 4 % 3];
        let rest = ["good", "bad", "fine", "awful"][number / 12 % 4];
        let more = number / 48 + 1;
        file += &format!("{filler} O\n").repeat(more);
        film.iter().for_each(|line| file += &format!("{line}\n"));
        file += &format!("was O\n{rest} O\n\n");
    }
    file
}

/// Writes `folder` with the config.json and tokenizer.json of a GPT-2 of two layers whose pieces are letters.
pub fn causal(place: &Place, folder: &str) {
    let letters = ('a'..='z').map(String::from).chain(["Ġ".to_string(), "<|end|>".to_string()]);
    let vocabulary: BTreeMap<String, usize> =
        letters.enumerate().map(|(number, piece)| (piece, number)).collect();
    let config = json!({
        "model_type": "gpt2", "vocab_size": 28, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4,
        "embd_pdrop": 0.0, "resid_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 27, "eos_token_id": 27
    });
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{
            "id": 27, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }],
        "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocabulary, "merges": []
        }
    });
    place.file(&format!("{folder}/config.json"), config.to_string().as_bytes());
    place.file(&format!("{folder}/tokenizer.json"), tokenizer.to_string().as_bytes());
}

/// Writes the model.safetensors of the GPT-2 in `folder`, as [`causal`] wrote it.
pub fn causal_weights(place: &Place, folder: &str) {
    let path = place.path(&format!("{folder}/config.json"));
    let device = Device::flex();
    let network = Gpt2::new(Gpt2Config::read(&path).unwrap(), &device);
    let network = drawn(network.with_head(1, 7, &device).backbone, 0.5, |_| true);
    save_backbone(&path.with_file_name("model.safetensors"), &network, &BTreeMap::new()).unwrap();
}

/// `module` with values up to `bound` either way, by its paths, at those that `chosen` accepts.
pub fn drawn<M: Module>(module: M, bound: f64, chosen: impl Fn(&str) -> bool) -> M {
    map_values(module, |info| {
        let mut random = rng(3, &info.path, 0, 0);
        let value = |_| random.between(-bound, bound) as f32;
        chosen(&info.path).then(|| (0..info.elements()).map(value).collect())
    })
}

/// Lines of letters in the order of the alphabet, all different.
pub fn alphabets() -> String {
    let letter = |at: u32| char::from_u32('a' as u32 + at % 26).unwrap().to_string();
    let line =
        |first: u32, length: u32| (first..first + length).map(letter).collect::<String>() + "\n";
    (6..12).flat_map(|length| (0..26).map(move |first| line(first, length))).collect()
}

/// A table of pairs, all different: the second text says the same as the first in other words.
pub fn pairs() -> String {
    let ways = [["good", "film"], ["bad", "is"], ["fine", "was"], ["awful", "a"], ["the", "very"]];
    let mut table = String::from("question,answer\n");
    for number in 0..5_usize.pow(5) {
        let counts: Vec<usize> = (0..5).map(|place| number / 5_usize.pow(place) % 5).collect();
        if (4..=5).contains(&counts.iter().sum::<usize>()) {
            let text = |way: usize| {
                let words = ways.iter().zip(&counts);
                let all = words.flat_map(|(ways, count)| std::iter::repeat_n(ways[way], *count));
                all.collect::<Vec<_>>().join(" ")
            };
            table += &format!("{},{}\n", text(0), text(1));
        }
    }
    table
}

/// A table of `count` sentences, each with the number of its "very"s times `unit`.
pub fn rated(count: usize, unit: f64) -> String {
    let mut table = String::from("text,rating\n");
    for number in 0..count {
        let verys = number * 5 % 6;
        let filler = ["the film", "a film", "so", "is the"][number / 6 % 4];
        let word = ["bad", "good", "awful", "fine"][number / 24 % 4];
        let more = "so ".repeat(number / 96);
        table += &format!(
            "{filler} was {more}{}{word},{}\n",
            "very ".repeat(verys),
            verys as f64 * unit
        );
    }
    table
}
