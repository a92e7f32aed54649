//! The scores that networks are ranked by.

use std::collections::BTreeMap;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_ssl::knn::{Labelled, Neighbours};
use tl_train::TrainError;
use tl_train::logistic::Examples as Rows;
use tl_train::transferability::{
    LabelledFeatures, ScoreError, h_score, leep, log_me, nce, neighbours_accuracy, probe_accuracy,
    shrunk_h_score, source_labels, trans_rate,
};

/// How well features suit a task; larger is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The evidence of a Bayesian linear model (You et al. 2021).
    Logme,
    /// How much of the spread lies between the classes (Bao et al. 2019).
    HScore,
    /// The same with a covariance drawn to a sphere (Ibrahim et al. 2021).
    ShrunkHScore,
    /// What the source's probabilities tell of the classes (Nguyen et al. 2020).
    Leep,
    /// What the source's likeliest class tells of them (Tran et al. 2019).
    Nce,
    /// How much shorter a code is within the classes (Huang et al. 2022).
    Transrate,
    /// The accuracy of the nearest neighbours.
    Knn,
    /// The accuracy of logistic regression: of all, the one whose order was most like that of fine-tuned networks.
    #[default]
    Probe,
}

impl Score {
    /// All scores by name.
    pub const ALL: [(&'static str, Score); 8] = [
        ("logme", Score::Logme),
        ("h_score", Score::HScore),
        ("shrunk_h_score", Score::ShrunkHScore),
        ("leep", Score::Leep),
        ("nce", Score::Nce),
        ("transrate", Score::Transrate),
        ("knn", Score::Knn),
        ("probe", Score::Probe),
    ];

    /// The name of the flag's value.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, score)| *score == self).map_or("", |(name, _)| name)
    }

    /// Whether it looks at the answers of the network's own head instead of its features.
    pub fn is_of_answers(self) -> bool {
        matches!(self, Score::Leep | Score::Nce)
    }
}

/// Vectors of one width, with the label of each and whether it belongs to the training part.
pub(super) struct Described<'a> {
    /// `[examples, width]` in row order.
    pub features: &'a [f32],
    /// The probabilities of the source's classes, `[examples, sources]`, where the network brings a head of its own.
    pub probabilities: Option<&'a [f32]>,
    pub labels: &'a [usize],
    /// The others belong to the validation part.
    pub trained: &'a [bool],
    pub classes: usize,
}

/// The values of some scores, and why others have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub values: BTreeMap<Score, f64>,
    pub missing: BTreeMap<Score, String>,
}

impl Described<'_> {
    /// Computes `scores`; what cannot be told of these features has a reason instead.
    ///
    /// # Errors
    /// A device that fails.
    pub fn score(
        &self,
        scores: &[Score],
        neighbours: Neighbours,
        device: &Device,
    ) -> Result<Found, TrainError> {
        let examples = LabelledFeatures::new(self.features, self.labels, self.classes);
        let [train, validation] = [true, false].map(|part| self.part(part));
        let others = (!validation.labels.is_empty()).then_some(&validation);
        let mut found = Found::default();
        for &score in scores {
            let of_features = |how: fn(&LabelledFeatures) -> Result<f64, ScoreError>| {
                examples.as_ref().map_err(Clone::clone).and_then(how).map_err(TrainError::from)
            };
            let value = match score {
                Score::Logme => of_features(log_me),
                Score::HScore => of_features(h_score),
                Score::ShrunkHScore => of_features(shrunk_h_score),
                Score::Transrate => of_features(trans_rate),
                Score::Knn => of_features(|_| Ok(0.0))
                    .and_then(|_| neighbours_accuracy(&train, others, neighbours, device)),
                Score::Probe => match others {
                    Some(others) => probe(&train, others, self.classes),
                    None => {
                        let why = "there is no validation part to measure a probe on";
                        found.missing.insert(score, why.to_string());
                        continue;
                    }
                },
                Score::Leep | Score::Nce => match self.probabilities {
                    Some(probabilities) => self.of_answers(score, probabilities),
                    None => {
                        let why = "the weights bring no head of a task before";
                        found.missing.insert(score, why.to_string());
                        continue;
                    }
                },
            };
            match value {
                Ok(value) => {
                    found.values.insert(score, value);
                }
                Err(error) if error.is_input() => {
                    found.missing.insert(score, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn of_answers(&self, score: Score, probabilities: &[f32]) -> Result<f64, TrainError> {
        let (labels, classes) = (self.labels, self.classes);
        let sources = probabilities.len() / labels.len().max(1);
        Ok(match score {
            Score::Nce => nce(&source_labels(probabilities, sources), labels, classes)?,
            _ => leep(probabilities, labels, classes)?,
        })
    }

    /// The examples of the training part, or those of the validation part.
    fn part(&self, trained: bool) -> Labelled {
        let width = self.features.len() / self.labels.len().max(1);
        let rows = self.features.chunks_exact(width.max(1)).zip(self.labels).zip(self.trained);
        let mut found = Labelled::default();
        for ((row, label), _) in rows.filter(|(_, own)| **own == trained) {
            found.features.extend_from_slice(row);
            found.labels.push(*label);
        }
        found
    }
}

fn probe(train: &Labelled, others: &Labelled, classes: usize) -> Result<f64, TrainError> {
    let [train, others] =
        [train, others].map(|part| Rows { features: &part.features, labels: &part.labels });
    Ok(probe_accuracy(train, others, classes)?)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn all() -> Vec<Score> {
        Score::ALL.iter().map(|(_, score)| *score).collect()
    }

    fn described<'a>(
        features: &'a [f32],
        probabilities: Option<&'a [f32]>,
        trained: &'a [bool; 6],
    ) -> Described<'a> {
        Described { features, probabilities, labels: &[0, 1, 0, 1, 0, 1], trained, classes: 2 }
    }

    const FEATURES: [f32; 12] = [1.0, 0.1, 0.0, 1.0, 1.2, 0.0, 0.2, 1.1, 0.9, 0.2, 0.1, 0.8];

    fn score(described: &Described<'_>) -> Found {
        described.score(&all(), Neighbours::default(), &Device::flex()).unwrap()
    }

    #[test]
    fn every_score_of_features_with_a_head_has_a_value() {
        let probabilities = [0.9, 0.1, 0.2, 0.8, 0.7, 0.3, 0.4, 0.6, 0.6, 0.4, 0.1, 0.9];
        let trained = [true, true, true, true, false, false];
        let found = score(&described(&FEATURES, Some(&probabilities), &trained));
        assert_eq!(found.missing, BTreeMap::new());
        assert!(found.values.values().all(|value| value.is_finite()), "{found:?}");
        // Classes that stand apart, and a source that is right of all six.
        let of = |score| found.values[&score];
        assert_eq!((of(Score::Knn), of(Score::Probe), of(Score::Nce)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn what_cannot_be_told_has_a_reason() {
        let found = score(&described(&FEATURES, None, &[true; 6]));
        let missing: Vec<Score> = found.missing.keys().copied().collect();
        assert_eq!(missing, [Score::Leep, Score::Nce, Score::Probe]);
        assert_eq!(found.values[&Score::Knn], 1.0);
        let mut damaged = FEATURES;
        damaged[3] = f32::NAN;
        let found = score(&described(&damaged, None, &[true, true, true, true, false, false]));
        assert!(found.values.is_empty(), "{found:?}");
        let told = &found.missing[&Score::Logme];
        assert!(told.starts_with("example 1, feature 1 is NaN"), "{told}");
        // Of one class there is nothing to tell.
        let one = Described { labels: &[0; 6], ..described(&FEATURES, None, &[true; 6]) };
        assert!(score(&one).missing[&Score::HScore].contains("all examples are of one class"));
    }

    #[test]
    fn one_example_of_each_class_and_more_features_than_examples_are_scored() {
        let near = |class: usize, off: f32| -> Vec<f32> {
            (0..40).map(|at| if at % 3 == class { 1.0 + off } else { 0.01 * at as f32 }).collect()
        };
        let of = |off: f32| [0, 1, 2].map(|class| near(class, off)).concat();
        let features = [of(0.0), of(0.1)].concat();
        let found = score(&Described {
            features: &features,
            probabilities: None,
            labels: &[0, 1, 2, 0, 1, 2],
            trained: &[true, true, true, false, false, false],
            classes: 3,
        });
        let missing: Vec<Score> = found.missing.keys().copied().collect();
        assert_eq!(missing, [Score::Leep, Score::Nce]);
        assert!(found.values.values().all(|value| value.is_finite()), "{found:?}");
        assert_eq!((found.values[&Score::Knn], found.values[&Score::Probe]), (1.0, 1.0));
        // A class that only the validation part has cannot be learnt: a reason, no failure.
        let unseen = score(&Described {
            features: &features,
            probabilities: None,
            labels: &[0, 1, 2, 0, 1, 2],
            trained: &[true, true, false, false, false, false],
            classes: 3,
        });
        assert!(unseen.missing.contains_key(&Score::Probe), "{unseen:?}");
        assert!(unseen.values.contains_key(&Score::Logme), "{unseen:?}");
    }

    #[test]
    fn every_score_has_the_name_that_json_gives_it() {
        for (name, score) in Score::ALL {
            assert_eq!(serde_json::to_value(score).unwrap(), name);
            assert_eq!(score.name(), name);
        }
    }
}
