//! The runs that folders hold.

use std::path::{Path, PathBuf};

use tl_train::TrainError;

use super::RunLine;
use crate::record::RUN_FILE;
use crate::{Error, RunRecord, Status};

/// What was found in some folders.
#[derive(Debug)]
pub struct FoundRuns {
    pub runs: Vec<RunLine>,
    /// Of folders that hold several runs: which of them were left out, and why.
    pub notes: Vec<String>,
}

/// The runs in `folders`: each is the folder of a run, or one that holds folders of runs, such as that of a chain or of several seeds.
///
/// # Errors
/// A folder without a finished run, a record that cannot be read.
pub fn runs_in(folders: &[PathBuf]) -> Result<FoundRuns, Error> {
    let mut found = FoundRuns { runs: Vec::new(), notes: Vec::new() };
    for folder in folders {
        if folder.join(RUN_FILE).exists() {
            found.take(folder, true)?;
            continue;
        }
        let before = found.runs.len();
        for inner in folders_of_runs(folder)? {
            found.take(&inner, false)?;
        }
        if found.runs.len() == before {
            return Err(Error::Run {
                path: folder.clone(),
                problem: "holds no finished run".into(),
                mend: "give the folder of a run, or one that holds folders of runs",
            });
        }
    }
    Ok(found)
}

impl FoundRuns {
    /// Takes the run in, once; one that is not finished is refused where it was asked for by name.
    fn take(&mut self, folder: &Path, named: bool) -> Result<(), Error> {
        let record = RunRecord::read(folder)?;
        let state = match record.status {
            Status::Finished => {
                let name = folder.display().to_string();
                if self.runs.iter().all(|run| run.run != name) {
                    self.runs.push(RunLine::of(folder, &record));
                }
                return Ok(());
            }
            Status::Running => "did not come to its end, or still goes on",
            Status::Interrupted => "was interrupted",
            Status::Failed => "failed",
        };
        if named {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: format!("{state}: there is nothing to compare yet"),
                mend: "go on with it by --resume, or leave it out",
            });
        }
        self.notes.push(format!("{} {state}: left out", folder.display()));
        Ok(())
    }
}

/// The folders in `folder` that hold a run, by name; numbers in their order.
fn folders_of_runs(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |reason| TrainError::file("cannot read", folder, reason);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.join(RUN_FILE).exists()).collect();
    found.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    Ok(found)
}
