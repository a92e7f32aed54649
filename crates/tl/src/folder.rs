//! Where a run goes.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tl_core::Plan;
use tl_train::TrainError;
use tl_train::files::make_folder;

use crate::Error;
use crate::record::{RUN_FILE, RunRecord};

/// A folder that this run alone writes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub path: PathBuf,
    _held: Option<File>,
}

impl Claimed {
    /// Takes hold of the folder `path` for this process, however it ends. Where a system locks no folders (Windows, some network
    /// drives) nothing is held.
    fn new(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).ok();
        if let Some(Err(TryLockError::WouldBlock)) = file.as_ref().map(File::try_lock) {
            return Err(Error::Run {
                path: path.to_path_buf(),
                problem: "is being written by another run".into(),
                mend: "wait for its end, or choose another --out",
            });
        }
        Ok(Self { path: path.to_path_buf(), _held: file })
    }
}

/// Makes `out`, or accepts the run in it if it is to be resumed with the same plan; without `out` the next free number under `runs/`.
///
/// # Errors
/// A folder that holds a run, or another one than is to be resumed, or what is no part of one, or that another process writes, or
/// that cannot be made.
pub(crate) fn claim(out: Option<&Path>, resume: Option<&Plan>) -> Result<Claimed, Error> {
    let Some(out) = out else { return Claimed::new(&next_folder(Path::new("runs"))?) };
    make_folder(out)?;
    // First, so that what is found below is not changed by another run in the meantime.
    let claimed = Claimed::new(out)?;
    if out.join(RUN_FILE).exists() && resume.is_none() {
        return Err(Error::Run {
            path: out.to_path_buf(),
            problem: "holds a run already".into(),
            mend: "add --resume to go on with it, or choose another --out",
        });
    }
    // A record that is damaged is written anew; checkpoints tell by themselves whose they are.
    let found = RunRecord::read(out).ok().zip(resume);
    if found.is_some_and(|(record, plan)| record.plan != *plan) {
        return Err(TrainError::OtherRun { path: out.join(RUN_FILE), what: "plan" }.into());
    }
    // A folder that holds no run is given one only if nothing in it would be overwritten.
    let known = ["model.safetensors", "labels.json", "split.csv", "predictions.csv", "load.py"];
    if !out.join(RUN_FILE).exists()
        && let Some(name) = known.iter().find(|name| out.join(name).exists())
    {
        return Err(Error::Run {
            path: out.join(name),
            problem: "is no part of a run and would be overwritten".into(),
            mend: "choose another --out",
        });
    }
    Ok(claimed)
}

/// Makes the next free number under `parent`.
///
/// # Errors
/// When it cannot be made.
pub fn next_folder(parent: &Path) -> Result<PathBuf, Error> {
    make_folder(parent)?;
    let mut number = 1;
    loop {
        let folder = parent.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(reason) if reason.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(reason) => return Err(TrainError::file("cannot make", &folder, reason).into()),
        }
    }
}
