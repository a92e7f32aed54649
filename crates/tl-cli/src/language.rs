//! `tl finetune --task lm` or `embedding`, `tl pretrain --method mlm` or `clm`, and `tl evaluate` of what they make: language
//! models and makers of vectors.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tl::burn::tensor::Device;
use tl::language::Found;
use tl::train::{Progress, TrainError};
use tl::{Error, Examples, LanguageRun, PreparedLanguage, Request, RunRecord, prepare_language};

use crate::evaluate::Evaluate;
use crate::failure::Failure;
use crate::finetune::resume_words;
use crate::finetune_flags::Finetune;
use crate::flags::Machine;
use crate::{interruption, output};

/// A finished run, as `--json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    run: String,
    seed: u64,
    network: &'a str,
    test: Option<Found>,
    validation: Option<Found>,
    kept: &'a Option<String>,
    steps: u64,
    seconds: f64,
}

/// Fits as `request` says.
pub fn fit(verb: &Finetune, mut request: Request) -> Result<(), Failure> {
    if verb.run.seeds.is_some() {
        return Err(Failure::input("--seeds is for classifiers; give --seed N, run after run"));
    }
    if verb.minutes.is_some() {
        return Err(Failure::input("--minutes is for classifiers; give --epochs N"));
    }
    if verb.run.dry_run {
        interruption::end_at_once();
        return dry_run(&prepare_language(request)?, verb.machine.json);
    }
    request.stop = interruption::stop_flag();
    carry_out(request, &verb.machine).map(|_| ())
}

/// Fits on texts without labels and tells what came of it; answers the run's folder.
pub fn carry_out(request: Request, machine: &Machine) -> Result<PathBuf, Failure> {
    let resume = resume_words(request.out.is_some(), request.resume);
    let mut prepared = prepare_language(request)?;
    output::notes(&prepared.data.notes());
    let folder = prepared.claim()?;
    let mut progress = machine.display();
    progress.say(&headline(&prepared.record, &folder));
    let run = prepared.fit(&mut progress).map_err(|error| match error {
        Error::Train(TrainError::Interrupted { .. }) => {
            Failure::interrupted(format!("{error}; go on with: {}", resume(&folder)))
        }
        other => other.into(),
    })?;
    let (record, found) = (&run.record, run.record.language.clone().unwrap_or_default());
    let outcome = Outcome {
        run: run.folder.to_string_lossy().into_owned(),
        seed: record.options.settings.seed,
        network: &record.network,
        test: found.test,
        validation: found.validation,
        kept: &record.kept,
        steps: record.steps,
        seconds: record.seconds,
    };
    if machine.json {
        output::object(&outcome)?;
        return Ok(folder);
    }
    let mut text = String::new();
    for (part, found) in [("test", found.test), ("validation", found.validation)] {
        text += &found.map_or(format!("no {part} part\n"), |found| format!("{part}: {found}\n"));
    }
    let kept = record.kept.as_deref().unwrap_or("nothing");
    text += &format!("kept: {kept} · {} steps · {:.1} s\n", record.steps, record.seconds);
    output::print(&format!("{text}run: {}\n", outcome.run))?;
    Ok(folder)
}

fn headline(record: &RunRecord, folder: &Path) -> String {
    let RunRecord { network, options, data, device, preprocess, .. } = record;
    format!(
        "{network} ({}) on {device}, {preprocess}: {} training, {} validation and {} test {}; run: {}",
        options.weights,
        data.train,
        data.validation,
        data.test,
        match &options.text {
            text if text.masked.is_some() => "texts",
            text if text.pairs => "pairs",
            _ => "blocks",
        },
        folder.display()
    )
}

/// What `--dry-run --json` prints.
#[derive(Serialize)]
struct DryRun<'a> {
    dry_run: bool,
    network: &'a str,
    weights: &'a str,
    preprocess: &'a tl::record::Preprocessing,
    data: &'a tl::record::DataRecord,
    trainable_report: &'a tl::core::TrainableReport,
    load_report: &'a Option<tl::models::weights::LoadReport>,
}

fn dry_run(prepared: &PreparedLanguage, json: bool) -> Result<(), Failure> {
    let record = &prepared.record;
    if json {
        return output::object(&DryRun {
            dry_run: true,
            network: &record.network,
            weights: &record.options.weights,
            preprocess: &record.preprocess,
            data: &record.data,
            trainable_report: &prepared.report,
            load_report: &record.load_report,
        });
    }
    let head = headline(record, Path::new("none"));
    output::print(&format!("{head}\n\n{}\nnothing was written\n", prepared.report))
}

/// What `--json` of an evaluation prints.
#[derive(Serialize)]
struct Answer<'a> {
    run: &'a str,
    part: &'a str,
    #[serde(flatten)]
    found: Found,
}

/// Measures a run that holds a language model or makes vectors.
pub fn evaluate(verb: &Evaluate, device: &Device) -> Result<(), Failure> {
    let [name] = verb.data.as_slice() else {
        return Err(Failure::input("a run on texts is measured on one file; give one"));
    };
    if verb.shift.is_some() {
        return Err(Failure::input("texts know no shift; leave out --shift"));
    }
    let run = LanguageRun::open(&verb.run, device)?;
    let columns = &run.record.preprocess.texts()?.columns;
    let examples = Examples::texts(name, columns, false)?;
    output::notes(examples.notes());
    let (found, part) = run.evaluate(&examples, device, &mut verb.machine.display())?;
    if verb.machine.json {
        let run = &verb.run.to_string_lossy();
        return output::object(&Answer { run, part: &part, found });
    }
    output::print(&format!("{found}\n({part})\n"))
}
