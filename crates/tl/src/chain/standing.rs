//! The network as it stands after some links, with the heads of all of them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use tl_core::parameters::is_adapter;
use tl_core::{Head, Model};
use tl_kernels::LinearHead;
use tl_models::Architecture;
use tl_peft::{AdapterRecord, Switch};
use tl_train::{Predictions, Progress, TrainError, predict};

use super::heads::{Heads, apart, together};
use super::{Begin, Cell, Link, Row};
use crate::adapters::ADAPTER_FOLDER;
use crate::examples::Input;
use crate::source::pretrained_as;
use crate::{Error, Network, Run, RunRecord};

/// Where adapters stand: the chain's first weights, and what identifies them.
struct Trunk {
    network: Network,
    key: String,
}

/// A task that was learnt.
struct Learnt {
    name: String,
    head: LinearHead,
    labels: Vec<String>,
    data: Input,
    /// The items of the test part that have a label.
    test: Vec<usize>,
    batch_size: usize,
}

/// The network after some links.
pub(super) struct Standing {
    begin: Begin,
    device: Device,
    /// What the last link left, where each begins with what the one before it left.
    network: Option<Network>,
    /// The one network that all adapters stand on, where each begins with the base.
    trunk: Option<Trunk>,
    switch: Switch,
    learnt: Vec<Learnt>,
    /// Answers of adapters for the data of another task, by both numbers: neither changes.
    crossed: BTreeMap<(usize, usize), Predictions>,
}

impl Standing {
    pub fn new(begin: Begin, device: &Device) -> Self {
        Self {
            begin,
            device: device.clone(),
            network: None,
            trunk: None,
            switch: Switch::default(),
            learnt: Vec::new(),
            crossed: BTreeMap::new(),
        }
    }

    /// How many tasks it can answer for.
    pub fn count(&self) -> usize {
        self.learnt.len()
    }

    /// Takes in the next link, whose finished run lies in `folder`.
    ///
    /// # Errors
    /// A run that cannot be opened, other data than its, a head that does not fit the network.
    pub fn add(&mut self, link: &Link, folder: &Path) -> Result<(), Error> {
        let run = match self.begin {
            Begin::Previous => Run::open(folder, &self.device)?,
            Begin::Base => self.on_trunk(link, folder)?,
        };
        let request = &link.request;
        let (mut test, _) = run.part(request.examples.items())?;
        let labels = run.record.labels.clone();
        let examples = request.examples.with_classes(&labels)?;
        let data = run.dataset(&examples, request.threads, request.options.strict)?;
        test.retain(|item| data.items().label(*item).is_some());
        let Model { backbone, head } = run.model;
        if self.begin == Begin::Previous {
            self.network = Some(backbone);
        }
        let (name, batch_size) = (link.name.clone(), request.options.settings.batch_size.max(1));
        self.learnt.push(Learnt { name, head, labels, data, test, batch_size });
        Ok(())
    }

    /// The trunk with the adapters in `folder`, which are kept under the link's name.
    fn on_trunk(&mut self, link: &Link, folder: &Path) -> Result<Run, Error> {
        let record = RunRecord::read(folder)?;
        let options = &link.request.options;
        let trunk = match self.trunk.take() {
            Some(trunk) => trunk,
            None => {
                let (partial, seed) = (options.partial_weights, options.settings.seed);
                let (choice, classes) = (options.choice(), Some(record.labels.len()));
                let weights = &options.weights;
                let found = pretrained_as(&choice, weights, classes, partial, seed, &self.device)?;
                Trunk { network: found.model.backbone, key: found.key }
            }
        };
        let trunk = self.trunk.insert(trunk);
        if trunk.key != record.weights_key {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: format!(
                    "has adapters for other weights than {} holds now",
                    options.weights
                ),
                mend: "put the weights back that the chain began with",
            });
        }
        let head = trunk.network.zero_head(record.labels.len(), &self.device);
        let model = Model { backbone: trunk.network.clone(), head };
        let adapters = AdapterRecord::open(&folder.join(ADAPTER_FOLDER), &model)?;
        let model = adapters.apply(model)?;
        let beside = |path: &str| {
            !is_adapter(path) && adapters.tensors.contains_key(&format!("backbone.{path}"))
        };
        self.switch.keep(&link.name, &model.backbone, beside)?;
        Ok(Run::new(folder, record, model))
    }

    /// How good it is now at each task that was learnt.
    ///
    /// # Errors
    /// Examples that cannot be read, a device that fails, answers that are not finite.
    pub fn measure(&mut self, progress: &mut dyn Progress) -> Result<Row, Error> {
        let mut row = Row::default();
        for task in 0..self.learnt.len() {
            let each = self.answers(task, progress)?;
            row.cells.push(self.cell(task, &each)?);
        }
        Ok(row)
    }

    /// What each head answers for the test part of `task`.
    fn answers(
        &mut self,
        task: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Predictions>, Error> {
        let count = self.learnt.len();
        let windows = self.learnt.get(task).is_some_and(|it| it.data.windows().is_some());
        if let (Some(network), false) = (&self.network, windows) {
            // One pass for all heads. Windows are pooled by probabilities, which are of each head alone.
            let heads: Vec<LinearHead> = self.learnt.iter().map(|it| it.head.clone()).collect();
            let model = Model { backbone: network.clone(), head: Heads { heads: heads.clone() } };
            return Ok(apart(&self.ask(&model, task, progress)?, &heads));
        }
        let mut each = Vec::with_capacity(count);
        for other in 0..count {
            // The task's own answers are always found anew, since they are to be compared with those of before.
            let known = self.crossed.get(&(other, task));
            if let (Some(known), Begin::Base) = (known, self.begin) {
                each.push(known.clone());
                continue;
            }
            let found = self.ask(&self.model(other)?, task, progress)?;
            if self.begin == Begin::Base && other != task {
                self.crossed.insert((other, task), found.clone());
            }
            each.push(found);
        }
        Ok(each)
    }

    /// The network as it answers for the task numbered `task`.
    fn model(&self, task: usize) -> Result<Model<Network, LinearHead>, Error> {
        let missing = || Error::Failed(format!("no task {task} was learnt"));
        let learnt = self.learnt.get(task).ok_or_else(missing)?;
        let backbone = match (&self.network, &self.trunk) {
            (Some(network), _) => network.clone(),
            (None, Some(trunk)) => self.switch.to(&learnt.name, trunk.network.clone())?,
            (None, None) => return Err(missing()),
        };
        Ok(Model { backbone, head: learnt.head.clone() })
    }

    fn ask<H: Head>(
        &self,
        model: &Model<Network, H>,
        task: usize,
        progress: &mut dyn Progress,
    ) -> Result<Predictions, Error> {
        let missing = || Error::Failed(format!("no task {task} was learnt"));
        let Learnt { data, test, batch_size, .. } = self.learnt.get(task).ok_or_else(missing)?;
        Ok(predict(model, &**data, test, *batch_size, &self.device, progress)?)
    }

    /// The figures of a task, given what each head answers for it.
    fn cell(&self, task: usize, each: &[Predictions]) -> Result<Cell, Error> {
        let missing = || Error::Failed(format!("task {task} was not answered for"));
        let (learnt, own) = self.learnt.get(task).zip(each.get(task)).ok_or_else(missing)?;
        if each.iter().any(|found| found.items != own.items) {
            return Err(Error::Failed("two passes over the same data read other items".into()));
        }
        let items = learnt.data.items();
        let nothing = TrainError::NothingToUse { part: "test", mend: "see which were skipped" };
        let found = own.evaluate(&learnt.labels, &items.labels())?.ok_or(nothing)?;
        // All classes of all tasks, those of this one behind those of the tasks before it.
        let names = self
            .learnt
            .iter()
            .flat_map(|it| it.labels.iter().map(move |label| format!("{}/{label}", it.name)));
        let names: Vec<String> = names.collect();
        let from: usize = self.learnt.iter().take(task).map(|it| it.labels.len()).sum();
        let shifted = items.labels().into_iter().map(|label| label.map(|label| from + label));
        let shifted: Vec<Option<usize>> = shifted.collect();
        let single = together(each).evaluate(&names, &shifted)?;
        Ok(Cell {
            accuracy: found.accuracy,
            interval: found.interval,
            n: found.n,
            single_head: single.map_or(0.0, |found| found.accuracy),
            sha256: own.fingerprint(),
        })
    }
}
