//! A folder in PEFT's format as a source of weights.

use std::path::Path;

use burn::tensor::Device;
use tl_core::HEAD;
use tl_core::parameters::parameters;
use tl_models::Architecture;
use tl_models::load::origin_name;
use tl_peft::file::PEFT_CONFIG;
use tl_peft::{AdapterRecord, PeftError, PeftFolder, check_mergeable};

use super::place::{BASE, PREFIX, of_base, said};
use crate::adapters::merged;
use crate::choice::TOKENIZER_FILE;
use crate::record::{MODEL_FILE, RUN_FILE};
use crate::source::{Pretrained, pretrained_from};
use crate::{Error, NetworkChoice};

/// How many adapters may stand on each other: more are a circle.
const DEEPEST: usize = 8;

/// A folder of adapters in PEFT's format.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(super) folder: PeftFolder,
    /// The base that the user gives.
    given: Option<String>,
}

/// A network with adapters in its weights, or in its slots where they are no part of weights.
pub(super) struct OnBase {
    pub found: Pretrained,
    /// Whether the adapters or the base have a head.
    pub answers: bool,
}

impl Foreign {
    /// The adapters that the source of weights `text` is; nothing where it is another source.
    ///
    /// # Errors
    /// A folder that holds whole weights too, a configuration that cannot be read.
    pub fn of(text: &str) -> Result<Option<Self>, Error> {
        let Some((folder, given)) = said(text)? else { return Ok(None) };
        Ok(Some(Self { folder: PeftFolder::open(&folder)?, given }))
    }

    /// The same of an argument that may be the folder of a run.
    pub fn at(path: &Path) -> Result<Option<Self>, Error> {
        match path.join(RUN_FILE).is_file() {
            true => Ok(None),
            false => Self::of(&path.to_string_lossy()),
        }
    }

    /// By which words they are asked for.
    pub(super) fn words(&self) -> String {
        let base = self.given.as_ref().map_or(String::new(), |base| format!("{BASE}{base}"));
        format!("{PREFIX}{}{base}", self.folder.path().display())
    }

    /// A fault of the configuration.
    pub(super) fn fault(&self, problem: String, mend: &str) -> Error {
        let path = self.folder.path().join(PEFT_CONFIG);
        Error::options(format!("{}: {problem}", path.display()), mend)
    }

    /// A fault of the base that the configuration names.
    fn no_base(&self, problem: String) -> Error {
        let folder = self.folder.path().display();
        self.fault(problem, &format!("give it: {PREFIX}{folder}{BASE}SRC"))
    }

    /// The source of the base's weights.
    pub(super) fn base(&self) -> Result<String, Error> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let Some(name) = self.folder.base() else {
            return Err(self.no_base("names no base".into()));
        };
        of_base(name, self.folder.revision()).ok_or_else(|| {
            self.no_base(format!("names the base {name}, which does not exist here"))
        })
    }

    /// Succeeds where `depth` others that stand on these adapters are no circle.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        if depth < DEEPEST {
            return Ok(());
        }
        Err(self.fault(
            format!("stands on adapters that stand on others, more than {DEEPEST} deep"),
            "merge some of them with `tl merge`, and give the merged file as their base",
        ))
    }

    /// `error`, which came of the base: of one that the user did not give, with what names it.
    pub(super) fn about_base(&self, base: &str, error: Error) -> Error {
        match (&self.given, &error) {
            (None, Error::Weights(_)) => {
                self.no_base(format!("names the base {base}, which cannot be had ({error})"))
            }
            _ => error,
        }
    }

    /// The network of the kind `choice`, filled from the base and with the adapters in its weights; `depth` others stand on
    /// it. With `classes` the head is a fresh one; without, it is that of the adapters, or else the base's.
    ///
    /// # Errors
    /// A base that is not there or of another kind, adapters that do not fit it.
    pub fn on_base(
        &self,
        choice: &NetworkChoice,
        classes: Option<usize>,
        drawn: (bool, u64),
        device: &Device,
        depth: usize,
    ) -> Result<Pretrained, Error> {
        Ok(self.assembled(choice, classes, drawn, device, depth)?.found)
    }

    /// The same with the head that there is.
    pub(super) fn whole(&self, choice: &NetworkChoice, device: &Device) -> Result<OnBase, Error> {
        self.assembled(choice, None, (false, 0), device, 0)
    }

    fn assembled(
        &self,
        choice: &NetworkChoice,
        classes: Option<usize>,
        (partial, seed): (bool, u64),
        device: &Device,
        depth: usize,
    ) -> Result<OnBase, Error> {
        self.check_depth(depth)?;
        let base = self.base()?;
        let found = pretrained_from(choice, &base, classes, (partial, seed), device, depth + 1);
        let found = found.map_err(|error| self.about_base(&base, error))?;
        self.put_on(found, classes.is_some(), device).map_err(|error| match error {
            Error::Peft(reason @ (PeftError::Config { .. } | PeftError::WrongSite { .. })) => {
                Error::Foreign {
                    folder: self.folder.path().to_path_buf(),
                    base,
                    reason: Box::new(reason),
                }
            }
            other => other,
        })
    }

    /// The adapters in `found`; a head that is to be `fresh` stays as it is.
    fn put_on(&self, mut found: Pretrained, fresh: bool, device: &Device) -> Result<OnBase, Error> {
        check_mergeable(&found.model)?;
        let mut record = self.folder.read(&found.model)?;
        let head = format!("{}.weight", found.model.backbone.head_name());
        let report = found.report.as_ref();
        let mut answers = report.is_some_and(|report| !report.missing.contains(&head));
        if fresh {
            record = record.without_head();
        } else if let Some(count) = record.answers() {
            found.model.head = found.model.backbone.zero_head(count, device);
            answers = true;
        }
        self.check_head(&record, &found)?;
        found.model = merged(record.apply(found.model)?)?;
        if let Some(report) = &mut found.report {
            let network = &found.model.backbone;
            let names = record.tensors.keys().map(|path| origin_name(network, path));
            let filled: Vec<String> = names.collect();
            report.missing.retain(|name| !filled.contains(name));
            report.reshaped.retain(|it| !filled.contains(&it.name));
            report.unused.retain(|name| !filled.contains(name));
            report.unused.extend(record.passed_over);
            report.applied += filled.len();
            report.source += &format!(" with the adapters of {}", self.folder.path().display());
        }
        found.key = format!("{} {}", found.key, self.folder.key()?);
        // The tokenizer that lies with adapters is the one that they learned with.
        if self.folder.path().join(TOKENIZER_FILE).is_file() {
            found.path = Some(self.folder.path().join(MODEL_FILE));
        }
        Ok(OnBase { found, answers })
    }

    /// Succeeds where `record` holds all of a head or none of it.
    fn check_head(&self, record: &AdapterRecord, found: &Pretrained) -> Result<(), Error> {
        let names = parameters(&found.model.head).into_iter();
        let names: Vec<String> = names.map(|info| format!("{HEAD}.{}", info.path)).collect();
        let lacking = names.iter().find(|name| !record.tensors.contains_key(*name));
        let any = names.iter().any(|name| record.tensors.contains_key(name));
        match lacking.filter(|_| any) {
            None => Ok(()),
            Some(name) => Err(Error::options(
                format!(
                    "{} holds a part of a head and no {}",
                    self.folder.path().display(),
                    origin_name(&found.model.backbone, name)
                ),
                "fetch the whole file, or save the adapters anew",
            )),
        }
    }
}
