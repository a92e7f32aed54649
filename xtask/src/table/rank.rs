//! The table of `tl rank`: does a score of features foretell which network will be best once it is fine-tuned?

mod kendall;
mod page;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Table;
use super::cell::Entry;
use super::runner::{Places, noted};
use crate::assets::{chosen, fetched};
use crate::shell::{Failure, Outcome, cache, target};

const SEEDS: u64 = 3;
/// Every score of `tl rank`, by name.
const SCORES: [&str; 8] =
    ["logme", "h_score", "shrunk_h_score", "leep", "nce", "transrate", "knn", "probe"];
/// What is said to every ranking and fitting: 20 training images of each class, a twentieth of what is for fitting to choose by.
const WORDS: &str = "--image-size 48 --shots 20 --split 95,5,0";
/// What is said to every fitting.
const FITTING: &str = "--recipe finetune --epochs 10";
/// What is said to the fittings that candidates come from, on all training images of another set.
const BEFORE: &str = "--image-size 48 --split 95,5,0 --weights random --recipe finetune --epochs 4";
/// How far an accuracy may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.08;

/// Images to rank on.
struct Data {
    name: &'static str,
    title: &'static str,
    /// The word of a command.
    word: &'static str,
    /// The fetched files that it needs.
    assets: &'static [&'static str],
}

const MNIST: [&str; 10] = [
    "mnist-0.json",
    "mnist-1.json",
    "mnist-2.json",
    "mnist-3.json",
    "mnist-4.json",
    "mnist-5.json",
    "mnist-6.json",
    "mnist-7.json",
    "mnist-8.json",
    "mnist-9.json",
];

const DATA: [Data; 3] = [
    Data { name: "fashion", title: "Clothes", word: "assets/fashion_mnist", assets: &[] },
    Data { name: "mnist", title: "MNIST", word: "mnist:$TL_CACHE", assets: &MNIST },
    Data {
        name: "uci",
        title: "UCI digits",
        word: "uci:$TL_CACHE",
        assets: &["uci-digits.csv.gz"],
    },
];

/// A network with its weights, as the program's flags say it.
struct Candidate {
    name: &'static str,
    network: &'static str,
    weights: Weights,
    /// Features after this stage; fine-tuned with everything up to it frozen.
    stage: Option<&'static str>,
}

/// Where a candidate's weights come from.
enum Weights {
    Embedded,
    Random,
    /// A fitting on other data, which this table makes first; no candidate on those data.
    FittedOn(&'static str),
}

const fn candidate(name: &'static str, network: &'static str, weights: Weights) -> Candidate {
    Candidate { name, network, weights, stage: None }
}

/// Networks with other published weights belong here as well.
const CANDIDATES: [Candidate; 9] = [
    candidate("mobilenet_v2", "mobilenet_v2", Weights::Embedded),
    cut("mobilenet_v2 to features.14", "features.14"),
    cut("mobilenet_v2 to features.7", "features.7"),
    cut("mobilenet_v2 to features.3", "features.3"),
    candidate("mobilenet_v2 untrained", "mobilenet_v2", Weights::Random),
    candidate("resnet10 untrained", "resnet10", Weights::Random),
    candidate("resnet18 untrained", "resnet18", Weights::Random),
    candidate("resnet10 from clothes", "resnet10", Weights::FittedOn("fashion")),
    candidate("resnet10 from MNIST", "resnet10", Weights::FittedOn("mnist")),
];

const fn cut(name: &'static str, stage: &'static str) -> Candidate {
    let whole = candidate(name, "mobilenet_v2", Weights::Embedded);
    Candidate { stage: Some(stage), ..whole }
}

impl Candidate {
    fn is_for(&self, data: &Data) -> bool {
        !matches!(self.weights, Weights::FittedOn(other) if other == data.name)
    }

    /// What `--weights` takes.
    fn weights(&self) -> String {
        match self.weights {
            Weights::Embedded => "embedded".to_string(),
            Weights::Random => "random".to_string(),
            Weights::FittedOn(data) => format!("$TABLE/{}-{data}", self.network),
        }
    }

    fn ranking(&self) -> String {
        let stage = self.stage.map_or(String::new(), |stage| format!("@{stage}"));
        format!("--models {}{stage}={} --only", self.network, self.weights())
    }

    fn fitting(&self) -> String {
        let frozen = self.stage.map_or(String::new(), |stage| format!(" --freeze-through {stage}"));
        format!("--model {} --weights {}{frozen} {FITTING}", self.network, self.weights())
    }
}

/// One candidate on one data set with one seed, which is that of the draw of the training images and of the fitting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    data: String,
    candidate: String,
    seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.data, self.candidate, self.seed)
    }
}

/// What was recorded for a cell.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// Of the fine-tuned network on the test part.
    value: f64,
    n: u64,
    /// Of the features before, on the training and the validation part.
    scores: BTreeMap<String, f64>,
    pass_seconds: f64,
    seconds: f64,
}

impl Entry for Record {
    type Cell = Cell;

    fn cell(&self) -> &Cell {
        &self.cell
    }

    fn accuracy(&self) -> f64 {
        self.value
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What follows from a fitting on other data needs that first.
    fn stands_alone(&self) -> bool {
        let own = CANDIDATES.iter().find(|candidate| candidate.name == self.cell.candidate);
        own.is_some_and(|candidate| !matches!(candidate.weights, Weights::FittedOn(_)))
    }
}

/// The table of `tl rank`.
pub struct Rank;

impl Table for Rank {
    const NAME: &'static str = "rank";
    const CHEAP_SECONDS: f64 = 60.0;
    type Cell = Cell;
    type Record = Record;

    /// Seed by seed, so that the table grows evenly.
    fn cells() -> Vec<Cell> {
        let mut cells = Vec::new();
        for seed in 0..SEEDS {
            for data in &DATA {
                let own = CANDIDATES.iter().filter(|candidate| candidate.is_for(data));
                cells.extend(own.map(|candidate| Cell {
                    data: data.name.to_string(),
                    candidate: candidate.name.to_string(),
                    seed,
                }));
            }
        }
        cells
    }

    fn compute(cells: &[Cell]) -> Outcome<Vec<Value>> {
        cells.iter().map(compute).collect()
    }

    fn tolerance(_: &Cell) -> f64 {
        TOLERANCE
    }

    fn page(records: &[Record], _: &[Record]) -> String {
        page::page(records)
    }
}

fn data(name: &str) -> Outcome<&'static Data> {
    let found = DATA.iter().find(|data| data.name == name);
    found.ok_or_else(|| Failure::new(format!("no data \"{name}\"")))
}

/// Fetches what the data need.
fn fetch(data: &Data) -> Outcome<()> {
    let names: Vec<String> = data.assets.iter().map(|name| name.to_string()).collect();
    // No name stands for all assets.
    if names.is_empty() {
        return Ok(());
    }
    let folder = cache()?;
    chosen(&names)?.iter().try_for_each(|asset| fetched(asset, &folder).map(drop))
}

/// Ranks one candidate and fine-tunes it on the same draw.
fn compute(cell: &Cell) -> Outcome<Value> {
    let own = CANDIDATES.iter().find(|candidate| candidate.name == cell.candidate);
    let candidate = own.ok_or_else(|| Failure::new(format!("no cell {cell}")))?;
    let images = data(&cell.data)?;
    fetch(images)?;
    let folder = target().join("table").join(Rank::NAME);
    std::fs::create_dir_all(&folder)
        .map_err(|reason| Failure::new(format!("{}: {reason}", folder.display())))?;
    let places = Places::default().with("$TABLE", &folder).with("$TL_CACHE", &cache()?);
    let started = Instant::now();
    let mut commands = Vec::new();
    if let Weights::FittedOn(other) = candidate.weights {
        let made = format!("{}-{other}", candidate.network);
        if !folder.join(&made).join("model.safetensors").exists() {
            let other = data(other)?;
            fetch(other)?;
            let (network, word) = (candidate.network, other.word);
            let words =
                format!("finetune {word} --model {network} {BEFORE} --out $TABLE/{made} --resume");
            commands.push(places.run(&words, &[])?.1);
        }
    }
    let common = format!("{WORDS} --seed {}", cell.seed);
    let scores = SCORES.join(",");
    let words =
        format!("rank {} {} --score {scores} --no-cost {common}", images.word, candidate.ranking());
    let (ranked, command) = places.run(&words, &[])?;
    commands.push(command);
    let out = folder.join("fitted");
    let _ = std::fs::remove_dir_all(&out);
    let words = format!("finetune {} {} {common}", images.word, candidate.fitting());
    let outcome = places.run(&words, &["--out", &out.to_string_lossy()]);
    let _ = std::fs::remove_dir_all(&out);
    let (fitted, command) = outcome?;
    commands.push(command);
    let ranked = &ranked["candidates"][0];
    let fields = Map::from_iter([
        ("value".to_string(), fitted["test"]["accuracy"].clone()),
        ("n".to_string(), fitted["test"]["n"].clone()),
        ("validation".to_string(), fitted["validation"]["accuracy"].clone()),
        ("scores".to_string(), ranked["scores"].clone()),
        ("width".to_string(), ranked["width"].clone()),
        ("pass_seconds".to_string(), ranked["pass_seconds"].clone()),
    ]);
    noted(cell, fields, ("commands", json!(commands)), started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_set_has_six_candidates_or_more_and_none_that_was_fitted_on_it() {
        let cells = Rank::cells();
        for data in &DATA {
            let own = cells.iter().filter(|cell| cell.data == data.name && cell.seed == 0);
            assert!(own.clone().count() >= 6, "{}", data.name);
            for cell in own {
                let known = CANDIDATES.iter().find(|it| it.name == cell.candidate).unwrap();
                assert!(known.is_for(data), "{cell}");
            }
            let assets: Vec<String> = data.assets.iter().map(|name| name.to_string()).collect();
            assert!(assets.is_empty() || chosen(&assets).is_ok(), "{}", data.name);
        }
        for candidate in &CANDIDATES {
            if let Weights::FittedOn(other) = candidate.weights {
                assert!(data(other).is_ok(), "{}", candidate.name);
            }
        }
        // Eight on the clothes and on MNIST, nine on the other digits.
        assert_eq!(cells.len(), 25 * SEEDS as usize);
        assert_eq!(cells[0].to_string(), "fashion:mobilenet_v2:0");
    }

    #[test]
    fn a_cut_is_ranked_after_its_stage_and_fitted_behind_it() {
        let cut = CANDIDATES.iter().find(|it| it.stage == Some("features.7")).unwrap();
        assert_eq!(cut.ranking(), "--models mobilenet_v2@features.7=embedded --only");
        let fitting = cut.fitting();
        assert!(
            fitting
                .starts_with("--model mobilenet_v2 --weights embedded --freeze-through features.7")
        );
        let other = CANDIDATES.iter().find(|it| it.name == "resnet10 from MNIST").unwrap();
        assert_eq!(other.ranking(), "--models resnet10=$TABLE/resnet10-mnist --only");
    }
}
