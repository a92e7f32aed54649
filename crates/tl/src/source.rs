//! From the name of a network and of its weights to a classifier.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use tl_core::Backbone;
use tl_data::{Interpolation, Preprocess};
use tl_models::weights::{LoadReport, Source};
use tl_models::{Architecture, Classifier, LoadOptions, load};
use tl_peft::check_mergeable;

use crate::adapters::BESIDE;
use crate::choice::{CONFIG_FILE, TOKENIZER_FILE};
use crate::examples::{Input, Reading, preprocessing};
use crate::foreign::Foreign;
use crate::network::{LSTM, works_on_texts};
use crate::record::MODEL_FILE;
use crate::{EMBEDDED_NETWORK, Error, Examples, FinetuneOptions, Network, NetworkChoice, embedded};

/// A network with weights, and where they came from.
#[derive(Debug)]
pub struct Pretrained {
    /// With the file's head if `classes` was `None` and it holds one.
    pub model: Classifier<Network>,
    /// What the load did; nothing for random weights.
    pub report: Option<LoadReport>,
    /// What identifies the weights: their hash, or `random` and the seed.
    pub key: String,
    /// The file that they were read from.
    pub path: Option<PathBuf>,
}

impl Pretrained {
    /// Examples as the network reads them, with the preprocessing that `options` ask for.
    ///
    /// # Errors
    /// Examples of another kind, a size or length that does not fit, a tokenizer that is not there.
    pub fn dataset(
        &self,
        examples: &Examples,
        options: &FinetuneOptions,
        threads: usize,
    ) -> Result<Input, Error> {
        let network = &self.model.backbone;
        let how = preprocessing(network, options)?;
        let (weights, strict) = (self.path.as_deref(), options.strict);
        let own = None;
        examples.dataset(&how, network, &Reading { weights, own, threads, strict })
    }
}

/// Builds the network `name` and fills it from `source`.
///
/// With `classes` the head is a fresh one for that many answers; without, it is the file's own. What is
/// not in the file is initialised from `seed`.
///
/// # Errors
/// An unknown name, weights that cannot be read or do not fit.
pub fn pretrained(
    name: &str,
    source: &str,
    classes: Option<usize>,
    partial: bool,
    seed: u64,
    device: &Device,
) -> Result<Pretrained, Error> {
    pretrained_as(&NetworkChoice::named(name), source, classes, partial, seed, device)
}

/// [`pretrained`] for a network about which more than its name is said.
///
/// # Errors
/// As [`pretrained`] and [`NetworkChoice::build`]; a prompt, which is no part of the weights.
pub fn pretrained_as(
    choice: &NetworkChoice,
    source: &str,
    classes: Option<usize>,
    partial: bool,
    seed: u64,
    device: &Device,
) -> Result<Pretrained, Error> {
    let found = pretrained_to_use(choice, source, classes, partial, seed, device)?;
    match check_mergeable(&found.model) {
        Ok(()) => Ok(found),
        Err(_) => Err(Error::options(
            format!("{source} holds a prompt, which is no part of the weights that are wanted"),
            "give the weights that it was made on",
        )),
    }
}

/// [`pretrained_as`] for a network that is used as it is and goes on to no fitting: also one with a prompt.
///
/// # Errors
/// As [`pretrained_as`].
pub fn pretrained_to_use(
    choice: &NetworkChoice,
    source: &str,
    classes: Option<usize>,
    partial: bool,
    seed: u64,
    device: &Device,
) -> Result<Pretrained, Error> {
    // A name that does not exist is told before a file that does not.
    Network::check_name(&choice.name)?;
    pretrained_from(choice, source, classes, (partial, seed), device, 0)
}

/// The same where `depth` adapters stand on the source.
pub(crate) fn pretrained_from(
    choice: &NetworkChoice,
    source: &str,
    classes: Option<usize>,
    (partial, seed): (bool, u64),
    device: &Device,
    depth: usize,
) -> Result<Pretrained, Error> {
    if let Some(adapters) = Foreign::of(source)? {
        return adapters.on_base(choice, classes, (partial, seed), device, depth);
    }
    let name = &choice.name;
    let parsed: Source = source.parse()?;
    let file = match parsed {
        Source::Embedded if name.as_str() != EMBEDDED_NETWORK => {
            return Err(Error::options(
                format!("the embedded weights are those of {EMBEDDED_NETWORK}, not of {name}"),
                format!("give --weights FILE for {name}, or --weights random"),
            ));
        }
        Source::Embedded => Some(embedded::weights()?),
        Source::Random if works_on_texts(name) && choice.vocabulary.is_none() => {
            let other = match name.as_str() {
                LSTM => "the folder of a run that tl finetune made with --weights random",
                _ => "--model lstm, which learns its own pieces of words",
            };
            return Err(Error::options(
                format!("random weights bring {name} neither sizes nor a tokenizer"),
                format!(
                    "give --weights a folder with {CONFIG_FILE}, {TOKENIZER_FILE} and {MODEL_FILE}, random:FOLDER with \
                     the first two, or {other}"
                ),
            ));
        }
        Source::RandomAs(folder) => {
            if !works_on_texts(name) {
                return Err(Error::options(
                    format!("{name} is described by its name, not by a folder"),
                    "give --weights random",
                ));
            }
            choice.check_texts()?;
            let config = folder.join(CONFIG_FILE);
            let network = choice.of_texts(Some(config), None, device)?;
            let model = network.with_head(classes.unwrap_or(1000), seed, device);
            let key = format!("random {name} {seed} {:?}", said_by(&folder.join(CONFIG_FILE)));
            // The tokenizer is looked for beside the weights.
            let path = Some(folder.join(MODEL_FILE));
            return Ok(Pretrained { model, report: None, key, path });
        }
        other => {
            if works_on_texts(name) {
                other.fetch_beside(&[CONFIG_FILE, TOKENIZER_FILE])?;
            }
            other.open()?
        }
    };
    if let Some(file) = file.as_ref().filter(|file| file.metadata().contains_key(BESIDE)) {
        return Err(Error::options(
            format!("{} is a base whose adapters lie beside it", file.description()),
            "give the weights that its run began with",
        ));
    }
    let network = choice.build(file.as_ref(), device)?;
    let Some(file) = file else {
        let model = network.with_head(classes.unwrap_or(1000), seed, device);
        let key = format!("random {name} {seed}");
        return Ok(Pretrained { model, report: None, key, path: None });
    };
    let own =
        file.shape(&format!("{}.weight", network.head_name())).and_then(|shape| shape.first());
    let answers = classes.or(own.copied()).unwrap_or(1000);
    let model = network.with_head(answers, seed, device);
    let options = LoadOptions { fresh_head: classes.is_some(), partial };
    let (model, report) = load(model, &file, options)?;
    // What is said of a network decides what its weights mean.
    let said = (choice.patches != Default::default()).then(|| format!(" {:?}", choice.patches));
    let key = file.sha256()? + &said.unwrap_or_default();
    let path = file.path().map(Path::to_path_buf);
    Ok(Pretrained { model, report: Some(report), key, path })
}

/// The text of a configuration, which was read already.
fn said_by(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Pixels below which nothing of an image is cut away: for networks of such images and for transformers.
const SMALL: usize = 64;

/// How images become a network's input at `size` pixels: the shorter side is resized to `resize`, or in proportion to the
/// size as its weights were evaluated, 256/224 of it as a rule; to the size itself for the networks of small images.
///
/// # Errors
/// A size that the network's stages cannot work on.
pub fn preprocess(
    network: &Network,
    size: Option<usize>,
    resize: Option<usize>,
) -> Result<Preprocess, Error> {
    let expected = network.expected_input().images(network.name())?;
    let size = size.unwrap_or(expected.size);
    if size < expected.smallest {
        return Err(Error::options(
            format!("images of {size} pixels are too small for {}", network.name()),
            format!("give --image-size from {}", expected.smallest),
        ));
    }
    let evaluation = network.evaluation();
    let usual = match network {
        // Digits and icons fill their frame: nothing of it is cut away.
        _ if expected.size < SMALL => size,
        Network::Vit(_) if size < SMALL => size,
        // timm's crop of nine tenths.
        Network::Vit(_) => size.saturating_mul(10) / 9,
        _ => {
            let (resized, cut) = evaluation.resize.map_or((256, 224), |it| (it, expected.size));
            size.saturating_mul(resized) / cut.max(1)
        }
    };
    let preprocess = Preprocess {
        resize: resize.unwrap_or(usual),
        crop: size,
        mean: expected.mean,
        std: expected.std,
        interpolation: match network {
            Network::Vit(_) => Interpolation::Bicubic,
            _ if evaluation.bicubic => Interpolation::Bicubic,
            _ => Interpolation::Bilinear,
        },
    };
    preprocess.validate()?;
    Ok(preprocess)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torchvision's transforms of its default weights: the shorter side, the cut, the filter; of an Inception the mean that
    /// its `transform_input` comes to.
    #[test]
    fn images_are_prepared_as_torchvisions_default_weights_were_evaluated() {
        let (linear, cubic) = (Interpolation::Bilinear, Interpolation::Bicubic);
        for (name, resize, crop, filter) in [
            ("squeezenet1_1", 256, 224, linear),
            ("densenet121", 256, 224, linear),
            ("resnext50_32x4d", 232, 224, linear),
            ("wide_resnet50_2", 232, 224, linear),
            ("efficientnet_b0", 256, 224, cubic),
            ("efficientnet_b1", 255, 240, linear),
            ("efficientnet_b2", 288, 288, cubic),
            ("efficientnet_b3", 320, 300, cubic),
            ("efficientnet_b4", 384, 380, cubic),
            ("convnext_tiny", 236, 224, linear),
            ("convnext_small", 230, 224, linear),
            ("inception_v3", 342, 299, linear),
            ("mobilenet_v2", 256, 224, linear),
        ] {
            let network = Network::by_name(name, &Device::flex()).unwrap();
            let found = preprocess(&network, None, None).unwrap();
            let of = (found.resize, found.crop, found.interpolation);
            assert_eq!(of, (resize, crop, filter), "{name}");
            let mean = if name == "inception_v3" { 0.5 } else { 0.485 };
            assert_eq!(found.mean[0], mean, "{name}");
        }
        // Of other sizes in proportion: 128 · 320 / 300.
        let network = Network::by_name("efficientnet_b3", &Device::flex()).unwrap();
        assert_eq!(preprocess(&network, Some(128), None).unwrap().resize, 136);
        let small = preprocess(&network, Some(16), None).unwrap_err().to_string();
        assert!(small.contains("too small for efficientnet_b3"), "{small}");
    }
}
