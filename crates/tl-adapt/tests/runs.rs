//! Whole runs on real photos: what adaptation brings, that every method runs, that a seed decides
//! everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::fashion::{day, domains, examples, fog, network, oracle};
use burn::prelude::*;
use tl_adapt::methods::{self, MixStyle, named};
use tl_adapt::{
    AdaptError, AdaptRow, Adapted, Batches, Examples, InMemory, Method, Settings, Task, Validator,
    adapt,
};
use tl_core::{NormPolicy, Phase, Plan, RowShape};
use tl_data::Part;
use tl_kernels::LinearHead;
use tl_models::SmallConv;
use tl_train::ema::snapshot;
use tl_train::{Conduct, Progress, Silent, TrainError};

type Outcome = Result<Adapted<SmallConv, LinearHead>, AdaptError>;

/// Phases that train everything, norms included, at a rate for a network without pretraining.
fn plan(epochs: &[usize]) -> Plan {
    let phase = |epochs: &usize| {
        Phase::finetune(*epochs).norm(NormPolicy::Train).rates(3e-3, 3e-3).label_smoothing(0.0)
    };
    Plan::new(epochs.iter().map(phase).collect())
}

fn settings() -> Settings {
    Settings { batch_size: 32, seed: 1, ..Settings::default() }
}

/// A run of `method` on `per_class` photos of each class and domain.
fn run(
    method: &str,
    per_class: usize,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Outcome {
    run_by(&mut *named(method)?, per_class, plan, settings, conduct, progress)
}

fn run_by(
    method: &mut dyn Method,
    per_class: usize,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Outcome {
    let device = Device::flex();
    let domains = domains(per_class, &device);
    let oracle = oracle();
    let task = Task { domains: &domains, method, oracle: Some(&oracle) };
    adapt(network(settings.seed, &device), task, plan, settings, conduct, progress)
}

fn quiet(method: &str, per_class: usize, plan: &Plan, settings: &Settings) -> Outcome {
    run(method, per_class, plan, settings, &Conduct::default(), &mut Silent)
}

fn last_oracle(rows: &[AdaptRow]) -> f64 {
    rows.last().unwrap().oracle.unwrap().value()
}

#[test]
fn dann_and_adabn_do_better_in_fog_than_the_source_alone() {
    let run = |method| quiet(method, 75, &plan(&[8]), &settings()).unwrap();
    let [source, dann, adabn] = ["source", "dann", "adabn"].map(run);
    let [alone, dann_gain, adabn_gain] = [&source, &dann, &adabn].map(|run| last_oracle(&run.rows));
    println!("source {alone:.3} dann {dann_gain:.3} adabn {adabn_gain:.3}");
    assert!(dann_gain > alone + 0.1 && adabn_gain > alone + 0.1);
    let row = dann.rows.last().unwrap();
    for name in ["lambda", "domain_accuracy"] {
        assert!(row.notes[name] > 0.0 && row.notes[name] <= 1.0, "{name}");
    }
    assert!(row.terms["classification"] < 0.5 && row.terms["domain"] > 0.0);
}

/// Methods that begin from a network trained on the source.
fn needs_source_phase(method: &str) -> bool {
    ["shot", "adda", "tent"].contains(&method)
}

#[test]
fn every_method_runs_and_gives_finite_rows() {
    for method in methods::names() {
        let phases = usize::from(needs_source_phase(method));
        let settings = Settings { source_phases: phases, ..settings() };
        let plan = plan(if phases == 1 { &[1, 1] } else { &[1] });
        let found = quiet(method, 20, &plan, &settings).unwrap_or_else(|e| panic!("{method}: {e}"));
        let row = found.rows.last().unwrap();
        assert_eq!(row.method, method);
        let numbers = row.terms.values().chain(row.notes.values()).chain(row.scores.0.values());
        assert!(numbers.into_iter().all(|value| value.is_finite()), "{method}: {row:?}");
        assert!(found.chosen < found.rows.len());
        let own = snapshot(&found.model).unwrap();
        assert!(own.values().flatten().all(|value| value.is_finite()), "{method}");
    }
}

#[test]
fn styles_are_mixed_although_batches_go_apart() {
    let of = |probability, batches| {
        let mut method = MixStyle { probability, ..MixStyle::default() };
        let (plan, settings) = (plan(&[2]), Settings { batches, ..settings() });
        let conduct = Conduct::default();
        let found = run_by(&mut method, 40, &plan, &settings, &conduct, &mut Silent).unwrap();
        snapshot(&found.model).unwrap()
    };
    let mixed = of(0.5, Batches::Apart);
    assert!(mixed == of(0.5, Batches::Together));
    assert!(mixed != of(0.0, Batches::Together));
}

/// Asks a run to stop after its first whole epoch.
struct StopAfterEpoch(Arc<AtomicBool>);

impl Progress for StopAfterEpoch {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn end(&mut self) {}
    fn say(&mut self, line: &str) {
        if line.starts_with("epoch 2") {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_run_that_goes_on_equals_one_that_did_not_stop() {
    for method in ["dann", "mcd", "shot", "adda", "mean_teacher"] {
        let phases = usize::from(needs_source_phase(method));
        let settings = Settings { source_phases: phases, ..settings() };
        let plan = plan(if phases == 1 { &[1, 2] } else { &[3] });
        let whole = quiet(method, 20, &plan, &settings).unwrap();
        let again = quiet(method, 20, &plan, &settings).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut conduct = Conduct { out: Some(folder.path().to_path_buf()), ..Conduct::default() };
        let mut stop = StopAfterEpoch(conduct.stop.clone());
        let Err(stopped) = run(method, 20, &plan, &settings, &conduct, &mut stop) else {
            panic!("{method} did not stop");
        };
        assert!(matches!(stopped, AdaptError::Train(TrainError::Interrupted { .. })), "{stopped}");
        conduct.stop.store(false, Ordering::Relaxed);
        conduct.resume = true;
        let resumed = run(method, 20, &plan, &settings, &conduct, &mut Silent).unwrap();
        assert!(resumed.resumed && !whole.resumed);
        for other in [again, resumed] {
            let bits = |run: &Adapted<SmallConv, LinearHead>| {
                let values = snapshot(&run.model).unwrap().into_values().flatten();
                values.map(f32::to_bits).collect::<Vec<_>>()
            };
            assert_eq!(bits(&whole), bits(&other), "{method}");
            let rows = |run: &Adapted<SmallConv, LinearHead>| -> Vec<AdaptRow> {
                run.rows.iter().map(|row| AdaptRow { seconds: 0.0, ..row.clone() }).collect()
            };
            assert_eq!(rows(&whole), rows(&other), "{method}");
            assert_eq!((whole.chosen, whole.a_distance), (other.chosen, other.a_distance));
        }
        let lines = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), whole.rows.len());
        // Another method does not go on from it.
        let other = run("coral", 20, &plan, &settings, &conduct, &mut Silent);
        assert!(other.is_err_and(|error| error.to_string().contains("another method")));
    }
}

#[test]
fn the_oracle_is_written_down_and_changes_nothing() {
    let plan = plan(&[1]);
    let device = Device::flex();
    let domains = domains(20, &device);
    let run = |oracle| {
        let mut method = named("coral").unwrap();
        let task = Task { domains: &domains, method: &mut *method, oracle };
        let (settings, conduct) = (settings(), Conduct::default());
        let model = network(settings.seed, &device);
        adapt(model, task, &plan, &settings, &conduct, &mut Silent).unwrap()
    };
    let oracle = oracle();
    let [with, without] = [Some(&oracle), None].map(run);
    assert!(without.rows[0].oracle.is_none());
    assert!(!serde_json::to_string(&without.rows[0]).unwrap().contains("oracle"));
    assert!(serde_json::to_string(&with.rows[0]).unwrap().contains("\"oracle\":"));
    assert_eq!(with.rows[0].scores, without.rows[0].scores);
    assert_eq!(snapshot(&with.model).unwrap(), snapshot(&without.model).unwrap());
}

#[test]
fn frozen_stages_are_computed_once_and_that_changes_nothing() {
    let device = Device::flex();
    let domains = domains(20, &device);
    let mut plan = plan(&[2]);
    plan.phases[0] = plan.phases[0].clone().from("hidden");
    let run = |cache_memory| {
        let mut method = named("dann").unwrap();
        let task = Task { domains: &domains, method: &mut *method, oracle: None };
        // The norms of frozen stages are the source's: without adaptation of them the cache serves validation too.
        let settings = Settings { batches: Batches::Together, ..settings() };
        let conduct = Conduct { cache_memory, ..Conduct::default() };
        let model = network(settings.seed, &device);
        adapt(model, task, &plan, &settings, &conduct, &mut Silent).unwrap()
    };
    let [cached, streamed] = [1 << 30, 0].map(run);
    for (one, other) in cached.rows.iter().zip(&streamed.rows) {
        for (name, value) in one.terms.iter().chain(&one.notes) {
            let found = other.terms.get(name).or_else(|| other.notes.get(name)).unwrap();
            assert!((value - found).abs() < 1e-3, "{name}: {value} {found}");
        }
    }
    let begun = snapshot(&network(1, &device)).unwrap();
    let ended = snapshot(&cached.model).unwrap();
    let moved: Vec<&String> = begun.keys().filter(|path| begun[*path] != ended[*path]).collect();
    assert!(!moved.is_empty());
    assert!(moved.iter().all(|path| !path.contains("blocks")), "{moved:?}");
}

#[test]
fn a_few_target_labels_are_trained_on_under_a_name_of_their_own() {
    let device = Device::flex();
    let few = examples(Part::Train, 60, 5, fog);
    let domains = domains(20, &device).with_labelled_target(few).unwrap();
    let mut method = named("dann").unwrap();
    let task = Task { domains: &domains, method: &mut *method, oracle: None };
    let (settings, conduct) = (settings(), Conduct::default());
    let model = network(settings.seed, &device);
    let found = adapt(model, task, &plan(&[6]), &settings, &conduct, &mut Silent).unwrap();
    let terms = |row: &AdaptRow| row.terms["target_classification"];
    assert!(terms(found.rows.last().unwrap()) < terms(&found.rows[0]));
}

#[test]
fn a_run_ends_early_when_the_validator_prefers_nothing_new() {
    let settings =
        Settings { patience: Some(1), validator: Validator::SourceAccuracy, ..settings() };
    let found = quiet("coral", 20, &plan(&[12]), &settings).unwrap();
    assert!(found.rows.len() < 12);
    assert_eq!(found.chosen + 2, found.rows.len());
}

#[test]
fn domains_and_settings_that_do_not_fit_are_one_line() {
    let device = Device::flex();
    let shape = RowShape::Image { channels: 3, height: 14, width: 28 };
    let target = Examples::Rows { shape, values: vec![0.0; 2 * shape.elements()] };
    let day_part = || examples(Part::Train, 0, 2, day);
    let domains = InMemory::new(day_part(), day_part(), target, &device).unwrap();
    let mut method = named("dann").unwrap();
    let task = Task { domains: &domains, method: &mut *method, oracle: None };
    let conduct = Conduct::default();
    let adapted = adapt(network(0, &device), task, &plan(&[1]), &settings(), &conduct, &mut Silent);
    let message = adapted.err().unwrap().to_string();
    assert!(message.contains("same size and channels") && message.lines().count() == 1);
    let nothing = Settings { batch_size: 0, ..settings() };
    let message = quiet("dann", 2, &plan(&[1]), &nothing).err().unwrap().to_string();
    assert!(message.contains("the batch size is 0"), "{message}");
    // One image a batch: slow and noisy, but it runs.
    let single = Settings { batch_size: 1, ..settings() };
    assert!(quiet("dann", 2, &plan(&[1]), &single).is_ok());
}

#[test]
fn what_is_not_finite_is_named_with_its_step() {
    let mut plan = plan(&[1]);
    plan.phases[0].rates.head = 1e30;
    plan.phases[0].rates.body = 1e30;
    let Err(failure) = quiet("dann", 20, &plan, &settings()) else { panic!("it went on") };
    let message = failure.to_string();
    assert!(matches!(failure, AdaptError::NotFinite { .. }), "{message}");
    assert!(message.contains("step ") && message.contains("the term "), "{message}");
}
