//! The flags of `tl finetune`, and what they ask of the library.

use std::path::PathBuf;

use clap::Args;
use tl::core::NormPolicy;
use tl::train::Keep;
use tl::{EMBEDDED_NETWORK, FinetuneOptions, Recipe, RunRecord};

use crate::failure::Failure;
use crate::flags::{Machine, Patches, one_of};

const KEEPS: [(&str, Keep); 3] = [("best", Keep::Best), ("last", Keep::Last), ("ema", Keep::Ema)];
const NORMS: [(&str, NormPolicy); 2] =
    [("frozen", NormPolicy::Frozen), ("train", NormPolicy::Train)];

/// Fit a pretrained network to your own images
///
/// DATA is a folder with one folder of images per class, perhaps inside folders train, validation and
/// test; or a folder of IDX files. Data that is not divided is divided here: 70 % training, 15 %
/// validation, 15 % test, every class alike. The validation part chooses, the test part is measured
/// once, at the end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl finetune photos/                                       the embedded network, the recipe auto
  tl finetune photos/ --recipe probe                        a new head on frozen features: seconds
  tl finetune photos/ --model resnet50 --weights resnet50.pth --freeze-through layer2
  tl finetune photos/ --recipe gradual --layer-decay 0.7 --augment
  tl finetune photos/ --dry-run                             classes, split, what is trained; writes nothing
  tl finetune photos/ --seeds 3                             three runs, mean ± deviation
  tl finetune photos/ --out runs/1 --resume                 go on with an interrupted run
  tl finetune photos/ --config runs/1/run.json --lr 3e-4    that run's options, another rate

A run's folder holds run.json (everything about it), model.safetensors (the origin's names: load.py opens
it in Python), report.html, metrics.jsonl, predictions.csv, split.csv, labels.json and a checkpoint.")]
pub struct Finetune {
    /// A folder with one folder of images per class, or IDX files
    pub data: PathBuf,

    /// The network: mobilenet_v2, resnet18 to resnet152, vgg11 to vgg19, vgg11_bn to vgg19_bn,
    /// vit_tiny, vit_small and vit_base
    /// [default: mobilenet_v2]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub model: Option<String>,

    /// Where its weights come from: a safetensors or PyTorch file, the folder of a run,
    /// hub:owner/repo/file, random, or embedded [default: embedded, which are those of mobilenet_v2]
    #[arg(long, value_name = "SRC", help_heading = "Network")]
    pub weights: Option<String>,

    /// Accept weights that lack parameters of the network, or hold others
    #[arg(long, help_heading = "Network")]
    pub partial: bool,

    /// Height and width of the images in pixels [default: what the network's weights expect]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub image_size: Option<usize>,

    #[command(flatten)]
    pub patches: Patches,

    /// How the network is tuned: auto (a probe, then everything), probe (a new head on frozen stages),
    /// finetune (everything), gradual (stage after stage from the last) [default: auto]
    #[arg(long, value_parser = one_of(&Recipe::ALL), help_heading = "Tuning")]
    pub recipe: Option<Recipe>,

    /// Epochs of training by gradient; a probe without it is trained to convergence [default: 30 for up
    /// to 100 training images, 20 for up to 500, 10 for more]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub epochs: Option<usize>,

    /// The head's learning rate; the stages get three tenths of it [default: 1e-3]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub lr: Option<f64>,

    /// Each stage nearer to the input gets its successor's rate times this, above 0, at most 1
    /// [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub layer_decay: Option<f64>,

    /// The stages up to and with this one stay frozen [default: none]
    #[arg(long, value_name = "STAGE", help_heading = "Tuning")]
    pub freeze_through: Option<String>,

    /// The stages whose whole name matches this regular expression stay frozen [default: none]
    #[arg(long, value_name = "REGEX", help_heading = "Tuning")]
    pub freeze: Option<String>,

    /// The running statistics of norms in trained stages: frozen, or train
    /// [default: frozen; train with --weights random]
    #[arg(long, value_parser = one_of(&NORMS), help_heading = "Tuning")]
    pub norm: Option<NormPolicy>,

    /// The largest norm of all gradients together [default: no limit]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub clip: Option<f64>,

    /// Cut and mirror training images at random, in phases that freeze no stage
    #[arg(long, help_heading = "Tuning")]
    pub augment: bool,

    /// Images in a batch [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub batch_size: Option<usize>,

    /// Keep a moving average of the weights with this decay, from 0, below 1 [default: none]
    #[arg(long, value_name = "D", allow_negative_numbers = true, help_heading = "Tuning")]
    pub ema: Option<f64>,

    /// End a phase after this many epochs without a better validation accuracy [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub patience: Option<usize>,

    /// Which weights the run keeps: best (by validation accuracy), last, or ema [default: best]
    #[arg(long, value_parser = one_of(&KEEPS), help_heading = "Tuning")]
    pub keep: Option<Keep>,

    /// Training images of each class; the rest of the training part is left out [default: all]
    #[arg(long, value_name = "K", allow_negative_numbers = true, help_heading = "Data")]
    pub shots: Option<usize>,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long, help_heading = "Data")]
    pub strict: bool,

    /// What is drawn at random (split, head, order, augmentation) follows from this number [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Run")]
    pub seed: Option<u64>,

    /// Make this many runs, with the seeds N, N+1, …, and give their mean and deviation
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Run")]
    pub seeds: Option<u64>,

    /// The run's folder [default: the next free number under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,

    /// Write a checkpoint every N steps as well as after every epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Run")]
    pub checkpoint_every: Option<u64>,

    /// Go on with the run in --out; without one there the run starts afresh
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,

    /// Check everything, show classes, split, trained parameters and cache, and write nothing
    #[arg(long, help_heading = "Run")]
    pub dry_run: bool,

    /// Take the options of an earlier run (run.json or its folder); flags given here override them
    #[arg(long, value_name = "RUN.JSON", help_heading = "Run")]
    pub config: Option<PathBuf>,

    /// Compute the frozen stages anew in every epoch instead of keeping their outputs
    #[arg(long, help_heading = "Machine")]
    pub no_cache: bool,

    /// Megabytes of frozen stages' outputs kept in memory; more goes to the run's folder
    #[arg(long, value_name = "MB", default_value_t = 2048, help_heading = "Machine")]
    pub cache_memory: u64,

    #[command(flatten)]
    pub machine: Machine,
}

impl Finetune {
    /// The defaults or those of `--config`, overridden by the flags that were given.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn options(&self) -> Result<FinetuneOptions, Failure> {
        let mut options = match &self.config {
            Some(path) => RunRecord::read(path)?.options,
            None => FinetuneOptions::default(),
        };
        if let Some(model) = &self.model {
            // The weights of a configuration belong to its network.
            if *model != options.network {
                options.weights = FinetuneOptions::default().weights;
            }
            options.network.clone_from(model);
        }
        if let Some(weights) = &self.weights {
            options.weights.clone_from(weights);
        }
        if self.weights.is_none()
            && options.weights == "embedded"
            && options.network != EMBEDDED_NETWORK
        {
            // An unknown network is reported as such, by the library.
            if tl::networks().contains(&options.network.as_str()) {
                return Err(Failure::input(format!(
                    "no weights were given for {0}; add --weights FILE with those of {0}, or --weights random",
                    options.network
                )));
            }
        }
        options.partial_weights |= self.partial;
        options.image_size = self.image_size.or(options.image_size);
        self.patches.put_into(&mut options.patches);
        options.shots = self.shots.or(options.shots);
        options.strict |= self.strict;
        let tuning = &mut options.tuning;
        self.check_recipe(
            self.recipe.unwrap_or(tuning.recipe),
            self.epochs.or(tuning.epochs).is_some(),
        )?;
        tuning.recipe = self.recipe.unwrap_or(tuning.recipe);
        tuning.epochs = self.epochs.or(tuning.epochs);
        tuning.learning_rate = self.lr.or(tuning.learning_rate);
        tuning.layer_decay = self.layer_decay.or(tuning.layer_decay);
        // One kind of freezing replaces the other.
        if self.freeze_through.is_some() || self.freeze.is_some() {
            tuning.freeze_through.clone_from(&self.freeze_through);
            tuning.freeze_matching.clone_from(&self.freeze);
        }
        tuning.norm = self.norm.or(tuning.norm);
        tuning.clip_norm = self.clip.or(tuning.clip_norm);
        tuning.augment |= self.augment;
        let settings = &mut options.settings;
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.keep = self.keep.unwrap_or(settings.keep);
        settings.ema = self.ema.or(settings.ema);
        settings.patience = self.patience.or(settings.patience);
        settings.cache &= !self.no_cache;
        Ok(options)
    }

    /// Refuses flags that the recipe would leave without an effect.
    fn check_recipe(&self, recipe: Recipe, epochs: bool) -> Result<(), Failure> {
        if self.augment && (recipe == Recipe::Probe || self.freeze_through.is_some()) {
            return Err(Failure::input(
                "--augment varies nothing where stages are frozen from the first on; leave it out, \
                 or take --recipe finetune without --freeze-through",
            ));
        }
        if recipe != Recipe::Probe || epochs {
            return Ok(());
        }
        let given = [
            ("--lr", self.lr.is_some()),
            ("--layer-decay", self.layer_decay.is_some()),
            ("--clip", self.clip.is_some()),
            ("--patience", self.patience.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::input(format!(
                "{flag} says nothing to a probe that is trained to convergence; leave it out, or add \
                 --epochs N to train it by gradient"
            ))),
            None => Ok(()),
        }
    }
}
