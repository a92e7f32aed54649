//! `tl probe`: what a network's features are good for, without tuning.

use std::path::PathBuf;

use clap::Args;
use tl::ssl::knn::Neighbours;
use tl::{EMBEDDED_NETWORK, Examples, ProbeRequest, Probed, TextOptions, probe};

use crate::failure::Failure;
use crate::flags::{FitFlags, Machine, PassFlags, Patches, TextFlags, WindowFlags};
use crate::output;
use crate::table_flags::TableFlags;

/// Measure what a network's features are good for, without tuning it
///
/// Every image or text is embedded once. The test part is then classified by its nearest neighbours among the
/// training part, and by logistic regression on the features, whose regularisation the validation part
/// chooses; with --attentive also by a head that attends to all places of the network's output.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl probe photos/                                             the embedded network
  tl probe photos/ --model vit_tiny --weights runs/mae --json
  tl probe photos/ --model vit_tiny --weights runs/mae --shots 10
  tl probe photos/ --model vit_tiny --weights runs/mae --attentive 10
  tl probe reviews.csv --model bert --weights MiniLM/ --words  beside words without a network")]
pub struct Probe {
    /// A folder with one folder of images per class, IDX files, mnist:FOLDER, uci:FOLDER (digits as fetched) or embedded; a table of
    /// images; for a network of texts a table or a folder of texts
    pub data: PathBuf,

    /// The network
    #[arg(long, value_name = "NAME", default_value = EMBEDDED_NETWORK, help_heading = "Network")]
    pub model: String,

    /// Its weights: a safetensors, PyTorch, burnpack, ONNX or npz file, the folder of a run or of adapters in PEFT's format, hub:owner/repo/file, random, or
    /// embedded (those of the program, for the default network)
    #[arg(long, value_name = "SRC", default_value = "embedded", help_heading = "Network")]
    pub weights: String,

    #[command(flatten)]
    pub fit: FitFlags,

    #[command(flatten)]
    pub patches: Patches,

    /// Neighbours that vote
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = Neighbours::default().count, help_heading = "Probe")]
    pub neighbours: usize,

    /// Also train a head that attends to all places of the output, for so many epochs
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true, help_heading = "Probe")]
    pub attentive: Option<usize>,

    /// Also compare the images themselves, pixel by pixel: what a network has to beat
    #[arg(long, help_heading = "Probe")]
    pub pixels: bool,

    /// Also measure logistic regression on the words of texts (TF-IDF), without a network: what a network has to beat
    #[arg(long, help_heading = "Probe")]
    pub words: bool,

    #[command(flatten)]
    pub pass: PassFlags,

    #[command(flatten)]
    pub text: TextFlags,

    #[command(flatten)]
    pub windows: WindowFlags,

    #[command(flatten)]
    pub table: TableFlags,

    #[command(flatten)]
    pub machine: Machine,
}

pub fn run(verb: &Probe) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    let mut options = TextOptions::default();
    verb.text.put_into(&mut options);
    verb.windows.put_into(&mut options);
    verb.table.put_into(&mut options.columns, &verb.data, &verb.model)?;
    let examples = Examples::open(&verb.data.to_string_lossy(), &verb.model, &options, true)?;
    output::notes(examples.notes());
    let mut request = ProbeRequest::new(examples, &verb.model, &verb.weights, &device);
    (request.text, request.words, request.split) = (options, verb.words, verb.pass.split);
    request.choice.image_size = verb.fit.image_size;
    verb.patches.put_into(&mut request.choice.patches);
    request.partial_weights = verb.fit.partial;
    request.shots = verb.pass.shots;
    request.neighbours.count = verb.neighbours;
    request.attentive = verb.attentive;
    request.pixels = verb.pixels;
    request.batch_size = verb.pass.batch_size;
    request.seed = verb.pass.seed;
    request.threads = verb.machine.threads();
    request.strict = verb.pass.strict;
    let found = probe(&request, &mut verb.machine.display())?;
    if verb.machine.json { output::object(&found) } else { output::print(&text(&found)) }
}

fn text(found: &Probed) -> String {
    let line = |name: &str, share: f64, [low, high]: [f64; 2]| {
        format!(
            "{name:<9} {:.1} % (95 % interval {:.1}–{:.1} %, n = {})\n",
            100.0 * share,
            100.0 * low,
            100.0 * high,
            found.n
        )
    };
    let mut text = line("k-NN", found.knn, found.knn_interval);
    text += &line("linear", found.linear, found.linear_interval);
    if let (Some(share), Some(interval)) = (found.attentive, found.attentive_interval) {
        text += &line("attentive", share, interval);
    }
    if let (Some(share), Some(interval)) = (found.pixels, found.pixels_interval) {
        text += &line("pixels", share, interval);
    }
    if let (Some(share), Some(interval)) = (found.words, found.words_interval) {
        text += &line("words", share, interval);
    }
    text + &output::skipped(&found.skipped)
}
