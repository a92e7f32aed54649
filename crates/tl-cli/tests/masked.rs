//! Pre-training on texts: hidden words are found, and the run's folder is a source of weights.

use crate::support::texts::{alphabets, causal, encoder, masked, reviews};
use crate::support::{Place, different};
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    masked(&place, "tiny");
    place.file("reviews.csv", reviews(160).as_bytes());
    place
}

fn words<'a>(data: &'a str, weights: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["pretrain", data, "--method", "mlm", "--model", "bert", "--weights", weights];
    [&words[..], &["--out", out], more].concat()
}

fn lines(place: &Place, name: &str) -> Vec<Value> {
    let text = String::from_utf8(place.read(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_network_without_weights_learns_hidden_words_and_is_what_a_fitting_begins_with() {
    let place = place();
    let many = ["--lr", "1e-2", "--batch-size", "16", "--epochs", "40"];
    let found = place.json(&words("reviews.csv", "random:tiny", "run", &many));
    let perplexity = found["validation"]["perplexity"].as_f64().unwrap();
    // Among 17 pieces; which of the four words of praise and blame it was cannot be known.
    assert!(perplexity < 6.0, "{found}");
    assert!(found["test"].is_null() && found["kept"].as_str().unwrap().starts_with("best"));
    let epochs = lines(&place, "run/metrics.jsonl");
    let of = |row: &Value, key: &str| row[key].as_f64().unwrap();
    assert_eq!(epochs.len(), 40);
    assert!(of(&epochs[0], "validation_loss") > of(&epochs[39], "validation_loss") + 0.5);
    assert!(of(&epochs[39], "validation_accuracy") > 0.4, "{:?}", epochs[39]);

    for name in ["config.json", "tokenizer.json", "report.html", "load.py", "split.csv"] {
        assert!(place.path(&format!("run/{name}")).is_file(), "{name}");
    }
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(config.contains("BertForMaskedLM") && !config.contains("id2label"), "{config}");
    let file = place.read("run/model.safetensors");
    let names: Vec<String> = safetensors::SafeTensors::deserialize(&file)
        .unwrap()
        .iter()
        .map(|it| it.0.into())
        .collect();
    assert!(names.contains(&"cls.predictions.transform.LayerNorm.weight".to_string()), "{names:?}");
    assert!(names.iter().all(|it| it.starts_with("bert.") || it.starts_with("cls.predictions.")));

    // Measured again with the masks that stay, and on other texts.
    let again = place.json(&["evaluate", "run", "reviews.csv"]);
    assert_eq!(again["part"], "the run's validation part");
    assert_eq!(again["perplexity"], found["validation"]["perplexity"]);
    place.file("odd.txt", b"so film a was the\nly the very\n\n");
    let odd = place.json(&["evaluate", "run", "odd.txt"]);
    assert_eq!(odd["part"], "all texts");
    assert!(odd["perplexity"].as_f64().unwrap() > perplexity, "{odd}");

    // On from there: what predicts pieces is read from the file.
    let one = ["--lr", "1e-4", "--epochs", "1"];
    let more = place.json(&words("reviews.csv", "run", "more", &one));
    assert!(more["validation"]["perplexity"].as_f64().unwrap() < 1.2 * perplexity, "{more}");

    let fitted = ["finetune", "reviews.csv", "--model", "bert", "--weights", "run", "--out", "fit"];
    let how = ["--recipe", "finetune", "--lr", "3e-3", "--epochs", "20"];
    let fitted = place.json(&[&fitted[..], &how].concat());
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    let run: Value = serde_json::from_slice(&place.read("fit/run.json")).unwrap();
    let report = &run["load_report"];
    let missing: Vec<&str> =
        report["missing"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(
        missing.iter().all(|it| it.contains("pooler") || it.contains("classifier")),
        "{report}"
    );
    assert_eq!(report["unused"].as_array().unwrap().len(), 5, "{report}");

    place.refused_with(&["predict", "run", "odd.txt"], &["language model", "tl finetune"]);
    place.refused_with(&words("reviews.csv", "random:tiny", "run", &one), &["holds a run already"]);
}

#[test]
fn adapters_find_hidden_words_in_frozen_stages_beside_what_predicts_them() {
    let place = place();
    let how = ["--lr", "1e-2", "--batch-size", "16"];
    let first =
        words("reviews.csv", "random:tiny", "pre", &[&how[..], &["--epochs", "4"]].concat());
    let first = place.json(&first);
    let perplexity = |found: &Value| found["validation"]["perplexity"].as_f64().unwrap();
    let adapter =
        [&how[..], &["--adapter", "lora:targets=query+value+inner+outer", "--epochs", "8"]]
            .concat();
    let second = place.json(&words("reviews.csv", "pre", "run", &adapter));
    assert!(perplexity(&second) < perplexity(&first), "{first} {second}");
    let config = |run: &str| -> Value {
        let file = place.read(&format!("{run}/adapter/adapter_config.json"));
        serde_json::from_slice(&file).unwrap()
    };
    let said = config("run");
    assert!(said["task_type"].is_null() && said["modules_to_save"].is_null(), "{said}");
    let base = place.read("pre/model.safetensors");
    let changed = different(&base, &place.read("run/model.safetensors"));
    assert!(changed.iter().all(|name| name.contains("encoder.layer")), "{changed:?}");
    assert_eq!(changed.len(), 2 * 4);

    // Where the weights lack what predicts pieces, it is fresh, and trained too.
    let fitted = ["finetune", "reviews.csv", "--model", "bert", "--weights", "pre", "--out", "fit"];
    place.json(&[&fitted[..], &["--recipe", "probe"]].concat());
    let third = place.json(&words("reviews.csv", "fit", "third", &adapter));
    assert!(perplexity(&third) < 17.0, "{third}");
    let file = place.read("third/adapter/adapter.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.len(), 2 * 4 * 2 + 5);
}

#[test]
fn causal_pre_training_is_the_run_that_a_fitting_of_a_language_model_is() {
    let place = place();
    causal(&place, "letters");
    place.file("letters.txt", alphabets().as_bytes());
    let how = ["--model", "gpt2", "--weights", "random:letters", "--epochs", "2", "--lr", "1e-2"];
    let pretrain = ["pretrain", "letters.txt", "--method", "clm", "--out", "pre"];
    let pretrained = place.json(&[&pretrain[..], &how].concat());
    let finetune =
        ["finetune", "letters.txt", "--task", "lm", "--split", "90,10,0", "--out", "fit"];
    let fitted = place.json(&[&finetune[..], &how].concat());
    assert_eq!(pretrained["validation"], fitted["validation"]);
    assert!(place.read("pre/model.safetensors") == place.read("fit/model.safetensors"));
}

#[test]
fn a_run_depends_on_its_seed_and_on_what_is_hidden() {
    let place = place();
    let quick = ["--lr", "1e-2", "--epochs", "1", "--split", "80,10,10"];
    let run = |out: &'static str, more: &[&'static str]| {
        place.json(&words("reviews.csv", "random:tiny", out, &[&quick[..], more].concat()))
    };
    let (one, same) = (run("one", &[]), run("same", &[]));
    assert_eq!(one["test"], same["test"]);
    assert!(place.read("one/model.safetensors") == place.read("same/model.safetensors"));
    let half = run("half", &["--mask-ratio", "0.5"]);
    assert!(half["test"]["n"].as_u64().unwrap() > 2 * one["test"]["n"].as_u64().unwrap());
    // A resume with other masks is another run.
    let other = [&quick[..], &["--mask-ratio", "0.3", "--resume"]].concat();
    place.refused_with(&words("reviews.csv", "random:tiny", "one", &other), &["preprocessing"]);
}

#[test]
fn what_does_not_fit_is_one_line() {
    let place = place();
    let fit = |data: &'static str, more: &[&'static str]| {
        words(data, "random:tiny", "out", &[&["--epochs", "1"], more].concat())
    };
    place.refused_with(&fit("absent.csv", &[]), &["absent.csv does not exist"]);
    place.file("empty.txt", b"\n \n\n");
    place.refused_with(&fit("empty.txt", &[]), &["training part"]);
    place.image("photos/1.png", 8, 8, 1);
    place.refused_with(&fit("photos", &[]), &["photos", "holds no text"]);
    for (flag, value) in [("--image-size", "32"), ("--pooling", "mean"), ("--jitter", "1")] {
        place.refused_with(&fit("reviews.csv", &[flag, value]), &[flag, "mlm", "texts"]);
    }
    place.refused_with(&fit("reviews.csv", &["--mask-ratio", "0"]), &["mask ratio", "above 0"]);
    place.refused_with(&fit("reviews.csv", &["--max-length", "33"]), &["33", "3 to 32"]);
    let none = words("reviews.csv", "random:tiny", "out", &["--epochs", "0"]);
    place.refused_with(&none, &["0 epochs"]);

    let with = |words: &'static str| -> Vec<&'static str> { words.split_whitespace().collect() };
    for (given, parts) in [
        ("pretrain reviews.csv --method mlm", &["needs a network", "--model bert"][..]),
        ("pretrain reviews.csv --method mlm --model bert", &["no weights", "random:FOLDER"]),
        ("pretrain reviews.csv --method mlm --model bert --weights random", &["random:FOLDER"]),
        (
            "pretrain reviews.csv --method mlm --model resnet18 --weights random",
            &["works on images", "--model bert"],
        ),
        (
            "pretrain reviews.csv --method mlm --model gpt2 --weights random:tiny",
            &["gpt2 sees nothing behind"],
        ),
        (
            "pretrain reviews.csv --method clm --model bert --weights random:tiny",
            &["bert", "--method mlm"],
        ),
        (
            "pretrain reviews.csv --method clm --model gpt2 --weights random:tiny --mask-ratio 0.1",
            &["--mask-ratio", "clm"],
        ),
        ("pretrain reviews.csv --method mlm --model t5 --weights random:tiny", &["t5", "bert"]),
        ("pretrain photos --method simclr --max-length 5", &["--max-length", "images"]),
        ("pretrain photos --method simclr --adapter lora", &["--adapter", "--method mlm"]),
    ] {
        place.refused_with(&with(given), parts);
    }
    // A tokenizer without a mask.
    encoder(&place, "plain");
    let plain = words("reviews.csv", "plain", "out", &["--epochs", "1"]);
    place.refused_with(&plain, &["tokenizer.json", "[MASK]"]);
    assert!(!place.path("out").exists());
}
