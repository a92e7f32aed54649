//! Files that are whole or not there: written aside, brought to the disk, renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::TrainError;

/// The place beside `path` where it is written before it is renamed.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Writes `path` so that it holds either what it held or all of what `write` gives.
///
/// # Errors
/// When the disk is full or the place may not be written; what was written aside is removed.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), TrainError> {
    let temporary = aside(path);
    let attempt = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(File::create(&temporary)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    attempt().map_err(|reason| {
        // The error that is told is the first one.
        let _ = fs::remove_file(&temporary);
        TrainError::file("cannot write", path, reason)
    })
}

/// Writes one line of JSON for each of `rows`, likewise.
///
/// # Errors
/// As [`write_whole`].
pub fn write_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), TrainError> {
    write_whole(path, |out| {
        for row in rows {
            serde_json::to_writer(&mut *out, row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// [`write_whole`] of bytes at hand.
///
/// # Errors
/// As [`write_whole`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    write_whole(path, |out| out.write_all(bytes))
}

/// Makes a folder and those above it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(path).map_err(|reason| TrainError::file("cannot make", path, reason))
}
