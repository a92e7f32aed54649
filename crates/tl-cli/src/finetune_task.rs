//! What a network works on, as `--task` says it.

use tl::core::TokenPooling;
use tl::data::Images;
use tl::data::text::Tagged;
use tl::{FinetuneOptions, works_on_texts};

use crate::failure::Failure;
use crate::finetune_flags::Finetune;

/// What a network works on, as `--task` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    Text,
    Tokens,
    /// Texts whose next piece is to be foreseen.
    Language,
    /// Pairs of texts that are to be near each other.
    Embedding,
    /// Texts that are answered with a number.
    Regression,
}

impl Kind {
    /// Whether it asks for no labels.
    pub fn is_unlabelled(self) -> bool {
        matches!(self, Self::Language | Self::Embedding)
    }
}

pub const TASKS: [(&str, Kind); 6] = [
    ("image", Kind::Image),
    ("text", Kind::Text),
    ("tokens", Kind::Tokens),
    ("lm", Kind::Language),
    ("embedding", Kind::Embedding),
    ("regression", Kind::Regression),
];

impl Finetune {
    /// Finds the task; refuses one that the network does not work on, and a table without a network of texts.
    pub fn set_task(&self, options: &mut FinetuneOptions) -> Result<(), Failure> {
        let network = options.network.as_str();
        let works_on = match works_on_texts(network) {
            true => Kind::Text,
            false => Kind::Image,
        };
        let extension = self.data.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let table = ["csv", "tsv", "tab", "jsonl", "ndjson"].contains(&extension.as_str());
        let tagged = options.text.tokens
            || works_on == Kind::Text && !table && Tagged::is_kind_of(&self.data);
        let found = match (tagged, table) {
            _ if options.text.pairs => Kind::Embedding,
            _ if options.text.numbers => Kind::Regression,
            (true, _) => Kind::Tokens,
            // A table holds texts, or the paths of images: as the network has it.
            (_, true) if works_on == Kind::Text || !Images::is_table(&self.data) => Kind::Text,
            _ => works_on,
        };
        let wanted = self.task.unwrap_or(found);
        match (wanted, works_on) {
            (Kind::Language, Kind::Image) => Err(Failure::input(format!(
                "{network} works on images; for --task lm give --model gpt2 --weights FOLDER"
            ))),
            (Kind::Text | Kind::Tokens | Kind::Embedding | Kind::Regression, Kind::Image) => {
                Err(Failure::input(format!(
                    "{network} works on images; for texts give --model bert --weights FOLDER, with the folder of a text \
                 encoder"
                )))
            }
            (Kind::Image, Kind::Text) => Err(Failure::input(format!(
                "{network} works on texts; leave out --task image, or choose another --model"
            ))),
            (_, Kind::Text) if self.tuning.augment.is_some() => Err(Failure::input(format!(
                "--augment varies images, and {network} learns from texts; leave out --augment"
            ))),
            (Kind::Language | Kind::Embedding, _) if self.tuning.class_weights.is_some() => {
                Err(Failure::input("these texts have no classes; leave out --class-weights"))
            }
            (Kind::Tokens, _) if self.patches.pooling.is_some() => Err(Failure::input(
                "--pooling makes one vector of a text, and --task tokens answers for each word; leave out one of them",
            )),
            (task, _) => {
                let usual = options.patches.pooling.filter(|it| *it != TokenPooling::Each);
                options.text.tokens = task == Kind::Tokens;
                options.text.pairs = task == Kind::Embedding;
                options.text.numbers = task == Kind::Regression;
                if self.task.is_some_and(|task| task != Kind::Language) {
                    options.text.masked = None;
                }
                options.patches.pooling = match task {
                    Kind::Tokens => Some(TokenPooling::Each),
                    Kind::Embedding => usual.or(Some(TokenPooling::Mean)),
                    _ => usual,
                };
                Ok(())
            }
        }
    }
}
