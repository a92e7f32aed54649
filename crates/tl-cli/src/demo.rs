//! `tl demo`: what transfer learning gives on a small real data set.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tl::demo::{Cell, CellResult, Conditions, run as compute};
use tl::train::Progress;

use crate::demo_table::{Row, rows};
use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// Show what transfer learning gives: pixels, a probe and a fine-tuning on a part of Fashion-MNIST
///
/// 20 training images of each of ten classes, measured on 1,000 test images; the network and the data
/// are part of the program. It takes at most 90 seconds on two cores.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl demo
  tl demo --json
  tl demo --full                      the whole table: hours
  tl demo --full --cell probe:20:0    one cell of it: METHOD:IMAGES:SEED")]
pub struct Demo {
    /// 5, 20 and 100 images per class × three seeds × seven ways to fit; takes an hour or more
    #[arg(long)]
    pub full: bool,

    /// Compute one cell alone: raw, scratch, probe, finetune, layer_decay, gradual or all, the images of
    /// each class, the seed
    #[arg(long, value_name = "METHOD:IMAGES:SEED", value_parser = parse_cell)]
    pub cell: Option<Cell>,

    #[command(flatten)]
    pub machine: Machine,
}

fn parse_cell(text: &str) -> Result<Cell, String> {
    text.parse().map_err(|error: tl::Error| error.to_string())
}

/// What `--json` prints; with `--cell` the cell itself.
#[derive(Serialize)]
struct Answer<'a> {
    full: bool,
    rows: &'a [Row],
    cells: &'a [CellResult],
    seconds: f64,
}

pub fn run(verb: &Demo) -> Result<(), Failure> {
    let started = Instant::now();
    let conditions = Conditions {
        device: verb.machine.start()?,
        device_name: verb.machine.device.clone(),
        threads: verb.machine.threads(),
        short: !verb.full,
    };
    if let Some(cell) = verb.cell {
        let found = compute(cell, &conditions, &mut verb.machine.display())?;
        let text = || crate::demo_table::line(&found);
        return if verb.machine.json { output::object(&found) } else { output::print(&text()) };
    }
    let cells = if verb.full { Cell::full() } else { Cell::short() };
    let count = cells.len();
    let mut found = Vec::with_capacity(count);
    for (number, cell) in cells.into_iter().enumerate() {
        let Cell { method, shots, seed } = cell;
        output::tell(&format!(
            "{} of {count}: {}, {shots} images per class, seed {seed}",
            number + 1,
            method.title()
        ));
        let mut display = verb.machine.display();
        let result = compute(cell, &conditions, &mut display)?;
        display.say(crate::demo_table::line(&result).trim_end());
        found.push(result);
    }
    let (table, seconds) = (rows(&found), started.elapsed().as_secs_f64());
    if verb.machine.json {
        return output::object(&Answer { full: verb.full, rows: &table, cells: &found, seconds });
    }
    output::print(&crate::demo_table::text(&table, seconds))
}
