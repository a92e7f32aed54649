//! What a fitting may be told, as one value that a run keeps and a later one can take over.

use serde::{Deserialize, Serialize};
use tl_core::Regulariser;
use tl_data::text::Columns;
use tl_ssl::methods::MaskedLanguage;
use tl_train::regularise::Measure;
use tl_train::{Keep, Settings};

use crate::recipe::{Recipe, Tuning};
use crate::{EMBEDDED_NETWORK, Error, NetworkChoice, PatchOptions};

/// What is said about texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// Which columns of a table hold what.
    pub columns: Columns,
    /// The most pieces of a text; what is longer is cut at its end. 128, or what the network has room for, where it
    /// is not given.
    pub max_length: Option<usize>,
    /// A text that is longer is read in windows of that length instead, and neighbours share so many pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// The words of the texts have tags, and are answered one by one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tokens: bool,
    /// Words of the texts are hidden, and a language model is to find them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<MaskedLanguage>,
    /// Both texts of a pair become a vector, and those of one pair are to be near each other.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pairs: bool,
    /// The labels of the texts are numbers, and a text is answered with one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub numbers: bool,
}

/// Everything that decides what a fitting does, beside the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneOptions {
    /// The network's name.
    pub network: String,
    /// What is said about a network of patches.
    pub patches: PatchOptions,
    /// Where its weights come from: a file, a run directory, `hub:owner/repo/file`, `random`,
    /// `embedded`.
    pub weights: String,
    /// Accept weights that lack parameters of the stages, or hold others.
    pub partial_weights: bool,
    pub tuning: Tuning,
    /// Height and width of the images in pixels; what the weights expect where it is not given.
    pub image_size: Option<usize>,
    /// The length of the shorter side after resizing, before the centre is cut out; 256/224 of the size
    /// where it is not given.
    pub resize: Option<usize>,
    /// Training images of each class; all where it is not given.
    pub shots: Option<usize>,
    /// The bits of 64 in which images of two parts may differ to be told as alike; where it is not given 4, and image files alone
    /// are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<u32>,
    /// The shares of training, validation and test part, where the data is not divided already.
    pub split: [f64; 3],
    pub settings: Settings,
    /// Measure at the end how much each weight matters, so that a later task can hold on to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance: Option<Measure>,
    /// An image that cannot be read is an error instead of being skipped.
    pub strict: bool,
    /// Of texts; to networks of images only the columns of tables say something.
    #[serde(skip_serializing_if = "is_usual")]
    pub text: TextOptions,
}

fn is_usual(text: &TextOptions) -> bool {
    *text == TextOptions::default()
}

impl Default for FinetuneOptions {
    fn default() -> Self {
        Self {
            network: EMBEDDED_NETWORK.to_string(),
            patches: PatchOptions::default(),
            weights: "embedded".to_string(),
            partial_weights: false,
            tuning: Tuning::default(),
            image_size: None,
            resize: None,
            shots: None,
            near_duplicates: None,
            split: [0.7, 0.15, 0.15],
            settings: Settings { keep: Keep::Best, ..Settings::default() },
            importance: None,
            strict: false,
            text: TextOptions::default(),
        }
    }
}

impl FinetuneOptions {
    /// Refuses terms beside the loss, and a measure of importance, that the task has no place for; `classes` says whether each example
    /// is answered with one class.
    ///
    /// # Errors
    /// The first of them, by its flag.
    pub(crate) fn check_terms(&self, classes: bool) -> Result<(), Error> {
        let adapters = self.tuning.recipe == Recipe::Lora;
        for term in &self.tuning.regularisers {
            let kind = term.kind();
            let fault = match term {
                _ if adapters && !matches!(term, Regulariser::Bss { .. }) => {
                    Some("adapters leave the weights where they are")
                }
                Regulariser::Bss { .. }
                    if !classes && !self.text.numbers && !self.text.columns.are_several() =>
                {
                    Some("not every example has one vector")
                }
                Regulariser::Ewc { .. } | Regulariser::Mas { .. } | Regulariser::Si { .. }
                    if !classes && !self.text.numbers =>
                {
                    Some("only tasks of one answer for each example are held on to")
                }
                Regulariser::Lwf { .. } | Regulariser::Rehearsal { .. } if !classes => {
                    Some("only tasks of one class for each example are held to earlier ones")
                }
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(Error::options(
                    format!("{kind} has no place here: {fault}"),
                    format!("leave out --regularise {kind}"),
                ));
            }
        }
        let probe = self.importance == Some(Measure::Si) && self.tuning.recipe == Recipe::Probe;
        if self.importance.is_some() && (!classes || adapters || probe) {
            let fault = match (adapters, classes) {
                (true, _) => "adapters leave the weights where they are",
                (false, false) => "not every example has one class",
                (false, true) => "a probe moves no weight of a stage, and si follows their way",
            };
            return Err(Error::options(
                format!("importance cannot be measured here: {fault}"),
                "leave out --importance",
            ));
        }
        Ok(())
    }

    /// The settings of the loop: those that are said, and what a measure of importance needs on the way.
    pub(crate) fn settings(&self) -> Settings {
        let path_integral = self.importance == Some(Measure::Si);
        Settings { path_integral, ..self.settings.clone() }
    }

    /// The network that is asked for.
    pub fn choice(&self) -> NetworkChoice {
        let (name, image_size) = (self.network.clone(), self.image_size);
        let masked = self.text.masked.is_some();
        NetworkChoice { name, patches: self.patches, image_size, masked, vocabulary: None }
    }
}
