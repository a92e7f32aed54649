//! The flags that several verbs share, each with its one help text.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tl::burn::tensor::Device;
use tl::core::TokenPooling;
use tl::{EMBEDDED_NETWORK, PatchOptions, TextOptions};

use crate::failure::Failure;
use crate::progress::{Display, SHOWN, Shown};

/// The network that a verb begins with.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkFlags {
    /// The network: convnext_tiny and convnext_small, densenet121, efficientnet_b0 to efficientnet_b4, inception_v3,
    /// mobilenet_v2, resnet18 to resnet152, resnext50_32x4d and resnext101_32x8d, wide_resnet50_2 and wide_resnet101_2,
    /// squeezenet1_0 and squeezenet1_1, vgg11 to vgg19 and vgg11_bn to vgg19_bn, vit_tiny, vit_small and vit_base, or
    /// resnet10 and small_conv for digits and other small images; for texts bert, roberta, distilbert and gpt2
    /// [default: mobilenet_v2]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// Where its weights come from: a safetensors, PyTorch, burnpack, ONNX or npz file, the folder of a run or of a text encoder, hub:owner/repo/file,
    /// the folder of adapters in PEFT's format (adapter:FOLDER,base=SRC on another base than its adapter_config.json names),
    /// random (for texts random:FOLDER with a config.json and a tokenizer.json), or embedded [default: embedded, which are those of mobilenet_v2]
    #[arg(long, value_name = "SRC")]
    pub weights: Option<String>,

    /// Accept weights that lack parameters of the network, or hold others
    #[arg(long)]
    pub partial: bool,

    /// Height and width of the images in pixels [default: what the network's weights expect]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub image_size: Option<usize>,

    /// The stages up to and with this one stay frozen; their outputs are kept [default: none]
    #[arg(long, value_name = "STAGE")]
    pub freeze_through: Option<String>,
}

impl NetworkFlags {
    /// Puts network and weights in the place of those that the options name.
    ///
    /// # Errors
    /// A network whose weights are not part of the program, without weights.
    pub fn override_weights(
        &self,
        network: &mut String,
        weights: &mut String,
    ) -> Result<(), Failure> {
        if let Some(model) = &self.model {
            // The weights of a configuration belong to its network.
            if model != network {
                EMBEDDED_WEIGHTS.clone_into(weights);
            }
            network.clone_from(model);
        }
        if let Some(given) = &self.weights {
            weights.clone_from(given);
            return Ok(());
        }
        // An unknown network is reported as such, by the library.
        let known = tl::networks().contains(&network.as_str());
        if known && weights == EMBEDDED_WEIGHTS && network != EMBEDDED_NETWORK {
            return Err(Failure::input(format!(
                "no weights were given for {network}; add --weights FILE with those of {network}, or --weights random"
            )));
        }
        Ok(())
    }
}

/// The weights that are part of the program.
const EMBEDDED_WEIGHTS: &str = "embedded";

/// What is said about texts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Texts")]
pub struct TextFlags {
    /// The column of the texts in a table, or their key in JSON lines [default: text]
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,

    /// The column of the second text of each pair [default: none]
    #[arg(long, value_name = "NAME")]
    pub pair_column: Option<String>,

    /// The column of the labels [default: label]
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,

    /// The most pieces of a text, those that mark its ends included; what is longer is cut at its end [default: 128]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_length: Option<usize>,
}

impl TextFlags {
    /// Takes over what was said.
    pub fn put_into(&self, options: &mut TextOptions) {
        let columns = &mut options.columns;
        let set = |place: &mut String, given: &Option<String>| {
            if let Some(given) = given {
                place.clone_from(given);
            }
        };
        set(&mut columns.text, &self.text_column);
        set(&mut columns.label, &self.label_column);
        columns.pair = self.pair_column.clone().or(columns.pair.take());
        options.max_length = self.max_length.or(options.max_length);
    }
}

/// How texts are read that are longer than `--max-length`.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Texts")]
pub struct WindowFlags {
    /// Read texts that are longer than --max-length in windows of that length, neighbours of which share N pieces, instead of
    /// cutting them: every window is learnt from, a text's probabilities or vector are the mean of its windows', and a word with
    /// a tag is answered for in the window that shows most around it [default: long texts are cut]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub stride: Option<usize>,
}

impl WindowFlags {
    /// Takes over what was said.
    pub fn put_into(&self, options: &mut TextOptions) {
        options.stride = self.stride.or(options.stride);
    }
}

/// Which of the images are used.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct DataFlags {
    /// Labelled training images of each class; the rest of the training part is left out [default: all]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub shots: Option<usize>,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long)]
    pub strict: bool,
}

/// How weights are read and images sized, where a verb names its networks in its own way.
#[derive(Args, Clone, Copy, Debug)]
pub struct FitFlags {
    /// Accept weights that lack parameters of the network, or hold others
    #[arg(long, help_heading = "Network")]
    pub partial: bool,

    /// Height and width of the images in pixels [default: what each network's weights expect]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub image_size: Option<usize>,
}

/// The examples that go once through a network, and how.
#[derive(Args, Clone, Copy, Debug)]
pub struct PassFlags {
    /// Training images or texts of each class [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Examples")]
    pub shots: Option<usize>,

    /// Percent for training, validation and test, where the data is not divided already
    #[arg(long, value_name = "A,B,C", default_value = "70,15,15", value_parser = shares, help_heading = "Examples")]
    pub split: [f64; 3],

    /// Images or texts that are computed together
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 128,
        help_heading = "Examples"
    )]
    pub batch_size: usize,

    /// The division of data that is not divided, the examples of --shots and random weights come from it
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 0,
        help_heading = "Examples"
    )]
    pub seed: u64,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long, help_heading = "Examples")]
    pub strict: bool,
}

/// `80,0,20` as fractions; whether they make sense is checked where the data is divided.
pub fn shares(text: &str) -> Result<[f64; 3], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let [train, validation, test] = *numbers.map_err(|reason| reason.to_string())? else {
        return Err("three numbers are needed, as in 80,0,20".into());
    };
    Ok([train, validation, test].map(|share: f64| share / 100.0))
}

/// How a run is made, where it goes, and how it goes on.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
pub struct RunFlags {
    /// What is drawn at random (split, head, order, augmentation, shift) follows from this number [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// Make this many runs, with the seeds N, N+1, …, and give their mean and deviation
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: Option<u64>,

    /// The run's folder [default: the next free number under runs/]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write a checkpoint every N steps as well as after every epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: Option<u64>,

    /// Go on with the run in --out after its last checkpoint; without one there the run starts afresh
    #[arg(long, requires = "out")]
    pub resume: bool,

    /// Check everything, show classes, split and what is trained, and write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Take the options of an earlier run (run.json or its folder); flags given here override them
    #[arg(long, value_name = "RUN.JSON")]
    pub config: Option<PathBuf>,

    /// Megabytes of images and of frozen stages' outputs kept in memory; the rest goes to the run's folder or is
    /// computed again
    #[arg(long, value_name = "MB", default_value_t = 2048, help_heading = "Machine")]
    pub cache_memory: u64,
}

impl RunFlags {
    /// `--cache-memory` in bytes.
    pub fn cache_bytes(&self) -> u64 {
        self.cache_memory.saturating_mul(1_000_000)
    }
}

/// How a verb works, and how it prints.
#[derive(Args, Clone, Debug)]
pub struct Machine {
    /// Where tensors are computed: flex, ndarray (deprecated by Burn), wgpu, cuda, or one of several as
    /// in cuda:1; what the program was not built with is refused
    #[arg(long, value_name = "DEVICE", default_value = default_device(), help_heading = "Machine")]
    pub device: String,

    /// Threads that compute, and as many that decode images; 0 for one per core
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024), help_heading = "Machine")]
    pub threads: u16,

    /// Print one object of JSON to standard output; progress goes to standard error
    #[arg(long, help_heading = "Machine")]
    pub json: bool,

    /// What a terminal shows while something goes on: bar, dashboard (below the bar curves of training, rates, memory and the time
    /// left), or none; without a terminal there are plain lines [default: dashboard from 80 columns on, else bar]
    #[arg(long, value_name = "KIND", value_parser = one_of(&SHOWN), help_heading = "Machine")]
    pub progress: Option<Shown>,
}

/// What may be said about a network of patches.
#[derive(Args, Clone, Copy, Debug)]
pub struct Patches {
    /// Pixels on a side of a transformer's patches [default: those of the weights, else 16]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub patch_size: Option<usize>,

    /// Blocks of a transformer [default: those of the weights, else 12]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub depth: Option<usize>,

    /// What of a transformer's tokens is used: class (the class token) or mean (of the patches or pieces)
    /// [default: what the weights say, else class]
    #[arg(long, value_parser = one_of(&POOLINGS), help_heading = "Network")]
    pub pooling: Option<TokenPooling>,
}

/// How tokens become one vector, by name.
pub const POOLINGS: [(&str, TokenPooling); 2] =
    [("class", TokenPooling::Class), ("mean", TokenPooling::Mean)];

impl Patches {
    /// Takes over what was said.
    pub fn put_into(&self, options: &mut PatchOptions) {
        options.patch_size = self.patch_size.or(options.patch_size);
        options.depth = self.depth.or(options.depth);
        options.pooling = self.pooling.or(options.pooling);
    }
}

fn default_device() -> &'static str {
    tl::device::built_in().first().copied().unwrap_or("flex")
}

impl Machine {
    /// What shows progress as the flags say.
    pub fn display(&self) -> Display {
        Display::new(self.progress)
    }

    /// Sets the number of threads and opens the device.
    ///
    /// # Errors
    /// A device that is unknown, not built in or does not answer.
    pub fn start(&self) -> Result<Device, Failure> {
        if self.threads > 0 {
            rayon::ThreadPoolBuilder::new().num_threads(self.threads()).build_global().map_err(
                |reason| {
                    Failure::input(format!("--threads {}: {reason}; give fewer", self.threads))
                },
            )?;
        }
        Ok(tl::device(&self.device)?)
    }

    /// Threads for the loader; 0 for one per core.
    pub fn threads(&self) -> usize {
        usize::from(self.threads)
    }
}

/// A flag that takes one of some names; each stands for a value.
pub fn one_of<T: Clone + Send + Sync + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    // The first parser accepts nothing but the names.
    PossibleValuesParser::new(choices.iter().map(|(name, _)| *name)).try_map(|given| {
        let found = choices.iter().find(|(name, _)| *name == given);
        found.map(|(_, value)| value.clone()).ok_or("is none of the choices")
    })
}
