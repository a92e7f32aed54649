//! The table of `tl adapt`: methods on shifts of domain, chosen without target labels, with the oracle beside.

mod page;
mod record;
mod shifts;
mod validators;
mod verdict;

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::Table;
use super::runner::{Places, noted};
use crate::assets::put_text_encoder;
use crate::shell::{During, Failure, Outcome, cache, read, target};
use record::{Cell, Record};
use shifts::{BOUND, CORE, SHIFTS, SOURCE, Shift, WIDER};

/// Methods on shifts of domain.
pub struct Adapt;

impl Table for Adapt {
    const NAME: &'static str = "adapt";
    const CHEAP_SECONDS: f64 = 90.0;
    type Cell = Cell;
    type Record = Record;

    /// Seed by seed, so that the table grows evenly; the methods beside the core methods last.
    fn cells() -> Vec<Cell> {
        let core: Vec<&str> = [BOUND].into_iter().chain(CORE).collect();
        let mut cells = seed_by_seed(&core, |shift| shift.seeds);
        cells.extend(seed_by_seed(&WIDER, |shift| shift.wider_seeds));
        cells
    }

    /// Methods of one shift and seed begin from the same weights, so that one command trains these once. The bound is a
    /// training of its own; the methods beside the core ones come apart, since a pick depends on what it is made among.
    fn batches(missing: Vec<Cell>) -> Vec<Vec<Cell>> {
        let mut batches: Vec<Vec<Cell>> = Vec::new();
        for cell in missing {
            let joins = |batch: &&mut Vec<Cell>| {
                let first = &batch[0];
                let same = (&first.shift, first.seed) == (&cell.shift, cell.seed);
                let core = |method: &String| CORE.contains(&method.as_str());
                let alike = core(&first.method) == core(&cell.method);
                same && alike && first.method != BOUND && cell.method != BOUND
            };
            match batches.iter_mut().find(joins) {
                Some(batch) => batch.push(cell),
                None => batches.push(vec![cell]),
            }
        }
        batches
    }

    fn compute(cells: &[Cell]) -> Outcome<Vec<Value>> {
        let Some(first) = cells.first() else { return Ok(Vec::new()) };
        let known = SHIFTS.iter().find(|shift| shift.name == first.shift);
        let shift = known.ok_or_else(|| Failure::new(format!("no shift \"{}\"", first.shift)))?;
        compute(shift, first.seed, cells)
    }

    /// Training by gradients takes another path where the arithmetic of another machine rounds otherwise.
    fn tolerance(_: &Cell) -> f64 {
        0.08
    }

    fn page(records: &[Record], peers: &[Record]) -> String {
        page::page(records, peers)
    }
}

fn seed_by_seed(methods: &[&str], seeds: fn(&Shift) -> u64) -> Vec<Cell> {
    let most = SHIFTS.iter().map(seeds).max().unwrap_or(0);
    let mut cells = Vec::new();
    for seed in 0..most {
        for shift in SHIFTS.iter().filter(|shift| seed < seeds(shift)) {
            let own = methods.iter().filter(|method| shift.takes(method));
            cells.extend(own.map(|method| Cell {
                shift: shift.name.to_string(),
                method: method.to_string(),
                seed,
            }));
        }
    }
    cells
}

/// Runs the program in a folder that is removed.
fn compute(shift: &Shift, seed: u64, cells: &[Cell]) -> Outcome<Vec<Value>> {
    let methods: Vec<&str> = cells.iter().map(|cell| cell.method.as_str()).collect();
    let words = match methods[..] {
        [BOUND] => format!("adapt {} --method source --seed {seed}", shift.bound),
        [only] => format!("adapt {} --method {only} --seed {seed}", shift.words),
        _ => format!("adapt {} --compare {} --seed {seed}", shift.words, methods.join(",")),
    };
    let mut places = Places::default();
    if words.contains("$TL_CACHE") {
        places = places.with("$TL_CACHE", &cache()?);
    }
    let encoder = target().join("table").join("MiniLM");
    if words.contains("$TEXT_ENCODER") {
        put_text_encoder(&encoder)?;
        places = places.with("$TEXT_ENCODER", &encoder);
    }
    let films = target().join("table").join("films.txt");
    if words.contains("$FEWER_FILMS") {
        put_fewer_films(&films)?;
        places = places.with("$FEWER_FILMS", &films);
    }
    let out = target().join("table").join(format!("{}-{seed}", shift.name));
    let _ = std::fs::remove_dir_all(&out);
    let started = Instant::now();
    let outcome = places.run(&words, &["--out", &out.to_string_lossy()]);
    let seconds = started.elapsed().as_secs_f64();
    let courses: Outcome<Vec<Vec<Value>>> =
        cells.iter().map(|cell| course(&out, method_of(cell))).collect();
    let _ = std::fs::remove_dir_all(&out);
    let (value, shown) = outcome?;
    let lines = cells.iter().zip(courses?);
    let lines: Vec<Value> = lines
        .map(|(cell, course)| line(cell, &value, course, &shown, seconds))
        .collect::<Outcome<_>>()?;
    same_pick(&lines, &value, shift, seed)?;
    Ok(lines)
}

/// Writes every fourth line of the reviews of films: all of them are hours for ten methods.
fn put_fewer_films(path: &Path) -> Outcome<()> {
    let all = read(&cache()?.join("movieReviewSnippets_GroundTruth.txt"))?;
    let some: String = all.split_inclusive('\n').step_by(4).collect();
    std::fs::write(path, some)
        .map_err(|reason| Failure::new(format!("{}: {reason}", path.display())))
}

/// The table's pick among the core methods, from what it recorded, is to be the program's.
fn same_pick(lines: &[Value], answer: &Value, shift: &Shift, seed: u64) -> Outcome<()> {
    let records: Vec<Record> = lines
        .iter()
        .map(|line| serde_json::from_value(line.clone()).during("a line of the table"))
        .collect::<Outcome<_>>()?;
    match verdict::pick(&records, shift.name, seed) {
        Some(own) if answer["method"] != own.cell.method.as_str() => Err(Failure::new(format!(
            "the program picked {}, the table {}: one of the two rules is wrong",
            answer["method"], own.cell.method
        ))),
        _ => Ok(()),
    }
}

/// The method that the program carries out for a cell.
fn method_of(cell: &Cell) -> &str {
    if cell.method == BOUND { SOURCE } else { &cell.method }
}

/// Scores and oracle of every epoch of a method, so that another way of choosing needs no new run.
fn course(run: &Path, method: &str) -> Outcome<Vec<Value>> {
    let path = run.join("methods").join(method).join("metrics.jsonl");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let epoch = |text: &str| -> Outcome<Value> {
        let row: Value = serde_json::from_str(text).during(path.display())?;
        Ok(json!({ "scores": row["scores"], "oracle": row["oracle"] }))
    };
    read(&path)?.lines().map(epoch).collect()
}

/// What is kept of what the program printed.
fn line(
    cell: &Cell,
    value: &Value,
    course: Vec<Value>,
    shown: &str,
    seconds: f64,
) -> Outcome<Value> {
    let name = method_of(cell);
    let candidates = value["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = candidates.iter().find(|candidate| candidate["method"] == name);
    let candidate =
        found.ok_or_else(|| Failure::new(format!("`{shown}` printed nothing of {name}")))?;
    let own = |candidate: &Value| candidate["seconds"].as_f64().unwrap_or(0.0);
    // What the methods share, such as the training on the source, is part of each.
    let shared = seconds - candidates.iter().map(own).sum::<f64>();
    let validator = value["validator"].as_str().unwrap_or_default();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_string(), value);
    for name in ["accuracy", "interval", "n", "best_epoch", "worst_epoch"] {
        put(name, candidate["oracle"][name].clone());
    }
    for name in ["epoch", "epochs", "scores", "a_distance", "warnings"] {
        put(name, candidate[name].clone());
    }
    // Absent where there are none.
    put("trains_on", candidate.get("trains_on").cloned().unwrap_or_else(|| json!([])));
    put("course", json!(course));
    put("validator", json!(validator));
    noted(cell, fields, ("command", json!(shown)), shared + own(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_a_shift_and_a_seed_are_computed_together_and_the_bound_alone() {
        let cells = Adapt::cells().into_iter().filter(|cell| cell.seed == 0);
        let first = SHIFTS[0].name;
        let batches = Adapt::batches(cells.filter(|cell| cell.shift == first).collect());
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, CORE.len(), WIDER.len()]);
        assert_eq!(batches[0][0].method, BOUND);
    }

    #[test]
    fn the_pick_of_the_table_is_compared_with_the_programs() {
        let shift = &SHIFTS[0];
        let line = |method: &&str| {
            let score = if *method == "coral" { 2.0 } else { 1.0 };
            json!({
                "shift": shift.name, "method": method, "seed": 0, "accuracy": 0.5, "n": 1, "best_epoch": 0.5,
                "worst_epoch": 0.5, "validator": "entropy", "scores": { "entropy": score },
            })
        };
        let lines: Vec<Value> = CORE.iter().map(line).collect();
        let compared = |method: &str| same_pick(&lines, &json!({ "method": method }), shift, 0);
        assert!(compared("coral").is_ok() && compared("dann").is_err());
        assert!(same_pick(&lines[1..], &json!({ "method": "dann" }), shift, 0).is_ok());
    }

    #[test]
    fn a_cell_takes_what_is_shared_and_what_is_its_own() {
        let candidate =
            |method: &str, seconds: f64| json!({ "method": method, "seconds": seconds });
        let value = json!({
            "validator": "entropy", "candidates": [candidate("source", 4.0), candidate("dann", 6.0)],
        });
        let cell = Cell { shift: "uci".into(), method: "dann".into(), seed: 0 };
        assert_eq!(line(&cell, &value, Vec::new(), "tl", 13.0).unwrap()["seconds"], 9.0);
        let absent = Cell { method: "mcc".into(), ..cell };
        assert!(line(&absent, &value, Vec::new(), "tl", 13.0).is_err());
    }
}
