//! The flags of `tl adapt`, and what they ask of the library.

use std::path::PathBuf;

use clap::Args;
use tl::adaptation::Validator;
use tl::data::Shift;
use tl::{AdaptOptions, EMBEDDED_NETWORK};

use crate::failure::Failure;
use crate::flags::Machine;

/// Adapt a network to images without labels from another place
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
  tl adapt --source mnist:digits/ --target uci:digits/ --model small_conv --weights random
  tl evaluate runs/1 night/                                 afterwards, as with any run

SOURCE has one folder of images per class, perhaps inside folders train, validation and test; TARGET too, or is one flat folder.
Images of any size become the network's size, grey ones three channels. Of a target that is divided the test part is set aside for
the oracle; of any other the oracle is measured on the images that were adapted to.

Methods: source, dann, cdan, cdan_e, adda, mcd, mdd, coral, dan, jan, afn, mcc, bnm, adabn, tent, t3a, shot, pseudo_label,
mean_teacher, mixstyle, fda.
Validators: source_accuracy, entropy, information_maximisation, bnm, snd, dev, silhouette, calinski_harabasz, reverse, ensemble.")]
pub struct Adapt {
    /// Images with labels: a folder, IDX files, mnist:FOLDER, uci:FOLDER (digits as fetched) or embedded
    #[arg(long, value_name = "P", help_heading = "Data")]
    pub source: String,

    /// Images from where the network will be used, with or without labels
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

    /// Source training images of each class; the rest of the training part is left out [default: all]
    #[arg(long, value_name = "K", allow_negative_numbers = true, help_heading = "Data")]
    pub shots: Option<usize>,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long, help_heading = "Data")]
    pub strict: bool,

    /// The network, as for `tl finetune`, or small_conv for digits and other small images [default: mobilenet_v2]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub model: Option<String>,

    /// Where its weights come from: a file, the folder of a run, hub:owner/repo/file, random, or embedded [default: embedded]
    #[arg(long, value_name = "SRC", help_heading = "Network")]
    pub weights: Option<String>,

    /// Accept weights that lack parameters of the network, or hold others
    #[arg(long, help_heading = "Network")]
    pub partial: bool,

    /// Height and width of the images in pixels [default: what the network's weights expect]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub image_size: Option<usize>,

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

    /// Epochs of each method [default: 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub epochs: Option<usize>,

    /// Epochs on the source alone, before every method [default: 5]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub source_epochs: Option<usize>,

    /// The head's learning rate on the source; pretrained stages get three tenths of it, and methods begin with three tenths of
    /// both [default: 1e-3; 3e-3 with --weights random]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub lr: Option<f64>,

    /// The stages up to and with this one stay frozen; their outputs are kept [default: none]
    #[arg(long, value_name = "STAGE", help_heading = "Adaptation")]
    pub freeze_through: Option<String>,

    /// Images of each domain in a step, from 2 [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub batch_size: Option<usize>,

    /// End a method after this many epochs that the validator does not prefer [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Adaptation")]
    pub patience: Option<usize>,

    /// What is drawn at random (split, head, order, shift) follows from this number [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Run")]
    pub seed: Option<u64>,

    /// Make this many runs, with the seeds N, N+1, …, and give their mean and deviation
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Run")]
    pub seeds: Option<u64>,

    /// The run's folder [default: the next free number under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,

    /// Go on with the run in --out after its last whole epoch; without one there the run starts afresh
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,

    /// Megabytes of images and of frozen stages' outputs kept in memory; beyond it they are computed again
    #[arg(long, value_name = "MB", default_value_t = 2048, help_heading = "Machine")]
    pub cache_memory: u64,

    #[command(flatten)]
    pub machine: Machine,
}

impl Adapt {
    /// The defaults, overridden by the flags that were given.
    ///
    /// # Errors
    /// An unknown validator, a network without weights.
    pub fn options(&self) -> Result<AdaptOptions, Failure> {
        let mut options = AdaptOptions::default();
        if let Some(model) = &self.model {
            options.network.clone_from(model);
        }
        if let Some(weights) = &self.weights {
            options.weights.clone_from(weights);
        } else if options.network != EMBEDDED_NETWORK
            && tl::networks().contains(&options.network.as_str())
        {
            return Err(Failure::input(format!(
                "no weights were given for {0}; add --weights FILE with those of {0}, or --weights random",
                options.network
            )));
        }
        options.partial_weights = self.partial;
        let listed = self.compare.iter().flat_map(|list| list.split(','));
        let named = listed.map(str::trim).filter(|name| !name.is_empty());
        options.methods =
            self.method.as_deref().into_iter().chain(named).map(String::from).collect();
        options.source_epochs = self.source_epochs;
        options.epochs = self.epochs;
        options.learning_rate = self.lr;
        options.freeze_through.clone_from(&self.freeze_through);
        options.image_size = self.image_size;
        options.shots = self.shots;
        options.oracle = !self.no_oracle;
        options.strict = self.strict;
        let settings = &mut options.settings;
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.patience = self.patience;
        if let Some(name) = &self.select {
            settings.validator = Validator::named(name).map_err(tl::Error::from)?;
        }
        Ok(options)
    }
}
