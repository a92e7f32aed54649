//! `tl pretrain`: from images or texts without labels to a weights file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tl::data::{Images, Skipped};
use tl::peft::AdapterConfig;
use tl::ssl::ViewOptions;
use tl::train::{Progress, TrainError};
use tl::{Error, PretrainOptions, PretrainRequest, RunRecord, prepare_pretraining};

use crate::failure::Failure;
use crate::finetune::{resume_words, words};
use crate::flags::{FitFlags, Machine, Patches, TextFlags, shares};
use crate::{interruption, output, pretrain_texts};

/// Pre-train a network on images or texts without labels
///
/// DATA is a folder of images at any depth, or of IDX files; where it is divided into parts, the training
/// part is learnt from. Labels are not looked at, save by the k-NN probe after each epoch, which chooses
/// nothing. With --method mlm or clm it is a file of texts: a text on each line (.txt), a table, JSON lines, or a folder of
/// .txt files. The run's folder is a source of weights for every other verb: `--weights DIR`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl pretrain images/ --model vit_tiny --patch-size 4 --image-size 28 --out runs/mae
  tl finetune few-labels/ --model vit_tiny --weights runs/mae
  tl probe few-labels/ --model vit_tiny --weights runs/mae
  tl pretrain xrays/ --model vit_base --weights vit_base.safetensors    go on from pretrained weights
  tl pretrain notes.txt --method mlm --model bert --weights MiniLM/     hidden words are found from their neighbours
  tl pretrain notes.txt --method clm --model gpt2 --weights gpt2/       the run of `tl finetune --task lm`

A run's folder holds run.json (everything about it), model.safetensors (the network alone, with its
origin's names), report.html, metrics.jsonl and a checkpoint.")]
pub struct Pretrain {
    /// A folder of images, or IDX files; for mlm and clm texts
    pub data: PathBuf,

    /// How it is learnt without labels: mae (hidden patches are predicted from visible ones; transformers),
    /// simmim (painted squares are predicted from the rest), simclr (views of one image are found among those
    /// of others), byol, simsiam (one view predicts what a moving average, or the network itself, makes of the
    /// other), barlow_twins, vicreg (views alike, values unlike), dino (small parts say what a moving average
    /// says of large ones); of texts mlm (hidden words are found; bert, roberta, distilbert) and clm (the next piece is foreseen; gpt2:
    /// the same run as `tl finetune --task lm`)
    #[arg(long, value_name = "NAME", default_value = "mae", help_heading = "Method")]
    pub method: String,

    /// The share of the patches that is hidden, or of a text's pieces [default: the method's own: mae .75, simmim .6, mlm .15]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Method")]
    pub mask_ratio: Option<f64>,

    /// What simclr divides similarities by [default: .5]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Method")]
    pub temperature: Option<f64>,

    /// How much of itself the moving average of byol and dino keeps at the first step; 1 at the last [default: .99]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Method")]
    pub momentum: Option<f64>,

    /// Small parts of an image that dino looks at beside two large ones [default: 4]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Method")]
    pub local_views: Option<usize>,

    /// The least share of an image's area that a large view shows [default: the method's own]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Method")]
    pub min_scale: Option<f64>,

    /// How far the views' brightness, contrast, saturation and hue vary, in times of the method's own; 0 for
    /// not at all [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Method")]
    pub jitter: Option<f64>,

    /// Go on although the features collapse
    #[arg(long, help_heading = "Method")]
    pub no_monitor: bool,

    /// Labelled images for the k-NN probe after each epoch: neighbours, and those asked for; 0 for none
    #[arg(long, value_name = "N", num_args = 2, default_values_t = PretrainOptions::default().probe, help_heading = "Method")]
    pub knn: Vec<usize>,

    /// The network: any of `tl finetune --help`; vit_tiny, vit_small and vit_base for mae [default: vit_tiny; of texts none]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub model: Option<String>,

    /// Where its weights come from: random, a safetensors, PyTorch, burnpack, ONNX or npz file, the folder of a run,
    /// hub:owner/repo/file; of texts a folder with them, config.json and tokenizer.json, or random:FOLDER [default: random; of texts none]
    #[arg(long, value_name = "SRC", help_heading = "Network")]
    pub weights: Option<String>,

    #[command(flatten)]
    pub fit: FitFlags,

    #[command(flatten)]
    pub patches: Patches,

    /// Times that every image or text is looked at [default: 20; of up to 100 texts 20, of up to 500 10, of more 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub epochs: Option<usize>,

    /// The optimizer: adamw, or lars for large batches
    #[arg(long, value_name = "NAME", default_value = "adamw", help_heading = "Training")]
    pub optimizer: String,

    /// The highest learning rate [default: 1e-3; with lars .3 for every 256 images in a step; of texts 1e-4, of which three tenths
    /// reach the network as in `tl finetune`, and with adapters 1e-3]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub lr: Option<f64>,

    /// The decay of weights, but of norms, biases and tokens
    #[arg(long, value_name = "X", allow_negative_numbers = true, default_value_t = PretrainOptions::default().weight_decay, help_heading = "Training")]
    pub weight_decay: f64,

    /// The decay at the end, to which it moves along half a cosine [default: as at the beginning]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub last_weight_decay: Option<f64>,

    /// Images or texts in a step [default: 128; of texts 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub batch_size: Option<usize>,

    /// Embed a batch in so many parts, one after another, for less memory: the gradient is that of the whole
    /// batch. For networks without batch norms, at the price of a second forward pass
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 1,
        help_heading = "Training"
    )]
    pub parts: usize,

    /// Everything drawn at random comes from it
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 0,
        help_heading = "Training"
    )]
    pub seed: u64,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long, help_heading = "Training")]
    pub strict: bool,

    #[command(flatten)]
    pub text: TextFlags,

    /// Train these adapters alone, in frozen stages, as `tl finetune --adapter` has them; of mlm also what predicts pieces, where
    /// the weights lack it [default: none, everything is trained]
    #[arg(long, value_name = "ADAPTER", help_heading = "Texts")]
    pub adapter: Option<AdapterConfig>,

    /// The shares of training, validation and test part of texts in percent, where they are not divided [default: 90,10,0]
    #[arg(long, value_name = "A,B,C", value_parser = shares, help_heading = "Texts")]
    pub split: Option<[f64; 3]>,

    /// The run's folder [default: the next free number under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,

    /// Go on with the run in --out
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,

    /// Steps between two checkpoints [default: one after each epoch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Run")]
    pub checkpoint_every: Option<u64>,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    out: &'a str,
    method: &'a str,
    network: &'a str,
    parameters: usize,
    images: usize,
    epochs: usize,
    steps: u64,
    /// The mean loss of the last epoch.
    loss: Option<f64>,
    /// Accuracy of the nearest neighbours before the first step and after the last.
    knn: [Option<f64>; 2],
    seconds: f64,
    skipped: &'a [Skipped],
}

pub fn run(verb: &Pretrain) -> Result<(), Failure> {
    if let Some(method) = pretrain_texts::method(verb)? {
        return pretrain_texts::run(verb, method);
    }
    let device = verb.machine.start()?;
    let images = Images::open(&verb.data)?;
    output::notes(&images.notes);
    let request = PretrainRequest {
        options: verb.options(),
        images: Arc::new(images),
        data: verb.data.to_string_lossy().into_owned(),
        out: verb.out.clone(),
        device,
        device_name: verb.machine.device.clone(),
        threads: verb.machine.threads(),
        checkpoint_every: verb.checkpoint_every,
        resume: verb.resume,
        stop: interruption::stop_flag(),
        command: output::command_line(&words()),
    };
    let mut prepared = prepare_pretraining(request)?;
    let folder = prepared.claim()?;
    let mut progress = verb.machine.display();
    progress.say(&headline(&prepared.record, &folder));
    let resume = resume_words(verb.out.is_some(), verb.resume);
    let record = prepared.fit(&mut progress).map_err(|error| match error {
        Error::Train(TrainError::Interrupted { .. }) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(&folder)))
        }
        other => other.into(),
    })?;
    told(&record, &folder, verb.machine.json)
}

impl Pretrain {
    fn options(&self) -> PretrainOptions {
        let usual = PretrainOptions::default();
        let mut options = PretrainOptions {
            method: self.method.clone(),
            network: self.model.clone().unwrap_or(usual.network),
            weights: self.weights.clone().unwrap_or(usual.weights),
            partial_weights: self.fit.partial,
            image_size: self.fit.image_size,
            epochs: self.epochs.unwrap_or(usual.epochs),
            optimizer: self.optimizer.clone(),
            learning_rate: self.lr,
            weight_decay: self.weight_decay,
            last_weight_decay: self.last_weight_decay,
            batch_size: self.batch_size.unwrap_or(usual.batch_size),
            parts: self.parts,
            seed: self.seed,
            mask_ratio: self.mask_ratio,
            temperature: self.temperature,
            momentum: self.momentum,
            local_views: self.local_views,
            views: ViewOptions { min_scale: self.min_scale, jitter: self.jitter },
            monitor: !self.no_monitor,
            probe: [0, 1].map(|at| self.knn.get(at).copied().unwrap_or(0)),
            strict: self.strict,
            ..PretrainOptions::default()
        };
        self.patches.put_into(&mut options.patches);
        options
    }
}

fn headline(record: &RunRecord, folder: &Path) -> String {
    let Some(found) = &record.pretraining else { return String::new() };
    format!(
        "{} by {} on {} images, {} parameters, to {}",
        record.network,
        found.options.method,
        output::thousands(found.images as u64),
        output::thousands(found.parameters as u64),
        folder.display()
    )
}

fn told(record: &RunRecord, folder: &Path, json: bool) -> Result<(), Failure> {
    let Some(found) = &record.pretraining else { return Ok(()) };
    let out = folder.display().to_string();
    let answer = Answer {
        out: &out,
        method: &found.options.method,
        network: &record.network,
        parameters: found.parameters,
        images: found.images,
        epochs: found.options.epochs,
        steps: record.steps,
        loss: found.rows.last().map(|row| row.terms.values().sum()),
        knn: found.knn(),
        seconds: record.seconds,
        skipped: &record.skipped,
    };
    if json {
        return output::object(&answer);
    }
    let mut text = format!("{out}: {} steps in {:.0} s\n", answer.steps, answer.seconds);
    if let [Some(before), Some(after)] = answer.knn {
        text += &format!(
            "k-NN {:.1} %, before the first step {:.1} % (n = {})\n",
            100.0 * after,
            100.0 * before,
            found.probe[1]
        );
    }
    text += &output::skipped(answer.skipped);
    text += &format!(
        "fit a classifier with: tl finetune DATA --model {} --weights {}\n",
        record.network,
        output::command_line(&[&out])
    );
    output::print(&text)
}
