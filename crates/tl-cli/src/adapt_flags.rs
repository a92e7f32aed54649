//! The flags of `tl adapt`, and what they ask of the library.

use clap::Args;
use tl::adaptation::Validator;
use tl::data::Shift;
use tl::{AdaptOptions, RunRecord};

use crate::failure::Failure;
use crate::flags::{DataFlags, Machine, NetworkFlags, Patches, RunFlags, TextFlags};

/// Adapt a network to images or texts without labels from another place
///
/// The labels are from one domain, the source; the use is in another, the target. The network is trained on the source first; then
/// each method goes on from there with the same budget. Which epoch and which method are kept is decided without target labels;
/// where the target has some, they are measured beside, under the name oracle. The result is a run like any other.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl adapt --source day/ --target night/                    the core methods; a validator picks
  tl adapt --source day/ --target night/ --method dann      one method
  tl adapt --source day/ --target night/ --method source    the baseline: the source alone
  tl adapt --source photos/ --target-shift night:0.7        a target made from the source's own images
  tl adapt --source day/ --target night/ --compare dann,coral,adabn
  tl adapt --source berlin/ --source tokyo/ --target lima/  several sources
  tl adapt --source day/ --target night/ --dry-run          classes, parts, what is trained; writes nothing
  tl adapt --source day/ --target night/ --out runs/1 --resume
  tl adapt --source mnist:digits/ --target uci:digits/ --model small_conv --weights random
  tl adapt --source tweets.csv --target movies.txt --model bert --weights MiniLM/      sentences; fda is for images alone
  tl evaluate runs/1 night/                                 afterwards, as with any run
  tl evaluate runs/1 photos/ --shift night:0.7              on a target that was made

SOURCE has one folder of images per class, perhaps inside folders train, validation and test; TARGET too, or is one flat folder.
Images of any size become the network's size, grey ones three channels. Of a target that is divided the test part is set aside for
the oracle; of any other the oracle is measured on the images that were adapted to.

Texts take all methods but fda, mixstyle and adabn.
Methods: source, dann, cdan, cdan_e, adda, mcd, mdd, coral, dan, jan, afn, mcc, bnm, adabn, tent, t3a, shot, pseudo_label,
mean_teacher, mixstyle, fda.
Validators: source_accuracy, entropy, information_maximisation, bnm, snd, dev, silhouette, calinski_harabasz, reverse, ensemble.")]
pub struct Adapt {
    /// Images with labels: a folder, IDX files, mnist:FOLDER, uci:FOLDER (digits as fetched) or embedded; for a network of texts
    /// what `tl finetune` takes; given several times, the examples of all, which must have the same classes
    #[arg(long, value_name = "P", required = true, help_heading = "Data")]
    pub source: Vec<String>,

    /// Images or texts from where the network will be used, with or without labels
    #[arg(
        long,
        value_name = "P",
        required_unless_present = "target_shift",
        conflicts_with = "target_shift",
        help_heading = "Data"
    )]
    pub target: Option<String>,

    /// Make the target from the source's images: night, fog, rain, scanner or accent, with a severity as in night:0.7, or
    /// blend@PHOTOS
    #[arg(long, value_name = "SHIFT", help_heading = "Data")]
    pub target_shift: Option<Shift>,

    /// Shift the source's images too; the target is still made from those that are not. With the target's shift and `--method
    /// source`: what training on the target itself would give
    #[arg(long, value_name = "SHIFT", help_heading = "Data")]
    pub source_shift: Option<Shift>,

    /// Leave target labels aside altogether: nothing is measured against them
    #[arg(long, help_heading = "Data")]
    pub no_oracle: bool,

    #[command(flatten)]
    pub data: DataFlags,

    #[command(flatten)]
    pub network: NetworkFlags,

    #[command(flatten)]
    pub patches: Patches,

    #[command(flatten)]
    pub text: TextFlags,

    /// The method; without it the validator picks among the core methods
    #[arg(long, value_name = "M", conflicts_with = "compare", help_heading = "Adaptation")]
    pub method: Option<String>,

    /// Compare these methods, or the core methods where none is named, and write the table beside the run
    #[arg(
        long,
        value_name = "M,M",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = "Adaptation"
    )]
    pub compare: Option<String>,

    /// What chooses the epoch and the method, by features and predictions [default: information_maximisation]
    #[arg(long, value_name = "V", help_heading = "Adaptation")]
    pub select: Option<String>,

    /// Epochs of each method [default: 8; of texts 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub epochs: Option<usize>,

    /// Epochs on the source alone, before every method [default: 5; of texts 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub source_epochs: Option<usize>,

    /// The head's learning rate on the source; pretrained stages get three tenths of it, and methods begin with three tenths of
    /// both [default: 1e-3; 3e-3 with --weights random; of texts 1e-4]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub lr: Option<f64>,

    /// Give each batch of the source every class in equal numbers; otherwise images come in random order
    #[arg(long, help_heading = "Adaptation")]
    pub balanced: bool,

    /// Cut and mirror images of both domains at random, the same for every method
    #[arg(long, help_heading = "Adaptation")]
    pub augment: bool,

    /// Images of each domain in a step, from 2 [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub batch_size: Option<usize>,

    /// End a method after this many epochs that the validator does not prefer [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub patience: Option<usize>,

    #[command(flatten)]
    pub run: RunFlags,

    #[command(flatten)]
    pub machine: Machine,
}

impl Adapt {
    /// The defaults or those of `--config`, overridden by the flags that were given.
    ///
    /// # Errors
    /// A configuration that cannot be read, an unknown validator, a network without weights.
    pub fn options(&self) -> Result<AdaptOptions, Failure> {
        let mut options = match &self.run.config {
            Some(path) => RunRecord::read(path)?.adapt_options(path)?,
            None => AdaptOptions::default(),
        };
        self.network.override_weights(&mut options.network, &mut options.weights)?;
        options.partial_weights |= self.network.partial;
        let listed = self.compare.iter().flat_map(|list| list.split(','));
        let named = listed.map(str::trim).filter(|name| !name.is_empty());
        let named: Vec<String> =
            self.method.as_deref().into_iter().chain(named).map(String::from).collect();
        if !named.is_empty() || self.compare.is_some() {
            options.methods = named;
        }
        options.source_epochs = self.source_epochs.or(options.source_epochs);
        options.epochs = self.epochs.or(options.epochs);
        options.learning_rate = self.lr.or(options.learning_rate);
        options.freeze_through = self.network.freeze_through.clone().or(options.freeze_through);
        options.image_size = self.network.image_size.or(options.image_size);
        self.patches.put_into(&mut options.patches);
        self.text.put_into(&mut options.text);
        options.augment |= self.augment;
        options.balanced |= self.balanced;
        options.shots = self.data.shots.or(options.shots);
        options.oracle &= !self.no_oracle;
        options.strict |= self.data.strict;
        let settings = &mut options.settings;
        settings.seed = self.run.seed.unwrap_or(settings.seed);
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.patience = self.patience.or(settings.patience);
        if let Some(name) = &self.select {
            settings.validator = Validator::named(name).map_err(tl::Error::from)?;
        }
        Ok(options)
    }
}
