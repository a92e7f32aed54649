//! The mean rank over several validators.

use super::{Scores, Validator};

/// Those that vote. On MNIST → UCI digits, the shift that defaults are fixed on, deep embedded
/// validation and soft neighbourhood density ranked the epochs of all methods hardly better than
/// chance and chose the worst; they have no vote.
const VOTING: [Validator; 7] = [
    Validator::SourceAccuracy,
    Validator::Entropy,
    Validator::InformationMaximisation,
    Validator::Bnm,
    Validator::Silhouette,
    Validator::CalinskiHarabasz,
    Validator::Reverse,
];

/// The mean rank of each candidate, from 1 for the best, over the voting validators that score all
/// candidates that have any score; equal scores share their mean rank. A candidate without scores
/// has none.
pub fn mean_ranks(candidates: &[Scores]) -> Vec<Option<f64>> {
    let present: Vec<&Scores> = candidates.iter().filter(|scores| !scores.0.is_empty()).collect();
    let voting: Vec<Validator> = VOTING
        .into_iter()
        .filter(|validator| present.iter().all(|scores| scores.get(*validator).is_some()))
        .collect();
    candidates
        .iter()
        .map(|candidate| {
            let ranks: Vec<f64> = voting
                .iter()
                .filter_map(|&validator| {
                    let own = candidate.get(validator)?;
                    let others = || present.iter().filter_map(|scores| scores.get(validator));
                    let better = others().filter(|score| *score > own).count();
                    let equal = others().filter(|score| *score == own).count();
                    Some(better as f64 + (equal as f64 + 1.0) / 2.0)
                })
                .collect();
            (!ranks.is_empty()).then(|| ranks.iter().sum::<f64>() / ranks.len() as f64)
        })
        .collect()
}
