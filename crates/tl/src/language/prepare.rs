//! From texts and a network to a run.

use std::path::{Path, PathBuf};

use tl_core::{Backbone, Model, Phase, Plan, Stage, TrainableReport};
use tl_data::{Augment, Split};
use tl_models::{Architecture, Weightless};
use tl_train::files::write_bytes;
use tl_train::{Conduct, Earlier, Fitted, Progress, Task, check_resume, fit};

use super::data::LanguageData;
use super::run::{LanguageRecord, LanguageRun, measure, without_weights};
use crate::adapters::{Adapters, Purpose, keyed};
use crate::examples::preprocessing;
use crate::folder::{Claimed, claim};
use crate::record::{Beginning, DataRecord, RunRecord};
use crate::source::pretrained_as;
use crate::{Error, Network, Recipe, Request, image_options, text_files};

/// A fitting on texts without labels that was checked and laid out.
pub struct PreparedLanguage {
    request: Request,
    pub model: Model<Network, Weightless>,
    pub plan: Plan,
    pub data: LanguageData,
    pub split: Split,
    pub report: TrainableReport,
    pub record: RunRecord,
    adapters: Option<Adapters>,
    weights: Option<PathBuf>,
    folder: Option<Claimed>,
}

/// Checks a request and lays it out: a causal network is fitted on texts without labels; or a text encoder, where the options
/// hide words; or any network of texts on pairs of them.
///
/// # Errors
/// Anything that is wrong with the data, the weights, the plan or an option.
pub fn prepare_language(request: Request) -> Result<PreparedLanguage, Error> {
    let options = &request.options;
    options.settings.validate()?;
    options.check_terms(false)?;
    image_options::check_without_labels(options)?;
    if options.shots.is_some() {
        return Err(Error::options("these texts have no classes", "leave out --shots"));
    }
    if options.text.stride.is_some() {
        return Err(Error::options(
            "what is learnt without labels is read in no windows that overlap",
            "leave out --stride",
        ));
    }
    let (seed, choice) = (options.settings.seed, options.choice());
    let partial = options.partial_weights;
    let mut found =
        pretrained_as(&choice, &options.weights, Some(1), partial, seed, &request.device)?;
    let mut tuning = options.tuning.clone();
    // Adapters beside another recipe are told here.
    let adapters = match tuning.adapters()? {
        Some(config) => Some(Adapters::put_into(&mut found, config, seed)?),
        None => None,
    };
    let model = without_weights(found.model.backbone, &options.text)?;
    let preprocess = preprocessing(&model.backbone, options)?;
    let text = preprocess.texts()?;
    let weights = found.path;
    let shares = options.split;
    let (examples, beside) = (&request.examples, weights.as_deref());
    let (data, split) = LanguageData::of(examples, shares, &model.backbone, beside, text, options)?;
    let stages = model.backbone.stages();
    if split.train.is_empty() {
        return Err(Error::options(
            format!("{} leaves the training part without anything to learn from", request.data),
            "give a file with more text in it",
        ));
    }
    match tuning.recipe {
        // There is no new head that would have to be found first.
        Recipe::Auto => tuning.recipe = Recipe::Finetune,
        Recipe::Probe => {
            return Err(Error::options(
                "this task has no head of its own to probe with",
                "give --recipe finetune or gradual",
            ));
        }
        Recipe::Finetune | Recipe::Gradual | Recipe::Lora => {}
    }
    let mut plan =
        tuning.for_texts(split.train.len(), false, false).plan(&stages, split.train.len())?;
    if let Some(adapters) = &adapters {
        plan = adapters.plan(plan, &model.backbone, false)?;
    }
    let plan = with_something_trained(plan, &stages)?;
    let report = TrainableReport::new(&plan.resolve(&stages)?, &model);
    let load_report = found.report.map(|mut report| {
        // The head of a classifier is no part of a language model.
        let head = format!("{}.", model.backbone.head_name());
        report.missing.retain(|name| !name.starts_with(&head));
        report
    });
    let record = RunRecord::begun(Beginning {
        command: &request.command,
        device: (&request.device_name, request.threads),
        options: options.clone(),
        labels: Vec::new(),
        preprocess,
        plan: &plan,
        data: DataRecord::of(&request.data, request.examples.items(), &split),
        weights: (found.key, load_report),
        trainable_report: Some(report.clone()),
    });
    let language = Some(LanguageRecord::default());
    let record = RunRecord { augment: Augment::none(), language, ..record };
    Ok(PreparedLanguage {
        request,
        model,
        plan,
        data,
        split,
        report,
        record,
        adapters,
        weights,
        folder: None,
    })
}

/// `plan` for a network that answers itself: without the phases that train a new head on frozen stages, and without label
/// smoothing, so that the loss is that of the pieces.
fn with_something_trained(plan: Plan, stages: &[Stage]) -> Result<Plan, Error> {
    let resolved = plan.resolve(stages)?;
    let Plan { schema, optimizer, phases } = plan;
    let kept = phases.into_iter().zip(resolved).filter(|(_, phase)| phase.cut < stages.len());
    let phases: Vec<Phase> = kept.map(|(phase, _)| phase.label_smoothing(0.0)).collect();
    if phases.is_empty() {
        return Err(Error::options(
            "every stage is frozen, and this task has no head beside them: nothing is trained",
            "freeze fewer stages",
        ));
    }
    Ok(Plan { schema, optimizer, phases })
}

impl PreparedLanguage {
    /// Makes the run's folder, or accepts the run in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else, another run or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(claimed) = &self.folder {
            return Ok(claimed.path.clone());
        }
        let plan = self.request.resume.then_some(&self.plan);
        let claimed = claim(self.request.out.as_deref(), plan)?;
        let folder = claimed.path.clone();
        if self.request.resume {
            let settings = &self.request.options.settings;
            check_resume(&self.task(), &self.plan, settings, &self.conduct(&folder))?;
        }
        self.folder = Some(claimed);
        Ok(folder)
    }

    pub(crate) fn task(&self) -> Task<'_> {
        Task {
            data: &*self.data,
            split: &self.split,
            augment: Augment::none(),
            earlier: Earlier::default(),
        }
    }

    fn conduct(&self, folder: &Path) -> Conduct {
        let RunRecord { weights_key, options, .. } = &self.record;
        let key = keyed(weights_key, self.adapters.as_ref(), &options.tuning);
        self.request.conduct(Some(folder), &key)
    }

    /// Trains, keeps the weights that the settings say, measures them once on the test part, and writes the run's folder.
    ///
    /// # Errors
    /// As [`Prepared::fit`](crate::Prepared::fit).
    pub fn fit(mut self, progress: &mut dyn Progress) -> Result<LanguageRun, Error> {
        let folder = self.claim()?;
        self.record.write(&folder)?;
        write_bytes(&folder.join("split.csv"), self.split.to_csv(self.data.items()).as_bytes())?;
        if let Some(weights) = &self.weights {
            text_files::copy_tokenizer(weights, &folder)?;
        }
        self.carry_out(&folder, progress).map_err(|error| self.record.ended_with(error, &folder))
    }

    fn carry_out(
        &mut self,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<LanguageRun, Error> {
        let settings = &self.request.options.settings;
        let conduct = self.conduct(folder);
        let Fitted { model, rows, kept, steps, .. } =
            fit(self.model.clone(), &self.task(), &self.plan, settings, &conduct, progress)?;
        let mut measured = |part: &[usize]| {
            let (size, device) = (settings.batch_size, &self.request.device);
            measure(&model, &self.data, part, size, device, progress)
        };
        let validation = measured(&self.split.validation)?;
        let test = measured(&self.split.test)?;
        let record = &mut self.record;
        record.kept = Some(kept);
        record.steps = steps;
        record.seconds = rows.iter().map(|row| row.seconds).sum();
        record.language = Some(LanguageRecord { validation, test });
        let model = match &self.adapters {
            Some(adapters) => adapters.finish(folder, model, &record.options, Purpose::Language)?,
            None => model,
        };
        let run = LanguageRun::finish(folder, record, model, &rows)?;
        // A cache serves a resume, and there is nothing left to resume.
        let _ = std::fs::remove_dir_all(folder.join("cache"));
        Ok(run)
    }
}
