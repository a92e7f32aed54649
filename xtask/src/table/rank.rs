//! The table of `tl rank`: does a score of features foretell which network will be best once it is fine-tuned?

mod candidates;
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
use candidates::{CANDIDATES, DATA, Data, Weights};

const SEEDS: u64 = 3;
/// Every score of `tl rank`, by name.
const SCORES: [&str; 8] =
    ["logme", "h_score", "shrunk_h_score", "leep", "nce", "transrate", "knn", "probe"];
/// What is said to every ranking and fitting: 20 training images of each class, a twentieth of what is for fitting to choose by.
const WORDS: &str = "--image-size 48 --shots 20 --split 95,5,0";
/// What is said to the fittings that candidates come from, on all training images of another set.
const BEFORE: &str = "--image-size 48 --split 95,5,0 --weights random --recipe finetune --epochs 4";
/// How far an accuracy may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.08;

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
        own.is_some_and(|it| !matches!(it.weights, Weights::FittedOn(_)))
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
                let own = CANDIDATES.iter().filter(|it| it.is_for(data));
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
        // Nine on the clothes and on MNIST, ten on the other digits.
        assert_eq!(cells.len(), 28 * SEEDS as usize);
        assert_eq!(cells[0].to_string(), "fashion:mobilenet_v2:0");
        assert_eq!(cells[cells.len() - 1].to_string(), "uci:squeezenet1_1:2");
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
