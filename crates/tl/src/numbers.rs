//! Texts that are answered with a number instead of a class.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::Plan;
use tl_data::Items;
use tl_models::Classifier;
use tl_train::metrics::Regression;
use tl_train::report::{Cloud, Figure, Map, Section, Table};
use tl_train::{Dataset, Predictions, Progress, Scale};

use crate::predict::quoted;
use crate::record::RunRecord;
use crate::{Error, Examples, FinetuneOptions, Network, Recipe, Run, Tuning};

/// What a fitting of numbers found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumbersRecord {
    /// The scale in which they were learnt: the training part's mean and deviation. The weights that were kept answer in the
    /// data's own unit.
    pub scale: Scale,
    pub validation: Option<Regression>,
    /// On the test part, measured once.
    pub test: Option<Regression>,
}

/// What a run answers for one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberPrediction {
    /// The number of the text's line.
    pub file: String,
    /// In the unit of the data that the run was fitted on.
    pub number: f32,
}

impl Examples {
    /// The number of every example: its label, read as one; none where it has no label.
    ///
    /// # Errors
    /// Examples that are no texts; a label that is no number, or none that an f32 holds.
    pub fn numbers(&self) -> Result<Vec<Option<f64>>, Error> {
        let Self::Texts(texts) = self else {
            let mend = "give a table of texts and a network of texts, such as --model bert";
            return Err(Error::options("it is texts that are answered with numbers", mend));
        };
        let of = |(index, item): (usize, &tl_data::text::TextItem)| {
            if item.label.is_none() {
                return Ok(None);
            }
            let label = texts.class(index);
            let value = label.parse::<f64>().ok().filter(|value| (*value as f32).is_finite());
            value.map(Some).ok_or_else(|| {
                let place = match item.name.parse::<usize>() {
                    Ok(line) => format!("line {line}"),
                    Err(_) => item.name.clone(),
                };
                Error::options(
                    format!("{place}: the label {label:?} is no finite number"),
                    "write numbers as 1.5 or -2e3, or name their column with --label-column",
                )
            })
        };
        texts.items.iter().enumerate().map(of).collect()
    }
}

/// Succeeds where all examples can be learnt from, and nothing is asked for that needs classes.
pub(crate) fn check(examples: &Examples, options: &FinetuneOptions) -> Result<(), Error> {
    let given = [
        ("--shots", options.shots.is_some()),
        ("--class-weights", options.settings.balanced),
        ("--label-smoothing", options.tuning.label_smoothing.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        return Err(Error::options("numbers have no classes", format!("leave out {flag}")));
    }
    examples.numbers().map(drop)
}

/// What the one answer is called: the column of the numbers.
pub(crate) fn labels(options: &FinetuneOptions) -> Vec<String> {
    vec![options.text.columns.label.clone()]
}

/// `tuning` for a head that answers with a number, which no solver finds: it is trained by gradient, with the rest.
pub(crate) fn by_gradient(tuning: Tuning) -> Result<Tuning, Error> {
    match (tuning.recipe, tuning.epochs) {
        (Recipe::Auto, _) => Ok(Tuning { recipe: Recipe::Finetune, ..tuning }),
        (Recipe::Probe, None) => Err(Error::options(
            "a head that answers with a number is trained by gradient",
            "give --epochs N with --recipe probe, or take --recipe finetune",
        )),
        _ => Ok(tuning),
    }
}

/// `plan` without what makes sense for classes alone.
pub(crate) fn without_classes(plan: Plan) -> Plan {
    plan.each(|phase| phase.label_smoothing(0.0))
}

/// A model whose answers are in `scale`, as one that answers in the unit of the data.
pub(crate) fn into_units(
    model: Classifier<Network>,
    scale: Scale,
) -> Result<Classifier<Network>, Error> {
    let Classifier { backbone, head } = model;
    Ok(Classifier { backbone, head: scale.into_units(head)? })
}

/// The number of every item that was answered for.
pub fn number_predictions(found: &Predictions, items: &dyn Items) -> Vec<NumberPrediction> {
    let of = |(item, answer): (usize, &[f32])| {
        let file = items.name(item).to_string();
        Some(NumberPrediction { file, number: *answer.first()? })
    };
    found.rows().filter_map(of).collect()
}

/// `file,number,predicted`, one line for each item.
pub(crate) fn to_csv(found: &Predictions, items: &dyn Items) -> String {
    let mut table = String::from("file,number,predicted\n");
    for (prediction, &item) in number_predictions(found, items).iter().zip(&found.items) {
        let (file, number) = (quoted(&prediction.file), quoted(items.class(item)));
        table += &format!("{file},{number},{}\n", prediction.number);
    }
    table
}

/// The most points of a report's drawing.
const POINTS: usize = 2000;

/// What the report says of the answers `found` for a `part` of the data.
pub(crate) fn section(
    found: &Predictions,
    data: &dyn Dataset,
    record: &NumbersRecord,
    part: &str,
) -> Option<Section> {
    let measured = record.test.as_ref().or(record.validation.as_ref())?;
    let values = data.numbers().map(|numbers| numbers.values.as_slice()).unwrap_or_default();
    let known = found.numbers(Scale::default()).filter_map(|(item, answer)| {
        let number = values.get(item).copied().flatten()?;
        Some([number, answer])
    });
    let points: Vec<[f64; 2]> = known.collect();
    let every = points.len().div_ceil(POINTS).max(1);
    let figure = |name: &str, value: Option<f64>| {
        vec![name.to_string(), value.map_or("–".to_string(), |it| format!("{it:.4}"))]
    };
    let mut lines = vec![
        "R² is 1 where every answer is right, and 0 where they are no better than the mean of this part."
            .to_string(),
    ];
    if let Some([low, high]) = measured.pearson_interval {
        lines.push(format!("95 % interval of Pearson's correlation: {low:.3} to {high:.3}."));
    }
    Some(Section {
        title: format!("Numbers on the {part} part"),
        lines,
        maps: vec![Map {
            title: "numbers (across) and answers (up)".into(),
            of_one_unit: true,
            clouds: vec![Cloud {
                name: "texts".into(),
                points: points.into_iter().step_by(every).collect(),
                titles: Vec::new(),
            }],
        }],
        tables: vec![Table {
            name: "figures".into(),
            columns: vec!["figure".into(), "value#".into()],
            rows: vec![
                figure("R²", measured.r2),
                figure("root mean squared error", Some(measured.root_mean_squared_error)),
                figure("mean absolute error", Some(measured.mean_absolute_error)),
                figure("Pearson's correlation", measured.pearson),
                figure("Spearman's correlation", measured.spearman),
            ],
        }],
        ..Section::default()
    })
}

/// What tells in one look how near the numbers of a run are.
pub(crate) fn figures(record: &RunRecord) -> Vec<Figure> {
    let Some(numbers) = &record.numbers else { return Vec::new() };
    let digits = |value: f64| format!("{value:.3}");
    let of = |(part, found): (&str, &Option<Regression>)| {
        let Some(found) = found else { return Vec::new() };
        let figure = |name: &str, value: Option<f64>, interval: Option<[f64; 2]>| {
            value.map(|value| Figure {
                name: format!("{part} {name}"),
                value: digits(value),
                interval: interval.map(|interval| interval.map(digits)),
                n: format!("{} texts", found.n),
            })
        };
        let all = [
            figure("R²", found.r2, None),
            figure("correlation (Pearson)", found.pearson, found.pearson_interval),
        ];
        all.into_iter().flatten().collect()
    };
    [("Test", &numbers.test), ("Validation", &numbers.validation)]
        .into_iter()
        .flat_map(of)
        .collect()
}

impl Run {
    /// Measures a run of numbers on texts: of those that it was fitted on its test part, of data that is divided into parts the
    /// test part, of any other data all. Answers the figures, and which texts were measured, in words.
    ///
    /// # Errors
    /// A run of classes, a label that is no number, data without any.
    pub fn evaluate_numbers(
        &self,
        examples: &Examples,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<(Regression, String), Error> {
        let (items, part) = self.part(examples.items())?;
        let data = self.dataset(examples, 0, false)?;
        let values = data.numbers().map(|numbers| numbers.values.clone()).ok_or_else(|| {
            Error::options("the run answers with classes", "measure it with Run::evaluate")
        })?;
        let found = self.predict(&*data, &items, device, progress)?;
        let measured = found.regression(&values, Scale::default())?.ok_or_else(|| {
            let mend = "give a table with a column of numbers, named with --label-column when the run was fitted";
            Error::options("nothing in the data has a number", mend)
        })?;
        Ok((measured, part))
    }
}
