//! Which network: its name, what may be said beside it, and what its weights file says itself.

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::TokenPooling;
use tl_models::weights::WeightsFile;
use tl_models::{
    Architecture, Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, Lstm, LstmConfig, Purpose, Vit,
    VitConfig, VitSize, lstm,
};

use crate::network::{GPT2, LSTM, text_family, works_on_texts};
use crate::{Error, Network};

/// The key of a weights file's metadata that says how the tokens become one vector.
pub const POOLING: &str = "pooling";

/// The file beside a text encoder's weights that says its sizes, and the one with its tokenizer.
pub const CONFIG_FILE: &str = "config.json";
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// What may be said about a network of patches, and its pooling about one of texts. What is left open a weights file decides, and without
/// one the usual: patches of 16 pixels, 12 blocks, the class token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchOptions {
    /// Pixels on a side of a patch.
    pub patch_size: Option<usize>,
    /// Blocks.
    pub depth: Option<usize>,
    /// What of the tokens is handed to the head; a text encoder's first token goes through its pooler.
    pub pooling: Option<TokenPooling>,
}

/// A network by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkChoice {
    pub name: String,
    pub patches: PatchOptions,
    /// Pixels on a side of the images; what the weights are for where it is not given.
    pub image_size: Option<usize>,
    /// How many pieces a recurrent network that begins with no weights is to know.
    pub vocabulary: Option<usize>,
    /// As a masked language model, which finds hidden pieces of a text.
    pub masked: bool,
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
        if works_on_texts(&self.name) {
            self.check_texts()?;
            let beside = file.and_then(WeightsFile::path);
            return self.of_texts(
                beside.map(|path| path.with_file_name(CONFIG_FILE)),
                file,
                device,
            );
        }
        let network = Network::by_name(&self.name, device)?;
        if self.masked {
            return Err(self.finds_nothing("works on images"));
        }
        if self.patches.pooling == Some(TokenPooling::Each) {
            return Err(Error::options(
                format!("{} has no answer for each word of a text", self.name),
                "give --model bert, roberta or distilbert, or another --task",
            ));
        }
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

    fn finds_nothing(&self, why: &str) -> Error {
        Error::options(
            format!("{} {why}: it cannot find hidden words of a text", self.name),
            "give --model bert, roberta or distilbert",
        )
    }

    /// Succeeds where nothing was said that means nothing to a network of texts.
    pub(crate) fn check_texts(&self) -> Result<(), Error> {
        let depth = self.patches.depth.is_some() && self.name != LSTM;
        if self.patches.patch_size.is_some() || depth {
            return Err(Error::options(
                format!("the sizes of {} are those of its config.json", self.name),
                "leave out --patch-size and --depth",
            ));
        }
        if self.image_size.is_some() {
            return Err(Error::options(
                format!("{} works on texts", self.name),
                "leave out --image-size",
            ));
        }
        Ok(())
    }

    /// A network of texts of the sizes that the file at `config` says, or else of its usual ones; its weights will be those of `file`.
    ///
    /// # Errors
    /// As [`NetworkChoice::build`].
    pub(crate) fn of_texts(
        &self,
        config: Option<PathBuf>,
        file: Option<&WeightsFile>,
        device: &Device,
    ) -> Result<Network, Error> {
        match text_family(&self.name) {
            Some(family) => self.encoder(family, config, file, device),
            None if self.name == LSTM => self.lstm(config, file, device),
            None => self.gpt2(config, file, device),
        }
    }

    fn lstm(
        &self,
        path: Option<PathBuf>,
        file: Option<&WeightsFile>,
        device: &Device,
    ) -> Result<Network, Error> {
        if self.masked {
            return Err(self.finds_nothing("has no head for that"));
        }
        let mut config = match &path {
            Some(path) => LstmConfig::read(path)?,
            None => LstmConfig::default(),
        };
        fits_file(config.values(), file)?;
        config.vocabulary = self.vocabulary.unwrap_or(config.vocabulary);
        match self.patches.depth {
            Some(0) => return Err(Error::options("0 layers", "give --depth from 1")),
            Some(depth) if path.is_some() && depth != config.depth => {
                return Err(Error::options(
                    format!("the weights have {} layers, not {depth}", config.depth),
                    "leave out --depth",
                ));
            }
            depth => config.depth = depth.unwrap_or(config.depth),
        }
        config.pooling = self.patches.pooling.unwrap_or(config.pooling);
        if !lstm::pools(config.both_directions, config.pooling) {
            return Err(Error::options(
                "no output of a network of both directions has seen all of a text",
                "leave out --pooling for the mean of the outputs",
            ));
        }
        Ok(Network::Lstm(Lstm::new(config, device)))
    }

    fn gpt2(
        &self,
        config: Option<PathBuf>,
        file: Option<&WeightsFile>,
        device: &Device,
    ) -> Result<Network, Error> {
        if self.masked {
            return Err(self.finds_nothing("sees nothing behind a piece"));
        }
        let mut config = match config {
            Some(path) => Gpt2Config::read(&path)?,
            None => Gpt2Config::default(),
        };
        fits_file(config.values(), file)?;
        config.purpose = Purpose::Vectors(match self.patches.pooling {
            None | Some(TokenPooling::Last) => TokenPooling::Last,
            Some(TokenPooling::Mean) => TokenPooling::Mean,
            Some(TokenPooling::Each) => {
                return Err(Error::options(
                    format!("a piece of {GPT2} sees nothing behind it, which says what a word is"),
                    "give --model bert, roberta or distilbert, or another --task",
                ));
            }
            Some(TokenPooling::Class) => {
                return Err(Error::options(
                    format!("the first piece of {GPT2} sees no other"),
                    "leave out --pooling for the last piece, or give --pooling mean",
                ));
            }
        });
        Ok(Network::Gpt2(Gpt2::new(config, device)))
    }

    fn encoder(
        &self,
        family: Family,
        config: Option<PathBuf>,
        file: Option<&WeightsFile>,
        device: &Device,
    ) -> Result<Network, Error> {
        let mut config = match config {
            Some(path) => EncoderConfig::read(&path, family)?,
            None => EncoderConfig::base(family),
        };
        fits_file(config.values(), file)?;
        let pooling = self.patches.pooling;
        config.pooling = pooling.unwrap_or(TokenPooling::Mean);
        config.pooler = pooling.is_none_or(|pooling| pooling == TokenPooling::Class);
        config.predicts = self.masked;
        if self.masked && !config.is_tied() {
            return Err(Error::options(
                format!("tie_word_embeddings is false in {CONFIG_FILE}"),
                "give a network that predicts pieces by the table of words",
            ));
        }
        Ok(Network::Encoder(Encoder::new(config, device)))
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

/// A network is built of zeros first: sizes that no file fills are refused before they take memory.
fn fits_file(values: u64, file: Option<&WeightsFile>) -> Result<(), Error> {
    let held = file.map(|file| file.names().filter_map(|name| file.shape(name)));
    let held: Option<usize> =
        held.map(|shapes| shapes.map(|it| it.iter().product::<usize>()).sum());
    if held.is_some_and(|held| values > 2 * held as u64) {
        return Err(Error::options(
            format!("{CONFIG_FILE} says a network much larger than the weights beside it"),
            "fetch both from one place",
        ));
    }
    Ok(())
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
            TokenPooling::Each => "each",
            TokenPooling::Last => "last",
        };
        said.push((POOLING.to_string(), pooling.to_string()));
    }
    said
}
