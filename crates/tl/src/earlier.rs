//! What a fitting takes over from earlier tasks, by the runs that learnt them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::parameters::{parameters, values, visit_parameters};
use tl_core::{Head, Pick, Regulariser};
use tl_data::Split;
use tl_models::Architecture;
use tl_train::regularise::{
    EarlierHead, Importance, Memory, features_of, herding, quotas, reservoir,
};
use tl_train::{Dataset, Earlier, TrainError};

use crate::examples::Input;
use crate::finetune::IMPORTANCE_FILE;
use crate::record::{RUN_FILE, RunRecord};
use crate::{Error, Examples, Network, Request, Run};

/// An earlier task, by the run that learnt it.
#[derive(Clone, Debug)]
pub struct EarlierTask {
    /// The run's folder.
    pub run: PathBuf,
    /// The examples that it was fitted on, where they are to be shown again; without them those that its record names are looked for.
    pub examples: Option<Examples>,
    /// What they are called in the record.
    pub data: String,
}

impl EarlierTask {
    /// The task of the run in the folder `run`, whose examples lie at `data`, or where its record says.
    ///
    /// # Errors
    /// A folder without a run, data that cannot be read.
    pub fn of(run: &Path, data: Option<&str>) -> Result<Self, Error> {
        let record = RunRecord::read(run)?;
        let examples = data.map(|data| open(data, &record)).transpose()?;
        let data = data.map_or(record.data.path, str::to_string);
        Ok(Self { run: run.to_path_buf(), examples, data })
    }
}

/// The examples of a run at `data`.
fn open(data: &str, record: &RunRecord) -> Result<Examples, Error> {
    Examples::open(data, &record.network, &record.options.text, true)
}

/// What `run.json` says of an earlier task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRecord {
    pub run: String,
    pub data: String,
    pub classes: usize,
    /// How many of its examples are kept and shown again.
    pub examples: usize,
    /// What these take as a network's input: four for each value of an image, or piece of a text.
    pub bytes: u64,
}

/// What earlier tasks left, opened.
#[derive(Default)]
pub(crate) struct EarlierTasks {
    pub importance: Option<Importance>,
    pub records: Vec<EarlierRecord>,
    heads: Vec<EarlierHead>,
    memory: Vec<Kept>,
}

/// The examples of a task that are kept.
struct Kept {
    data: Input,
    items: Vec<usize>,
    head: usize,
}

/// A task whose examples may be kept.
struct Candidate {
    run: Run,
    data: Input,
    /// Its training part, as far as it has labels.
    items: Vec<usize>,
}

impl EarlierTasks {
    /// Opens what `request` asks for, of runs whose network is like `network`; `weights` is the file that this was read from.
    ///
    /// # Errors
    /// A run of another network or kind, data that are gone or are others.
    pub fn open(
        request: &Request,
        network: &Network,
        weights: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut found = Self::default();
        let beside = weights.map(|path| path.with_file_name(IMPORTANCE_FILE));
        if let Some(path) = beside.filter(|path| path.is_file()) {
            found.importance = Some(Importance::open(&path)?);
        }
        let terms = &request.options.tuning.regularisers;
        let keep = terms.iter().find_map(|term| match *term {
            Regulariser::Rehearsal { size, pick, .. } => Some((size, pick)),
            _ => None,
        });
        let answers = terms.iter().any(|term| matches!(term, Regulariser::Lwf { .. }));
        if keep.is_none() && !answers {
            return Ok(found);
        }
        let tasks = match request.earlier.as_slice() {
            [] => run_of(&request.options.weights).into_iter().collect(),
            given => given.to_vec(),
        };
        let mut candidates = Vec::new();
        for task in tasks {
            let run = Run::open(&task.run, &request.device)?;
            check(&run, network)?;
            found.heads.push(head_of(&run)?);
            found.records.push(EarlierRecord {
                run: task.run.to_string_lossy().into_owned(),
                data: task.data.clone(),
                classes: run.record.labels.len(),
                examples: 0,
                bytes: 0,
            });
            if keep.is_some() {
                candidates.push(candidate(run, &task, request)?);
            }
        }
        if let Some((size, pick)) = keep {
            found.keep(candidates, (size, pick), request)?;
        }
        Ok(found)
    }

    /// Chooses `size` examples of all tasks together.
    fn keep(
        &mut self,
        tasks: Vec<Candidate>,
        (size, pick): (usize, Pick),
        request: &Request,
    ) -> Result<(), Error> {
        let chosen: Vec<Vec<usize>> = match pick {
            Pick::Reservoir => {
                let seed = request.options.settings.seed;
                let counts: Vec<usize> = tasks.iter().map(|task| task.items.len()).collect();
                let mut begin = 0;
                let kept = reservoir(counts.iter().sum(), size, seed);
                let of = |(task, count): (&Candidate, usize)| {
                    let own = begin..begin + count;
                    begin = own.end;
                    let places = kept.iter().filter(|place| own.contains(*place));
                    places.map(|place| task.items[place - own.start]).collect()
                };
                tasks.iter().zip(counts).map(of).collect()
            }
            Pick::Herding if request.look => first_of_classes(&tasks, size),
            Pick::Herding => by_herding(&tasks, size, &request.device)?,
        };
        for (head, (task, items)) in tasks.into_iter().zip(chosen).enumerate() {
            let rows = task.data.rows(&items);
            if let Some(record) = self.records.get_mut(head) {
                record.examples = items.len();
                record.bytes = bytes(&*task.data, &rows);
            }
            self.memory.push(Kept { data: task.data, items, head });
        }
        Ok(())
    }

    /// As the loop takes it.
    pub fn lend(&self) -> Earlier<'_> {
        let memory = self.memory.iter().map(|kept| {
            let (items, head) = (kept.items.clone(), kept.head);
            Memory { data: &*kept.data, items, head }
        });
        Earlier {
            importance: self.importance.as_ref(),
            heads: self.heads.clone(),
            memory: memory.collect(),
        }
    }
}

/// The task of the run that `weights` names, if that answers with classes.
fn run_of(weights: &str) -> Option<EarlierTask> {
    let path = Path::new(weights);
    let folder = if path.is_file() { path.parent()? } else { path };
    if !folder.join(RUN_FILE).is_file() {
        return None;
    }
    let record = RunRecord::read(folder).ok()?;
    let without = record.pretraining.is_some() || record.language.is_some();
    if without || !answers_with_one_class(&record) {
        return None;
    }
    Some(EarlierTask { run: folder.to_path_buf(), examples: None, data: record.data.path })
}

/// Whether a run's answers are neither numbers, nor tags of words, nor several labels.
fn answers_with_one_class(record: &RunRecord) -> bool {
    record.numbers.is_none() && record.several.is_none() && !record.options.text.tokens
}

/// Succeeds where the run answers with one class for each example, by a network like `network`.
fn check(run: &Run, network: &Network) -> Result<(), Error> {
    let fail = |problem: String, mend| Err(Error::Run { path: run.folder.clone(), problem, mend });
    if !answers_with_one_class(&run.record) {
        return fail(
            "does not answer with one class for each example".into(),
            "leave it out of --earlier",
        );
    }
    let shapes = |network: &Network| -> Vec<(String, Vec<usize>)> {
        parameters(network).into_iter().map(|info| (info.path, info.shape)).collect()
    };
    let (own, other) = (network.name(), run.model.backbone.name());
    let problem = match own == other {
        false => format!("holds a {other}, and a {own} is trained"),
        true if shapes(network) != shapes(&run.model.backbone) => {
            format!("holds a {other} of other sizes than the one that is trained")
        }
        true => return Ok(()),
    };
    fail(problem, "give runs of the same network")
}

/// The head of a run.
fn head_of(run: &Run) -> Result<EarlierHead, Error> {
    let mut head = EarlierHead { classes: run.model.head.classes(), ..EarlierHead::default() };
    let mut failure = None;
    visit_parameters(&run.model.head.linear, |info, tensor| match values(tensor) {
        Ok(values) if info.path == "weight" => head.weight = values,
        Ok(values) if info.path == "bias" => head.bias = values,
        Ok(_) => {}
        Err(reason) => failure = Some(reason),
    });
    head.bias.resize(head.classes, 0.0);
    failure.map_or(Ok(head), |reason| Err(TrainError::Device(reason).into()))
}

/// A run and the training part of its data.
fn candidate(run: Run, task: &EarlierTask, request: &Request) -> Result<Candidate, Error> {
    let name = run.folder.display().to_string();
    let gone = |reason: Error| {
        Error::options(
            format!("the data {} of the earlier task {name} cannot be used: {reason}", task.data),
            format!("give --earlier {name}=DATA"),
        )
    };
    let examples = match &task.examples {
        Some(examples) => examples.clone(),
        None => open(&task.data, &run.record).map_err(gone)?,
    };
    let path = run.folder.join("split.csv");
    let text = std::fs::read_to_string(&path)
        .map_err(|reason| TrainError::file("cannot read", &path, reason))?;
    let split = Split::from_csv(&text, examples.items()).map_err(|it| gone(it.into()))?;
    let examples = examples.with_classes(&run.record.labels).map_err(|it| gone(it.into()))?;
    let data = run.dataset(&examples, request.threads, request.options.strict)?;
    let labelled = |item: &usize| examples.items().label(*item).is_some();
    let items = split.train.into_iter().filter(labelled).collect();
    Ok(Candidate { run, data, items })
}

/// Of each class of each task the examples whose mean follows the class's, by the task's own network.
fn by_herding(tasks: &[Candidate], size: usize, device: &Device) -> Result<Vec<Vec<usize>>, Error> {
    // Class after class of all tasks: the task, the items and their vectors.
    let mut classes: Vec<(usize, Vec<usize>, Vec<f32>)> = Vec::new();
    let mut width = 0;
    for (number, Candidate { run, data, items }) in tasks.iter().enumerate() {
        let batch = run.record.options.settings.batch_size.max(1);
        let found = features_of(&run.model, &**data, items, batch, device)?;
        if found.is_empty() {
            return Err(TrainError::NothingRemembered { task: number + 1 }.into());
        }
        let begin = classes.len();
        classes.extend(run.record.labels.iter().map(|_| (number, Vec::new(), Vec::new())));
        for (item, vector) in found {
            width = vector.len();
            let label = data.items().label(item).and_then(|label| classes.get_mut(begin + label));
            if let Some((_, items, vectors)) = label {
                items.push(item);
                vectors.extend(vector);
            }
        }
    }
    let counts: Vec<usize> = classes.iter().map(|(_, items, _)| items.len()).collect();
    let mut chosen = vec![Vec::new(); tasks.len()];
    for ((task, items, vectors), count) in classes.iter().zip(quotas(size, &counts)) {
        let taken = herding(vectors, width, count).into_iter().map(|place| items[place]);
        chosen[*task].extend(taken);
    }
    Ok(chosen)
}

/// As many of each class of each task as herding would take, whichever: what these take is told where nothing is computed.
fn first_of_classes(tasks: &[Candidate], size: usize) -> Vec<Vec<usize>> {
    let of_class = |task: &Candidate, label: usize| -> Vec<usize> {
        let items = task.items.iter().copied();
        items.filter(|item| task.data.items().label(*item) == Some(label)).collect()
    };
    // Class after class of all tasks, as herding goes through them.
    let mut classes = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let labels = 0..task.run.record.labels.len();
        classes.extend(labels.map(|label| (number, of_class(task, label))));
    }
    let counts: Vec<usize> = classes.iter().map(|(_, items)| items.len()).collect();
    let mut chosen = vec![Vec::new(); tasks.len()];
    for ((task, items), count) in classes.into_iter().zip(quotas(size, &counts)) {
        chosen[task].extend(items.into_iter().take(count));
    }
    chosen
}

/// What `rows` take as a network's input.
fn bytes(data: &dyn Dataset, rows: &[usize]) -> u64 {
    match data.lengths() {
        Some(lengths) => {
            rows.iter().filter_map(|row| lengths.get(*row)).map(|length| 4 * *length as u64).sum()
        }
        None => rows.len() as u64 * data.input_bytes(),
    }
}
