//! What a table of ways is made of: tasks with their data, and the ways to a model.

use std::path::Path;

use crate::shell::Outcome;

/// A table of ways.
pub trait Ways {
    const NAME: &'static str;
    /// What the page says before the tasks.
    const ABOUT: &'static str;
    const TASKS: &'static [Task];
    /// What is asked of the ways of each task.
    const ASKED: Option<Asked> = None;

    /// Writes the data that the table makes itself below its folder, unless they are there.
    ///
    /// # Errors
    /// When what they are made of cannot be fetched or read.
    fn make(_folder: &Path) -> Outcome<()> {
        Ok(())
    }
}

/// So many points above the way `over`, at so many training examples of each class.
pub struct Asked {
    pub shots: usize,
    pub points: f64,
    pub over: &'static str,
}

/// Data, and what is done with them.
pub struct Task {
    pub name: &'static str,
    pub title: &'static str,
    pub data: Data,
    /// Words of every command.
    pub words: &'static str,
    /// Training examples of each class; 0 stands for all.
    pub shots: &'static [usize],
    pub seeds: u64,
    pub ways: &'static [Way],
}

/// Where the data of a task are.
pub enum Data {
    /// A fetched file, and what stands in front of it on the command line.
    Fetched { asset: &'static str, prefix: &'static str },
    /// E-mails as lines of JSON, made of a fetched archive.
    Spam { asset: &'static str },
    /// A folder of the project.
    Own(&'static str),
    /// A folder that [`Ways::make`] writes below the table's.
    Made(&'static str),
}

impl Data {
    pub fn asset(&self) -> Option<&'static str> {
        match self {
            Self::Fetched { asset, .. } | Self::Spam { asset } => Some(asset),
            Self::Own(_) | Self::Made(_) => None,
        }
    }

    /// The word of a command.
    pub fn word(&self) -> String {
        match self {
            Self::Fetched { asset, prefix } => format!("{prefix}$TL_CACHE/{asset}"),
            Self::Spam { .. } => "$TABLE/spam.jsonl".to_string(),
            Self::Own(folder) => folder.to_string(),
            Self::Made(folder) => format!("$TABLE/{folder}"),
        }
    }

    /// What the page calls them.
    pub fn shown(&self) -> String {
        match self {
            Self::Fetched { asset, prefix } => format!("{prefix}{asset}"),
            Self::Spam { asset } => asset.to_string(),
            Self::Own(folder) | Self::Made(folder) => folder.to_string(),
        }
    }
}

/// One way to a model.
pub struct Way {
    pub name: &'static str,
    /// The command; DATA stands for the data.
    pub words: &'static str,
    /// What is made first, once for all seeds.
    pub before: &'static [Before],
}

/// A run that others begin from.
pub struct Before {
    /// Its folder below the table's, in [`BEFORE`].
    pub makes: &'static str,
    pub words: &'static str,
}

/// Where runs that others begin from lie.
pub const BEFORE: &str = "$TABLE/before/";
/// Where a text encoder lies that a command names.
pub const ENCODER: &str = "$TABLE/MiniLM";

/// A way without anything before it.
pub const fn way(name: &'static str, words: &'static str) -> Way {
    Way { name, words, before: &[] }
}
