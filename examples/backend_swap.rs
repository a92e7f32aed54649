//! The same network, data and numbers on another backend: logits of the embedded network, and the
//! weights of a tiny one after a probe's and a fine-tuning's step, compared with the CPU.
//!
//! ```text
//! cargo run --release -p examples --example backend_swap --features wgpu -- --device wgpu
//! ```
//!
//! Expected: the largest relative deviation of logits below 1e-3, of weights below 1e-4, and `agrees`
//! at the end. Without --device every backend that is built in is compared; ndarray takes minutes.

use clap::Parser;
use tl::compare::{Comparison, compare};

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long)]
    device: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = match Arguments::parse().device {
        Some(name) => vec![name],
        None => tl::device::built_in().into_iter().map(str::to_string).collect(),
    };
    let flex = tl::device("flex")?;
    let mut all = true;
    println!(
        "{:<10} {:>14} {:>14} {:>14} {:>9}",
        "device", "logits", "probe step", "full step", "seconds"
    );
    for name in names {
        let started = std::time::Instant::now();
        let Comparison { logits, probe_step, finetune_step } = compare(&flex, &tl::device(&name)?)?;
        let agrees = logits < 1e-3 && probe_step < 1e-4 && finetune_step < 1e-4;
        all &= agrees;
        println!(
            "{name:<10} {logits:>14.2e} {probe_step:>14.2e} {finetune_step:>14.2e} {:>9.1}  {}",
            started.elapsed().as_secs_f64(),
            if agrees { "agrees" } else { "DIFFERS" }
        );
    }
    if all { Ok(()) } else { Err("a backend differs from flex".into()) }
}
