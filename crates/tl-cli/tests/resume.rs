//! A run that is killed at any moment and resumed ends as if it had never stopped.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Place;
use crate::support::texts::{alphabets, causal, encoder, masked, pairs, rated, reviews, tagged};
use safetensors::SafeTensors;
use serde_json::Value;

/// Frozen stages cached on disk, three unfreezings, augmentation, a moving average, terms beside the loss, the way back to the
/// first weights, checkpoints amid epochs.
const WORDS: &str = "finetune photos --image-size 32 --weights random --recipe gradual --epochs 3 --lr 0.01 \
    --batch-size 8 --checkpoint-every 2 --ema 0.9 --augment --cache-memory 0 --threads 2 --regularise l2_sp \
    --regularise bss:count=2 --interpolate --resume --out";

/// Pseudo-labels that are found when an epoch begins, checkpoints amid epochs.
const ADAPTATION: &str = "adapt --source photos --target-shift night:0.3 --model small_conv --weights random \
    --image-size 16 --augment --method shot --source-epochs 2 --epochs 3 --batch-size 8 --checkpoint-every 2 \
    --threads 2 --resume --out";

/// Adapters with masks of their own, checkpoints amid epochs.
const ADAPTERS: &str = "finetune photos --image-size 32 --adapter lora:rank=2,dropout=0.2 --epochs 4 --lr 0.01 \
    --batch-size 8 --checkpoint-every 2 --ema 0.9 --augment --cache-memory 0 --threads 2 --resume --out";

/// Frozen layers cached by their lengths, layers that thaw; of a language model, of tagged words and of sentences.
const LANGUAGE: &str = "finetune letters.txt --task lm --model gpt2 --weights random:tiny --max-length 32 --lr 1e-2 \
    --batch-size 8 --recipe gradual --epochs 12 --checkpoint-every 2 --threads 2 --resume --out";
/// Adapters with masks of their own in it.
const LANGUAGE_ADAPTERS: &str = "finetune letters.txt --task lm --model gpt2 --weights random:tiny --max-length 32 --lr 1e-2 \
    --batch-size 8 --adapter lora:rank=2,dropout=0.2 --epochs 12 --checkpoint-every 2 --threads 2 --resume --out";
/// Words that are hidden anew in every epoch, dropout, checkpoints amid epochs.
const MASKED: &str = "pretrain reviews.csv --method mlm --model bert --weights random:masked --lr 1e-2 --epochs 15 \
    --batch-size 8 --checkpoint-every 3 --threads 2 --resume --out";
/// Pairs of texts in batches that belong together.
const PAIRS: &str = "finetune pairs.csv --task embedding --text-column question --pair-column answer --model bert \
    --weights encoder --lr 3e-3 --epochs 15 --batch-size 16 --checkpoint-every 3 --threads 2 --resume --out";
/// Numbers, learnt in a scale of their own and told in their unit.
const NUMBERS: &str = "finetune rated.csv --task regression --label-column rating --model bert --weights encoder \
    --recipe gradual --lr 3e-3 --epochs 24 --batch-size 8 --checkpoint-every 3 --threads 2 --resume --out";
const TAGGED: &str = "finetune words.conll --model bert --weights encoder --recipe gradual --lr 3e-3 --epochs 24 \
    --batch-size 8 --checkpoint-every 3 --threads 2 --resume --out";
const SENTENCES: &str = "finetune reviews.csv --model bert --weights encoder --recipe gradual --lr 3e-3 --epochs 30 \
    --batch-size 8 --checkpoint-every 3 --threads 2 --resume --out";
const SENTENCES_ADAPTED: &str = "adapt --source reviews.csv --target elsewhere.csv --model bert --weights encoder --method shot \
    --lr 3e-3 --source-epochs 10 --epochs 10 --batch-size 8 --checkpoint-every 3 --threads 2 --resume --out";

/// Heads and examples of an earlier task, and what each weight did on its way.
const REMEMBERING: &str = "finetune photos --image-size 16 --model small_conv --weights first --recipe gradual --epochs 9 \
    --lr 0.01 --batch-size 8 --checkpoint-every 2 --threads 2 --importance si --regularise si --regularise lwf \
    --regularise rehearsal:size=7,batch=3 --resume --out";
const EARLIER: &str = "finetune photos --image-size 16 --model small_conv --weights random --recipe finetune --epochs 3 \
    --lr 0.01 --importance si --out";

/// Several views behind frozen stages, kept on disk; images that are mixed where none is frozen; steps of two batches.
const MIXED: &str = "finetune photos --image-size 16 --model small_conv --weights random --recipe gradual --epochs 9 --lr 0.01 \
    --batch-size 4 --accumulate 2 --checkpoint-every 2 --ema 0.9 --augment --cached-views 3 --cache-memory 0 --mixup 0.4 \
    --cutmix 1 --label-smoothing 0.05 --threads 2 --resume --out";

/// When a run is killed: a pseudo-random share of its duration, or as soon as something is seen.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Share(f64),
    /// A file that is just being written.
    Seen(&'static str),
    /// The line of `metrics.jsonl` that ends a phase.
    Epochs(usize),
}

const MOMENTS: [Moment; 11] = [
    Moment::Seen("cache"),
    Moment::Seen("checkpoint.safetensors.tmp"),
    Moment::Epochs(2),
    Moment::Share(0.07),
    Moment::Share(0.18),
    Moment::Share(0.29),
    Moment::Share(0.41),
    Moment::Share(0.52),
    Moment::Share(0.63),
    Moment::Share(0.76),
    Moment::Share(0.88),
];

#[test]
fn a_run_killed_at_any_moment_and_resumed_ends_with_the_same_bits() {
    let place = Place::with_photos(4, 10);
    let started = Instant::now();
    let words = |out: &'static str| words(WORDS, out);
    place.good(&words("whole"));
    let duration = started.elapsed();
    let of = |out: &str| Outcome::of(&place.path(out), &FITTED);
    let whole = of("whole");
    assert!(whole.steps > 10, "the run is too short to be killed in many places");
    // What is compared does depend on what a resume must bring back.
    place.good(&[words("other"), vec!["--seed", "1"]].concat());
    assert!(of("other").model != whole.model);
    for (number, moment) in MOMENTS.into_iter().enumerate() {
        let name = format!("killed-{number}");
        let seen = kill(&place, WORDS, &name, moment, duration);
        place.good(&self::words(WORDS, &name));
        whole.must_equal(&of(&name), &format!("{moment:?}, {seen}"));
        fs::remove_dir_all(place.path(&name)).unwrap();
    }
    // The same run killed again and again.
    for share in [0.35, 0.6, 0.45, 0.3, 0.55, 0.4, 0.5, 0.65] {
        run_and_kill(&place, &words("often"), "often", Moment::Share(share), duration);
    }
    place.good(&words("often"));
    whole.must_equal(&of("often"), "killed eight times");
}

#[test]
fn an_adaptation_killed_at_any_moment_and_resumed_ends_with_the_same_bits() {
    let place = Place::with_photos(4, 20);
    let started = Instant::now();
    place.good(&words(ADAPTATION, "whole"));
    let duration = started.elapsed();
    let of = |out: &str| Outcome::of(&place.path(out), &ADAPTED);
    let whole = of("whole");
    assert!(whole.steps > 20, "the run is too short to be killed in many places");
    place.good(&[words(ADAPTATION, "other"), vec!["--seed", "1"]].concat());
    assert!(of("other").model != whole.model);
    let mut amid = 0;
    for number in 0..8 {
        let (name, moment) = (format!("killed-{number}"), Moment::Share(0.2 + 0.1 * number as f64));
        let seen = kill(&place, ADAPTATION, &name, moment, duration);
        amid += usize::from(is_amid_an_epoch(&place.path(&name)));
        place.good(&words(ADAPTATION, &name));
        whole.must_equal(&of(&name), &format!("{moment:?}, {seen}"));
    }
    assert!(amid > 0, "no run was killed with a checkpoint amid an epoch");
}

#[test]
fn a_run_of_adapters_killed_and_resumed_ends_with_the_same_bits() {
    let place = Place::with_photos(4, 10);
    let started = Instant::now();
    place.good(&words(ADAPTERS, "whole"));
    let duration = started.elapsed();
    let of = |out: &str| {
        let adapters = fs::read(place.path(out).join("adapter/adapter.safetensors")).unwrap();
        (Outcome::of(&place.path(out), &FITTED), adapters)
    };
    let (whole, adapters) = of("whole");
    assert!(whole.steps > 10, "the run is too short to be killed in many places");
    place.good(&[words(ADAPTERS, "other"), vec!["--seed", "1"]].concat());
    assert!(of("other").1 != adapters);
    for share in [0.3, 0.5, 0.7] {
        let (name, moment) = (format!("killed-{share}"), Moment::Share(share));
        let seen = kill(&place, ADAPTERS, &name, moment, duration);
        place.good(&words(ADAPTERS, &name));
        let (found, found_adapters) = of(&name);
        whole.must_equal(&found, &format!("{moment:?}, {seen}"));
        assert!(found_adapters == adapters, "{moment:?}: the adapters differ");
    }
}

#[test]
fn a_run_that_remembers_killed_and_resumed_ends_with_the_same_bits() {
    let place = Place::with_photos(4, 20);
    place.good(&words(EARLIER, "first"));
    let started = Instant::now();
    place.good(&words(REMEMBERING, "whole"));
    let duration = started.elapsed();
    let of = |out: &str| {
        let importance = fs::read(place.path(out).join("importance.safetensors")).unwrap();
        (Outcome::of(&place.path(out), &REMEMBERED), importance)
    };
    let (whole, importance) = of("whole");
    assert!(whole.steps > 20, "the run is too short to be killed in many places");
    place.good(&[words(REMEMBERING, "other"), vec!["--seed", "1"]].concat());
    assert!(of("other").1 != importance);
    for share in [0.3, 0.45, 0.6, 0.75, 0.9] {
        let (name, moment) = (format!("killed-{share}"), Moment::Share(share));
        let seen = kill(&place, REMEMBERING, &name, moment, duration);
        place.good(&words(REMEMBERING, &name));
        let (found, found_importance) = of(&name);
        whole.must_equal(&found, &format!("{moment:?}, {seen}"));
        assert!(found_importance == importance, "{moment:?}: what matters differs");
    }
}

#[test]
fn a_run_of_mixed_images_in_steps_of_two_batches_killed_and_resumed_ends_with_the_same_bits() {
    let place = Place::with_photos(4, 20);
    let started = Instant::now();
    place.good(&words(MIXED, "whole"));
    let duration = started.elapsed();
    let of = |out: &str| Outcome::of(&place.path(out), &FITTED);
    let whole = of("whole");
    assert!(whole.steps > 20, "the run is too short to be killed in many places");
    place.good(&[words(MIXED, "other"), vec!["--seed", "1"]].concat());
    assert!(of("other").model != whole.model);
    for share in [0.2, 0.35, 0.5, 0.65, 0.8, 0.9] {
        let (name, moment) = (format!("killed-{share}"), Moment::Share(share));
        let seen = kill(&place, MIXED, &name, moment, duration);
        place.good(&words(MIXED, &name));
        whole.must_equal(&of(&name), &format!("{moment:?}, {seen}"));
    }
}

#[test]
fn runs_on_texts_killed_and_resumed_end_with_the_same_bits() {
    let place = Place::new();
    causal(&place, "tiny");
    encoder(&place, "encoder");
    masked(&place, "masked");
    place.file("letters.txt", alphabets().as_bytes());
    place.file("words.conll", tagged(240).as_bytes());
    place.file("reviews.csv", reviews(160).as_bytes());
    place.file("pairs.csv", pairs().as_bytes());
    place.file("rated.csv", rated(160, 2.5).as_bytes());
    place.file("elsewhere.csv", reviews(90).replace("film", "is the").as_bytes());
    for (command, checkpoints) in [
        (LANGUAGE, &TEXTS[..]),
        (LANGUAGE_ADAPTERS, &TEXTS),
        (MASKED, &TEXTS),
        (PAIRS, &TEXTS),
        (NUMBERS, &TEXTS),
        (TAGGED, &TEXTS),
        (SENTENCES, &TEXTS),
        (SENTENCES_ADAPTED, &ADAPTED),
    ] {
        let started = Instant::now();
        place.good(&words(command, "whole"));
        let duration = started.elapsed();
        let of = |out: &str| Outcome::of(&place.path(out), checkpoints);
        let whole = of("whole");
        assert!(whole.steps > 20, "the run is too short to be killed in many places");
        place.good(&[words(command, "other"), vec!["--seed", "1"]].concat());
        assert!(of("other").model != whole.model);
        for share in [0.35, 0.55, 0.75] {
            let seen = kill(&place, command, "killed", Moment::Share(share), duration);
            place.good(&words(command, "killed"));
            whole.must_equal(&of("killed"), &format!("{command}: at {share}, {seen}"));
            fs::remove_dir_all(place.path("killed")).unwrap();
        }
        ["whole", "other"].iter().for_each(|out| fs::remove_dir_all(place.path(out)).unwrap());
    }
}

/// Whether the last checkpoint of an adaptation was written before its epoch ended.
fn is_amid_an_epoch(folder: &Path) -> bool {
    let found = ADAPTED.iter().filter_map(|(name, _)| fs::read(folder.join(name)).ok()).next_back();
    found.is_some_and(|bytes| numbers(&bytes)["state"]["consumed"] != 0)
}

fn words<'a>(words: &'static str, out: &'a str) -> Vec<&'a str> {
    words.split_whitespace().chain([out]).collect()
}

/// Kills a run at `moment`; a run that ends before is made again, and killed earlier. Answers how far
/// it was.
fn kill(
    place: &Place,
    command: &'static str,
    out: &str,
    moment: Moment,
    mut duration: Duration,
) -> String {
    for _ in 0..20 {
        if run_and_kill(place, &words(command, out), out, moment, duration) {
            let text = fs::read_to_string(place.path(out).join("metrics.jsonl"));
            return format!("after {} epochs", text.map_or(0, |text| text.lines().count()));
        }
        fs::remove_dir_all(place.path(out)).unwrap();
        duration = duration.mul_f64(0.8);
    }
    panic!("no run could be killed at {moment:?}");
}

/// Whether the run was killed before it ended by itself.
fn run_and_kill(
    place: &Place,
    words: &[&str],
    out: &str,
    moment: Moment,
    duration: Duration,
) -> bool {
    let folder = place.path(out);
    let started = Instant::now();
    let mut child =
        place.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let due = match moment {
            Moment::Share(share) => started.elapsed() >= duration.mul_f64(share),
            Moment::Seen(name) => folder.join(name).exists(),
            Moment::Epochs(count) => fs::read_to_string(folder.join("metrics.jsonl"))
                .is_ok_and(|text| text.lines().count() >= count),
        };
        if due {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    // SIGKILL on Unix: no handler runs.
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// The checkpoints of a run, and the kinds of tensors that each must hold.
type Checkpoints = [(&'static str, &'static [&'static str])];

const FITTED: [(&str, &[&str]); 1] =
    [("checkpoint.safetensors", &["model/", "best/", "average/", "first/", "second/"])];
const REMEMBERED: [(&str, &[&str]); 1] =
    [("checkpoint.safetensors", &["model/", "best/", "first/", "second/", "path/", "path_begin/"])];
const TEXTS: [(&str, &[&str]); 1] =
    [("checkpoint.safetensors", &["model/", "best/", "first/", "second/"])];
const ADAPTED: [(&str, &[&str]); 2] = [
    ("source/checkpoint.safetensors", &["joint/", "chosen/", "first/", "second/"]),
    ("methods/shot/checkpoint.safetensors", &["joint/", "chosen/", "first/", "second/"]),
];

/// What a run leaves that must not depend on interruptions.
struct Outcome {
    model: Vec<u8>,
    predictions: Vec<u8>,
    metrics: Vec<Value>,
    checkpoints: Vec<(Vec<u8>, &'static [&'static str])>,
    steps: u64,
}

impl Outcome {
    fn of(folder: &Path, checkpoints: &Checkpoints) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let lines = String::from_utf8(read("metrics.jsonl")).unwrap();
        let metrics: Vec<Value> = lines
            .lines()
            .map(|line| without_measured(serde_json::from_str(line).unwrap()))
            .collect();
        Self {
            model: read("model.safetensors"),
            // A language model has none.
            predictions: fs::read(folder.join("predictions.csv")).unwrap_or_default(),
            steps: metrics.iter().filter_map(|row| row["step"].as_u64()).max().unwrap_or(0),
            metrics,
            checkpoints: checkpoints.iter().map(|(name, kinds)| (read(name), *kinds)).collect(),
        }
    }

    fn must_equal(&self, other: &Outcome, moment: &str) {
        assert_eq!(self.metrics, other.metrics, "{moment}");
        assert!(self.model == other.model, "{moment}: the models differ");
        assert!(self.predictions == other.predictions, "{moment}: the predictions differ");
        for ((ours, kinds), (theirs, _)) in self.checkpoints.iter().zip(&other.checkpoints) {
            assert_eq!(numbers(ours), numbers(theirs), "{moment}");
            let ours = SafeTensors::deserialize(ours).unwrap();
            let theirs = SafeTensors::deserialize(theirs).unwrap();
            let (mut names, mut others) = (ours.names(), theirs.names());
            names.sort_unstable();
            others.sort_unstable();
            assert_eq!(names, others, "{moment}");
            for kind in *kinds {
                assert!(names.iter().any(|name| name.starts_with(kind)), "no tensor of {kind}");
            }
            for name in names {
                let [ours, theirs] =
                    [&ours, &theirs].map(|file| file.tensor(name).unwrap().data().to_vec());
                assert!(ours == theirs, "{moment}: {name} differs");
            }
        }
    }
}

/// The state in a checkpoint, without what it says of time and of memory.
fn numbers(checkpoint: &[u8]) -> Value {
    let (_, header) = SafeTensors::read_metadata(checkpoint).unwrap();
    let metadata = header.metadata().clone().unwrap();
    without_measured(serde_json::from_str(&metadata["numbers"]).unwrap())
}

fn without_measured(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(name, _)| !["seconds", "resident_mb"].contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, without_measured(value))).collect())
        }
        Value::Array(values) => values.into_iter().map(without_measured).collect(),
        other => other,
    }
}
