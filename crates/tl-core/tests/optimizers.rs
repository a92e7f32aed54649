//! Optimizers, clipping and schedules against PyTorch, LARS against its formula.
//!
//! The expected numbers are recorded in f64 by `xtask/parity/record_optimizers.py`.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::{Gradients, TensorData};
use serde::Deserialize;
use tl_core::gradients::{GradientNorm, gradient_norm};
use tl_core::optimizer::Composed;
use tl_core::parameters::{map_values, values, visit_parameters};
use tl_core::plan::ParameterRates;
use tl_core::{Optimizer, OptimizerConfig, Schedule};

#[derive(Deserialize)]
struct Fixture {
    start: Values,
    gradients: Vec<Values>,
    optimizers: Vec<Case>,
    schedules: Vec<ScheduleCase>,
}

#[derive(Clone, Deserialize)]
struct Values {
    matrix: Vec<f32>,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    optimizer: String,
    #[serde(default)]
    settings: Settings,
    groups: Option<BTreeMap<String, Settings>>,
    rates: Option<Vec<f64>>,
    clip: Option<f64>,
    #[serde(default)]
    norms_before_clipping: Vec<f64>,
    steps: Vec<BTreeMap<String, Vec<f64>>>,
}

/// What a case sets; the rest are PyTorch's defaults.
#[derive(Clone, Default, Deserialize)]
struct Settings {
    lr: Option<f64>,
    momentum: Option<f64>,
    #[serde(default)]
    nesterov: bool,
    weight_decay: Option<f64>,
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    trust_coefficient: Option<f64>,
}

#[derive(Deserialize)]
struct ScheduleCase {
    name: String,
    rate: f64,
    total: u64,
    #[serde(default)]
    warmup: u64,
    #[serde(default)]
    last: f64,
    cut_fraction: Option<f64>,
    ratio: Option<f64>,
    rates: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/optimizers.json")).unwrap()
}

#[derive(Module, Debug)]
struct Problem {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

fn matrix(values: &[f32]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [3, 4]), &Device::flex())
}

fn vector(values: &[f32]) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [5]), &Device::flex())
}

impl Problem {
    fn new(start: &Values) -> Self {
        let matrix = Param::from_tensor(matrix(&start.matrix));
        Self { matrix, vector: Param::from_tensor(vector(&start.vector)) }.train()
    }

    /// Gradients that are exactly `wanted`: those of the dot product with it.
    fn gradients(&self, wanted: &Values) -> Gradients {
        let matrix = self.matrix.val() * matrix(&wanted.matrix).autodiff();
        let vector = self.vector.val() * vector(&wanted.vector).autodiff();
        (matrix.sum() + vector.sum()).backward()
    }

    fn values(&self) -> BTreeMap<String, Vec<f32>> {
        let mut all = BTreeMap::new();
        visit_parameters(self, |info, tensor| {
            all.insert(info.path.clone(), values(tensor).unwrap());
        });
        all
    }
}

impl Case {
    fn config(&self) -> OptimizerConfig {
        let settings = &self.settings;
        match self.optimizer.as_str() {
            "SGD" => OptimizerConfig::Sgd {
                momentum: settings.momentum.unwrap_or(0.0),
                nesterov: settings.nesterov,
                weight_decay: settings.weight_decay.unwrap_or(0.0),
            },
            "Lars" => OptimizerConfig::Lars {
                momentum: settings.momentum.unwrap(),
                trust: settings.trust_coefficient.unwrap(),
                weight_decay: settings.weight_decay.unwrap(),
            },
            "AdamW" => {
                let [beta1, beta2] = settings.betas.unwrap_or([0.9, 0.999]);
                OptimizerConfig::AdamW {
                    beta1,
                    beta2,
                    epsilon: settings.eps.unwrap_or(1e-8),
                    weight_decay: settings.weight_decay.unwrap_or(0.01),
                }
            }
            other => panic!("no optimizer is called {other}"),
        }
    }

    /// Rate and decay of the parameter at `path`, of so many dimensions, in `step`.
    fn rates(&self, path: &str, rank: usize, step: usize) -> ParameterRates {
        let settings = self.groups.as_ref().map_or(&self.settings, |groups| &groups[path]);
        let rate = self.rates.as_ref().map(|rates| rates[step]).or(settings.lr).unwrap_or(1e-3);
        let mut weight_decay = settings.weight_decay.unwrap_or(self.config().weight_decay());
        if self.optimizer == "Lars" && rank == 1 {
            weight_decay = 0.0;
        }
        ParameterRates { rate, weight_decay }
    }
}

#[test]
fn every_trajectory_is_pytorchs() {
    let fixture = fixture();
    assert_eq!(fixture.optimizers.len(), 15);
    for case in &fixture.optimizers {
        let mut problem = Problem::new(&fixture.start);
        let mut optimizer = Optimizer::new(case.config());
        let mut worst = 0.0f64;
        for (step, expected) in case.steps.iter().enumerate() {
            let mut gradients = problem.gradients(&fixture.gradients[step]);
            let norm = gradient_norm(&problem, &gradients, &Composed).unwrap();
            assert!(norm.not_finite.is_empty());
            if case.clip.is_some() {
                let recorded = case.norms_before_clipping[step];
                assert!((norm.norm / recorded - 1.0).abs() < 1e-6, "{}: {}", case.name, norm.norm);
            }
            let scale = norm.clip_scale(case.clip);
            problem = optimizer
                .step(problem, &mut gradients, scale, |path, rank| case.rates(path, rank, step));
            let found = problem.values();
            for (name, expected) in expected {
                for (found, expected) in found[name].iter().zip(expected) {
                    worst = worst.max((f64::from(*found) - expected).abs());
                }
            }
        }
        println!("{:28} off by at most {worst:.1e}", case.name);
        // Values are about 1: ten steps of rounding to 2⁻²⁴.
        assert!(worst < 2e-6, "{} is off by {worst:.1e}", case.name);
    }
}

#[test]
fn the_defaults_are_pytorchs() {
    let adamw = |case: &Case| case.name == "adamw";
    let case = fixture().optimizers.into_iter().find(adamw).unwrap();
    assert_eq!(OptimizerConfig::default(), case.config());
}

#[test]
fn lars_steps_a_parameter_of_zeros_and_one_without_a_gradient_by_the_rate_alone() {
    let mut start = fixture().start;
    let rates = |_: &str, _| ParameterRates { rate: 0.5, weight_decay: 0.0 };
    let step = |start: &Values, gradient: &Values| {
        let problem = Problem::new(start);
        let mut gradients = problem.gradients(gradient);
        let mut optimizer = Optimizer::new(OptimizerConfig::lars());
        optimizer.step(problem, &mut gradients, 1.0, rates).values()
    };
    let still = Values { matrix: vec![0.0; 12], ..start.clone() };
    assert_eq!(step(&start, &still)["matrix"], start.matrix);
    let gradient = start.clone();
    start.matrix = vec![0.0; 12];
    let expected: Vec<f32> = gradient.matrix.iter().map(|value| -0.5 * value).collect();
    assert_eq!(step(&start, &gradient)["matrix"], expected);
}

#[test]
fn a_restored_optimizer_continues_bit_for_bit() {
    let fixture = fixture();
    let nesterov = OptimizerConfig::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01 };
    let (adamw, sgd, lars) =
        (OptimizerConfig::default(), OptimizerConfig::sgd(), OptimizerConfig::lars());
    for config in [adamw, sgd, nesterov, lars] {
        let rates = |_: &str, _| ParameterRates { rate: 0.03, weight_decay: config.weight_decay() };
        let mut optimizer = Optimizer::new(config);
        let mut problem = Problem::new(&fixture.start);
        let mut resumed = None;
        for step in 0..10 {
            if step == 4 {
                let saved = optimizer.save().unwrap();
                assert_eq!(saved.keys().collect::<Vec<_>>(), ["matrix", "vector"]);
                assert!(saved.values().all(|moments| moments.steps == 4));
                let device = Device::flex().autodiff();
                let restored = Optimizer::restore(config, saved, &device);
                let mut found = problem.values();
                let other =
                    map_values(Problem::new(&fixture.start), |info| found.remove(&info.path));
                resumed = Some((other, restored));
            }
            let mut gradients = problem.gradients(&fixture.gradients[step]);
            problem = optimizer.step(problem, &mut gradients, 1.0, rates);
            resumed = resumed.map(|(other, mut restored)| {
                let mut gradients = other.gradients(&fixture.gradients[step]);
                (restored.step(other, &mut gradients, 1.0, rates), restored)
            });
        }
        let (other, restored) = resumed.unwrap();
        assert_eq!(other.values(), problem.values());
        assert_eq!(restored.save().unwrap(), optimizer.save().unwrap());
    }
}

#[test]
fn a_norm_below_the_limit_is_left_and_one_above_is_brought_down_to_it() {
    let norm = GradientNorm { norm: 4.0, not_finite: Vec::new() };
    assert_eq!(norm.clip_scale(None), 1.0);
    assert_eq!(norm.clip_scale(Some(5.0)), 1.0);
    assert!((norm.clip_scale(Some(1.0)) - 0.25).abs() < 1e-6);
    // All gradients together, not each alone: 3 and 4 make 5.
    let mut wanted = Values { matrix: vec![0.0; 12], vector: vec![0.0; 5] };
    (wanted.matrix[2], wanted.vector[4]) = (3.0, -4.0);
    let problem = Problem::new(&fixture().start);
    let found = gradient_norm(&problem, &problem.gradients(&wanted), &Composed).unwrap();
    assert_eq!(found, GradientNorm { norm: 5.0, not_finite: Vec::new() });
}

#[test]
fn a_gradient_that_is_not_finite_is_named() {
    let start = fixture().start;
    for bad in [f32::NAN, f32::INFINITY] {
        let mut wanted = start.clone();
        wanted.vector[1] = bad;
        let problem = Problem::new(&start);
        let found = gradient_norm(&problem, &problem.gradients(&wanted), &Composed).unwrap();
        assert_eq!(found.not_finite, ["vector"]);
    }
}

#[test]
fn a_norm_over_several_pieces_is_the_same_at_every_call() {
    #[derive(Module, Debug)]
    struct Large {
        values: Param<Tensor<1>>,
    }
    let count = (5 << 20) + 3;
    let ramp: Vec<f32> = (0..count).map(|at| (at % 1000) as f32 / 1000.0).collect();
    let device = Device::flex();
    let tensor = Tensor::<1>::from_data(TensorData::new(ramp.clone(), [count]), &device);
    let large = Large { values: Param::from_tensor(tensor.clone()) }.train();
    let gradients = (large.values.val() * tensor.autodiff()).sum().backward();
    let first = gradient_norm(&large, &gradients, &Composed).unwrap().norm;
    let exact = ramp.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    assert!((first / exact - 1.0).abs() < 1e-5, "{first} against {exact}");
    for _ in 0..3 {
        assert_eq!(
            gradient_norm(&large, &gradients, &Composed).unwrap().norm.to_bits(),
            first.to_bits()
        );
    }
}

#[test]
fn a_frozen_parameter_is_left_alone_whatever_the_decay() {
    let start = fixture().start;
    let mut problem = Problem::new(&start);
    problem.vector = problem.vector.set_require_grad(false);
    let mut optimizer = Optimizer::new(OptimizerConfig::default());
    let loss = (problem.matrix.val().sum() + problem.vector.val().sum()).backward();
    let mut gradients = loss;
    let rates = |_: &str, _| ParameterRates { rate: 0.1, weight_decay: 0.5 };
    problem = optimizer.step(problem, &mut gradients, 1.0, rates);
    assert_eq!(problem.values()["vector"], start.vector);
    assert_ne!(problem.values()["matrix"], start.matrix);
    assert!(!optimizer.save().unwrap().contains_key("vector"));
}

#[test]
fn every_schedule_is_pytorchs_or_the_papers() {
    let cases = fixture().schedules;
    assert_eq!(cases.len(), 10);
    for case in cases {
        let schedule = match case.name.as_str() {
            "one_cycle" => Schedule::OneCycle,
            "warmup_cosine" => {
                Schedule::WarmupCosine { warmup: case.warmup as f64 / case.total as f64 }
            }
            "slanted_triangular" => Schedule::SlantedTriangular {
                cut: case.cut_fraction.unwrap(),
                ratio: case.ratio.unwrap(),
            },
            other => panic!("no schedule is called {other}"),
        };
        assert_eq!(case.rates.len() as u64, case.total);
        for (step, expected) in case.rates.iter().enumerate() {
            // Ours ends at 0; a cosine that ends elsewhere is the same one, moved and scaled.
            let factor = schedule.factor(step as u64, case.total);
            let rate = case.last + (case.rate - case.last) * factor;
            assert!((rate - expected).abs() < 1e-12, "{} {step}: {rate} {expected}", case.name);
        }
    }
}

#[test]
fn a_sweep_grows_by_the_same_factor_at_every_step() {
    let sweep = Schedule::Exponential { ratio: 1e8 };
    for (step, expected) in [1e-8, 1e-6, 1e-4, 1e-2, 1.0].into_iter().enumerate() {
        let factor = sweep.factor(step as u64, 5);
        assert!((factor / expected - 1.0).abs() < 1e-12, "{step}: {factor}");
    }
}

#[test]
fn every_factor_lies_between_0_and_1_even_in_the_shortest_run() {
    let slanted = |cut, ratio| Schedule::SlantedTriangular { cut, ratio };
    let warmup = |warmup| Schedule::WarmupCosine { warmup };
    let all = [
        Schedule::Constant,
        Schedule::OneCycle,
        warmup(0.0),
        warmup(0.99),
        slanted(0.1, 32.0),
        slanted(0.99, 1.0),
        Schedule::Exponential { ratio: 1e8 },
    ];
    for schedule in all {
        for total in 0..40u64 {
            let factors: Vec<f64> =
                (0..total + 2).map(|step| schedule.factor(step, total)).collect();
            let sound = factors.iter().all(|factor| (0.0..=1.0).contains(factor));
            assert!(sound, "{schedule:?} over {total}: {factors:?}");
            let moves = factors[..total as usize].iter().any(|factor| *factor > 0.0);
            assert!(moves || total == 0, "{schedule:?} over {total} trains nothing");
        }
    }
}
