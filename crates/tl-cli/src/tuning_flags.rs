//! The flags of how a network is tuned, and what they ask of the library.

use clap::Args;
use tl::core::{NormPolicy, Regulariser};
use tl::data::{Augment, CropRange};
use tl::peft::AdapterConfig;
use tl::train::Keep;
use tl::train::regularise::Measure;
use tl::{FinetuneOptions, Recipe};

use crate::failure::Failure;
use crate::flags::one_of;

const KEEPS: [(&str, Keep); 3] = [("best", Keep::Best), ("last", Keep::Last), ("ema", Keep::Ema)];
const WEIGHTS: [(&str, bool); 2] = [("even", false), ("balanced", true)];
const NORMS: [(&str, NormPolicy); 2] =
    [("frozen", NormPolicy::Frozen), ("train", NormPolicy::Train)];

/// How the network is tuned.
#[derive(Args, Debug)]
pub struct TuningFlags {
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

    /// Keep what frozen stages make of N views of each training image: the image as it is, and others that --augment varies, drawn
    /// once; epoch e of a phase is trained on view e mod N. Takes N times the room of one [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub cached_views: Option<usize>,

    /// Mix training images of a batch, and the losses of their labels, by shares of Beta(ALPHA, ALPHA) (Mixup), in phases that freeze no
    /// stage; 0 mixes nothing [default: 0]
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true, help_heading = "Tuning")]
    pub mixup: Option<f64>,

    /// The same by a rectangle of one image in another (CutMix); with both flags one of them is drawn for each batch [default: 0]
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true, help_heading = "Tuning")]
    pub cutmix: Option<f64>,

    /// Images in a batch [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub batch_size: Option<usize>,

    /// Average the gradients of N batches into one step, each by the number of its labels; schedules count steps [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Tuning")]
    pub accumulate: Option<usize>,

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

    /// The share of each label that is spread over all classes alike, from 0, below 1, as PyTorch's CrossEntropyLoss has it
    /// [default: 0.1; 0 with --recipe probe]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Tuning")]
    pub label_smoothing: Option<f64>,

    /// Which weights the run keeps: best (by validation accuracy, or R² of numbers), last, or ema [default: best]
    #[arg(long, value_parser = one_of(&KEEPS), help_heading = "Tuning")]
    pub keep: Option<Keep>,
}

impl TuningFlags {
    /// Overrides what the flags say.
    ///
    /// # Errors
    /// A flag that the recipe would leave without an effect.
    pub fn put_into(
        &self,
        options: &mut FinetuneOptions,
        freeze_through: Option<&String>,
    ) -> Result<(), Failure> {
        options.importance = self.importance.or(options.importance);
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
        let views = self.cached_views.unwrap_or(options.settings.cached_views);
        // Views that are kept vary images behind frozen stages too.
        let still = views == 1 && (tuning.recipe == Recipe::Probe || freeze_through.is_some());
        self.check(tuning.recipe, self.epochs.or(tuning.epochs).is_some(), still)?;
        tuning.epochs = self.epochs.or(tuning.epochs);
        tuning.learning_rate = self.lr.or(tuning.learning_rate);
        tuning.layer_decay = self.layer_decay.or(tuning.layer_decay);
        // One kind of freezing replaces the other.
        if freeze_through.is_some() || self.freeze.is_some() {
            tuning.freeze_through = freeze_through.cloned();
            tuning.freeze_matching.clone_from(&self.freeze);
        }
        tuning.norm = self.norm.or(tuning.norm);
        tuning.label_smoothing = self.label_smoothing.or(tuning.label_smoothing);
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
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.accumulate = self.accumulate.unwrap_or(settings.accumulate);
        settings.cached_views = views;
        settings.keep = self.keep.unwrap_or(settings.keep);
        settings.ema = self.ema.or(settings.ema);
        settings.mixup = self.mixup.or(settings.mixup);
        settings.cutmix = self.cutmix.or(settings.cutmix);
        settings.patience = self.patience.or(settings.patience);
        settings.validate_every = self.validate_every.unwrap_or(settings.validate_every);
        settings.balanced = self.class_weights.unwrap_or(settings.balanced);
        settings.interpolate |= self.interpolate;
        Ok(())
    }

    /// Refuses flags that the recipe would leave without an effect.
    fn check(&self, recipe: Recipe, epochs: bool, still: bool) -> Result<(), Failure> {
        if self.augment.is_some() && still {
            return Err(Failure::input(
                "--augment varies nothing where stages are frozen from the first on; leave it out, add --cached-views N, or take \
                 --recipe finetune without --freeze-through",
            ));
        }
        if recipe != Recipe::Probe || epochs {
            return Ok(());
        }
        let given = [
            ("--lr", self.lr.is_some()),
            ("--layer-decay", self.layer_decay.is_some()),
            ("--clip", self.clip.is_some()),
            ("--label-smoothing", self.label_smoothing.is_some()),
            ("--accumulate", self.accumulate.is_some()),
            ("--cached-views", self.cached_views.is_some()),
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
