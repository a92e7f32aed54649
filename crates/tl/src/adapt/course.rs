//! The source phase once, then each method from there with the same budget, and the pick without target labels.

use std::path::Path;
use std::sync::Arc;

use tl_adapt::methods::Source;
use tl_adapt::{
    AdaptError, AdaptRow, Adapted, Domains, Keep, Outputs, Part, Scores, Settings, Task, Validator,
    adapt, check_resume, prefer,
};
use tl_core::Plan;
use tl_kernels::LinearHead;
use tl_models::Classifier;
use tl_train::files::write_bytes;
use tl_train::metrics::Evaluation;
use tl_train::progress::METRICS;
use tl_train::{Conduct, EpochRow, Predictions, Progress};

use super::domains::{self, Chosen};
use super::methods::FDA;
use super::prepare::PreparedAdaptation;
use super::record::{Candidate, OracleRecord};
use super::{LoadedDomains, findings, map, named};
use crate::examples::Input;
use crate::{Error, Network, Run, predict, text_files};

type Model = Adapted<Network, LinearHead>;

/// What is known before a method begins.
struct Start {
    model: Classifier<Network>,
    rows: Vec<AdaptRow>,
    oracle: Option<Evaluation>,
    outputs: [Outputs; 2],
}

/// A method that was carried out.
struct Tried {
    candidate: Candidate,
    model: Classifier<Network>,
    rows: Vec<AdaptRow>,
    chosen: usize,
    measured: Option<Evaluation>,
    predictions: Predictions,
}

impl PreparedAdaptation {
    /// Trains on the source, carries out every method from there, keeps the weights that the validator prefers, and writes the
    /// run's folder.
    ///
    /// # Errors
    /// A folder that holds another run or cannot be written, data that cannot be used, a loss that is not finite, an
    /// interruption.
    pub fn fit(mut self, progress: &mut dyn Progress) -> Result<Run, Error> {
        let folder = self.claim()?;
        self.record.write(&folder)?;
        let split = self.split.to_csv(self.source.items());
        write_bytes(&folder.join("split.csv"), split.as_bytes())?;
        if let (Input::Texts(_), Some(weights)) = (&self.source, &self.weights) {
            text_files::copy_tokenizer(weights, &folder)?;
        }
        let done = self.carry_out(&folder, progress);
        done.map_err(|error| self.record.ended_with(error, &folder))
    }

    fn carry_out(&mut self, folder: &Path, progress: &mut dyn Progress) -> Result<Run, Error> {
        let domains = LoadedDomains::read(
            &self.source,
            [&self.split.train, &self.split.validation],
            Chosen { input: &self.target_input, items: &self.target.adapted },
            self.request.cache_memory,
            &self.request.device,
            progress,
        )?;
        let domains = domains.augmented(self.record.augment.clone());
        let domains = domains.balanced(self.request.options.balanced);
        let oracle = findings::oracle(&*self.target_input, &self.target, &self.request.device)?;
        let settings = &self.request.options.settings;
        let alone = self.alone();
        let task = Task { domains: &domains, method: &mut Source, oracle: oracle.as_ref() };
        let conduct = self.conduct(&folder.join("source"), &self.plans[0]);
        let model = self.model.clone();
        let found = adapt(model, task, &self.plans[0], &alone, &conduct, progress)?;
        let start = self.start(found, &domains, progress)?;
        let mut tried: Vec<Tried> = Vec::new();
        let mut failure = None;
        let methods = self.methods();
        for (number, name) in methods.iter().enumerate() {
            if methods.len() > 1 {
                progress.say(&format!("method {} of {}: {name}", number + 1, methods.len()));
            }
            let place = folder.join("methods").join(name);
            match self.attempt(name, &place, &start, &domains, oracle.as_ref(), progress) {
                Ok(found) => tried.push(found),
                // Among several a method that diverges takes no part; the others do.
                Err(Error::Adapt(error @ AdaptError::NotFinite { .. })) if methods.len() > 1 => {
                    progress.say(&format!("{name} is left out: {error}"));
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let scores: Vec<Scores> = tried.iter().map(|one| one.candidate.judging()).collect();
        let (picked, _) =
            prefer(settings.validator, &scores).map_err(|none| failure.unwrap_or(none))?;
        self.finish(folder, start, tried, picked, &domains)
    }

    /// The settings of the source phase.
    fn alone(&self) -> Settings {
        let settings = self.request.options.settings.clone();
        Settings { keep: Keep::Last, patience: None, ..settings }
    }

    /// The plan of a method, and whether the source takes the target's style in it.
    fn plan_of(&self, name: &str) -> (Plan, bool) {
        let (mut plan, restyled) = (self.plans[1].clone(), name == FDA);
        // What is restyled is varied.
        plan.phases.iter_mut().for_each(|phase| phase.augment |= restyled);
        (plan, restyled)
    }

    /// Whether the checkpoints in a run's folder, where there are some, are of this run; nothing is changed.
    ///
    /// # Errors
    /// A checkpoint that is damaged or of other data, options or weights.
    pub(super) fn check_resume(&self, folder: &Path) -> Result<(), Error> {
        let source = [&self.split.train[..], &self.split.validation];
        let target = Chosen { input: &self.target_input, items: &self.target.adapted };
        let data = domains::fingerprint(&*self.source, source, target);
        let conduct = self.conduct(&folder.join("source"), &self.plans[0]);
        check_resume(&data, &Source, &self.plans[0], &self.alone(), &conduct)?;
        for name in self.methods() {
            let (plan, _) = self.plan_of(&name);
            let conduct = self.conduct(&folder.join("methods").join(&name), &self.plans[0]);
            let settings = &self.request.options.settings;
            check_resume(&data, &*named(&name)?, &plan, settings, &conduct)?;
        }
        Ok(())
    }

    fn conduct(&self, folder: &Path, before: &Plan) -> Conduct {
        // The order of images decides the weights as well.
        let balanced = if self.request.options.balanced { " balanced" } else { "" };
        Conduct {
            out: Some(folder.to_path_buf()),
            checkpoint_every: self.request.checkpoint_every,
            resume: self.request.resume,
            cache_memory: self.request.cache_memory,
            stop: Arc::clone(&self.request.stop),
            deadline: None,
            weights_key: format!("{} {before:?}{balanced}", self.record.weights_key),
        }
    }

    fn start(
        &self,
        found: Model,
        domains: &LoadedDomains,
        progress: &mut dyn Progress,
    ) -> Result<Start, Error> {
        let (_, oracle) = self.measure(&found.model, progress)?;
        let outputs = both(&found.model, domains)?;
        Ok(Start { model: found.model, rows: found.rows, oracle, outputs })
    }

    fn measure(
        &self,
        model: &Classifier<Network>,
        progress: &mut dyn Progress,
    ) -> Result<(Predictions, Option<Evaluation>), Error> {
        let size = self.request.options.settings.batch_size;
        let device = &self.request.device;
        findings::measure(model, &*self.target_input, &self.target, size, device, progress)
    }

    /// Carries out one method from the source phase's weights.
    fn attempt(
        &self,
        name: &str,
        place: &Path,
        start: &Start,
        domains: &LoadedDomains,
        oracle: Option<&tl_adapt::Oracle>,
        progress: &mut dyn Progress,
    ) -> Result<Tried, Error> {
        let settings = &self.request.options.settings;
        let mut method = named(name)?;
        let (plan, restyled) = self.plan_of(name);
        let restyled = restyled.then(|| domains.restyled()).transpose()?;
        let domains = restyled.as_ref().unwrap_or(domains);
        let conduct = self.conduct(place, &self.plans[0]);
        let task = Task { domains, method: &mut *method, oracle };
        let found = adapt(start.model.clone(), task, &plan, settings, &conduct, progress)?;
        let (predictions, measured) = self.measure(&found.model, progress)?;
        let mut tried = tried(name, found, start, measured, predictions, &self.record.labels);
        tried.candidate.trains_on = method.trains_on().to_vec();
        Ok(tried)
    }

    fn finish(
        &mut self,
        folder: &Path,
        start: Start,
        mut tried: Vec<Tried>,
        picked: usize,
        domains: &LoadedDomains,
    ) -> Result<Run, Error> {
        let candidates = tried.iter().map(|one| one.candidate.clone()).collect();
        let best = tried.swap_remove(picked);
        let after = both(&best.model, domains)?;
        let of = |rows: &[AdaptRow], row: usize| -> Vec<usize> {
            rows.get(row).map(|row| row.predicted.clone()).unwrap_or_default()
        };
        let before = of(&start.rows, start.rows.len().saturating_sub(1));
        let now = of(&best.rows, best.chosen);
        let record = &mut self.record;
        let classes = findings::changes(
            &record.labels,
            [&before, &now],
            [start.oracle.as_ref(), best.measured.as_ref()],
        );
        let mut rows = start.rows.clone();
        let (epochs, steps) = (rows.len(), rows.last().map_or(0, |row| row.step));
        rows.extend(best.rows.iter().map(|row| AdaptRow {
            epoch: row.epoch + epochs,
            step: row.step + steps,
            ..row.clone()
        }));
        tl_train::files::write_rows(&folder.join(METRICS), &rows)?;
        let mut maps = Vec::new();
        for [source, target] in [&start.outputs, &after] {
            maps.extend(map::plane(source, target));
        }
        record.steps = rows.last().map_or(0, |row| row.step);
        record.skipped = self.source.skipped();
        record.skipped.extend(self.target_input.skipped());
        record.seconds = rows.iter().map(|row| row.seconds).sum();
        if let Some(found) = &mut record.adaptation {
            found.target.images = domains.targets();
            found.method.clone_from(&best.candidate.method);
            (found.candidates, found.classes) = (candidates, classes);
            (found.maps, found.rows) = (maps, rows.clone());
            record.kept = Some(found.choice_in_words());
        }
        let table = predict::to_csv(&best.predictions, self.target.examples.items());
        let curves: Vec<EpochRow> = rows.iter().map(curve).collect();
        Run::finish(folder, record, best.model, &table, &curves, Vec::new())
    }
}

/// What a model makes of some images of both domains, each with its own norm statistics.
fn both(model: &Classifier<Network>, domains: &LoadedDomains) -> Result<[Outputs; 2], Error> {
    let of_source = findings::for_source(model, domains)?;
    let sources = domains.source_labels().len();
    Ok([
        findings::outputs(&of_source, domains, Part::SourceTraining, sources)?,
        findings::outputs(model, domains, Part::Target, domains.targets())?,
    ])
}

fn tried(
    name: &str,
    found: Model,
    start: &Start,
    measured: Option<Evaluation>,
    predictions: Predictions,
    classes: &[String],
) -> Tried {
    let Adapted { model, rows, chosen, a_distance, .. } = found;
    let row = rows.get(chosen);
    let accuracies = || rows.iter().filter_map(|row| Some(row.oracle?.value()));
    let warnings = match (start.rows.last(), row) {
        (Some(before), Some(after)) => {
            tl_adapt::negative_transfer::warnings(&tl_adapt::negative_transfer::Comparison {
                before: &before.scores,
                after: &after.scores,
                predicted_before: &before.predicted,
                predicted_after: &after.predicted,
                name: &|class| classes.get(class).cloned().unwrap_or_default(),
            })
        }
        _ => Vec::new(),
    };
    let candidate = Candidate {
        method: name.to_string(),
        epoch: chosen + 1,
        epochs: rows.len(),
        scores: row.map(|row| row.scores.clone()).unwrap_or_default(),
        trains_on: Vec::new(),
        notes: rows.last().map(|row| row.notes.clone()).unwrap_or_default(),
        a_distance,
        warnings,
        oracle: measured.as_ref().map(|measured| OracleRecord {
            accuracy: measured.accuracy,
            interval: measured.interval,
            n: measured.n,
            best_epoch: accuracies().fold(f64::NAN, f64::max),
            worst_epoch: accuracies().fold(f64::NAN, f64::min),
        }),
        seconds: rows.iter().map(|row| row.seconds).sum(),
    };
    Tried { candidate, model, rows, chosen, measured, predictions }
}

/// An epoch as the report draws it.
fn curve(row: &AdaptRow) -> EpochRow {
    let of_source = row.terms.get("classification").copied();
    EpochRow {
        phase: row.method.clone(),
        epoch: row.epoch,
        step: row.step,
        train_loss: of_source.unwrap_or_else(|| row.terms.values().sum()),
        validation_loss: None,
        validation_accuracy: row.scores.get(Validator::SourceAccuracy),
        validation_f1: None,
        validation_r2: None,
        validation_map: None,
        ema_r2: None,
        ema_accuracy: None,
        learning_rate: row.learning_rate,
        gradient_norm: Some(row.gradient_norm),
        seconds: row.seconds,
        resident_mb: None,
    }
}
