//! `tl rank`: which network to begin with.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tl::rank::{check_folder, write};
use tl::ssl::knn::Neighbours;
use tl::{Candidate, Examples, RankRequest, Ranked, Ranking, Score, TextOptions, rank};

use crate::failure::Failure;
use crate::flags::{FitFlags, Machine, PassFlags, TextFlags, WindowFlags, one_of};
use crate::{finetune, output};

/// Rank networks by how well their features suit the data, without tuning any
///
/// The training and the validation part go once through each network; the test part is not looked at. The networks are ordered
/// by a score of their features, the best first, and beside it stands what fine-tuning each would cost. Candidates are the
/// networks whose weights are part of the program, and those that --models names.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl rank photos/ --models resnet18=resnet18.pth,mobilenet_v2@features.14
  tl rank photos/ --models resnet10=runs/1,resnet10=runs/2 --only --score probe,knn,logme
  tl rank photos/ --models resnet50=resnet50.pth --out ranked      the page is ranked/report.html
  tl rank reviews.csv --models bert=MiniLM/,distilbert=distilbert/ --shots 50")]
pub struct Rank {
    /// A folder with one folder of images per class, IDX files, mnist:FOLDER, uci:FOLDER (digits as fetched) or embedded; for
    /// networks of texts a table or a folder of texts
    pub data: PathBuf,

    /// Networks divided by commas, each NAME, NAME=WEIGHTS (what --weights takes), NAME@STAGE or NAME@STAGE=WEIGHTS: its
    /// features after that stage
    #[arg(long, value_name = "LIST", help_heading = "Networks")]
    pub models: Vec<String>,

    /// The weights of networks without any of their own: a safetensors, PyTorch, burnpack, ONNX or npz file, the folder of a run,
    /// hub:owner/repo/file, random, or embedded [default: embedded, for the network of which they are]
    #[arg(long, value_name = "SRC", help_heading = "Networks")]
    pub weights: Option<String>,

    /// Leave out the networks of the program that --models does not name
    #[arg(long, help_heading = "Networks")]
    pub only: bool,

    #[command(flatten)]
    pub fit: FitFlags,

    /// Scores divided by commas; the first one ranks
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = Score::default().name(), value_parser = one_of(&Score::ALL), help_heading = "Ranking")]
    pub score: Vec<Score>,

    /// Neighbours that vote in the score knn
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = Neighbours::default().count, help_heading = "Ranking")]
    pub neighbours: usize,

    /// Leave out what fine-tuning would cost
    #[arg(long, help_heading = "Ranking")]
    pub no_cost: bool,

    /// A folder for report.html and ranking.json [default: none is written]
    #[arg(long, value_name = "DIR", help_heading = "Ranking")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub pass: PassFlags,

    #[command(flatten)]
    pub text: TextFlags,

    #[command(flatten)]
    pub windows: WindowFlags,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    ranking: &'a Ranking,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
}

pub fn run(verb: &Rank) -> Result<(), Failure> {
    let candidates = Candidate::all(&verb.models, verb.weights.as_deref(), verb.only)?;
    let device = verb.machine.start()?;
    let mut text = TextOptions::default();
    verb.text.put_into(&mut text);
    verb.windows.put_into(&mut text);
    // All are of images or all of texts, and one there is at least.
    let kind = candidates.first().map_or("", |first| &first.network);
    let name = verb.data.to_string_lossy();
    let examples = Examples::open(&name, kind, &text, true)?;
    output::notes(examples.notes());
    if let Some(folder) = &verb.out {
        check_folder(folder)?;
    }
    let mut request = RankRequest::new(candidates, examples, &name, &device);
    request.scores.clone_from(&verb.score);
    request.costs = !verb.no_cost;
    (request.text, request.split) = (text, verb.pass.split);
    (request.image_size, request.partial_weights) = (verb.fit.image_size, verb.fit.partial);
    (request.shots, request.batch_size, request.seed) =
        (verb.pass.shots, verb.pass.batch_size, verb.pass.seed);
    request.neighbours.count = verb.neighbours;
    (request.threads, request.strict) = (verb.machine.threads(), verb.pass.strict);
    let found = rank(&request, &mut verb.machine.display())?;
    if let Some(folder) = &verb.out {
        write(&found, folder, &output::command_line(&finetune::words()))?;
    }
    let out = verb.out.as_ref().map(|folder| folder.display().to_string());
    match verb.machine.json {
        true => output::object(&Answer { ranking: &found, out }),
        false => output::print(&told(&found, out.as_deref())),
    }
}

/// A line for each candidate, the best first.
fn told(found: &Ranking, out: Option<&str>) -> String {
    let widest = found.candidates.iter().map(|it| it.candidate.chars().count()).max();
    let widest = widest.unwrap_or(0).max("network".len());
    let mut text = format!("{:>4}  {:<widest$}", "rank", "network");
    for score in &found.scores {
        text += &format!("  {:>14}", score.name());
    }
    text += &format!("  {:>6}  {:>8}  fine-tuning\n", "width", "pass");
    for it in &found.candidates {
        let rank = it.rank.map_or("–".to_string(), |rank| rank.to_string());
        text += &format!("{rank:>4}  {:<widest$}", it.candidate);
        for score in &found.scores {
            let value =
                it.scores.get(score).map_or("–".to_string(), |value| format!("{value:.4}"));
            text += &format!("  {value:>14}");
        }
        text += &format!("  {:>6}  {:>6.1} s  {}\n", it.width, it.pass_seconds, cost(it));
    }
    for it in &found.candidates {
        for (score, why) in &it.missing {
            text += &format!("{}: no {}: {why}\n", it.candidate, score.name());
        }
    }
    text += &format!(
        "on {} examples of the training part and {} of the validation part, {} classes; the test part was not looked at\n",
        found.train, found.validation, found.classes
    );
    if let Some(out) = out {
        text += &format!("{out}/{}\n", tl::rank::REPORT_FILE);
    }
    text + &output::skipped(&found.skipped)
}

/// `about 120 s, 480 MB, 2,236,682 parameters`
fn cost(candidate: &Ranked) -> String {
    let Some(cost) = candidate.cost else { return String::new() };
    let mut parts = Vec::new();
    parts.extend(cost.seconds.map(|seconds| format!("about {seconds:.0} s")));
    parts.extend(cost.memory_bytes.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6)));
    parts.push(format!("{} parameters", output::thousands(cost.trained_parameters)));
    parts.join(", ")
}
