//! Choosing without target labels: scores of an epoch, a method or a setting from features and
//! logits.
//!
//! Every score is larger where the model seems better. All of them are computed on the host in f64.

mod certainty;
mod clusters;
mod dev;
mod ensemble;
mod reverse;
mod snd;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use certainty::{accuracy, entropy_score, information_score, nuclear_score};
pub use clusters::{calinski_harabasz, silhouette};
pub(crate) use dev::domain_classifier;
pub use dev::{deep_embedded_validation, importance_weights};
pub use ensemble::mean_ranks;
pub use reverse::reverse_validation;
pub use snd::soft_neighbourhood_density;

use crate::AdaptError;
use crate::outputs::{LabelledOutputs, Outputs};

/// What a validator may look at. The target has no labels.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Examples that the model was trained on.
    pub training: &'a LabelledOutputs,
    /// Source examples that were held back.
    pub validation: &'a LabelledOutputs,
    pub target: &'a Outputs,
}

/// A way to score a model without target labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    /// Accuracy on the source's validation part.
    SourceAccuracy,
    /// Minus the mean entropy of the target's predictions.
    Entropy,
    /// Entropy of the mean prediction less the mean entropy.
    InformationMaximisation,
    /// The nuclear norm of the target's probabilities.
    Bnm,
    /// Soft neighbourhood density.
    Snd,
    /// Deep embedded validation: the source's risk, weighted by density.
    Dev,
    /// How well the predicted classes are clusters, by distances between examples.
    Silhouette,
    /// How well the predicted classes are clusters, by distances to centroids.
    CalinskiHarabasz,
    /// How well the source is predicted back from the target's pseudo-labels.
    Reverse,
    /// The mean rank by all others but `snd` and `dev`; only among several candidates.
    Ensemble,
}

impl Validator {
    /// Those that measure how sure, and how varied, the predictions on the target are, whether right or wrong.
    pub const CERTAINTY: [Self; 3] = [Self::Entropy, Self::InformationMaximisation, Self::Bnm];

    /// Those that measure whether the predictions on the target follow its features.
    pub const CLUSTERS: [Self; 2] = [Self::Silhouette, Self::CalinskiHarabasz];

    /// All that score a model by itself.
    pub const SINGLE: [Self; 9] = [
        Self::SourceAccuracy,
        Self::Entropy,
        Self::InformationMaximisation,
        Self::Bnm,
        Self::Snd,
        Self::Dev,
        Self::Silhouette,
        Self::CalinskiHarabasz,
        Self::Reverse,
    ];

    /// The name by which users ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SourceAccuracy => "source_accuracy",
            Self::Entropy => "entropy",
            Self::InformationMaximisation => "information_maximisation",
            Self::Bnm => "bnm",
            Self::Snd => "snd",
            Self::Dev => "dev",
            Self::Silhouette => "silhouette",
            Self::CalinskiHarabasz => "calinski_harabasz",
            Self::Reverse => "reverse",
            Self::Ensemble => "ensemble",
        }
    }

    /// The validator that is called `name`.
    ///
    /// # Errors
    /// When none is.
    pub fn named(name: &str) -> Result<Self, AdaptError> {
        let all = || Self::SINGLE.into_iter().chain([Self::Ensemble]);
        let known = || all().map(Self::name).collect();
        let unknown =
            || AdaptError::Unknown { kind: "validator", name: name.to_string(), known: known() };
        all().find(|validator| validator.name() == name).ok_or_else(unknown)
    }

    /// The score of one model.
    ///
    /// # Errors
    /// When the evidence does not serve, such as predictions of a single class where clusters are
    /// compared; always for the ensemble, which needs several candidates.
    pub fn score(self, evidence: &Evidence<'_>) -> Result<f64, AdaptError> {
        let Evidence { training, validation, target } = *evidence;
        target.check("target")?;
        validation.check("source's validation part")?;
        let failed = |reason: String| AdaptError::NoScore { validator: self.name(), reason };
        let score = match self {
            Self::SourceAccuracy => accuracy(validation),
            Self::Entropy => entropy_score(target),
            Self::InformationMaximisation => information_score(target),
            Self::Bnm => nuclear_score(target),
            Self::Snd => soft_neighbourhood_density(target, snd::TEMPERATURE),
            Self::Dev => deep_embedded_validation(&training.outputs, validation, target)?,
            Self::Silhouette => silhouette(target).ok_or_else(|| failed(ONE_CLASS.into()))?,
            Self::CalinskiHarabasz => {
                calinski_harabasz(target).ok_or_else(|| failed(ONE_CLASS.into()))?
            }
            Self::Reverse => reverse_validation(target, validation)?,
            Self::Ensemble => return Err(failed("it compares candidates".into())),
        };
        if score.is_finite() { Ok(score) } else { Err(failed(format!("it came to {score}"))) }
    }
}

const ONE_CLASS: &str =
    "fewer than two classes are predicted, or every example is a class of its own";

/// The scores of one candidate by validator; those that could not be computed are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores(pub BTreeMap<Validator, f64>);

impl Scores {
    /// All scores of a model.
    ///
    /// # Errors
    /// When there is nothing to score at all: an empty part, rows that do not fit.
    pub fn of(evidence: &Evidence<'_>) -> Result<Self, AdaptError> {
        evidence.training.check("source's training part")?;
        evidence.validation.check("source's validation part")?;
        evidence.target.check("target")?;
        let single = Validator::SINGLE.into_iter();
        Ok(Self(single.filter_map(|v| Some((v, v.score(evidence).ok()?))).collect()))
    }

    /// Those by validators that may judge a method which trains on `scores`.
    ///
    /// A score says of a method that raises it by itself how far the method has come, not how right its predictions are.
    #[must_use]
    pub fn without(&self, trained_on: &[Validator]) -> Self {
        let kept = self.0.iter().filter(|(validator, _)| !trained_on.contains(validator));
        Self(kept.map(|(validator, score)| (*validator, *score)).collect())
    }

    /// The score by one validator.
    pub fn get(&self, validator: Validator) -> Option<f64> {
        self.0.get(&validator).copied()
    }
}

/// The candidate that `validator` prefers, the first of equals.
///
/// Accuracies on target labels are of a type of their own, so that choosing by them does not
/// compile:
///
/// ```compile_fail,E0308
/// use tl_adapt::{OracleAccuracy, Validator, choose};
///
/// fn cheat(accuracies: &[OracleAccuracy]) -> usize {
///     choose(Validator::Entropy, accuracies).unwrap()
/// }
/// ```
///
/// With scores it does:
///
/// ```
/// use tl_adapt::{Scores, Validator, choose};
///
/// fn honest(scores: &[Scores]) -> usize {
///     choose(Validator::Entropy, scores).unwrap()
/// }
/// ```
///
/// # Errors
/// When no candidate has a score.
pub fn choose(validator: Validator, candidates: &[Scores]) -> Result<usize, AdaptError> {
    let scores: Vec<Option<f64>> = match validator {
        Validator::Ensemble => mean_ranks(candidates).into_iter().map(|r| r.map(|r| -r)).collect(),
        single => candidates.iter().map(|scores| scores.get(single)).collect(),
    };
    let mut best: Option<(usize, f64)> = None;
    for (candidate, score) in scores.into_iter().enumerate() {
        if let Some(score) = score.filter(|score| best.is_none_or(|(_, highest)| *score > highest))
        {
            best = Some((candidate, score));
        }
    }
    match best {
        Some((candidate, _)) => Ok(candidate),
        None => Err(AdaptError::NothingToChoose { validator: validator.name() }),
    }
}

/// The candidate that `validator` prefers, where some have been relieved of [the scores that their methods train
/// on](Scores::without).
///
/// The best of those that the validator scores is chosen, unless one that it does not score is better by both
/// [`Validator::CLUSTERS`], which must judge it then; of several such the one with the best mean rank by these. Where the
/// validator scores none, the ensemble chooses. Beside the candidate stand the validators that chose it.
///
/// # Errors
/// When no candidate has a score.
pub fn prefer(
    validator: Validator,
    candidates: &[Scores],
) -> Result<(usize, Vec<Validator>), AdaptError> {
    let Ok(judged) = choose(validator, candidates) else {
        return Ok((choose(Validator::Ensemble, candidates)?, vec![Validator::Ensemble]));
    };
    if validator == Validator::Ensemble {
        return Ok((judged, vec![validator]));
    }
    let better = |scores: &Scores, by: Validator| {
        let pair = scores.get(by).zip(candidates[judged].get(by));
        pair.is_some_and(|(own, other)| own > other)
    };
    let clusters = candidates.iter().map(|scores| {
        let challenges = scores.get(validator).is_none()
            && Validator::CLUSTERS.iter().all(|&by| better(scores, by));
        let own = scores.0.iter().filter(|(by, _)| challenges && Validator::CLUSTERS.contains(by));
        Scores(own.map(|(by, score)| (*by, *score)).collect())
    });
    Ok(match choose(Validator::Ensemble, &clusters.collect::<Vec<_>>()) {
        Ok(better) => (better, Validator::CLUSTERS.to_vec()),
        Err(_) => (judged, vec![validator]),
    })
}

/// Every `n`-th row so that at most `limit` are left, for scores whose cost grows with the square.
pub(crate) fn thinned(outputs: &Outputs, limit: usize) -> Outputs {
    let rows = outputs.rows();
    if rows <= limit {
        return outputs.clone();
    }
    let items: Vec<usize> = (0..limit).map(|place| place * rows / limit).collect();
    outputs.select(&items)
}

#[cfg(test)]
mod tests;
