//! The flags of `tl finetune`, and what they ask of the library.

use std::path::PathBuf;

use clap::Args;
use tl::core::{NormPolicy, Regulariser, TokenPooling};
use tl::data::text::Tagged;
use tl::data::{Augment, CropRange};
use tl::peft::AdapterConfig;
use tl::train::Keep;
use tl::train::regularise::Measure;
use tl::{FinetuneOptions, Recipe, RunRecord, works_on_texts};

use crate::failure::Failure;
use crate::flags::{
    DataFlags, Machine, NetworkFlags, Patches, RunFlags, TextFlags, WindowFlags, one_of, shares,
};

const KEEPS: [(&str, Keep); 3] = [("best", Keep::Best), ("last", Keep::Last), ("ema", Keep::Ema)];
const WEIGHTS: [(&str, bool); 2] = [("even", false), ("balanced", true)];
const NORMS: [(&str, NormPolicy); 2] =
    [("frozen", NormPolicy::Frozen), ("train", NormPolicy::Train)];

/// What a network works on, as `--task` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    Text,
    Tokens,
    /// Texts whose next piece is to be foreseen.
    Language,
    /// Pairs of texts that are to be near each other.
    Embedding,
    /// Texts that are answered with a number.
    Regression,
}

impl Kind {
    /// Whether it asks for no labels.
    fn is_unlabelled(self) -> bool {
        matches!(self, Self::Language | Self::Embedding)
    }
}

const TASKS: [(&str, Kind); 6] = [
    ("image", Kind::Image),
    ("text", Kind::Text),
    ("tokens", Kind::Tokens),
    ("lm", Kind::Language),
    ("embedding", Kind::Embedding),
    ("regression", Kind::Regression),
];

/// Fit a pretrained network to your own images or texts
///
/// DATA is a folder with one folder of images per class, perhaps inside folders train, validation and
/// test; or a folder of IDX files. For a network of texts it is a table with a first line of names (.csv, .tsv), a
/// file of JSON lines (.jsonl), or a folder of .txt files with a folder per class; a column split with train,
/// validation and test divides a table. With words that have tags it is a file with a word and its tag a line (CoNLL, BIO),
/// or a folder of such files called train, valid and test. Texts that are the same stay in one part. Data that is not divided is divided here: 70 % training, 15 %
/// validation, 15 % test, every class alike. The validation part chooses, the test part is measured
/// once, at the end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl finetune photos/                                       the embedded network, the recipe auto
  tl finetune photos/ --recipe probe                        a new head on frozen features: seconds
  tl finetune photos/ --model resnet50 --weights resnet50.pth --freeze-through layer2
  tl finetune photos/ --recipe gradual --layer-decay 0.7 --augment
  tl finetune photos/ --recipe finetune --augment=crop,flip,jitter=0.4,erasing=0.25
  tl finetune photos/ --dry-run                             classes, split, what is trained; writes nothing
  tl finetune photos/ --seeds 3                             three runs, mean ± deviation
  tl finetune photos/ --out runs/1 --resume                 go on with an interrupted run
  tl finetune photos/ --config runs/1/run.json --lr 3e-4    that run's options, another rate
  tl finetune reviews.csv --task text --model bert --weights MiniLM/ --recipe finetune
  tl finetune reviews.csv --model bert --weights MiniLM/ --adapter lora:rank=4,targets=query+value
  tl finetune articles.jsonl --model bert --weights MiniLM/ --max-length 256 --stride 64     no end of a long text is lost
  tl finetune train.conll --task tokens --model bert --weights MiniLM/ --epochs 8 --lr 1e-3
  tl finetune novel.txt --task lm --model gpt2 --weights gpt2/     a language model; then: tl generate
  tl finetune questions.csv --task embedding --text-column question --pair-column answer --model bert --weights MiniLM/
  tl finetune next/ --weights runs/1 --regularise lwf --regularise rehearsal     what runs/1 learnt is not forgotten
  tl finetune rated.csv --task regression --label-column rating --model bert --weights MiniLM/     a number for each text

A run's folder holds run.json (everything about it), model.safetensors (the origin's names: load.py opens
it in Python), report.html, metrics.jsonl, predictions.csv, split.csv, labels.json and a checkpoint.")]
pub struct Finetune {
    /// A folder with one folder of images per class, or IDX files; a table or a folder of texts
    pub data: PathBuf,

    /// What the data are: image, text, tokens for words with tags, as of named entities, lm for texts without labels, of which
    /// a gpt2 learns what comes next, embedding for pairs of texts whose vectors are to be near each other, or regression for texts
    /// whose labels are numbers, with which others are then answered [default: what the network works on; tokens where the file holds a word and its tag a line]
    #[arg(long, value_parser = one_of(&TASKS))]
    pub task: Option<Kind>,

    #[command(flatten)]
    pub network: NetworkFlags,

    #[command(flatten)]
    pub patches: Patches,

    /// How the network is tuned: auto (a probe, then everything; of numbers everything), probe (a new head on frozen stages),
    /// finetune (everything), gradual (stage after stage from the last), lora (adapters in frozen stages and a new head)
    /// [default: auto]
    #[arg(long, value_parser = one_of(&Recipe::ALL), help_heading = "Tuning")]
    pub recipe: Option<Recipe>,

    /// Which adapters --recipe lora trains, as KIND or KIND:KEY=VALUE,…: lora and dora (rank, alpha, dropout, targets, rslora),
    /// ia3 (targets, feedforward), bottleneck (width, targets), prompt (tokens), bitfit; targets are ends of layers' names,
    /// joined by +, perhaps behind the name of a stage and a / [default: lora:rank=8,alpha=16]
    #[arg(long, value_name = "ADAPTER", help_heading = "Tuning")]
    pub adapter: Option<AdapterConfig>,

    /// Epochs of training by gradient; a probe without it is trained to convergence, but for one of numbers, which needs it [default: 30 for up
    /// to 100 training images, 20 for up to 500, 10 for more; of texts 20, 10 and 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub epochs: Option<usize>,

    /// The head's learning rate; the stages get three tenths of it, adapters the same
    /// [default: 1e-3; for texts 1e-4, with adapters 1e-3]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub lr: Option<f64>,

    /// Each stage nearer to the input gets its successor's rate times this, above 0, at most 1
    /// [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub layer_decay: Option<f64>,

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

    /// What is added to the loss so that the network keeps what it knows, as KIND or KIND:KEY=VALUE,…; may be given several
    /// times: l2_sp (weights stay near their first values: strength, head), delta (outputs of stages do, of images: strength,
    /// head), bss (the smallest singular values of a batch's features shrink: strength, count), ewc and mas (weights stay that earlier
    /// tasks hang on: strength), si (the same, by --importance si: strength), lwf (heads of earlier tasks answer as they did: strength,
    /// temperature), rehearsal (examples of earlier tasks are shown again: strength, size of all that are kept, batch, pick=reservoir
    /// or herding) [default: none]
    #[arg(long, value_name = "TERM", help_heading = "Tuning")]
    pub regularise: Vec<Regulariser>,

    /// At the end, measure on the training part how much each weight matters, so that a next task can hold on to it with
    /// --weights RUN --regularise: ewc (Fisher information), mas (how far answers move), si (what it did for the loss, noted while
    /// the network is trained) [default: nothing]
    #[arg(long, value_name = "MEASURE", value_parser = one_of(&Measure::ALL), help_heading = "Tuning")]
    pub importance: Option<Measure>,

    /// The run of an earlier task that lwf or rehearsal holds the network to, the oldest first, with its data where its record does
    /// not say where they lie now; may be given several times [default: that of --weights, where it is a run with classes]
    #[arg(long, value_name = "RUN[=DATA]", help_heading = "Tuning")]
    pub earlier: Vec<String>,

    /// At the end, go back part of the way to the first weights, as far as the validation part chooses (WiSE-FT)
    #[arg(long, help_heading = "Tuning")]
    pub interpolate: bool,

    /// Vary training images at random, in phases that freeze no stage; alone it means crop,flip, and else words joined by commas behind
    /// a =: crop=LEAST (a part of at least this share of the area; 0.08), flip=P (mirrored, with this probability; 0.5), randaugment=N:M
    /// (N changes of magnitude M up to 30, as torchvision has them; 2:9), jitter=X or jitter=B:C:S:H (brightness, contrast, saturation,
    /// hue; 0.4, of hue a quarter), grey=P (0.2), erasing=P (a rectangle; 0.5)
    #[arg(long, value_name = "WORDS", num_args = 0..=1, require_equals = true, default_missing_value = "crop,flip", help_heading = "Tuning")]
    pub augment: Option<Augment>,

    /// Mix images and losses of their labels by shares of Beta(ALPHA, ALPHA), where no stage is frozen [default: no]
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true, help_heading = "Tuning")]
    pub mixup: Option<f64>,

    /// The same with a rectangle of one image in another; with both flags, each in half of the steps [default: no]
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true, help_heading = "Tuning")]
    pub cutmix: Option<f64>,

    /// Images in a batch [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub batch_size: Option<usize>,

    /// Keep a moving average of the weights with this decay, from 0, below 1 [default: none]
    #[arg(long, value_name = "D", allow_negative_numbers = true, help_heading = "Tuning")]
    pub ema: Option<f64>,

    /// End a phase after this many epochs without a better validation accuracy, or R² of numbers [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub patience: Option<usize>,

    /// Measure the validation part after every N epochs and after a phase's last: worth it where that takes longer than an
    /// epoch, and --keep last chooses no epoch [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub validate_every: Option<usize>,

    /// What the classes weigh in the loss: even (each example the same), or balanced (each class the same, however few
    /// examples it has) [default: even]
    #[arg(long, value_parser = one_of(&WEIGHTS), help_heading = "Tuning")]
    pub class_weights: Option<bool>,

    /// Which weights the run keeps: best (by validation accuracy, or R² of numbers), last, or ema [default: best]
    #[arg(long, value_parser = one_of(&KEEPS), help_heading = "Tuning")]
    pub keep: Option<Keep>,

    #[command(flatten)]
    pub data_flags: DataFlags,

    /// The shares of training, validation and test part in percent, of data that is not divided [default: 70,15,15]
    #[arg(long, value_name = "A,B,C", value_parser = shares, help_heading = "Data")]
    pub split: Option<[f64; 3]>,

    #[command(flatten)]
    pub text: TextFlags,

    #[command(flatten)]
    pub windows: WindowFlags,

    #[command(flatten)]
    pub run: RunFlags,

    /// Compute the frozen stages anew in every epoch instead of keeping their outputs
    #[arg(long, help_heading = "Machine")]
    pub no_cache: bool,

    /// Multiply in bf16 in the frozen stages, where the processor has AVX512-BF16; their outputs change in the third digit
    #[arg(long, help_heading = "Machine")]
    pub half_prefix: bool,

    #[command(flatten)]
    pub machine: Machine,
}

impl Finetune {
    /// The defaults or those of `--config`, overridden by the flags that were given.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn options(&self) -> Result<FinetuneOptions, Failure> {
        let mut options = match &self.run.config {
            Some(path) => RunRecord::read(path)?.options,
            None => FinetuneOptions::default(),
        };
        self.network.override_weights(&mut options.network, &mut options.weights)?;
        options.partial_weights |= self.network.partial;
        options.image_size = self.network.image_size.or(options.image_size);
        self.patches.put_into(&mut options.patches);
        self.text.put_into(&mut options.text);
        self.windows.put_into(&mut options.text);
        self.set_task(&mut options)?;
        options.shots = self.data_flags.shots.or(options.shots);
        options.strict |= self.data_flags.strict;
        options.importance = self.importance.or(options.importance);
        options.split = self.split.unwrap_or(options.split);
        let tuning = &mut options.tuning;
        tuning.recipe = self.recipe.unwrap_or(tuning.recipe);
        tuning.adapter = self.adapter.clone().or(tuning.adapter.take());
        // To name adapters is to ask for them.
        if self.adapter.is_some() && self.recipe.is_none() {
            tuning.recipe = Recipe::Lora;
        }
        if self.recipe.is_some_and(|recipe| recipe != Recipe::Lora) && self.adapter.is_none() {
            tuning.adapter = None;
        }
        self.check_recipe(tuning.recipe, self.epochs.or(tuning.epochs).is_some())?;
        tuning.epochs = self.epochs.or(tuning.epochs);
        tuning.learning_rate = self.lr.or(tuning.learning_rate);
        tuning.layer_decay = self.layer_decay.or(tuning.layer_decay);
        // One kind of freezing replaces the other.
        if self.network.freeze_through.is_some() || self.freeze.is_some() {
            tuning.freeze_through.clone_from(&self.network.freeze_through);
            tuning.freeze_matching.clone_from(&self.freeze);
        }
        tuning.norm = self.norm.or(tuning.norm);
        tuning.clip_norm = self.clip.or(tuning.clip_norm);
        if let Some(augment) = &self.augment {
            tuning.augment = true;
            let usual = *augment == Augment::cropped(CropRange::default());
            tuning.augmentation = (!usual).then(|| augment.clone());
        }
        if !self.regularise.is_empty() {
            tuning.regularisers.clone_from(&self.regularise);
        }
        let settings = &mut options.settings;
        settings.seed = self.run.seed.unwrap_or(settings.seed);
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.keep = self.keep.unwrap_or(settings.keep);
        settings.ema = self.ema.or(settings.ema);
        settings.mixup = self.mixup.or(settings.mixup);
        settings.cutmix = self.cutmix.or(settings.cutmix);
        settings.patience = self.patience.or(settings.patience);
        settings.validate_every = self.validate_every.unwrap_or(settings.validate_every);
        settings.balanced = self.class_weights.unwrap_or(settings.balanced);
        settings.interpolate |= self.interpolate;
        settings.cache &= !self.no_cache;
        settings.half_prefix |= self.half_prefix;
        Ok(options)
    }

    /// Whether the texts need no labels, for a language model or vectors: by the task, or by that of `--config`.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn is_unlabelled(&self) -> Result<bool, Failure> {
        match (self.task, &self.run.config) {
            (Some(task), _) => Ok(task.is_unlabelled()),
            (None, Some(path)) => Ok(RunRecord::read(path)?.language.is_some()),
            (None, None) => Ok(false),
        }
    }

    /// Finds the task; refuses one that the network does not work on, and a table without a network of texts.
    fn set_task(&self, options: &mut FinetuneOptions) -> Result<(), Failure> {
        let network = options.network.as_str();
        let works_on = match works_on_texts(network) {
            true => Kind::Text,
            false => Kind::Image,
        };
        let extension = self.data.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let table = ["csv", "tsv", "tab", "jsonl", "ndjson"].contains(&extension.as_str());
        let tagged = options.text.tokens
            || works_on == Kind::Text && !table && Tagged::is_kind_of(&self.data);
        let found = match (tagged, table) {
            _ if options.text.pairs => Kind::Embedding,
            _ if options.text.numbers => Kind::Regression,
            (true, _) => Kind::Tokens,
            (_, true) => Kind::Text,
            _ => works_on,
        };
        let wanted = self.task.unwrap_or(found);
        match (wanted, works_on) {
            (Kind::Language, Kind::Image) => Err(Failure::input(format!(
                "{network} works on images; for --task lm give --model gpt2 --weights FOLDER"
            ))),
            (Kind::Text | Kind::Tokens | Kind::Embedding | Kind::Regression, Kind::Image) => {
                Err(Failure::input(format!(
                    "{network} works on images; for texts give --model bert --weights FOLDER, with the folder of a text \
                 encoder"
                )))
            }
            (Kind::Image, Kind::Text) => Err(Failure::input(format!(
                "{network} works on texts; leave out --task image, or choose another --model"
            ))),
            (Kind::Language | Kind::Embedding, _) if self.class_weights.is_some() => {
                Err(Failure::input("these texts have no classes; leave out --class-weights"))
            }
            (Kind::Tokens, _) if self.patches.pooling.is_some() => Err(Failure::input(
                "--pooling makes one vector of a text, and --task tokens answers for each word; leave out one of them",
            )),
            (task, _) => {
                let usual = options.patches.pooling.filter(|it| *it != TokenPooling::Each);
                options.text.tokens = task == Kind::Tokens;
                options.text.pairs = task == Kind::Embedding;
                options.text.numbers = task == Kind::Regression;
                if self.task.is_some_and(|task| task != Kind::Language) {
                    options.text.masked = None;
                }
                options.patches.pooling = match task {
                    Kind::Tokens => Some(TokenPooling::Each),
                    Kind::Embedding => usual.or(Some(TokenPooling::Mean)),
                    _ => usual,
                };
                Ok(())
            }
        }
    }

    /// Refuses flags that the recipe would leave without an effect.
    fn check_recipe(&self, recipe: Recipe, epochs: bool) -> Result<(), Failure> {
        if self.augment.is_some()
            && (recipe == Recipe::Probe || self.network.freeze_through.is_some())
        {
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
            ("--validate-every", self.validate_every.is_some()),
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
