//! The flags of `tl finetune`, and what they ask of the library.

use std::path::PathBuf;

use clap::Args;
use tl::{FinetuneOptions, RunRecord, works_on_texts};

use crate::failure::Failure;
use crate::finetune_task::{Kind, TASKS};
use crate::flags::{
    DataFlags, Machine, NetworkFlags, Patches, RunFlags, TextFlags, WindowFlags, one_of, shares,
};
use crate::table_flags::TableFlags;
use crate::tuning_flags::TuningFlags;

/// Fit a pretrained network to your own images or texts
///
/// DATA is a folder with one folder of images per class, perhaps inside folders train, validation and
/// test; a folder of IDX files; or a table (.csv, .tsv) with a column of paths and one of labels. For a network of texts it is a table with a first line of names (.csv, .tsv), a
/// file of JSON lines (.jsonl), or a folder of .txt files with a folder per class; a column split with train,
/// validation and test divides a table. With words that have tags it is a file with a word and its tag a line (CoNLL, BIO),
/// or a folder of such files called train, valid and test. Texts that are the same stay in one part. Data that is not divided is divided here: 70 % training, 15 %
/// validation, 15 % test, every class alike. The validation part chooses, the test part is measured
/// once, at the end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl finetune photos/                                       the embedded network, the recipe auto
  tl finetune photos/ --recipe probe                        a new head on frozen features: seconds
  tl finetune photos/ --model resnet50 --weights resnet50.pth --freeze-through layer2
  tl finetune photos/ --recipe gradual --layer-decay 0.7 --augment
  tl finetune photos/ --recipe finetune --augment=crop,flip,jitter=0.4,erasing=0.25
  tl finetune photos/ --recipe finetune --augment --mixup 0.2 --cutmix 1 --batch-size 8 --accumulate 4
  tl finetune scans.csv --label-column finding --group-column patient
  tl finetune scenes.csv --label-separator '|'              several labels or none for each image
  tl finetune photos/ --dry-run                             classes, split, what is trained; writes nothing
  tl finetune photos/ --seeds 3                             three runs, mean ± deviation
  tl finetune photos/ --minutes 10                          the best plan that ten minutes suffice for
  tl finetune photos/ --out runs/1 --resume                 go on with an interrupted run
  tl finetune photos/ --config runs/1/run.json --lr 3e-4    that run's options, another rate
  tl finetune reviews.csv --task text --model bert --weights MiniLM/ --recipe finetune
  tl finetune reviews.csv --model bert --weights MiniLM/ --adapter lora:rank=4,targets=query+value
  tl finetune articles.jsonl --model bert --weights MiniLM/ --max-length 256 --stride 64     no end of a long text is lost
  tl finetune train.conll --task tokens --model bert --weights MiniLM/ --epochs 8 --lr 1e-3
  tl finetune novel.txt --task lm --model gpt2 --weights gpt2/     a language model; then: tl generate
  tl finetune questions.csv --task embedding --text-column question --pair-column answer --model bert --weights MiniLM/
  tl finetune next/ --weights runs/1 --regularise lwf --regularise rehearsal     what runs/1 learnt is not forgotten
  tl finetune rated.csv --task regression --label-column rating --model bert --weights MiniLM/     a number for each text

A run's folder holds run.json (everything about it), model.safetensors (the origin's names: load.py opens
it in Python), report.html, metrics.jsonl, predictions.csv, split.csv, labels.json and a checkpoint.")]
pub struct Finetune {
    /// A folder with one folder of images per class, IDX files, mnist:FOLDER, uci:FOLDER (digits as fetched) or embedded; a table of
    /// images; a table or a folder of texts
    pub data: PathBuf,

    /// What the data are: image, text, tokens for words with tags, as of named entities, lm for texts without labels, of which
    /// a gpt2 learns what comes next, embedding for pairs of texts whose vectors are to be near each other, or regression for texts
    /// whose labels are numbers, with which others are then answered [default: what the network works on; tokens where the file holds a word and its tag a line]
    #[arg(long, value_parser = one_of(&TASKS))]
    pub task: Option<Kind>,

    #[command(flatten)]
    pub network: NetworkFlags,

    #[command(flatten)]
    pub patches: Patches,

    #[command(flatten)]
    pub tuning: TuningFlags,

    #[command(flatten)]
    pub data_flags: DataFlags,

    /// The shares of training, validation and test part in percent, of data that is not divided [default: 70,15,15]
    #[arg(long, value_name = "A,B,C", value_parser = shares, help_heading = "Data")]
    pub split: Option<[f64; 3]>,

    /// Tell which images of the validation and test part look like one of another part, where at most BITS of 64 bits of how they
    /// look (a difference hash) differ, whatever the images are and however many [default: 4, of image files; --dry-run, which
    /// reads them for this alone, up to 5000]
    #[arg(long, value_name = "BITS", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=16), help_heading = "Data")]
    pub near_duplicates: Option<u32>,

    #[command(flatten)]
    pub text: TextFlags,

    #[command(flatten)]
    pub windows: WindowFlags,

    #[command(flatten)]
    pub table: TableFlags,

    #[command(flatten)]
    pub run: RunFlags,

    /// Keep to this time: what the recipe says is tried first, with as many epochs as fit, and without --recipe other plans follow
    /// while there is time (a probe, the last stages, adapters); the validation part chooses. The test part is measured once, in the
    /// end; an estimate of what that takes is kept free, so that the whole ends near M. No map of embeddings and no picture of where
    /// the network looks is drawn. With --resume the time that was used before counts, and the result need not
    /// be that of a run without an interruption; --epochs is the most that is run
    #[arg(long, value_name = "M", allow_negative_numbers = true, conflicts_with_all = ["seeds", "dry_run"])]
    pub minutes: Option<f64>,

    /// Compute the frozen stages anew in every epoch instead of keeping their outputs
    #[arg(long, help_heading = "Machine")]
    pub no_cache: bool,

    /// Multiply in bf16 in the frozen stages, where the processor has AVX512-BF16; their outputs change in the third digit
    #[arg(long, help_heading = "Machine")]
    pub half_prefix: bool,

    #[command(flatten)]
    pub machine: Machine,
}

impl Finetune {
    /// The defaults or those of `--config`, overridden by the flags that were given.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn options(&self) -> Result<FinetuneOptions, Failure> {
        let mut options = match &self.run.config {
            Some(path) => RunRecord::read(path)?.options,
            None => FinetuneOptions::default(),
        };
        self.network.override_weights(&mut options.network, &mut options.weights)?;
        options.partial_weights |= self.network.partial;
        options.image_size = self.network.image_size.or(options.image_size);
        self.patches.put_into(&mut options.patches);
        self.text.put_into(&mut options.text);
        self.windows.put_into(&mut options.text);
        let columns = &mut options.text.columns;
        self.table.put_into(columns, &self.data, &options.network)?;
        self.set_task(&mut options)?;
        options.shots = self.data_flags.shots.or(options.shots);
        if self.near_duplicates.is_some() && works_on_texts(&options.network) {
            let network = &options.network;
            return Err(Failure::input(format!(
                "--near-duplicates compares images, and {network} works on texts; leave it out"
            )));
        }
        options.near_duplicates = self.near_duplicates.or(options.near_duplicates);
        options.strict |= self.data_flags.strict;
        options.split = self.split.unwrap_or(options.split);
        self.tuning.put_into(&mut options, self.network.freeze_through.as_ref())?;
        let settings = &mut options.settings;
        settings.seed = self.run.seed.unwrap_or(settings.seed);
        settings.cache &= !self.no_cache;
        settings.half_prefix |= self.half_prefix;
        Ok(options)
    }

    /// Whether the texts need no labels, for a language model or vectors: by the task, or by that of `--config`.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn is_unlabelled(&self) -> Result<bool, Failure> {
        match (self.task, &self.run.config) {
            (Some(task), _) => Ok(task.is_unlabelled()),
            (None, Some(path)) => Ok(RunRecord::read(path)?.language.is_some()),
            (None, None) => Ok(false),
        }
    }
}
