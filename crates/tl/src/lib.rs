#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`device`](mod@device) | the one place where the name of a backend is read |
//! | [`network`] | [`Network`]: the networks by name |
//! | [`calibration`] | the temperature of a run's probabilities |
//! | [`chain`](mod@chain) | tasks one after another, and what is forgotten: [`ChainRequest`], [`prepare_chain`], [`chain()`] |
//! | [`registry`] | what each network is and costs, and the published weights that fit it |
//! | [`choice`] | [`NetworkChoice`]: a name and what may be said beside it |
//! | [`source`] | from the name of a network and of its weights to a classifier |
//! | [`recipe`] | [`Recipe`] and [`Tuning`]: how a network is tuned, as plans |
//! | [`options`] | [`FinetuneOptions`] |
//! | [`earlier`] | what a fitting takes over from the runs of earlier tasks: [`EarlierTask`] |
//! | [`examples`] | [`Examples`]: images or texts |
//! | [`finetune`](mod@finetune) | [`Request`], [`prepare`], [`finetune()`] |
//! | [`minutes`] | fitting within a time: [`Budget`], [`prepare_within`] |
//! | [`adapters`] | LoRA and its kin in a fitting, and from a run |
//! | [`export`](mod@export) | a run's network in a file of another library |
//! | [`foreign`] | adapters from elsewhere, in PEFT's format |
//! | [`adapt`](mod@adapt) | to another domain without its labels: [`AdaptRequest`], [`prepare_adaptation`], [`adapt()`] |
//! | [`find_rate`](mod@find_rate) | a learning rate, before anything is fitted |
//! | [`folder`] | where a run goes |
//! | [`pretrain`](mod@pretrain) | without labels: [`PretrainRequest`], [`prepare_pretraining`], [`pretrain()`] |
//! | [`probe`](mod@probe) | what features are good for, without tuning: [`ProbeRequest`], [`probe()`] |
//! | [`rank`](mod@rank) | which network to begin with: [`RankRequest`], [`rank()`] |
//! | [`run`] | [`Run`]: open, evaluate, predict, export |
//! | [`language`] | language models: [`prepare_language`], [`LanguageRun`], [`Writer`] |
//! | [`near`] | images of two parts that look alike |
//! | [`numbers`] | texts that are answered with a number |
//! | [`several`] | images that may have several labels or none |
//! | [`record`] | [`RunRecord`]: `run.json` |
//! | [`runs`] | finished runs side by side |
//! | [`predictor`] | [`Predictor`]: a run that several threads ask at once |
//! | [`predict`] | predictions as people read them |
//! | [`entities`] | the entities that tags of words make |
//! | [`embed`](mod@embed) | images to vectors |
//! | [`compare`] | a backend against another |
//! | [`demo`] | the demonstration and its table |
//! | [`embedded`] | what is part of the program |

pub mod adapt;
pub mod adapters;
pub mod calibration;
pub mod chain;
pub mod choice;
pub mod compare;
mod conclude;
pub mod demo;
pub mod device;
pub mod earlier;
pub mod embed;
pub mod embedded;
mod embedding_map;
pub mod entities;
mod error;
mod estimate;
pub mod examples;
pub mod export;
pub mod find_rate;
pub mod finetune;
pub mod folder;
pub mod foreign;
mod gaze;
mod highlights;
mod image_options;
pub mod language;
mod load_script;
mod looks;
pub mod minutes;
pub mod near;
pub mod network;
pub mod numbers;
pub mod options;
mod outcome;
mod page;
mod plane;
pub mod predict;
pub mod predictor;
pub mod pretrain;
pub mod probe;
pub mod rank;
pub mod recipe;
pub mod record;
pub mod registry;
pub mod run;
pub mod runs;
pub mod several;
pub mod source;
mod text_files;

pub use adapt::{AdaptOptions, AdaptRequest, PreparedAdaptation, adapt, prepare_adaptation};
pub use chain::{ChainRecord, ChainRequest, PreparedChain, chain, prepare_chain};
pub use choice::{NetworkChoice, PatchOptions};
pub use device::device;
pub use earlier::EarlierTask;
pub use embed::embed;
pub use error::Error;
pub use examples::Examples;
pub use finetune::{Prepared, Request, finetune, prepare};
pub use language::{LanguageRun, PreparedLanguage, Sampling, Writer, prepare_language};
pub use minutes::{Budget, MinutesRecord, PreparedWithin, prepare_within};
pub use network::{EMBEDDED_NETWORK, Network, networks, text_family, works_on_texts};
pub use options::{FinetuneOptions, TextOptions};
pub use predictor::{Batching, Predictor, Query};
pub use pretrain::{
    PreparedPretraining, PretrainOptions, PretrainRequest, prepare_pretraining, pretrain,
};
pub use probe::{ProbeRequest, Probed, probe};
pub use rank::{Candidate, RankRequest, Ranked, Ranking, Score, rank};
pub use recipe::{Recipe, Tuning};
pub use record::{RunRecord, Status};
pub use run::Run;
pub use source::{preprocess, pretrained, pretrained_as, pretrained_to_use};

pub use burn;
pub use {
    tl_adapt as adaptation, tl_core as core, tl_data as data, tl_kernels as kernels,
    tl_models as models, tl_peft as peft, tl_ssl as ssl, tl_train as train,
};

/// What most programs need.
pub mod prelude {
    pub use crate::{Network, Recipe, Request, Run, device, finetune, pretrained};
    pub use tl_core::{Backbone, Freeze, NormPolicy, Phase, Plan, Schedule};
    pub use tl_data::Images;
    pub use tl_train::{Lines, Progress, Silent};
}

// The program in the project's README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
