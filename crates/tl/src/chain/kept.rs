//! What was asked of a chain and what was measured so far, so that a resume measures only what is missing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Begin, Link};
use crate::record::write_json;
use crate::{Error, FinetuneOptions};

/// The file in a chain's folder, written anew after every measurement.
pub const KEPT_FILE: &str = "matrix.json";

/// The version of its written form.
const SCHEMA: u32 = 1;

/// Everything that decides what a chain comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub begin: Begin,
    pub probe: bool,
    pub tasks: Vec<AskedTask>,
}

/// The same of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedTask {
    pub name: String,
    /// The fingerprint of its data.
    pub data: String,
    pub options: FinetuneOptions,
}

/// What a probe reaches on a task's test part before the task is learnt: with the network that the tasks before it left, and
/// with the one that the chain began with. Nothing where either has no features yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    pub before: Option<f64>,
    pub base: Option<f64>,
}

/// How good the network is at one task after some link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// With the task's own head.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// Examples that were measured.
    pub n: u64,
    /// Among the classes of all tasks so far.
    pub single_head: f64,
    /// A hash over the bits of the logits of the task's own head.
    pub sha256: String,
}

/// All tasks so far after a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub cells: Vec<Cell>,
}

/// What a chain's folder knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub schema: u32,
    pub asked: Asked,
    /// Of each task, where they are measured.
    pub probes: Vec<Probes>,
    pub rows: Vec<Row>,
}

impl Asked {
    pub(super) fn of(begin: Begin, probe: bool, links: &[Link]) -> Self {
        let task = |(at, link): (usize, &Link)| {
            let mut options = link.request.options.clone();
            if begin == Begin::Previous && at > 0 {
                options.weights = PREVIOUS.to_string();
            }
            let data = link.request.examples.items().fingerprint();
            AskedTask { name: link.name.clone(), data, options }
        };
        Self { begin, probe, tasks: links.iter().enumerate().map(task).collect() }
    }

    /// What of `other` is not as here, in words; nothing where all is.
    fn differs(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        if (self.begin, self.probe) != (other.begin, other.probe) {
            return Some("[chain] says something else".into());
        }
        let names = |of: &Self| {
            of.tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>().join(", ")
        };
        if names(self) != names(other) {
            return Some(format!("the tasks were {}", names(self)));
        }
        let pair = self.tasks.iter().zip(&other.tasks).find(|(one, other)| one != other);
        pair.map(|(one, other)| match one.data == other.data {
            true => format!("the options of task \"{}\" were others", one.name),
            false => format!("the data of task \"{}\" were others", one.name),
        })
    }
}

/// How the record says that weights come from the task before.
const PREVIOUS: &str = "previous";

impl Kept {
    pub(super) fn new(asked: Asked) -> Self {
        Self { schema: SCHEMA, asked, probes: Vec::new(), rows: Vec::new() }
    }

    /// What lies in `folder`; nothing where no chain does.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged or of a later version.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(KEPT_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let fail = |problem: String, mend| Err(Error::Run { path: path.clone(), problem, mend });
        let read = std::fs::read_to_string(&path).map_err(|reason| reason.to_string());
        let read = read.and_then(|text| {
            serde_json::from_str::<Self>(&text).map_err(|reason| reason.to_string())
        });
        match read {
            Ok(kept) if kept.schema > SCHEMA => fail(
                format!("has schema version {}, this program reads up to {SCHEMA}", kept.schema),
                "use a newer program",
            ),
            Ok(kept) => Ok(Some(kept)),
            Err(reason) => {
                fail(format!("is no record of a chain ({reason})"), "choose another --out")
            }
        }
    }

    /// What lies in `folder`, to go on with what is `asked`.
    ///
    /// # Errors
    /// As [`Kept::read`]; another chain.
    pub(super) fn to_resume(folder: &Path, asked: Asked) -> Result<Self, Error> {
        let Some(found) = Self::read(folder)? else { return Ok(Self::new(asked)) };
        match found.asked.differs(&asked) {
            None => Ok(found),
            Some(problem) => Err(Error::Run {
                path: folder.join(KEPT_FILE),
                problem: format!("is of another chain: {problem}"),
                mend: "resume with the same, or choose another --out",
            }),
        }
    }

    /// Writes it whole, or leaves what was there.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        write_json(&folder.join(KEPT_FILE), self)
    }

    /// Whether the answers for the task numbered `task` after the link `row` are those of when it had been learnt, bit for bit.
    pub(super) fn unchanged(&self, row: usize, task: usize) -> bool {
        let hash = |row: usize| Some(&self.rows.get(row)?.cells.get(task)?.sha256);
        hash(row) == hash(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        let task = |name: &str| AskedTask {
            name: name.to_string(),
            data: format!("{name}'s"),
            options: FinetuneOptions::default(),
        };
        Asked { begin: Begin::Base, probe: true, tasks: vec![task("a"), task("b")] }
    }

    #[test]
    fn what_another_chain_has_is_told() {
        let change = |change: fn(&mut Asked)| {
            let mut other = asked();
            change(&mut other);
            asked().differs(&other)
        };
        assert_eq!(change(|_| {}), None);
        assert!(change(|it| it.probe = false).unwrap().contains("[chain]"));
        assert!(change(|it| it.tasks.truncate(1)).unwrap().contains("the tasks were a, b"));
        assert!(change(|it| it.tasks[1].data.clear()).unwrap().contains("data of task \"b\""));
        let options = change(|it| it.tasks[0].options.settings.seed = 7).unwrap();
        assert!(options.contains("options of task \"a\""), "{options}");
    }

    #[test]
    fn what_is_kept_is_read_as_the_same() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(folder.path()).unwrap(), None);
        let cell = |sha256: &str| Cell {
            accuracy: 2.0 / 3.0,
            interval: [0.1, 0.9],
            n: 3,
            single_head: 0.1 + 0.2,
            sha256: sha256.to_string(),
        };
        let row = |hashes: &[&str]| Row { cells: hashes.iter().map(|it| cell(it)).collect() };
        let mut kept = Kept::new(asked());
        kept.probes.push(Probes { before: Some(1.0 / 3.0), base: None });
        kept.rows = vec![row(&["x"]), row(&["x", "y"]), row(&["x", "z", "w"])];
        kept.write(folder.path()).unwrap();
        assert_eq!(Kept::to_resume(folder.path(), asked()).unwrap(), kept);
        assert!(kept.unchanged(2, 0) && !kept.unchanged(2, 1) && kept.unchanged(1, 1));
        std::fs::write(folder.path().join(KEPT_FILE), "no").unwrap();
        let message = Kept::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("no record of a chain") && message.lines().count() == 1);
    }
}
