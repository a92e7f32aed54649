//! Adapters from elsewhere and their base as a run.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Map, Value};
use tl_core::{Head, Plan, TokenPooling};
use tl_models::weights::Source;
use tl_models::{Architecture, save, save_backbone};
use tl_peft::check_mergeable;

use super::Foreign;
use super::source::OnBase;
use crate::choice::{CONFIG_FILE, said};
use crate::examples::preprocessing;
use crate::numbers::NumbersRecord;
use crate::record::{Beginning, DataRecord, RunRecord, Status};
use crate::source::Pretrained;
use crate::{Error, FinetuneOptions, LanguageRun, Network, NetworkChoice, Run};

impl Foreign {
    fn task(&self) -> &str {
        self.folder.task_type().unwrap_or("none")
    }

    /// Whether they belong to a language model.
    fn is_language(&self) -> bool {
        self.task() == "CAUSAL_LM"
    }

    /// What `config.json` of the base says; `depth` others stand on these adapters.
    fn said_of_base(&self, depth: usize) -> Result<Map<String, Value>, Error> {
        self.check_depth(depth)?;
        let base = self.base()?;
        if let Some(other) = Self::of(&base)? {
            return other.said_of_base(depth + 1);
        }
        let source: Source = base.parse()?;
        let fetched = source.fetch_beside(&[CONFIG_FILE]).and_then(|()| match &source {
            Source::Run(folder) | Source::RandomAs(folder) => Ok(folder.join(CONFIG_FILE)),
            Source::File(path) => Ok(path.with_file_name(CONFIG_FILE)),
            other => {
                let file = other.open()?;
                let path = file.as_ref().and_then(|file| file.path());
                Ok(path.unwrap_or(Path::new("")).with_file_name(CONFIG_FILE))
            }
        });
        let path = fetched.map_err(|error| self.about_base(&base, error.into()))?;
        let fault = |problem: String| {
            let problem = format!("stands on the base {base}, whose {CONFIG_FILE} {problem}");
            self.fault(problem, "give a base as Hugging Face publishes it")
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|reason| fault(format!("cannot be read ({reason})")))?;
        serde_json::from_str(&text)
            .map_err(|reason| fault(format!("is no configuration ({reason})")))
    }

    /// The network of the base, whose configuration says `said`.
    fn network(&self, said: &Map<String, Value>) -> Result<NetworkChoice, Error> {
        let name = said.get("model_type").and_then(Value::as_str).unwrap_or_default();
        Network::check_name(name)?;
        let mut choice = NetworkChoice::named(name);
        let each = self.task() == "TOKEN_CLS";
        choice.patches.pooling = each.then_some(TokenPooling::Each);
        Ok(choice)
    }

    /// Of a run whose texts are answered as `choice` says, or with `numbers`.
    fn record(
        &self,
        found: &mut Pretrained,
        choice: &NetworkChoice,
        numbers: bool,
    ) -> Result<RunRecord, Error> {
        let mut options = FinetuneOptions {
            network: choice.name.clone(),
            weights: self.words(),
            patches: choice.patches,
            ..FinetuneOptions::default()
        };
        options.text.tokens = choice.patches.pooling == Some(TokenPooling::Each);
        options.text.numbers = numbers;
        let preprocess = preprocessing(&found.model.backbone, &options)?;
        let record = RunRecord::begun(Beginning {
            command: "",
            device: ("", 0),
            options,
            labels: Vec::new(),
            preprocess,
            plan: &Plan::probe(),
            data: DataRecord::default(),
            weights: (std::mem::take(&mut found.key), found.report.take()),
            trainable_report: None,
        });
        let numbers = numbers.then(NumbersRecord::default);
        Ok(RunRecord { status: Status::Finished, numbers, ..record })
    }

    /// The folder in which the tokenizer lies.
    fn beside(&self, found: &Pretrained) -> PathBuf {
        let parent = found.path.as_deref().and_then(Path::parent);
        parent.unwrap_or(self.folder.path()).to_path_buf()
    }

    /// Base and adapters as a run with a classifier.
    ///
    /// # Errors
    /// As [`Foreign::on_base`]; adapters of another task, or without a head.
    pub fn run(&self, device: &Device) -> Result<Run, Error> {
        let folder = self.folder.path().display();
        let task = self.task();
        if !["SEQ_CLS", "TOKEN_CLS"].contains(&task) {
            let problem = format!("is of no classifier (its task_type is {task})");
            let mend = format!("fit one with `tl finetune DATA --weights {folder}`");
            return Err(self.fault(problem, &mend));
        }
        let said = self.said_of_base(0)?;
        let choice = self.network(&said)?;
        let OnBase { mut found, answers } = self.whole(&choice, device)?;
        if !answers {
            let head = found.model.backbone.head_name();
            return Err(Error::options(
                format!("{folder} holds no {head}.weight, nor does its base: nothing answers"),
                format!(
                    "fit a head with `tl finetune DATA --model {} --weights {folder}`",
                    choice.name
                ),
            ));
        }
        let answers = found.model.head.classes();
        // One answer for a text is a number, as transformers has it.
        let record = self.record(&mut found, &choice, task == "SEQ_CLS" && answers == 1)?;
        let record = RunRecord { labels: labels(&said, answers), ..record };
        Ok(Run::new(&self.beside(&found), record, found.model))
    }

    /// Base and adapters as a run with a language model.
    ///
    /// # Errors
    /// As [`Foreign::on_base`].
    pub fn language_run(&self, device: &Device) -> Result<LanguageRun, Error> {
        let choice = self.network(&self.said_of_base(0)?)?;
        let mut found = self.on_base(&choice, Some(1), (false, 0), device, 0)?;
        let record = self.record(&mut found, &choice, false)?;
        LanguageRun::of(self.beside(&found), record, found.model.backbone)
    }

    /// Writes base and adapters in one file, with the head that they have.
    fn merge_into(&self, out: &Path, device: &Device) -> Result<(), Error> {
        let choice = self.network(&self.said_of_base(0)?)?;
        let OnBase { found, answers } = self.whole(&choice, device)?;
        check_mergeable(&found.model)?;
        let metadata = said(&found.model.backbone).into_iter().collect();
        match answers && !self.is_language() {
            true => save(out, &found.model, &metadata)?,
            false => save_backbone(out, &found.model.backbone, &metadata)?,
        }
        Ok(())
    }
}

/// The labels that a base's configuration has for so many answers, or those that transformers gives where it has none.
fn labels(said: &Map<String, Value>, answers: usize) -> Vec<String> {
    let named = said.get("id2label").and_then(Value::as_object);
    let named = named.filter(|names| names.len() == answers);
    let name = |number: usize| Some(named?.get(&number.to_string())?.as_str()?.to_string());
    (0..answers).map(|number| name(number).unwrap_or_else(|| format!("LABEL_{number}"))).collect()
}

/// Whether `path` is a run with a language model, or the adapters of one.
///
/// # Errors
/// What is neither a run nor a folder of adapters.
pub fn holds_language(path: &Path) -> Result<bool, Error> {
    match Foreign::at(path)? {
        Some(adapters) => Ok(adapters.is_language()),
        None => Ok(RunRecord::read(path)?.language.is_some()),
    }
}

/// Writes the weights of a run, or of adapters from elsewhere and their base, in one file under the names of the network's
/// origin.
///
/// # Errors
/// What is neither; adapters that cannot become part of the weights; a file that cannot be written.
pub fn merge_into(path: &Path, out: &Path, device: &Device) -> Result<(), Error> {
    match Foreign::at(path)? {
        Some(adapters) => adapters.merge_into(out, device),
        None if holds_language(path)? => LanguageRun::open(path, device)?.export(out),
        None => Run::open(path, device)?.export(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_the_base_where_they_are_as_many() {
        let said = serde_json::from_str(r#"{"id2label": {"1": "good", "0": "bad"}}"#).unwrap();
        assert_eq!(labels(&said, 2), ["bad", "good"]);
        assert_eq!(labels(&said, 3), ["LABEL_0", "LABEL_1", "LABEL_2"]);
        assert_eq!(labels(&Map::new(), 1), ["LABEL_0"]);
    }
}
