//! Images that may have several labels or none.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_data::{Items, Skipped};
use tl_train::metrics::SeveralLabels;
use tl_train::report::{Figure, Section, Table};
use tl_train::{Predictions, Progress};

use crate::predict::quoted;
use crate::record::RunRecord;
use crate::{Error, Examples, FinetuneOptions, Recipe, Run, Tuning};

/// What a fitting of several labels found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeveralRecord {
    pub validation: Option<SeveralLabels>,
    /// On the test part, measured once.
    pub test: Option<SeveralLabels>,
}

/// What a run of several labels was measured at, and what it could not read.
#[derive(Clone, Debug)]
pub struct MeasuredSeveral {
    pub found: SeveralLabels,
    /// Which images were measured, in words.
    pub part: String,
    pub skipped: Vec<Skipped>,
}

/// What a run answers for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeveralPrediction {
    pub file: String,
    /// The labels whose probability is above 0.5, the most probable first.
    pub labels: Vec<String>,
    /// Of every label, in the order of the run's labels.
    pub probabilities: Vec<f64>,
    pub logits: Vec<f32>,
}

impl SeveralPrediction {
    /// The labels above 0.5 with their probabilities.
    pub fn found<'p>(&self, labels: &'p [String]) -> Vec<(&'p str, f64)> {
        let all = labels.iter().map(String::as_str).zip(self.probabilities.iter().copied());
        let mut found: Vec<(&str, f64)> =
            all.zip(&self.logits).filter(|(_, logit)| **logit > 0.0).map(|(it, _)| it).collect();
        found.sort_by(|one, other| other.1.total_cmp(&one.1));
        found
    }
}

/// Whether images may have several labels.
pub(crate) fn are_several(examples: &Examples) -> bool {
    let items = examples.items();
    (0..items.count()).any(|index| items.several(index).is_some())
}

/// Refuses what is asked for that needs one class of each image.
pub(crate) fn check(options: &FinetuneOptions) -> Result<(), Error> {
    let [mixup, cutmix] = options.settings.mixing();
    let smooth = options.tuning.label_smoothing.is_some_and(|share| share != 0.0);
    let given = [
        ("--shots", options.shots.is_some()),
        ("--label-smoothing", smooth),
        ("--mixup", mixup.is_some()),
        ("--cutmix", cutmix.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            let mend = format!("leave out {flag}");
            Err(Error::options("an image has several labels or none", mend))
        }
    }
}

/// `tuning` for a head with a sigmoid for each class, which no solver finds: it is trained by gradient, with the rest.
pub(crate) fn by_gradient(tuning: Tuning) -> Result<Tuning, Error> {
    match (tuning.recipe, tuning.epochs) {
        (Recipe::Auto, _) => Ok(Tuning { recipe: Recipe::Finetune, ..tuning }),
        (Recipe::Probe, None) => Err(Error::options(
            "a head that answers with several labels is trained by gradient",
            "give --epochs N with --recipe probe, or take --recipe finetune",
        )),
        _ => Ok(tuning),
    }
}

/// The labels of every image that was answered for.
pub fn several_predictions(
    found: &Predictions,
    items: &dyn Items,
    labels: &[String],
) -> Vec<SeveralPrediction> {
    let of = |(item, logits): (usize, &[f32])| {
        let sigmoid = |logit: &f32| 1.0 / (1.0 + (-f64::from(*logit)).exp());
        let answer = SeveralPrediction {
            file: items.name(item).to_string(),
            labels: Vec::new(),
            probabilities: logits.iter().map(sigmoid).collect(),
            logits: logits.to_vec(),
        };
        let own = answer.found(labels).into_iter().map(|(label, _)| label.to_string()).collect();
        SeveralPrediction { labels: own, ..answer }
    };
    found.rows().map(of).collect()
}

/// `file,labels,predicted` and a column for the probability of each class, one line for each image.
pub(crate) fn to_csv(found: &Predictions, items: &dyn Items, options: &FinetuneOptions) -> String {
    let classes = items.classes();
    let columns = &options.text.columns;
    let separator = columns.separator.as_deref().unwrap_or("|");
    let names: Vec<String> = classes.iter().map(|class| quoted(class)).collect();
    let mut table = format!("file,labels,predicted,{}\n", names.join(","));
    for (answer, &item) in several_predictions(found, items, classes).iter().zip(&found.items) {
        let own = items.several(item).unwrap_or_default();
        let own: Vec<&str> =
            own.iter().filter_map(|class| classes.get(*class)).map(String::as_str).collect();
        let each: Vec<String> = answer.probabilities.iter().map(|it| format!("{it:.6}")).collect();
        table += &format!(
            "{},{},{},{}\n",
            quoted(&answer.file),
            quoted(&own.join(separator)),
            quoted(&answer.labels.join(separator)),
            each.join(",")
        );
    }
    table
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".to_string(), |value| format!("{value:.3}"))
}

/// What the report says of each label.
pub(crate) fn section(record: &SeveralRecord) -> Option<Section> {
    let (part, found) = match (&record.test, &record.validation) {
        (Some(found), _) => ("test", found),
        (None, found) => ("validation", found.as_ref()?),
    };
    let row = |it: &tl_train::metrics::LabelScore| {
        let shares = [it.precision, it.recall, it.f1].map(|share| figure(Some(share)));
        let first = vec![it.label.clone(), it.n.to_string(), figure(it.average_precision)];
        [first, shares.to_vec()].concat()
    };
    let columns = ["label", "images#", "average precision#", "precision#", "recall#", "F1#"];
    Some(Section {
        title: format!("Labels on the {part} part"),
        lines: vec![
            found.to_string(),
            "Precision, recall and F1 count a label where its probability is above 0.5; the average precision goes over all \
             thresholds."
                .to_string(),
        ],
        tables: vec![Table {
            name: "labels".into(),
            columns: columns.map(str::to_string).to_vec(),
            rows: found.per_label.iter().map(row).collect(),
        }],
        ..Section::default()
    })
}

/// What tells in one look how good the labels of a run are.
pub(crate) fn figures(record: &RunRecord) -> Vec<Figure> {
    let Some(several) = &record.several else { return Vec::new() };
    let of = |(part, found): (&str, &Option<SeveralLabels>)| {
        let Some(found) = found else { return Vec::new() };
        let each = [
            ("mAP", found.mean_average_precision),
            ("macro F1", Some(found.macro_f1)),
            ("micro F1", Some(found.micro_f1)),
        ];
        let n = || format!("{} images", found.n);
        let figure = |(name, value): (&str, Option<f64>)| Figure {
            name: format!("{part} {name}"),
            value: figure(value),
            interval: None,
            n: n(),
        };
        each.into_iter().map(figure).collect()
    };
    let parts = [("Test", &several.test), ("Validation", &several.validation)];
    parts.into_iter().flat_map(of).collect()
}

impl Run {
    /// Measures a run of several labels on images: of those that it was fitted on its test part, of data that is divided into parts the
    /// test part, of any other data all.
    ///
    /// # Errors
    /// A run of another kind, a class that the run does not know, images whose labels are not known.
    pub fn evaluate_several(
        &self,
        examples: &Examples,
        threads: usize,
        strict: bool,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<MeasuredSeveral, Error> {
        if self.record.several.is_none() {
            let mend = "measure it with Run::evaluate";
            return Err(Error::options("the run answers with one class", mend));
        }
        let (items, part) = self.part(examples.items())?;
        let examples = examples.with_classes(&self.record.labels)?;
        let data = self.dataset(&examples, threads, strict)?;
        let found = self.predict(&*data, &items, device, progress)?;
        let measured = match data.several() {
            Some(several) => found.several(&self.record.labels, several)?,
            None => None,
        };
        let measured = measured.ok_or_else(|| {
            let mend = "give a table with the columns of labels that the run was fitted with";
            Error::options("nothing in the data has labels and can be read", mend)
        })?;
        Ok(MeasuredSeveral { found: measured, part, skipped: data.skipped() })
    }
}
