//! Adapters from elsewhere: a folder in PEFT's format is a source of weights, and what is wrong with one is one line.

use std::collections::BTreeMap;

use crate::support::texts::{alphabets, causal, causal_weights, drawn, encoder, reviews, tagged};
use crate::support::{Place, different};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tl::burn::tensor::Device;
use tl::core::Model;
use tl::core::parameters::is_adapter;
use tl::data::text::Columns;
use tl::models::weights::{WeightsFile, save_safetensors};
use tl::models::{Architecture, Classifier, Encoder, EncoderConfig, Family, save, save_backbone};
use tl::peft::file::Format;
use tl::peft::{AdapterConfig, AdapterRecord, attach};
use tl::source::Pretrained;
use tl::train::{Silent, predict};
use tl::{Examples, FinetuneOptions, Network, pretrained};

const TARGETS: &str = "lora:rank=4,targets=query+value+inner";
const LORA: (&str, f64) = (TARGETS, 0.15);

/// A place with a BERT, sentences with labels, and lines.
fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    let mut config: Value = serde_json::from_slice(&place.read("encoder/config.json")).unwrap();
    config["id2label"] = json!({"0": "negative", "1": "positive"});
    place.file("encoder/config.json", config.to_string().as_bytes());
    place.file("reviews.csv", reviews(60).as_bytes());
    place.file("lines.txt", b"the film was awful\nso very good\na film\n");
    place
}

/// The base in the folder `base` of a place.
fn base(place: &Place, base: &str, network: &str) -> Pretrained {
    let source = place.path(base).to_string_lossy().into_owned();
    pretrained(network, &source, Some(2), false, 0, &Device::flex()).unwrap()
}

/// A network of a place by its folder and its name.
type Named<'a> = (&'a str, &'a str);

const ENCODER: Named = ("encoder", "bert");

/// Writes the folder of adapters that have learned something, values up to `bound` either way, and answers the network with
/// them in its slots.
fn adapters(
    place: &Place,
    folder: &str,
    (name, network): Named,
    (kind, bound): (&str, f64),
    task: &'static str,
) -> Classifier<Network> {
    let config: AdapterConfig = kind.parse().unwrap();
    let Model { backbone, head } = base(place, name, network).model;
    let backbone = attach(backbone, &config, 5).unwrap();
    let learned = |path: &str| is_adapter(path) || path.starts_with("head.");
    let model = drawn(Model { backbone, head }, bound, learned);
    let record = AdapterRecord::of(&model, &config, &[]).unwrap();
    let record = if task == "CAUSAL_LM" { record.without_head() } else { record };
    let format = Format::Peft { task_type: Some(task) };
    record.save(&place.path(folder), &model.backbone, format, name).unwrap();
    model
}

/// The rows of an f32 `.npy` file of `width` columns.
fn rows(file: &[u8], count: usize) -> Vec<f32> {
    let values = &file[file.len() - 4 * count..];
    values.chunks(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect()
}

fn must_be_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|it| it * it).sum::<f32>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let off = off / norm(&mut expected.iter().copied());
    assert!(off < 1e-5, "{what}: {off:.1e}");
}

#[test]
fn a_classifier_s_adapters_are_asked_measured_embedded_merged_and_gone_on_from() {
    let place = place();
    let model = adapters(&place, "elsewhere", ENCODER, LORA, "SEQ_CLS");
    let device = Device::flex();

    // What the base with adapters in its slots answers, by the library.
    let lines = place.path("lines.txt").to_string_lossy().into_owned();
    let examples = Examples::texts(&lines, &Columns::default(), false).unwrap();
    let options = FinetuneOptions { network: "bert".into(), ..FinetuneOptions::default() };
    let data = base(&place, "encoder", "bert").dataset(&examples, &options, 1).unwrap();
    let expected = predict(&model, &*data, &[0, 1, 2], 8, &device, &mut Silent).unwrap();
    let expected: Vec<f32> = expected.rows().flat_map(|(_, logits)| logits.to_vec()).collect();
    let vectors = tl::embed(&model, &*data, 8, &device, &mut Silent).unwrap();

    let answers = |source: &str| {
        let found = place.json(&["predict", source, "lines.txt"]);
        let all = found["predictions"].as_array().unwrap().clone();
        let logits = all.iter().flat_map(|it| it["logits"].as_array().unwrap().clone());
        (logits.map(|it| it.as_f64().unwrap() as f32).collect::<Vec<_>>(), all)
    };
    let (logits, all) = answers("elsewhere");
    must_be_near(&logits, &expected, "predict");
    assert!(["negative", "positive"].contains(&all[0]["label"].as_str().unwrap()), "{all:?}");
    assert_eq!(answers("elsewhere/adapter_model.safetensors").0, logits);
    assert_eq!(answers("adapter:elsewhere,base=encoder/model.safetensors").0, logits);

    let embed = |weights: &str| {
        let words =
            ["embed", "lines.txt", "--model", "bert", "--weights", weights, "--out", "e.npy"];
        assert_eq!(place.json(&words)["width"], 32);
        rows(&place.read("e.npy"), 3 * 32)
    };
    let embedded = embed("elsewhere");
    must_be_near(&embedded, &vectors.values, "embed");
    assert!(embedded != embed("encoder"), "the adapters change nothing");

    let measured = place.json(&["evaluate", "elsewhere", "reviews.csv"]);
    assert_eq!(measured["n"], 60);
    let said = place.json(&["predict", "elsewhere", "reviews.csv"]);
    let table = reviews(60);
    let said = said["predictions"].as_array().unwrap().iter().zip(table.lines().skip(1));
    let right = said.filter(|(it, line)| line.ends_with(it["label"].as_str().unwrap())).count();
    let accuracy = measured["accuracy"].as_f64().unwrap();
    assert!((accuracy - right as f64 / 60.0).abs() < 1e-12, "{accuracy}, {right}");

    for name in ["config.json", "tokenizer.json"] {
        place.file(&format!("whole/{name}"), &place.read(&format!("encoder/{name}")));
    }
    place.json(&["merge", "elsewhere", "--out", "whole/model.safetensors"]);
    let file = |name: &str| place.read(&format!("{name}/model.safetensors"));
    let changed = different(&file("encoder"), &file("whole"));
    assert_eq!(changed.len(), 2 * 3 + 2, "{changed:?}");
    assert_eq!(embed("whole"), embedded);

    // A fitting goes on from there; its adapters stand on these, also where their folder is the source.
    let fit = ["finetune", "reviews.csv", "--model", "bert", "--weights", "elsewhere"];
    let probe = place.json(&[&fit[..], &["--recipe", "probe", "--out", "probe"]].concat());
    assert!(probe["test"]["accuracy"].is_f64(), "{probe}");
    let run: Value = serde_json::from_slice(&place.read("probe/run.json")).unwrap();
    let source = run["load_report"]["source"].as_str().unwrap();
    assert!(source.ends_with("with the adapters of elsewhere"), "{source}");
    assert_eq!(embed("probe"), embedded);
    let more = ["--adapter", "lora:rank=2", "--epochs", "2", "--lr", "1e-2", "--out", "second"];
    place.json(&[&fit[..], &more].concat());
    let second = embed("second");
    must_be_near(&embed("second/adapter"), &second, "adapters on adapters");
    assert!(second != embedded);
}

#[test]
fn the_adapters_of_a_run_by_themselves_are_merged_into_what_the_run_is() {
    let place = place();
    place.file("words.conll", tagged(120).as_bytes());
    let rated = |(number, line): (usize, &str)| {
        let text = line.rsplit_once(',').unwrap().0;
        format!("{text},{}\n", number % 7)
    };
    let rated: String = reviews(60).lines().skip(1).enumerate().map(rated).collect();
    place.file("rated.csv", format!("text,label\n{rated}").as_bytes());
    for (data, task, out) in [
        ("words.conll", "tokens", "tags"),
        ("reviews.csv", "text", "classes"),
        ("rated.csv", "regression", "numbers"),
    ] {
        let words = ["finetune", data, "--task", task, "--model", "bert", "--weights", "encoder"];
        let words = [&words[..], &["--out", out]].concat();
        place.json(&[&words[..], &["--adapter", TARGETS, "--epochs", "1"]].concat());
        place.json(&["merge", out, "--out", "run.safetensors"]);
        place.json(&["merge", &format!("{out}/adapter"), "--out", "adapter.safetensors"]);
        let [run, adapter] = ["run", "adapter"].map(|it| place.read(&format!("{it}.safetensors")));
        let count = |file: &[u8]| SafeTensors::deserialize(file).unwrap().len();
        assert_eq!(count(&run), count(&adapter), "{out}");
        assert!(different(&run, &adapter).is_empty(), "{out}: {:?}", different(&run, &adapter));
    }
    let answers = |run: &str| place.json(&["predict", run, "lines.txt"])["predictions"].clone();
    assert_eq!(answers("numbers/adapter"), answers("numbers"));
    let measured = |run: &str| place.json(&["evaluate", run, "lines-rated.csv"])["r2"].clone();
    place.file("lines-rated.csv", b"text,label\nso very good,1.5\nthe film,-2\na bad film,0\n");
    assert_eq!(measured("numbers/adapter"), measured("numbers"));
    assert!(measured("numbers").is_f64());
}

#[test]
fn a_language_model_s_adapters_write_and_are_measured() {
    let place = Place::new();
    causal(&place, "tiny");
    causal_weights(&place, "tiny");
    place.file("letters.txt", alphabets().as_bytes());
    let network = ("tiny", "gpt2");
    adapters(&place, "poems", network, ("lora:targets=.*", 0.3), "CAUSAL_LM");
    adapters(&place, "prompts", network, ("prompt:tokens=3", 0.5), "CAUSAL_LM");
    // Those of which nothing was learned change nothing: what the base itself measures.
    adapters(&place, "nothing", network, ("lora", 0.0), "CAUSAL_LM");
    let measured = |source: &str| {
        let found = place.json(&["evaluate", source, "letters.txt"]);
        assert_eq!(found["part"], "all texts", "{source}");
        found["perplexity"].as_f64().unwrap()
    };
    let write = |source: &str, more: &[&str]| {
        let words = ["generate", source, "--prompt", "abc", "--max-tokens", "20"];
        place.json(&[&words[..], more].concat())["pieces"].clone()
    };
    assert_eq!(write("nothing", &[]), write("tiny", &[]));
    let plain = measured("nothing");
    for source in ["poems", "prompts"] {
        assert_eq!(write(source, &[]), write(source, &["--no-cache"]), "{source}");
        let found = measured(source);
        assert!((found / plain - 1.0).abs() > 0.001, "{source}: {found}, {plain}");
    }
    for name in ["config.json", "tokenizer.json"] {
        place.file(&format!("whole/{name}"), &place.read(&format!("tiny/{name}")));
    }
    place.json(&["merge", "poems", "--out", "whole/model.safetensors"]);
    assert_eq!(write("whole", &[]), write("poems", &[]));
    let changed =
        different(&place.read("tiny/model.safetensors"), &place.read("whole/model.safetensors"));
    assert_eq!(changed.len(), 2 * 4, "{changed:?}");
    // On other texts, with adapters of its own.
    let words =
        ["finetune", "letters.txt", "--task", "lm", "--model", "gpt2", "--weights", "poems"];
    let how = ["--adapter", "lora", "--epochs", "1", "--max-length", "32", "--out", "run"];
    let fitted = place.json(&[&words[..], &how].concat());
    assert!(fitted["test"]["perplexity"].is_f64(), "{fitted}");
    place.refused_with(&["predict", "poems", "letters.txt"], &["CAUSAL_LM", "no classifier"]);
    let prompts = words.map(|word| if word == "poems" { "prompts" } else { word });
    place.refused_with(&prompts, &["prompts holds a prompt"]);
    place.refused_with(&["merge", "prompts", "--out", "w"], &["a prompt cannot be merged"]);
}

/// Changes what `folder/adapter_config.json` says.
fn say(place: &Place, folder: &str, key: &str, value: Value) {
    let name = format!("{folder}/adapter_config.json");
    let mut said: Value = serde_json::from_slice(&place.read(&name)).unwrap();
    said[key] = value;
    place.file(&name, said.to_string().as_bytes());
}

#[test]
fn a_base_that_does_not_serve_is_one_line() {
    let place = place();
    adapters(&place, "a", ENCODER, LORA, "SEQ_CLS");
    let embed = |weights: &'static str, model: &'static str| {
        ["embed", "lines.txt", "--model", model, "--weights", weights, "--out", "e.npy"]
    };
    let name = "base_model_name_or_path";
    for (said, parts) in [
        (json!("nowhere/at/all"), &["nowhere/at/all, which does not exist", "base=SRC"][..]),
        (json!(null), &["names no base", "adapter:a,base=SRC"]),
        (json!("random:encoder"), &["random:encoder, which does not exist"]),
        (json!("a"), &["more than 8 deep", "tl merge"]),
    ] {
        say(&place, "a", name, said);
        place.refused_with(&embed("a", "bert"), parts);
        place.refused(&["predict", "a", "lines.txt"]);
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    say(&place, "a", name, json!("empty"));
    place.refused_with(&embed("a", "bert"), &["empty", "holds no model.safetensors", "base=SRC"]);
    // A repository that cannot be reached.
    say(&place, "a", name, json!("owner/repo"));
    let mut words = place.command(&embed("a", "bert"));
    let ended = words.env("HF_HUB_OFFLINE", "1").env("HF_HOME", place.path("cache")).output();
    let ended: crate::support::Ended = ended.unwrap().into();
    assert_eq!((ended.code, ended.errors().len()), (Some(2), 1), "{ended:?}");
    assert!(ended.errors()[0].contains("hub:owner/repo/model.safetensors"), "{ended:?}");
    assert!(ended.errors()[0].contains("base=SRC"), "{ended:?}");

    // Another architecture, and one of other sizes.
    say(&place, "a", name, json!("encoder"));
    place.refused_with(&embed("a", "gpt2"), &["is of a bert, not of a gpt2"]);
    causal(&place, "tiny");
    causal_weights(&place, "tiny");
    place.refused_with(&embed("adapter:a,base=tiny", "gpt2"), &["a: holds no adapter of gpt2"]);
    adapters(&place, "b", ("tiny", "gpt2"), ("lora", 0.1), "CAUSAL_LM");
    place.refused_with(&embed("adapter:b,base=encoder", "bert"), &["b: holds no adapter of bert"]);
    wide(&place);
    place.refused_with(
        &embed("adapter:a,base=wide", "bert"),
        &["a on the base wide", "does not fit at layers.0.", "the bert that it was made on"],
    );
    place.refused_with(&embed("adapter:a,base=nowhere", "bert"), &["nowhere does not exist"]);
    place.refused_with(&embed("adapter:nowhere", "bert"), &["nowhere/adapter_config.json"]);
    assert!(!place.path("e.npy").exists());
}

/// Writes `wide`, an encoder like that of the place of another width.
fn wide(place: &Place) {
    let mut config: Value = serde_json::from_slice(&place.read("encoder/config.json")).unwrap();
    config["hidden_size"] = json!(48);
    place.file("wide/config.json", config.to_string().as_bytes());
    place.file("wide/tokenizer.json", &place.read("encoder/tokenizer.json"));
    let path = place.path("wide/config.json");
    let device = Device::flex();
    let network = Encoder::new(EncoderConfig::read(&path, Family::Bert).unwrap(), &device);
    let model = network.with_head(2, 7, &device);
    save(&path.with_file_name("model.safetensors"), &model, &BTreeMap::new()).unwrap();
}

/// Writes the adapters of `from` as `to`, of their tensors those that `kept` accepts.
fn copied(place: &Place, from: &str, to: &str, kept: impl Fn(&str) -> bool) {
    let name = "adapter_config.json";
    place.file(&format!("{to}/{name}"), &place.read(&format!("{from}/{name}")));
    let file =
        WeightsFile::open(&place.path(&format!("{from}/adapter_model.safetensors"))).unwrap();
    let names: Vec<&str> = file.names().filter(|name| kept(name)).collect();
    let held = |name: &&str| {
        let shape = file.shape(name).unwrap().to_vec();
        (name.to_string(), shape, file.values(name).unwrap())
    };
    let tensors: Vec<_> = names.iter().map(held).collect();
    let path = place.path(&format!("{to}/adapter_model.safetensors"));
    save_safetensors(&path, &tensors, &[], &BTreeMap::new()).unwrap();
}

#[test]
fn a_folder_that_is_damaged_or_of_another_kind_is_one_line() {
    let place = place();
    adapters(&place, "a", ENCODER, LORA, "SEQ_CLS");
    let embed = |weights: &'static str| {
        ["embed", "lines.txt", "--model", "bert", "--weights", weights, "--out", "e.npy"]
    };
    // Without a head there is nothing that answers, and vectors all the same.
    copied(&place, "a", "headless", |name| !name.contains("classifier"));
    place.json(&embed("headless"));
    std::fs::remove_file(place.path("e.npy")).unwrap();
    // The base of the place has a head of its own, and this one has none.
    bare(&place);
    let predict = |source: &'static str| ["predict", source, "lines.txt"];
    place.json(&predict("headless"));
    place.refused_with(
        &predict("adapter:headless,base=bare"),
        &["holds no classifier.weight", "nothing answers", "tl finetune"],
    );
    copied(&place, "a", "biasless", |name| !name.contains("classifier.bias"));
    place.refused_with(&predict("biasless"), &["a part of a head", "classifier.bias"]);
    copied(&place, "a", "half", |name| !name.contains("layer.1.attention.self.query.lora_B"));
    place.refused_with(
        &embed("half"),
        &["half on the base encoder", "does not fit at layers.1.query"],
    );

    place.file("a/model.safetensors", &place.read("encoder/model.safetensors"));
    place.refused_with(&embed("a"), &["adapters and whole weights", "adapter:a"]);
    std::fs::remove_file(place.path("a/model.safetensors")).unwrap();
    say(&place, "a", "peft_type", json!("VERA"));
    place.refused_with(&embed("a"), &["a/adapter_config.json", "of the kind \"VERA\""]);
    for text in ["no json", "[]", ""] {
        place.file("a/adapter_config.json", text.as_bytes());
        place.refused_with(&embed("a"), &["a/adapter_config.json", "is no configuration"]);
        place.refused_with(&predict("a"), &["is no configuration"]);
    }
    std::fs::remove_file(place.path("half/adapter_model.safetensors")).unwrap();
    place.refused_with(&embed("half"), &["no adapter_model.safetensors"]);
    place.file("half/adapter_model.safetensors", b"no tensors");
    place.refused_with(&embed("half"), &["half/adapter_model.safetensors"]);
    assert!(!place.path("e.npy").exists());
}

/// Writes `bare`, the encoder of the place without its head.
fn bare(place: &Place) {
    for name in ["config.json", "tokenizer.json"] {
        place.file(&format!("bare/{name}"), &place.read(&format!("encoder/{name}")));
    }
    let network = base(place, "encoder", "bert").model.backbone;
    save_backbone(&place.path("bare/model.safetensors"), &network, &BTreeMap::new()).unwrap();
}
