//! The table of `tl pretrain`: Fashion-MNIST without labels first, then few labels.

mod data;
mod page;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Table;
use super::cell::Entry;
use super::runner::{Places, noted};
use crate::shell::{Failure, Outcome, target};

const SEEDS: u64 = 3;
/// Labels of each class, and the epochs that a fitting goes through them; 0 stands for the pre-training.
const SHOTS: [(usize, usize); 3] = [(1, 100), (10, 60), (100, 30)];
/// How far an accuracy may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.08;

/// A network, and what is said about it to every verb.
struct Network {
    name: &'static str,
    title: &'static str,
    words: &'static str,
    /// What is said to every `tl pretrain`.
    pretraining: &'static str,
    methods: &'static [Pretraining],
    /// The best of them at ten labels of each class with seed 0: it is pre-trained with every seed, the others
    /// with seed 0 alone.
    winner: &'static str,
}

/// A method, and how it is carried out: in at most 15 minutes on 2 cores.
struct Pretraining {
    method: &'static str,
    epochs: usize,
    /// What is said beside the network's own words.
    words: &'static str,
}

const fn by(method: &'static str, epochs: usize, words: &'static str) -> Pretraining {
    Pretraining { method, epochs, words }
}

const NETWORKS: [Network; 2] = [
    Network {
        name: "resnet10",
        title: "A residual network of 1.2 million parameters",
        words: "--model resnet10 --image-size 28",
        pretraining: "--batch-size 256 --lr 1e-3 --min-scale 0.5 --jitter 2",
        methods: &[
            by("simclr", 6, "--temperature 0.2"),
            by("vicreg", 6, ""),
            by("barlow_twins", 6, ""),
            by("byol", 5, ""),
            by("simsiam", 6, ""),
            by("dino", 3, ""),
        ],
        winner: "vicreg",
    },
    Network {
        name: "vit",
        title: "A transformer of 2.7 million parameters",
        words: "--model vit_tiny --patch-size 4 --depth 6 --image-size 28 --pooling mean",
        pretraining: "--batch-size 128 --lr 1e-3",
        methods: &[by("mae", 5, "")],
        winner: "mae",
    },
];

/// The same network without any training, for the probes, and fitted from there.
const UNTRAINED: &str = "untrained";

/// One method at one number of labels of each class with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    network: String,
    method: String,
    shots: usize,
    seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}:{}", self.network, self.method, self.shots, self.seed)
    }
}

/// What was recorded for a cell: accuracies on the 10,000 images of the test part.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// Of the nearest neighbours among the labelled images; of a pre-training, all of the training part.
    knn: Option<f64>,
    linear: Option<f64>,
    finetune: Option<f64>,
    /// Of the nearest neighbours by the pixels.
    pixels: Option<f64>,
    /// Of the pre-training alone.
    #[serde(default)]
    pretraining_seconds: Option<f64>,
    seconds: f64,
    /// Images of the test part.
    #[serde(default)]
    n: u64,
    cores: Option<u64>,
}

impl Entry for Record {
    type Cell = Cell;

    fn cell(&self) -> &Cell {
        &self.cell
    }

    /// Fitted from there; of a pre-training its probe's.
    fn accuracy(&self) -> f64 {
        self.finetune.or(self.knn).unwrap_or(f64::NAN)
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What follows from a pre-training needs it first, however short its own part was.
    fn stands_alone(&self) -> bool {
        self.cell.method == UNTRAINED
    }
}

/// The table of `tl pretrain`.
pub struct Ssl;

impl Table for Ssl {
    const NAME: &'static str = "ssl";
    const CHEAP_SECONDS: f64 = 90.0;
    type Cell = Cell;
    type Record = Record;

    fn cells() -> Vec<Cell> {
        cells()
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

/// Labels of each class whose cells come first: by them the methods are compared.
const FIRST: usize = 10;

/// The cells in their order: pre-trainings before what follows from them, ten labels of each class before
/// fewer and more.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for network in &NETWORKS {
        let cell = |method: &str, shots, seed| Cell {
            network: network.name.to_string(),
            method: method.to_string(),
            shots,
            seed,
        };
        let names = || std::iter::once(UNTRAINED).chain(network.methods.iter().map(|it| it.method));
        for method in names() {
            cells.push(cell(method, 0, 0));
            cells.extend((0..SEEDS).map(|seed| cell(method, FIRST, seed)));
        }
        cells.extend((1..SEEDS).map(|seed| cell(network.winner, 0, seed)));
        for (shots, _) in SHOTS.into_iter().filter(|(shots, _)| *shots != FIRST) {
            cells.extend(
                names().flat_map(|method| (0..SEEDS).map(move |seed| cell(method, shots, seed))),
            );
        }
    }
    cells
}

fn network(cell: &Cell) -> Outcome<&'static Network> {
    let found = NETWORKS.iter().find(|network| network.name == cell.network);
    found.ok_or_else(|| Failure::new(format!("no network \"{}\"", cell.network)))
}

/// Runs the program for one cell.
fn compute(cell: &Cell) -> Outcome<Value> {
    let network = network(cell)?;
    let data = target().join("table").join("ssl").join("fashion_mnist");
    data::fashion(&data)?;
    let started = Instant::now();
    let mut fields = Map::new();
    let mut commands = Vec::new();
    let (method, seed) = (cell.method.as_str(), cell.seed);
    let weights = match method {
        UNTRAINED => "random".to_string(),
        _ => {
            // A winner's seeds are those of its pre-training too.
            let seed = if method == network.winner { seed } else { 0 };
            let folder = folder(network, method, seed);
            if cell.shots == 0 || !folder.join("model.safetensors").exists() {
                let (answer, command) = pretrain(network, method, seed, &data)?;
                commands.push(command);
                if cell.shots == 0 {
                    for name in ["epochs", "steps", "loss", "parameters", "images"] {
                        fields.insert(name.into(), answer[name].clone());
                    }
                    fields.insert("pretraining_seconds".into(), answer["seconds"].clone());
                }
            }
            folder.to_string_lossy().into_owned()
        }
    };
    if cell.shots == 0 {
        let words = match method {
            UNTRAINED => format!("{} --pixels", network.words),
            _ => network.words.to_string(),
        };
        let (answer, command) = tl("probe", &data, &words, &["--weights", &weights])?;
        commands.push(command);
        for name in ["knn", "linear", "pixels", "n"] {
            fields.insert(name.into(), answer[name].clone());
        }
    } else {
        let shots = cell.shots;
        let epochs = SHOTS.iter().find(|(known, _)| *known == shots).map_or(30, |it| it.1);
        let common = format!("{} --shots {shots} --seed {seed}", network.words);
        let (answer, command) = tl("probe", &data, &common, &["--weights", &weights])?;
        commands.push(command);
        for name in ["knn", "linear", "n"] {
            fields.insert(name.into(), answer[name].clone());
        }
        let out = target().join("table").join("ssl").join(cell.to_string().replace(':', "-"));
        let _ = std::fs::remove_dir_all(&out);
        let more = ["--weights", &weights, "--out", &out.to_string_lossy()];
        // Each in its better way: what was never trained has no features that a probe could start from.
        let recipe = if method == UNTRAINED { "finetune" } else { "auto" };
        let words = format!("{common} --recipe {recipe} --epochs {epochs}");
        let outcome = tl("finetune", &data, &words, &more);
        let _ = std::fs::remove_dir_all(&out);
        let (answer, command) = outcome?;
        commands.push(command);
        fields.insert("finetune".into(), answer["test"]["accuracy"].clone());
    }
    noted(cell, fields, ("commands", json!(commands)), started.elapsed().as_secs_f64())
}

/// Where a pre-training lies, for all cells that follow from it.
fn folder(network: &Network, method: &str, seed: u64) -> PathBuf {
    target().join("table").join("ssl").join(format!("{}-{method}-{seed}", network.name))
}

/// Pre-trains, or goes on with it; answers what the program printed, and the command.
fn pretrain(network: &Network, method: &str, seed: u64, data: &Path) -> Outcome<(Value, String)> {
    let known = network.methods.iter().find(|known| known.method == method);
    let found = known.ok_or_else(|| Failure::new(format!("no method \"{method}\"")))?;
    let Pretraining { epochs, words, .. } = found;
    let words = [network.pretraining, words, network.words].join(" ");
    let words = format!("--method {method} --epochs {epochs} {words} --seed {seed}");
    let out = folder(network, method, seed);
    tl("pretrain", data, &words, &["--out", &out.to_string_lossy(), "--resume"])
}

/// Runs a verb on the data; answers what it printed, and the command without the places of this machine.
fn tl(verb: &str, data: &Path, words: &str, more: &[&str]) -> Outcome<(Value, String)> {
    let places = Places::default().with("FASHION-MNIST", data);
    places.run(&format!("{verb} FASHION-MNIST {words}"), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pre_training_comes_before_what_follows_from_it() {
        let cells = cells();
        for (place, cell) in cells.iter().enumerate() {
            let own = |other: &&Cell| {
                other.network == cell.network && other.method == cell.method && other.shots == 0
            };
            let first = cells[..=place].iter().find(own);
            assert!(cell.method == UNTRAINED || first.is_some(), "{cell}");
        }
        // Six methods and one; each, and each network untrained, at no label and at three numbers of
        // labels with three seeds; two more pre-trainings of each winner.
        assert_eq!(cells.len(), (7 + 2) * (1 + 3 * 3) + 2 * 2);
        assert_eq!(cells[0].to_string(), "resnet10:untrained:0:0");
    }
}
