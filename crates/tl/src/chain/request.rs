//! A chain that is asked for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Request;

/// Which weights a task begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// Those that the task before it left; the first task's are the chain's own.
    #[default]
    Previous,
    /// The chain's first weights, for every task: each has adapters of its own on one trunk.
    Base,
}

impl Begin {
    /// Both by name.
    pub const ALL: [(&'static str, Self); 2] = [("previous", Self::Previous), ("base", Self::Base)];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Base => "base",
        }
    }
}

/// One task of a chain: what it is called, and how it is fitted. Folder and resuming are the chain's to say.
#[derive(Clone, Debug)]
pub struct Link {
    pub name: String,
    pub request: Request,
}

/// Tasks that are learnt one after another.
#[derive(Clone, Debug)]
pub struct ChainRequest {
    /// In the order in which they are learnt. The first one's device and weights are the chain's.
    pub links: Vec<Link>,
    pub begin: Begin,
    /// Whether a probe measures before each task what the features are worth to it.
    pub probe: bool,
    /// The chain's folder; without it the next free number under `runs/`.
    pub out: Option<PathBuf>,
    pub resume: bool,
    /// The command line for the report.
    pub command: String,
}

impl ChainRequest {
    /// A chain of these tasks, each beginning with what the one before it left.
    pub fn new(links: Vec<Link>) -> Self {
        Self {
            links,
            begin: Begin::default(),
            probe: true,
            out: None,
            resume: false,
            command: String::new(),
        }
    }
}
