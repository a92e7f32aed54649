//! Five tasks, one after another: the embedded MobileNetV2 learns two kinds of clothes, then two others, and so on. Each task has a head
//! of its own; what becomes of the earlier ones stands in the rows of a matrix, first with nothing that holds, then with some
//! images of earlier tasks shown again.
//!
//! ```text
//! cargo run --release -p examples --example five_tasks_without_forgetting -- --device flex
//! ```
//!
//! Expected (one run): average accuracy .79 and forgetting .25 with nothing that holds, .98 and .02 with images shown again; one
//! minute on one core. docs/tables/chain.md compares more ways over more seeds.

use std::path::PathBuf;

use clap::Parser;
use tl::chain::{ChainRequest, Link, chain, figures};
use tl::embedded;
use tl::prelude::*;

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// What holds on to earlier tasks in the second chain, as of `tl finetune --regularise`
    #[arg(long, default_value = "rehearsal:strength=1,size=100,pick=reservoir")]
    hold: String,
    /// Training images of each class
    #[arg(long, default_value_t = 60)]
    shots: usize,
    /// Times that each task goes through them
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the chains go; without it the next free numbers under runs/
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = device(&arguments.device)?;
    let clothes = embedded::fashion_mnist()?;

    for (name, hold) in [("plain", None), ("held", Some(arguments.hold.as_str()))] {
        let mut links = Vec::new();
        for (place, classes) in clothes.classes.chunks(2).enumerate() {
            let images = clothes.only(classes)?;
            let mut request = Request::new(images, &classes.join(" and "), &device);
            let options = &mut request.options;
            options.image_size = Some(64);
            options.shots = Some(arguments.shots);
            options.settings.seed = arguments.seed;
            options.tuning.recipe = Recipe::Finetune;
            options.tuning.epochs = Some(arguments.epochs);
            // Before the first task there is nothing to hold on to.
            if let (Some(term), true) = (hold, place > 0) {
                options.tuning.regularisers = vec![term.parse()?];
            }
            links.push(Link { name: format!("{}", place + 1), request });
        }
        let mut request = ChainRequest::new(links);
        request.probe = false;
        request.out = arguments.out.as_ref().map(|out| out.join(name));
        let record = chain(request, &mut Silent)?;

        println!("{name}: after each task the accuracy on it and all before it");
        for row in &record.matrix {
            let row: Vec<String> = row.iter().map(|accuracy| format!("{accuracy:.3}")).collect();
            println!("  {}", row.join("  "));
        }
        let shown = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
        println!(
            "  average accuracy {}, forgetting {}",
            shown(figures::average_accuracy(&record.matrix)),
            shown(figures::forgetting(&record.matrix))
        );
    }
    Ok(())
}
