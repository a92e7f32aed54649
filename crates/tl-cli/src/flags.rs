//! The flags that several verbs share.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tl::burn::tensor::Device;

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
