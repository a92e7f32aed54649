//! The flags that several verbs share.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tl::PatchOptions;
use tl::burn::tensor::Device;
use tl::core::TokenPooling;

use crate::failure::Failure;

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

    /// What of a transformer's tokens is used: class (the class token) or mean (of the patches)
    /// [default: what the weights say, else class]
    #[arg(long, value_parser = one_of(&POOLINGS), help_heading = "Network")]
    pub pooling: Option<TokenPooling>,
}

const POOLINGS: [(&str, TokenPooling); 2] =
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
