//! A file of a model hub's repository, through a local cache.

use std::path::PathBuf;

#[cfg(not(feature = "hub"))]
use super::error::WeightsError;

/// Where a hub is, where its files are kept, and what is expected of them.
#[derive(Debug, Clone, Default)]
pub struct HubOptions {
    /// The hub's address; None for the public hub.
    pub endpoint: Option<String>,
    /// The folder of the cache; None for the one that the hub's own tools use.
    pub cache: Option<PathBuf>,
    /// An access token for private repositories.
    pub token: Option<String>,
    /// Use the cache alone.
    pub offline: bool,
    /// The sha256 the file must have, 64 hexadecimal digits; None to trust what the hub says of a large file.
    pub sha256: Option<String>,
    /// Draw a progress bar on standard error while downloading.
    pub progress: bool,
}

impl HubOptions {
    /// The options that the environment gives, by the variables that the hub's own tools read: `HF_ENDPOINT`,
    /// `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: text("HF_ENDPOINT"),
            cache: text("HF_HOME").map(|home| PathBuf::from(home).join("hub")),
            token: text("HF_TOKEN"),
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| {
                !["0", "false", "no", "off"].contains(&value.to_lowercase().as_str())
            }),
            sha256: None,
            progress: true,
        }
    }
}

/// The path of a hub's file in the cache, downloaded when it is not there yet.
///
/// A large file is compared with the sha256 that the hub names it by, every file with `options.sha256`; one that
/// differs is removed. Errors: no connection, no such file, no access, a cut download (the next try goes on where it
/// ended), a wrong hash, nothing cached while offline, a build without the feature `hub`.
#[cfg(not(feature = "hub"))]
pub fn fetch(
    owner: &str,
    repo: &str,
    file: &str,
    _revision: Option<&str>,
    _options: &HubOptions,
) -> Result<PathBuf, WeightsError> {
    Err(WeightsError::HubFeature(format!("hub:{owner}/{repo}/{file}")))
}

#[cfg(feature = "hub")]
pub use with_client::fetch;

#[cfg(feature = "hub")]
mod with_client {
    use std::fs::{self, File};
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::{Path, PathBuf};

    use hf_hub::api::sync::{ApiBuilder, ApiError};
    use hf_hub::{Cache, Repo, RepoType};

    use super::HubOptions;
    use crate::weights::error::{WeightsError, one_line};
    use crate::weights::file::sha256_of;

    /// The path of a hub's file in the cache, downloaded when it is not there yet.
    ///
    /// A large file is compared with the sha256 that the hub names it by, every file with `options.sha256`; one that
    /// differs is removed. Errors: no connection, no such file, no access, a cut download (the next try goes on where
    /// it ended), a wrong hash, nothing cached while offline.
    pub fn fetch(
        owner: &str,
        repo: &str,
        file: &str,
        revision: Option<&str>,
        options: &HubOptions,
    ) -> Result<PathBuf, WeightsError> {
        let request = Request {
            name: match revision {
                Some(revision) => format!("hub:{owner}/{repo}/{file}@{revision}"),
                None => format!("hub:{owner}/{repo}/{file}"),
            },
            repo: Repo::with_revision(
                format!("{owner}/{repo}"),
                RepoType::Model,
                revision.unwrap_or("main").to_owned(),
            ),
            file,
            options,
        };
        // The client asserts what it expects of an answer; an odd server must not end the program.
        catch_unwind(AssertUnwindSafe(|| request.fetch()))
            .unwrap_or_else(|_| Err(request.failed("the answer is not a hub's: check HF_ENDPOINT")))
    }

    struct Request<'a> {
        name: String,
        repo: Repo,
        file: &'a str,
        options: &'a HubOptions,
    }

    impl Request<'_> {
        fn failed(&self, problem: impl Into<String>) -> WeightsError {
            WeightsError::Hub { source_name: self.name.clone(), problem: problem.into() }
        }

        fn fetch(&self) -> Result<PathBuf, WeightsError> {
            let cache = self.options.cache.clone().map_or_else(Cache::from_env, Cache::new);
            if let Some(path) = cache.repo(self.repo.clone()).get(self.file) {
                // Its hash was compared when it came; a hash that the caller names is compared every time.
                self.verify(&path, self.options.sha256.clone())?;
                return Ok(path);
            }
            if self.options.offline {
                return Err(WeightsError::NotCached {
                    source_name: self.name.clone(),
                    cache: cache.path().clone(),
                });
            }
            let blobs = cache.path().join(self.repo.folder_name()).join("blobs");
            let mut builder = ApiBuilder::from_cache(cache).with_progress(self.options.progress);
            if let Some(endpoint) = &self.options.endpoint {
                builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
            }
            if let Some(token) = &self.options.token {
                builder = builder.with_token(Some(token.clone()));
            }
            let client = builder.build().map_err(|error| self.failed(one_line(error)))?;
            let path = client.repo(self.repo.clone()).download(self.file).map_err(|error| {
                if !matches!(error, ApiError::IoError(_) | ApiError::LockAcquisition(_)) {
                    // What a cut download left is continued next time. Any other failure may come from just that
                    // remainder (complete already, or too long), and would then come again for ever.
                    remove_partial(&blobs);
                }
                self.failed(explain(&error))
            })?;
            self.verify(&path, self.options.sha256.clone().or_else(|| hash_by_name(&path)))?;
            Ok(path)
        }

        /// Compares a cached file with the hash it must have, and removes it when they differ.
        fn verify(&self, path: &Path, expected: Option<String>) -> Result<(), WeightsError> {
            let Some(expected) = expected.map(|hash| hash.to_lowercase()) else {
                return Ok(());
            };
            let unreadable =
                |source: io::Error| WeightsError::Read { file: path.display().to_string(), source };
            let found =
                File::open(path).and_then(|mut file| sha256_of(&mut file)).map_err(unreadable)?;
            if found == expected {
                return Ok(());
            }
            // The entry in the snapshot points at the blob that holds the bytes: both must go.
            let blob = fs::canonicalize(path).map_err(unreadable)?;
            fs::remove_file(path).map_err(unreadable)?;
            if blob != path {
                let _ = fs::remove_file(blob); // gone already where the entry was no link
            }
            Err(WeightsError::WrongHash { source_name: self.name.clone(), expected, found })
        }
    }

    /// The sha256 that a hub names a large file's blob by; small files have a shorter name of another kind.
    fn hash_by_name(path: &Path) -> Option<String> {
        let blob = fs::canonicalize(path).ok()?;
        let name = blob.file_name()?.to_str()?;
        (name.len() == 64 && name.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .then(|| name.to_owned())
    }

    fn remove_partial(blobs: &Path) {
        let partial =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "part");
        let files = fs::read_dir(blobs).into_iter().flatten().flatten().map(|entry| entry.path());
        files.filter(partial).for_each(|path| drop(fs::remove_file(path)));
    }

    /// A failure of the client in words, with the mend.
    fn explain(error: &ApiError) -> String {
        let message = one_line(error);
        match error {
            ApiError::RequestError(_) if message.contains("status code 404") => {
                "not found: check owner, repository, file and revision".to_owned()
            }
            ApiError::RequestError(_)
                if message.contains("status code 401") || message.contains("status code 403") =>
            {
                "no access: accept the repository's terms, and set HF_TOKEN".to_owned()
            }
            ApiError::RequestError(_) => format!(
                "{message}: check the connection and HF_ENDPOINT, or download the file and give its path"
            ),
            ApiError::IoError(_) => format!("the download broke off ({message}): try again"),
            ApiError::LockAcquisition(_) => {
                "another program is downloading it: wait for it, then try again".to_owned()
            }
            ApiError::MissingHeader(_) | ApiError::InvalidHeader(_) => {
                format!("the answer is not a hub's ({message}): check HF_ENDPOINT")
            }
            _ => format!("{message}: try again"),
        }
    }
}
