//! Where weights come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::WeightsError;
use super::file::WeightsFile;
use super::hub::{self, HubOptions};

/// Where weights come from, as `--weights` says it: a path, `hub:owner/repo/file[@revision]`, `random` or `embedded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A safetensors, PyTorch, burnpack, ONNX or npz file.
    File(PathBuf),
    /// A run directory, whose `model.safetensors` is meant.
    Run(PathBuf),
    /// A file in a model hub's repository; `revision` is a branch, a tag or a commit.
    Hub { owner: String, repo: String, file: String, revision: Option<String> },
    /// No weights: the seeded initial values.
    Random,
    /// The same for a network of the kind that a folder describes: `random:FOLDER`.
    RandomAs(PathBuf),
    /// The weights that are part of the program.
    Embedded,
}

impl Source {
    /// Opens the file behind a source, fetching it if need be; None for [`Random`](Self::Random) and
    /// [`Embedded`](Self::Embedded), which have none.
    pub fn open(&self) -> Result<Option<WeightsFile>, WeightsError> {
        self.open_with(&HubOptions::from_env())
    }

    /// [`open`](Self::open) with a given cache, endpoint and expected hash.
    pub fn open_with(&self, options: &HubOptions) -> Result<Option<WeightsFile>, WeightsError> {
        match self {
            Self::File(path) | Self::Run(path) => WeightsFile::open(path).map(Some),
            Self::Hub { owner, repo, file, revision } => {
                let path = hub::fetch(owner, repo, file, revision.as_deref(), options)?;
                WeightsFile::open(&path).map(Some)
            }
            Self::Random | Self::RandomAs(_) | Self::Embedded => Ok(None),
        }
    }
}

impl Source {
    /// Fetches the files called `names` that lie beside a hub's file; of any other source nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn fetch_beside(&self, names: &[&str]) -> Result<(), WeightsError> {
        let Self::Hub { owner, repo, file, revision } = self else { return Ok(()) };
        for name in names {
            let beside = match file.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{name}"),
                None => name.to_string(),
            };
            hub::fetch(owner, repo, &beside, revision.as_deref(), &HubOptions::from_env())?;
        }
        Ok(())
    }
}

impl FromStr for Source {
    type Err = WeightsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "random" => return Ok(Self::Random),
            "embedded" => return Ok(Self::Embedded),
            _ => {}
        }
        if let Some(folder) = text.strip_prefix("random:") {
            return Ok(Self::RandomAs(PathBuf::from(folder)));
        }
        let Some(address) = text.strip_prefix("hub:") else {
            let path = PathBuf::from(text);
            return Ok(if Path::new(text).is_dir() { Self::Run(path) } else { Self::File(path) });
        };
        let (address, revision) = match address.split_once('@') {
            Some((address, revision)) => (address, Some(revision)),
            None => (address, None),
        };
        let parts: Vec<&str> = address.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '?', '#', '%', ' '])
        };
        // Parts become folders of the cache and segments of an address: none may lead elsewhere.
        let revision_parts = revision.into_iter().flat_map(|revision| revision.split('/'));
        match parts.as_slice() {
            [owner, repo, file @ ..]
                if !file.is_empty()
                    && parts.iter().copied().chain(revision_parts).all(|part| plain(&part)) =>
            {
                Ok(Self::Hub {
                    owner: (*owner).to_owned(),
                    repo: (*repo).to_owned(),
                    file: file.join("/"),
                    revision: revision.map(str::to_owned),
                })
            }
            _ => Err(WeightsError::HubAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Run(path) => write!(formatter, "{}", path.display()),
            Self::Hub { owner, repo, file, revision } => {
                write!(formatter, "hub:{owner}/{repo}/{file}")?;
                revision.iter().try_for_each(|revision| write!(formatter, "@{revision}"))
            }
            Self::Random => formatter.write_str("random"),
            Self::RandomAs(folder) => write!(formatter, "random:{}", folder.display()),
            Self::Embedded => formatter.write_str("embedded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_written_as_it_is_read() {
        for text in [
            "random",
            "random:some/folder",
            "embedded",
            "hub:timm/resnet18/model.safetensors",
            "hub:a/b/c/d.bin@v1.0",
            "some/file.pth",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        let Source::Hub { owner, repo, file, revision } =
            "hub:a/b/c/d.bin@refs/pr/1".parse().unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (owner.as_str(), repo.as_str(), file.as_str(), revision.as_deref()),
            ("a", "b", "c/d.bin", Some("refs/pr/1"))
        );
    }

    #[test]
    fn an_existing_folder_is_a_run_directory() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().display().to_string();
        assert_eq!(text.parse::<Source>().unwrap(), Source::Run(folder.path().to_owned()));
    }

    #[test]
    fn a_hub_source_that_lacks_a_part_or_leads_elsewhere_is_refused() {
        for text in [
            "hub:",
            "hub:owner/repo",
            "hub:a//c",
            "hub:a/b/../../c",
            "hub:a/b/c@../x",
            "hub:a/b/c@",
            "hub:a/b/c?x=1",
        ] {
            let message = text.parse::<Source>().unwrap_err().to_string();
            assert!(message.contains("hub:owner/repo/file"), "{message}");
        }
    }
}
