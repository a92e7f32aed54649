//! Which network: its name, what may be said beside it, and what its weights file says itself.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::TokenPooling;
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, Vit, VitConfig, VitSize};

use crate::{Error, Network};

/// The key of a weights file's metadata that says how the tokens become one vector.
pub const POOLING: &str = "pooling";

/// What may be said about a network of patches. What is left open a weights file decides, and without
/// one the usual: patches of 16 pixels, 12 blocks, the class token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchOptions {
    /// Pixels on a side of a patch.
    pub patch_size: Option<usize>,
    /// Blocks.
    pub depth: Option<usize>,
    /// What of the tokens is handed to the head.
    pub pooling: Option<TokenPooling>,
}

/// A network by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkChoice {
    pub name: String,
    pub patches: PatchOptions,
    /// Pixels on a side of the images; what the weights are for where it is not given.
    pub image_size: Option<usize>,
}

impl NetworkChoice {
    /// The network `name` as it usually is.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_string(), ..Self::default() }
    }

    /// Builds it, all linear weights 0, in the shape that `file` has where nothing else is said.
    ///
    /// # Errors
    /// A name that no network has; patches for a network that has none; images that are not whole patches.
    pub fn build(&self, file: Option<&WeightsFile>, device: &Device) -> Result<Network, Error> {
        let network = Network::by_name(&self.name, device)?;
        let Network::Vit(usual) = &network else {
            if self.patches == PatchOptions::default() {
                return Ok(network);
            }
            return Err(Error::options(
                format!("{} has no patches, tokens or blocks of its own choice", self.name),
                "leave out --patch-size, --depth and --pooling, or give --model vit_tiny",
            ));
        };
        let config = self.vit(usual.config(), file)?;
        Ok(Network::Vit(Vit::new(config, device)))
    }

    fn vit(&self, usual: &VitConfig, file: Option<&WeightsFile>) -> Result<VitConfig, Error> {
        let found = file.map(Found::of).unwrap_or_default();
        let patches = &self.patches;
        let patch = patches.patch_size.or(found.patch).unwrap_or(usual.patch);
        let depth = patches.depth.or(found.depth).unwrap_or(usual.depth);
        let grid_size = found.grid.map(|grid| grid * patch);
        let image = self.image_size.or(grid_size).unwrap_or(usual.image);
        if patch == 0 || depth == 0 {
            let what = if patch == 0 { "patches of 0 pixels" } else { "0 blocks" };
            return Err(Error::options(what, "give a whole number from 1"));
        }
        if !image.is_multiple_of(patch) || image < patch {
            return Err(Error::options(
                format!("images of {image} pixels do not divide into patches of {patch}"),
                format!("give --image-size a multiple of {patch}, or another --patch-size"),
            ));
        }
        let size = match self.name.as_str() {
            "vit_tiny" => VitSize::Tiny,
            "vit_small" => VitSize::Small,
            _ => VitSize::Base,
        };
        let mut config = VitConfig::new(size, patch, image).depth(depth);
        if found.scaled {
            config = config.dinov2(found.registers);
        }
        if found.pre_norm {
            config = config.clip(false);
        }
        config.pooling = patches.pooling.or(found.pooling).unwrap_or_default();
        Ok(config)
    }
}

/// What a file with timm's names says about a vision transformer.
#[derive(Debug, Default)]
struct Found {
    patch: Option<usize>,
    depth: Option<usize>,
    /// Patches on a side.
    grid: Option<usize>,
    registers: usize,
    scaled: bool,
    pre_norm: bool,
    pooling: Option<TokenPooling>,
}

impl Found {
    fn of(file: &WeightsFile) -> Self {
        let size = |name: &str, axis: usize| file.shape(name)?.get(axis).copied();
        let depth = (0..).take_while(|at| file.contains(&format!("blocks.{at}.norm1.weight")));
        let registers = size("reg_token", 1).unwrap_or(0);
        let prefix = usize::from(registers == 0);
        let grid = size("pos_embed", 1).and_then(|count| count.checked_sub(prefix));
        let said = file.metadata().get(POOLING).map(String::as_str);
        Self {
            patch: size("patch_embed.proj.weight", 2),
            depth: Some(depth.count()).filter(|depth| *depth > 0),
            grid: grid.map(usize::isqrt).filter(|grid| *grid > 0),
            registers,
            scaled: file.contains("blocks.0.ls1.gamma"),
            pre_norm: file.contains("norm_pre.weight"),
            pooling: match said {
                Some("mean") => Some(TokenPooling::Mean),
                Some("class") => Some(TokenPooling::Class),
                _ => None,
            },
        }
    }
}

/// What a saved file says about a network beside its tensors.
pub(crate) fn said(network: &Network) -> Vec<(String, String)> {
    let mut said = vec![("network".to_string(), network.name().to_string())];
    if let Network::Vit(vit) = network {
        let pooling = match vit.config().pooling {
            TokenPooling::Class => "class",
            TokenPooling::Mean => "mean",
        };
        said.push((POOLING.to_string(), pooling.to_string()));
    }
    said
}
