//! Tasks one after another: what is measured, what is forgotten, and going on after a kill.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::texts::{encoder, reviews};
use crate::support::{Place, contents};
use serde_json::Value;

/// Three tasks of two colours each, and a file that lists them behind `head`.
fn place(tasks: &[&str], head: &str) -> Place {
    let place = Place::new();
    let mut text = head.to_string();
    for name in tasks {
        let colours = match *name {
            "a" => [0, 1],
            "b" => [2, 3],
            _ => [1, 2],
        };
        for colour in colours {
            for number in 0..20 {
                let path = format!("data/{name}/colour-{colour}/{number:02}.png");
                place.image(&path, 28, 28, colour * 1000 + number);
            }
        }
        text += &format!("[[task]]\nname = \"{name}\"\ndata = \"data/{name}\"\n");
    }
    place.file("chain.toml", text.as_bytes());
    place
}

/// A small network without weights, all of it trained.
const SMALL: &str = "
    [defaults]
    model = \"small_conv\"
    weights = \"random\"
    recipe = \"finetune\"
    epochs = 3
    lr = 1e-2
    batch-size = 8
";

fn numbers(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn file(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&place.read(name)).unwrap()
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn each_task_begins_with_what_the_one_before_left_and_all_are_measured_after_each() {
    let terms = "importance = \"ewc\"\nregularise = [\"ewc:strength=10\", \"rehearsal:size=6\"]\n";
    let head = format!("{SMALL}{terms}");
    let place = place(&["a", "b", "c"], &head);
    let words = ["chain", "chain.toml", "--out", "chained"];
    let ended = place.good(&[&words[..], &["--json"]].concat());
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found, file(&place, "chained/chain.json"));
    assert!(ended.stderr.contains("nothing was learnt before task \"a\""), "{ended:?}");
    // The later two are loaded; the first is drawn.
    assert_eq!(ended.stderr.matches("tensors applied").count(), 2, "{ended:?}");
    assert!(ended.stderr.contains("after c: a "), "{ended:?}");

    let [multi, single] = ["matrix", "single_head"].map(|name| numbers(&found[name]));
    for matrix in [&multi, &single] {
        assert_eq!(matrix.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3]);
    }
    // Right among all classes is right among the task's own.
    let pairs = multi.iter().flatten().zip(single.iter().flatten());
    assert!(pairs.into_iter().all(|(multi, single)| (0.0..=*multi).contains(single)), "{found}");
    assert_eq!(multi[0], single[0]);
    // When a task was just learnt the matrix has what its run says.
    for (at, name) in ["01-a", "02-b", "03-c"].into_iter().enumerate() {
        let run = file(&place, &format!("chained/{name}/run.json"));
        assert_eq!(found["runs"][at], name);
        near(&run["test"]["accuracy"], multi[at][at]);
        assert_eq!(run["test"]["n"], found["n"][at]);
        let weights = ["random", "chained/01-a", "chained/02-b"][at];
        assert_eq!(run["options"]["weights"], weights);
        let terms = run["options"]["tuning"]["regularisers"].as_array().map_or(0, Vec::len);
        assert_eq!(terms, [0, 2, 2][at], "{name}");
        // Each is shown examples of all before it.
        let earlier = run["earlier"].as_array().cloned().unwrap_or_default();
        let earlier: Vec<&str> = earlier.iter().map(|it| it["run"].as_str().unwrap()).collect();
        assert_eq!(earlier, ["chained/01-a", "chained/02-b"][..at]);
    }
    let last = &multi[2];
    near(&found["average_accuracy"], (last[0] + last[1] + last[2]) / 3.0);
    near(&found["backward_transfer"], (last[0] - multi[0][0] + last[1] - multi[1][1]) / 2.0);
    let best = multi[0][0].max(multi[1][0]);
    near(&found["forgetting"], (best - last[0] + multi[1][1] - last[1]) / 2.0);
    assert_eq!(found["unchanged"], false);
    let importance = place.read("chained/03-c/importance.safetensors").len();
    // Six images of 3 · 28 · 28 numbers of four bytes.
    assert_eq!(found["memory"]["examples"], 6 * 3 * 28 * 28 * 4);
    assert_eq!(found["memory_bytes"], importance + 6 * 3 * 28 * 28 * 4);

    // What a probe says of the network before the second task.
    let [before, base] = ["probe_before", "probe_base"]
        .map(|name| serde_json::from_value::<Vec<f64>>(found[name].clone()).unwrap());
    assert_eq!(before[0], base[0]);
    near(&found["forward_transfer"], (before[1] - base[1] + before[2] - base[2]) / 2.0);
    let probe = ["probe", "data/b", "--model", "small_conv", "--batch-size", "8", "--weights"];
    for (weights, expected) in [("chained/01-a", before[1]), ("random", base[1])] {
        let probed = place.json(&[&probe[..], &[weights]].concat());
        near(&probed["linear"], expected);
    }

    let page = String::from_utf8(place.read("chained/report.html")).unwrap();
    for part in ["href=\"./02-b/report.html\"", "3 · c", "<svg", "Forgetting", "--share:"] {
        assert!(page.contains(part), "{part} is not in the report");
    }
    let interval = &found["intervals"][2];
    // The last row is of the run that the chain left.
    let measured = place.json(&["evaluate", "chained/03-c", "data/c"]);
    near(&measured["accuracy"], last[2]);
    assert_eq!(&measured["interval"], interval);
}

#[test]
fn frozen_stages_and_heads_of_their_own_forget_nothing() {
    let head = SMALL.replace("finetune", "probe").replace("epochs = 3\n    lr = 1e-2", "");
    let place = place(&["a", "b", "c"], &format!("[chain]\nprobe = false\n{head}"));
    let found = place.json(&["chain", "chain.toml", "--out", "chained"]);
    assert_eq!((&found["unchanged"], &found["forgetting"]), (&true.into(), &0.0.into()));
    assert_eq!(found["forward_transfer"], Value::Null);
    assert_eq!(found["memory_bytes"], 0);
}

#[test]
fn adapters_on_one_trunk_forget_exactly_nothing() {
    let head = "
        [chain]
        begin = \"base\"
        [defaults]
        adapter = \"lora:rank=2\"
        image-size = 32
        epochs = 2
        batch-size = 8
    ";
    let place = place(&["a", "b", "c"], head);
    let ended = place.good(&["chain", "chain.toml", "--out", "chained", "--json"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.stderr.matches("(unchanged: true)").count(), 3, "{ended:?}");
    assert!(!ended.stderr.contains("(unchanged: false)"), "{ended:?}");
    assert_eq!(found["unchanged"], true);
    for figure in ["forgetting", "backward_transfer", "forward_transfer"] {
        assert_eq!(found[figure], 0.0, "{figure}");
    }
    let matrix = numbers(&found["matrix"]);
    for (task, column) in [0, 1].into_iter().zip([[1, 2], [1, 2]]) {
        column.iter().for_each(|row| assert_eq!(matrix[*row][task], matrix[task][task]));
    }
    // It is so bit by bit, and of answers that differ from task to task.
    let kept = file(&place, "chained/matrix.json");
    let hash = |row: usize, task: usize| &kept["rows"][row]["cells"][task]["sha256"];
    assert_eq!((hash(2, 0), hash(2, 1)), (hash(0, 0), hash(1, 1)));
    assert_ne!(hash(0, 0), hash(1, 1));
    let adapters = ["01-a", "02-b", "03-c"].map(|run| {
        let files = contents(&place.path(&format!("chained/{run}/adapter")));
        files.values().map(Vec::len).sum::<usize>()
    });
    assert_eq!(found["memory_bytes"], adapters.iter().sum::<usize>());
    // All began with the embedded weights.
    for run in ["02-b", "03-c"] {
        let run = file(&place, &format!("chained/{run}/run.json"));
        assert_eq!(run["options"]["weights"], "embedded");
    }
}

#[test]
fn tasks_of_texts_share_an_encoder_too() {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("one.csv", reviews(80).as_bytes());
    let other = reviews(80).replace(",positive", ",liked").replace(",negative", ",hated");
    place.file("other.csv", other.as_bytes());
    let chain = |begin: &str, more: &str| {
        format!(
            "[chain]\nbegin = \"{begin}\"\n[defaults]\nmodel = \"bert\"\nweights = \"encoder\"\nepochs = 2\nlr = 1e-2\n{more}\n\
             [[task]]\nname = \"one\"\ndata = \"one.csv\"\n[[task]]\nname = \"other\"\ndata = \"other.csv\"\n"
        )
    };
    place.file("base.toml", chain("base", "adapter = \"lora:rank=2\"").as_bytes());
    let found = place.json(&["chain", "base.toml", "--out", "base"]);
    assert_eq!((&found["unchanged"], &found["forgetting"]), (&true.into(), &0.0.into()));
    assert!(place.path("base/01-one/adapter/adapter_model.safetensors").is_file());
    // Long texts in windows.
    let windows = "recipe = \"finetune\"\nmax-length = 6\nstride = 2";
    place.file("previous.toml", chain("previous", windows).as_bytes());
    let found = place.json(&["chain", "previous.toml", "--out", "previous"]);
    assert_eq!(found["unchanged"], false);
    let run = file(&place, "previous/02-other/run.json");
    near(&run["test"]["accuracy"], numbers(&found["matrix"])[1][1]);
}

/// Checkpoints amid epochs, importance that is handed on.
const KILLED: &str = "
    [defaults]
    model = \"small_conv\"
    weights = \"random\"
    recipe = \"finetune\"
    epochs = 30
    lr = 1e-2
    batch-size = 8
    checkpoint-every = 3
    augment = true
    importance = \"ewc\"
    regularise = [\"ewc:strength=10\", \"lwf\", \"rehearsal:size=8\"]
";

/// Kills a chain once `file` is there; a chain that ends before is made again.
fn kill(place: &Place, out: &str, file: &str) {
    let words = ["chain", "chain.toml", "--threads", "2", "--resume", "--out", out];
    for _ in 0..20 {
        let mut child =
            place.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let path = place.path(out).join(file);
        while !path.exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        if !child.wait().unwrap().success() {
            return;
        }
        fs::remove_dir_all(place.path(out)).unwrap();
    }
    panic!("no chain could be killed at {file}");
}

/// What a chain leaves that must not depend on interruptions.
fn outcome(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: &str| (name.to_string(), fs::read(folder.join(name)).unwrap());
    let mut all = vec![read("matrix.json")];
    for run in ["01-a", "02-b"] {
        for name in ["model.safetensors", "importance.safetensors", "predictions.csv", "split.csv"]
        {
            all.push(read(&format!("{run}/{name}")));
        }
        let (name, rows) = read(&format!("{run}/metrics.jsonl"));
        let rows = String::from_utf8(rows).unwrap();
        let rows = rows.lines().map(|row| without_measured(row.as_bytes()));
        all.push((name, rows.collect::<Vec<_>>().join("\n").into_bytes()));
    }
    let (name, record) = read("chain.json");
    all.push((name, without_measured(&record).into_bytes()));
    all
}

/// One object of JSON without what it says of time and of memory that the program held.
fn without_measured(text: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(text).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|name, _| !["seconds", "resident_mb"].contains(&name.as_str()));
    value.to_string()
}

#[test]
fn a_chain_killed_amid_a_task_and_resumed_ends_with_the_same_bits() {
    let place = place(&["a", "b"], KILLED);
    let words =
        |out: &'static str| ["chain", "chain.toml", "--threads", "2", "--resume", "--out", out];
    place.good(&words("whole"));
    let whole = outcome(&place.path("whole"));
    for (out, file) in [
        ("first", "01-a/checkpoint.safetensors"),
        ("second", "02-b/checkpoint.safetensors"),
        ("between", "02-b/run.json"),
    ] {
        kill(&place, out, file);
        assert!(!place.path(&format!("{out}/chain.json")).exists(), "{out} was not killed");
        let ended = place.good(&words(out));
        let skipped = ended.stderr.contains("task 1 of 2, a: finished already");
        assert_eq!(skipped, out != "first", "{ended:?}");
        for ((name, ours), (_, theirs)) in whole.iter().zip(outcome(&place.path(out))) {
            assert!(*ours == theirs, "{out}: {name} differs");
        }
    }
    // What was not measured yet is measured now, and nothing is fitted again.
    let mut kept = file(&place, "second/matrix.json");
    kept["rows"].as_array_mut().unwrap().truncate(1);
    place.file("second/matrix.json", kept.to_string().as_bytes());
    let model = fs::metadata(place.path("second/02-b/model.safetensors")).unwrap();
    place.good(&words("second"));
    for ((name, ours), (_, theirs)) in whole.iter().zip(outcome(&place.path("second"))) {
        assert!(*ours == theirs, "{name} differs");
    }
    let again = fs::metadata(place.path("second/02-b/model.safetensors")).unwrap();
    assert_eq!(model.modified().unwrap(), again.modified().unwrap());

    // Another chain is not gone on with, and nothing of this one is touched.
    let before = contents(&place.path("whole"));
    place.refused_with(
        &["chain", "chain.toml", "--out", "whole"],
        &["whole: holds a chain already", "--resume"],
    );
    let other = String::from_utf8(place.read("chain.toml")).unwrap();
    place.file("chain.toml", other.replace("epochs = 30", "epochs = 31").as_bytes());
    place.refused_with(&words("whole"), &["another chain", "options of task \"a\""]);
    place.file("chain.toml", other.replace("name = \"b\"", "name = \"c\"").as_bytes());
    place.refused_with(&words("whole"), &["another chain", "the tasks were a, b"]);
    assert_eq!(contents(&place.path("whole")), before);

    // A head that does not fit: another network took the place of a run's.
    place.file("chain.toml", other.as_bytes());
    for class in 0..3 {
        for number in 0..8 {
            place.image(&format!("three/{class}/{number}.png"), 28, 28, class * 1000 + number);
        }
    }
    let three = ["finetune", "three", "--model", "small_conv", "--weights", "random"];
    place.json(&[&three[..], &["--recipe", "probe", "--out", "odd"]].concat());
    let odd = place.read("odd/model.safetensors");
    place.file("whole/01-a/model.safetensors", &odd);
    place.file("whole/matrix.json", kept.to_string().as_bytes());
    place.refused_with(&words("whole"), &["task \"a\"", "classifier.2.", "the shape [3"]);
    place.refused_with(&["evaluate", "whole/01-a", "data/a"], &["01-a/model.safetensors", "[3"]);
}

#[test]
fn a_chain_that_makes_no_sense_is_one_line_and_writes_nothing() {
    let place = place(&["a", "b"], "");
    let task = |name: &str, data: &str, more: &str| {
        format!("[[task]]\nname = \"{name}\"\ndata = \"{data}\"\n{more}\n")
    };
    let both = |one: &str, other: &str| task("a", "data/a", one) + &task("b", "data/b", other);
    place.file("numbers.csv", b"text,label\nso,1.5\nvery,2\nfine,3\n");
    place.file("one/only/1.png", b"");
    encoder(&place, "encoder");
    let texts = "model = \"bert\"\nweights = \"encoder\"\ntask = \"regression\"";
    for (text, parts) in [
        (String::new(), &["chain.toml", "no task"][..]),
        ("a = [".into(), &["chain.toml: line 1 is no TOML"]),
        (task("a", "data/a", "epoch = 3"), &["chain.toml: task \"a\"", "no key \"epoch\""]),
        (task("a", "data/a", "epochs = \"x\""), &["chain.toml: task \"a\"", "--epochs"]),
        (task("a", "data/a", "") + &task("a", "data/b", ""), &["task \"a\"", "twice"]),
        (task("a/b", "data/a", ""), &["\"a/b\" is no name of a task"]),
        (task("..", "data/a", ""), &["\"..\" is no name of a task"]),
        ("[[task]]\nname = \"a\"".into(), &["task \"a\": has no data"]),
        (task("a", "nowhere", ""), &["task \"a\"", "nowhere"]),
        (task("a", "one", ""), &["task \"a\""]),
        (task("a", "data/a", "split = [80, 20, 0]"), &["task \"a\"", "no test part"]),
        (task("a", "numbers.csv", texts), &["task \"a\"", "one class"]),
        (
            both("model = \"resnet18\"\nweights = \"random\"", "model = \"small_conv\""),
            &["task \"b\" is of another network"],
        ),
        (both("", "weights = \"random\""), &["task \"b\"", "leave out weights"]),
        (both("", "freeze-through = \"nothing\""), &["task \"b\"", "nothing"]),
        (
            both("", "recipe = \"finetune\"\nregularise = [\"ewc\"]"),
            &["task \"b\" holds on by ewc", "importance"],
        ),
        (both("adapter = \"bottleneck\"", ""), &["adapters of task \"a\"", "begin = \"base\""]),
        (
            "[chain]\nbegin = \"base\"\n".to_string() + &both("", ""),
            &["task \"a\" has none", "adapter"],
        ),
        (
            "[chain]\nbegin = \"base\"\n[defaults]\nadapter = \"lora\"\n".to_string()
                + &both("", "weights = \"random\""),
            &["task \"b\" begins with other weights"],
        ),
    ] {
        place.file("chain.toml", text.as_bytes());
        place.refused_with(&["chain", "chain.toml", "--out", "out"], parts);
        assert!(!place.path("out").exists(), "{text}");
    }
    place.refused_with(&["chain", "no.toml"], &["no.toml", "give the file of a chain"]);
    // A folder that is a run's.
    place.file("chain.toml", both("recipe = \"probe\"", "").as_bytes());
    place.file("out/run.json", b"{}");
    place.refused_with(&["chain", "chain.toml", "--out", "out"], &["out: holds a single run"]);
}
