//! What `run.json` says of an adaptation.

use serde::{Deserialize, Serialize};
use tl_adapt::{AdaptRow, Scores, Validator, prefer};

use super::AdaptOptions;

/// What a domain classifier's loss of ln 2 means, which is not always success.
pub const LN_2_NOTE: &str = "a domain classifier that cannot tell has an accuracy of .5 and a loss of ln 2 = .693: the features \
     have become alike, or it has not learned anything; the A-distance, from a classifier of its own, tells which";

/// An adaptation, as it was begun and, once it is finished, as it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptRecord {
    pub options: AdaptOptions,
    pub target: TargetRecord,
    /// What chose the epoch and the method, without target labels.
    pub validator: Validator,
    /// The method whose weights the run holds; empty before it holds any.
    pub method: String,
    /// All methods that were carried out from the same source phase, with the same budget.
    pub candidates: Vec<Candidate>,
    /// Predictions on the target for each class, before and after.
    pub classes: Vec<ClassChange>,
    /// Points in the plane: source and target before, source and target after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<Vec<[f64; 2]>>,
    /// The epochs of the source phase and of the method that was picked.
    pub rows: Vec<AdaptRow>,
}

/// The target domain of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    pub path: String,
    pub fingerprint: String,
    /// Images that the methods saw, without labels.
    pub images: usize,
    /// Labelled images that the oracle was measured on.
    pub test: usize,
    /// Whether these are a part of their own, or the images that the methods saw.
    pub own_test_part: bool,
}

/// A method and the epoch that the validator chose for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub method: String,
    /// Counted from 1 over the method's own epochs.
    pub epoch: usize,
    pub epochs: usize,
    pub scores: Scores,
    /// The validators whose scores its loss raises by itself: they do not judge it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trains_on: Vec<Validator>,
    /// What the method noted in its last epoch, such as `lambda` and `domain_accuracy`.
    pub notes: std::collections::BTreeMap<String, f64>,
    /// The proxy A-distance when the method began, and of the weights that are kept.
    pub a_distance: [Option<f64>; 2],
    pub warnings: Vec<String>,
    /// On target labels; it chose nothing.
    pub oracle: Option<OracleRecord>,
    pub seconds: f64,
}

/// Accuracies on target labels, for comparison alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OracleRecord {
    /// Of the weights that are kept.
    pub accuracy: f64,
    pub interval: [f64; 2],
    pub n: u64,
    /// Of the best and the worst epoch, each measured on at most 2,000 of these images.
    pub best_epoch: f64,
    pub worst_epoch: f64,
}

/// A class on the target before the method and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassChange {
    pub class: String,
    /// Target images predicted as this class.
    pub predicted: [usize; 2],
    /// The share of this class's images that are found, by target labels.
    pub oracle_recall: Option<[f64; 2]>,
}

impl Candidate {
    /// The scores that judge it.
    pub fn judging(&self) -> Scores {
        self.scores.without(&self.trains_on)
    }
}

impl AdaptRecord {
    /// Before anything is trained.
    pub(super) fn begun(options: &AdaptOptions, target: TargetRecord) -> Self {
        Self {
            options: options.clone(),
            target,
            validator: options.settings.validator,
            method: String::new(),
            candidates: Vec::new(),
            classes: Vec::new(),
            maps: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The candidate whose weights the run holds.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.method == self.method)
    }

    /// What chose the method among the candidates: the validator, or others where it does not judge the method.
    pub fn chosen_by(&self) -> Vec<Validator> {
        let judging: Vec<Scores> = self.candidates.iter().map(Candidate::judging).collect();
        match prefer(self.validator, &judging) {
            Ok((_, by)) if judging.len() > 1 => by,
            // The only one there is, with the epoch that the validator chose.
            _ => vec![self.validator],
        }
    }

    /// `mcc, epoch 3 of 8 by information_maximisation`, and what chose the method where that was something else.
    pub fn choice_in_words(&self) -> String {
        let Some(chosen) = self.chosen() else { return String::new() };
        let Candidate { method, epoch, epochs, .. } = chosen;
        let mut text = format!("{method}, epoch {epoch} of {epochs} by {}", self.validator.name());
        let by = self.chosen_by();
        if by != [self.validator] {
            let names: Vec<&str> = by.iter().map(|validator| validator.name()).collect();
            text += &format!(", the method by {}", names.join(" and "));
        }
        text
    }

    /// The best oracle accuracy of any epoch of any method, which no label-free choice can beat.
    pub fn best_oracle(&self) -> Option<(&str, f64)> {
        let found = self.candidates.iter().filter_map(|candidate| {
            candidate.oracle.as_ref().map(|oracle| (candidate.method.as_str(), oracle.best_epoch))
        });
        found.max_by(|one, other| one.1.total_cmp(&other.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(method: &str, scores: &[(Validator, f64)], trains_on: &[Validator]) -> Candidate {
        Candidate {
            method: method.into(),
            epoch: 2,
            epochs: 3,
            scores: Scores(scores.iter().copied().collect()),
            trains_on: trains_on.to_vec(),
            notes: Default::default(),
            a_distance: [None; 2],
            warnings: Vec::new(),
            oracle: None,
            seconds: 0.0,
        }
    }

    #[test]
    fn what_chose_the_method_is_told() {
        use Validator::{CalinskiHarabasz, Entropy, Silhouette};
        let scores = |height: f64| [Entropy, Silhouette, CalinskiHarabasz].map(|it| (it, height));
        let dann = candidate("dann", &scores(1.0), &[]);
        let mcc = candidate("mcc", &scores(2.0), &[Entropy]);
        let options = AdaptOptions::default();
        let mut found = AdaptRecord::begun(&options, TargetRecord::default());
        found.validator = Entropy;
        found.candidates = vec![mcc, dann];
        found.method = "mcc".into();
        let by_clusters = ", the method by silhouette and calinski_harabasz";
        assert_eq!(found.choice_in_words(), format!("mcc, epoch 2 of 3 by entropy{by_clusters}"));
        found.candidates[0].scores = Scores(scores(0.5).into());
        found.method = "dann".into();
        assert_eq!(found.choice_in_words(), "dann, epoch 2 of 3 by entropy");
        // Where none is judged the ensemble chooses; the only one there is was not chosen among any.
        found.candidates[1] = candidate("shot", &scores(3.0), &[Entropy]);
        found.method = "shot".into();
        assert_eq!(
            found.choice_in_words(),
            "shot, epoch 2 of 3 by entropy, the method by ensemble"
        );
        found.candidates.remove(0);
        assert_eq!(found.choice_in_words(), "shot, epoch 2 of 3 by entropy");
    }
}
