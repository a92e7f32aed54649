//! `tl evaluate`: how good a run is on labelled images or texts.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tl::adapt::{open_sources_as, open_texts};
use tl::burn::tensor::Device;
use tl::data::text::{Columns, Tagged};
use tl::data::{Shift, Skipped};
use tl::record::Preprocessing;
use tl::run::Measured;
use tl::several::MeasuredSeveral;
use tl::train::metrics::{ClassScore, Entities, Evaluation, LabelScore, Regression, SeveralLabels};
use tl::{Examples, Run};

use crate::failure::Failure;
use crate::flags::Machine;
use crate::{language, output};

/// Measure a run on labelled images or texts: accuracy with its 95 % interval, scores per class; or how near its numbers are
///
/// Of the data that the run was fitted on its test part is measured; of data with a folder `test` that
/// part; of any other data all. Classes are matched by name.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl evaluate runs/1 photos/            the part that the run set aside for its test
  tl evaluate runs/1 other-photos/      other images of the same classes
  tl evaluate runs/1 photos/ --shift night:0.7   after `tl adapt --target-shift night:0.7`
  tl evaluate runs/2 reviews.csv --json          a run on texts, read as it read its own")]
pub struct Evaluate {
    /// The folder of a finished run, or of adapters in PEFT's format (adapter:FOLDER,base=SRC on another base)
    pub run: PathBuf,

    /// A folder with one folder of images per class, IDX files, mnist:FOLDER, uci:FOLDER or embedded, or a table of images; several, where the run
    /// has several sources; of a run on texts a table or a folder of texts
    #[arg(required = true)]
    pub data: Vec<String>,

    /// Measure the images after this shift, drawn from the run's seed: what `tl adapt --target-shift` adapted to
    #[arg(long, value_name = "SHIFT")]
    pub shift: Option<Shift>,

    /// Measure probabilities at the temperature that the run fitted on its validation part; no label changes
    #[arg(long)]
    pub calibrated: bool,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    run: &'a str,
    part: &'a str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    labels: &'a [String],
    skipped: &'a [Skipped],
}

pub fn run(verb: &Evaluate) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    if tl::foreign::holds_language(&verb.run)? {
        if verb.calibrated {
            return Err(Failure::input(
                "a language model has no temperature of a validation part; leave out --calibrated",
            ));
        }
        return language::evaluate(verb, &device);
    }
    let mut run = Run::open(&verb.run, &device)?;
    if verb.calibrated {
        run.record.temperature()?;
        run.calibrated = true;
    }
    if run.record.numbers.is_some() {
        return numbers(verb, &run, &device);
    }
    if run.record.several.is_some() {
        return several(verb, &run, &device);
    }
    let examples = match (&run.record.preprocess, verb.data.as_slice()) {
        (Preprocessing::Texts(options), [name]) if options.tokens => {
            Tagged::open(name.as_ref())?.into()
        }
        (Preprocessing::Texts(options), _) if options.tokens => {
            return Err(Failure::input(
                "a run on words with tags is measured on one file; give one",
            ));
        }
        (Preprocessing::Texts(options), names) => open_texts(names, &options.columns, true)?,
        (Preprocessing::Images(_), names) => open_sources_as(names, &columns(&run), true)?.into(),
    };
    output::notes(examples.notes());
    let (shift, threads) = (verb.shift.as_ref(), verb.machine.threads());
    let measured =
        run.evaluate(examples, shift, threads, verb.strict, &device, &mut verb.machine.display())?;
    if verb.machine.json {
        return output::object(&Answer {
            run: &verb.run.to_string_lossy(),
            part: &measured.part,
            evaluation: &measured.evaluation,
            labels: &run.record.labels,
            skipped: &measured.skipped,
        });
    }
    output::print(&table(&measured, run.record.preprocess.noun()))
}

/// The columns of a table that is measured: nothing is divided any more, so that images need no group.
fn columns(run: &Run) -> Columns {
    Columns { group: None, ..run.record.options.text.columns.clone() }
}

/// What `--json` prints of a run of numbers.
#[derive(Serialize)]
struct NumbersAnswer<'a> {
    run: &'a str,
    part: &'a str,
    #[serde(flatten)]
    found: Regression,
}

/// Measures a run that answers with numbers.
fn numbers(verb: &Evaluate, run: &Run, device: &Device) -> Result<(), Failure> {
    let [name] = verb.data.as_slice() else {
        return Err(Failure::input("a run of numbers is measured on one file; give one"));
    };
    if verb.shift.is_some() {
        return Err(Failure::input("texts know no shift; leave out --shift"));
    }
    let options = run.record.preprocess.texts()?;
    let examples = Examples::open(name, &run.record.network, options, true)?;
    output::notes(examples.notes());
    let (found, part) = run.evaluate_numbers(&examples, device, &mut verb.machine.display())?;
    if verb.machine.json {
        let run = &verb.run.to_string_lossy();
        return output::object(&NumbersAnswer { run, part: &part, found });
    }
    output::print(&format!("{found}\n({part})\n"))
}

/// What `--json` prints of a run of several labels.
#[derive(Serialize)]
struct SeveralAnswer<'a> {
    run: &'a str,
    part: &'a str,
    #[serde(flatten)]
    found: SeveralLabels,
    skipped: &'a [Skipped],
}

/// Measures a run that answers with several labels.
fn several(verb: &Evaluate, run: &Run, device: &Device) -> Result<(), Failure> {
    if verb.shift.is_some() {
        return Err(Failure::input("images of several labels are not shifted; leave out --shift"));
    }
    let examples: Examples = open_sources_as(&verb.data, &columns(run), true)?.into();
    output::notes(examples.notes());
    let (threads, progress) = (verb.machine.threads(), &mut verb.machine.display());
    let measured = run.evaluate_several(&examples, threads, verb.strict, device, progress)?;
    let MeasuredSeveral { found, part, skipped } = measured;
    if verb.machine.json {
        let run = &verb.run.to_string_lossy();
        return output::object(&SeveralAnswer { run, part: &part, found, skipped: &skipped });
    }
    let known = |value: Option<f64>| value.map_or("–".to_string(), |it| format!("{it:.3}"));
    let row = |it: &LabelScore| {
        let first = vec![it.label.clone(), it.n.to_string(), known(it.average_precision)];
        let rest = [it.precision, it.recall, it.f1].map(|share| format!("{share:.3}"));
        [first, rest.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = found.per_label.iter().map(row).collect();
    let columns = ["label", "images#", "average precision#", "precision#", "recall#", "F1#"];
    let table = output::table(&columns, &rows);
    output::print(&format!("{found}\n({part})\n\n{table}{}", output::skipped(&skipped)))
}

/// The result as a person reads it.
fn table(measured: &Measured, noun: &str) -> String {
    let Measured { evaluation, part, skipped } = measured;
    let mut text = format!(
        "accuracy {} on {part}\nmacro F1 {:.3} · weighted F1 {:.3} · MCC {:.3}{} · loss {:.4}\n",
        output::accuracy(evaluation),
        evaluation.macro_f1,
        evaluation.weighted_f1,
        evaluation.mcc,
        evaluation.auroc.map_or(String::new(), |area| format!(" · AUROC {area:.3}")),
        evaluation.loss
    );
    text += &output::figures(evaluation);
    text.push('\n');
    if let Some(found) = &evaluation.entities {
        return entities(found, evaluation, part);
    }
    classes(&mut text, &evaluation.per_class, noun);
    text + &output::skipped(skipped)
}

/// Entities as a person reads them; the accuracy is that of words.
fn entities(found: &Entities, words: &Evaluation, part: &str) -> String {
    let Entities { usual, strict, scheme, interval: [low, high] } = found;
    let mut text = format!(
        "F1 of entities {} on {part}\nprecision {:.3} · recall {:.3} · macro F1 {:.3} · weighted F1 {:.3} · strict {} F1 {:.3}\n\
         accuracy of words {} · loss {:.4}\n\n",
        output::share(usual.micro.f1, [*low, *high], usual.n),
        usual.micro.precision,
        usual.micro.recall,
        usual.mean.f1,
        usual.weighted.f1,
        scheme.name(),
        strict.micro.f1,
        output::accuracy(words),
        words.loss
    );
    classes(&mut text, &usual.per_type, "entities");
    text
}

/// A line for each class.
fn classes(text: &mut String, scores: &[ClassScore], noun: &str) {
    let label = |class: &ClassScore| class.label.chars().count();
    let width = scores.iter().map(label).max().unwrap_or(0).max(5);
    *text += &format!("{:width$}  {noun:>8}  precision  recall     F1\n", "class");
    for class in scores {
        *text += &format!(
            "{:width$}  {:>8}  {:>9.3}  {:>6.3}  {:>5.3}\n",
            class.label, class.n, class.precision, class.recall, class.f1
        );
    }
}
