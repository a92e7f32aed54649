//! Link after link, and going on where it stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tl_train::files::{make_folder, write_bytes};
use tl_train::{Progress, TrainError};

use super::prepare::is_of_earlier;
use super::standing::Standing;
use super::{Asked, Begin, ChainRecord, ChainRequest, KEPT_FILE, Kept, Link, Probes, page};
use crate::earlier::EarlierTask;
use crate::folder::next_folder;
use crate::network::works_on_texts;
use crate::probe::probe_on;
use crate::record::RUN_FILE;
use crate::{Error, ProbeRequest, RunRecord, Status, prepare};

/// A chain that was checked, before anything is learnt.
pub struct PreparedChain {
    request: ChainRequest,
    asked: Asked,
    /// What a reader should be told, one line each.
    pub notes: Vec<String>,
    folder: Option<PathBuf>,
}

impl PreparedChain {
    pub(super) fn new(request: ChainRequest, asked: Asked, notes: Vec<String>) -> Self {
        Self { request, asked, notes, folder: None }
    }

    /// Ends after the current step once `stop` is set.
    pub fn stop_with(&mut self, stop: &Arc<AtomicBool>) {
        for link in &mut self.request.links {
            link.request.stop = Arc::clone(stop);
        }
    }

    /// Makes the chain's folder, or accepts the chain in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else, another chain or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let folder = match &self.request.out {
            None => {
                self.lay_out()?;
                next_folder(Path::new("runs"))?
            }
            Some(out) => out.clone(),
        };
        let held = |problem: &str, mend| Error::Run {
            path: folder.clone(),
            problem: problem.to_string(),
            mend,
        };
        if folder.join(RUN_FILE).exists() {
            return Err(held("holds a single run", "choose another --out for a chain"));
        }
        if folder.join(KEPT_FILE).exists() && !self.request.resume {
            let mend = "add --resume to go on with it, or choose another --out";
            return Err(held("holds a chain already", mend));
        }
        let kept = Kept::to_resume(&folder, self.asked.clone())?;
        if self.request.out.is_some() && !folder.join(KEPT_FILE).exists() {
            self.lay_out()?;
        }
        make_folder(&folder)?;
        kept.write(&folder)?;
        self.folder = Some(folder.clone());
        Ok(folder)
    }

    /// Lays out every task on the chain's first weights, so that what is wrong with a later one is told before an earlier one is
    /// learnt.
    fn lay_out(&self) -> Result<(), Error> {
        let weights = self.weights_of(0, &[]);
        for Link { name, request } in &self.request.links {
            let mut request = request.clone();
            request.options.weights.clone_from(&weights);
            request.options.tuning.regularisers.retain(|term| !is_of_earlier(term));
            prepare(request).map_err(|error| Error::of_task(name, error))?;
        }
        Ok(())
    }

    /// Fits what is not fitted yet, measures what is not measured yet, and writes the chain's folder.
    ///
    /// # Errors
    /// As [`prepare`] and [`crate::Prepared::fit`] of each task, with its name; an interruption.
    pub fn fit(mut self, progress: &mut dyn Progress) -> Result<ChainRecord, Error> {
        let folder = self.claim()?;
        self.notes.iter().for_each(|note| progress.say(&format!("note: {note}")));
        let mut kept = Kept::to_resume(&folder, self.asked.clone())?;
        let Some(first) = self.request.links.first() else {
            return Err(Error::options(
                "the chain has no task",
                "give at least one, with its data",
            ));
        };
        let mut standing = Standing::new(self.request.begin, &first.request.device);
        for (at, link) in self.request.links.iter().enumerate() {
            let of_link = |error| Error::of_task(&link.name, error);
            if self.request.probe && kept.probes.len() <= at {
                self.check_stop()?;
                progress.say(&format!("what the features are worth to {} before it", link.name));
                kept.probes.push(self.foresee(at, &folder, progress).map_err(of_link)?);
                kept.write(&folder)?;
            }
            self.fit_link(at, &folder, progress).map_err(of_link)?;
            if kept.rows.len() <= at {
                self.check_stop()?;
                for (at, link) in self.request.links.iter().enumerate().take(at + 1) {
                    if standing.count() <= at {
                        let own = self.run_folder(&folder, at);
                        standing.add(link, &own).map_err(|it| Error::of_task(&link.name, it))?;
                    }
                }
                kept.rows.push(standing.measure(progress).map_err(of_link)?);
                kept.write(&folder)?;
            }
            progress.say(&self.line(&kept, at));
        }
        let runs = (0..self.request.links.len()).map(|at| self.run_name(at)).collect();
        let record = ChainRecord::of(&kept, &folder, runs)?;
        record.write(&folder)?;
        let page = page::render(&record, &kept, &self.request.command);
        write_bytes(&folder.join("report.html"), page.as_bytes())?;
        Ok(record)
    }

    /// `01-birds`
    fn run_name(&self, at: usize) -> String {
        let name = self.request.links.get(at).map(|link| link.name.as_str()).unwrap_or_default();
        format!("{:02}-{name}", at + 1)
    }

    fn run_folder(&self, folder: &Path, at: usize) -> PathBuf {
        folder.join(self.run_name(at))
    }

    /// The tasks before the one numbered `at`, the oldest first.
    fn earlier_of(&self, at: usize, folder: &Path) -> Vec<EarlierTask> {
        let links = self.request.links.iter().enumerate().take(at);
        let earlier = links.map(|(at, Link { request, .. })| EarlierTask {
            run: self.run_folder(folder, at),
            examples: Some(request.examples.clone()),
            data: request.data.clone(),
        });
        earlier.collect()
    }

    /// Where the weights come from that a task begins with.
    fn weights_of(&self, at: usize, earlier: &[EarlierTask]) -> String {
        match (self.request.begin, earlier.last()) {
            (Begin::Previous, Some(task)) => task.run.to_string_lossy().into_owned(),
            _ => {
                let link = self.request.links.get(at);
                link.map(|link| link.request.options.weights.clone()).unwrap_or_default()
            }
        }
    }

    /// Fits a link, goes on with it, or leaves it as it is where it is finished.
    fn fit_link(&self, at: usize, folder: &Path, progress: &mut dyn Progress) -> Result<(), Error> {
        let Some(link) = self.request.links.get(at) else { return Ok(()) };
        let (own, count) = (self.run_folder(folder, at), self.request.links.len());
        let title = format!("task {} of {count}, {}", at + 1, link.name);
        let resuming = self.request.resume && own.exists();
        let finished = RunRecord::read(&own).is_ok_and(|run| run.status == Status::Finished);
        if resuming && finished {
            // It may have been stopped before its cache was removed.
            let _ = std::fs::remove_dir_all(own.join("cache"));
            progress.say(&format!("{title}: finished already"));
            return Ok(());
        }
        let earlier = self.earlier_of(at, folder);
        let mut request = link.request.clone();
        request.options.weights = self.weights_of(at, &earlier);
        request.out = Some(own.clone());
        request.resume = resuming;
        request.earlier = earlier;
        let mut prepared = prepare(request)?;
        prepared.claim()?;
        let data = &prepared.record.data;
        progress.say(&format!(
            "{title}: {} classes, {} training, {} validation and {} test {}; weights: {}; run: {}",
            prepared.record.labels.len(),
            data.train,
            data.validation,
            data.test,
            prepared.record.preprocess.noun(),
            prepared.record.options.weights,
            own.display()
        ));
        prepared.data.notes().iter().for_each(|note| progress.say(&format!("note: {note}")));
        if let Some(report) = &prepared.record.load_report {
            report.to_string().lines().for_each(|line| progress.say(line));
        }
        prepared.fit(progress).map(drop)
    }

    /// What a probe reaches on a task before it is learnt.
    fn foresee(
        &self,
        at: usize,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Probes, Error> {
        let base = self.probe(at, &self.weights_of(0, &[]), progress)?;
        let before = match (self.request.begin, self.earlier_of(at, folder).last()) {
            (Begin::Previous, Some(task)) => {
                self.probe(at, &task.run.to_string_lossy(), progress)?
            }
            // The task begins with the base itself.
            _ => base,
        };
        Ok(Probes { before, base })
    }

    /// What a probe reaches on a task with these weights; nothing where they bring no tokenizer.
    fn probe(
        &self,
        at: usize,
        weights: &str,
        progress: &mut dyn Progress,
    ) -> Result<Option<f64>, Error> {
        let links = &self.request.links;
        let (Some(first), Some(link)) = (links.first(), links.get(at)) else { return Ok(None) };
        let (request, options) = (&link.request, &link.request.options);
        if weights == "random" && works_on_texts(&options.network) {
            return Ok(None);
        }
        let asked = ProbeRequest {
            choice: options.choice(),
            partial_weights: options.partial_weights,
            split: options.split,
            shots: options.shots,
            resize: options.resize,
            text: options.text.clone(),
            batch_size: options.settings.batch_size.max(1),
            seed: options.settings.seed,
            threads: request.threads,
            strict: options.strict,
            ..ProbeRequest::new(
                request.examples.clone(),
                &options.network,
                weights,
                &request.device,
            )
        };
        let drawn = first.request.options.settings.seed;
        Ok(Some(probe_on(&asked, drawn, progress)?.linear))
    }

    /// Fitting looks by itself whether it is to end; between fittings this does.
    fn check_stop(&self) -> Result<(), Error> {
        let stop = self.request.links.first().map(|link| &link.request.stop);
        match stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            true => Err(TrainError::Interrupted { step: 0 }.into()),
            false => Ok(()),
        }
    }

    /// All tasks so far in one line.
    fn line(&self, kept: &Kept, at: usize) -> String {
        let cells = kept.rows.get(at).map(|row| row.cells.as_slice()).unwrap_or_default();
        let each = self.request.links.iter().zip(cells).enumerate().map(|(task, (link, cell))| {
            let same = match (task < at, kept.unchanged(at, task)) {
                (false, _) => "",
                (true, true) => " (unchanged: true)",
                (true, false) => " (unchanged: false)",
            };
            format!("{} {:.1} %{same}", link.name, 100.0 * cell.accuracy)
        });
        let after = self.request.links.get(at).map(|link| link.name.as_str()).unwrap_or_default();
        format!("after {after}: {}", each.collect::<Vec<_>>().join(", "))
    }
}
