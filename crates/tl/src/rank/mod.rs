//! Which network to begin with: candidates ranked by what one pass over the examples tells, without tuning any.

mod candidate;
mod cost;
mod page;
mod pass;
mod request;
mod score;

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use serde::Serialize;
use tl_data::{Skipped, Split};
use tl_train::Progress;

pub use candidate::Candidate;
pub use cost::Cost;
pub use page::{RANKING_FILE, REPORT_FILE, check_folder, write};
use pass::pass;
pub use request::RankRequest;
pub use score::Score;
use score::{Described, Found};

use crate::{Error, Examples};

/// Candidates in their order, the best first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    pub data: String,
    /// The first one ranks.
    pub scores: Vec<Score>,
    pub classes: usize,
    /// Labelled examples of the training part that were looked at.
    pub train: usize,
    pub validation: usize,
    pub candidates: Vec<Ranked>,
    pub skipped: Vec<Skipped>,
}

/// A candidate and what was found of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// As it is given to the program.
    pub candidate: String,
    pub network: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    pub weights: String,
    /// 1 for the best; none without a value of the score that ranks.
    pub rank: Option<usize>,
    pub scores: BTreeMap<Score, f64>,
    /// Why a score has no value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Score, String>,
    /// The width of the features.
    pub width: usize,
    /// Of the pass over the examples, which candidates of one network and the same weights share.
    pub pass_seconds: f64,
    /// Of the scores.
    pub score_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Embeds the training and the validation part once by each network, and ranks the candidates by the first score. The test part
/// is not looked at.
///
/// # Errors
/// Anything that is wrong with the data, the weights, a candidate or an option; when the score that ranks has no value for any.
pub fn rank(request: &RankRequest, progress: &mut dyn Progress) -> Result<Ranking, Error> {
    let ranking = *check(request)?;
    let items = request.examples.items();
    let mut split = Split::of(items, request.split, request.seed)?;
    if let Some(shots) = request.shots {
        split = split.shots(items, shots, request.seed)?;
    }
    let trained: HashSet<usize> = split.train.iter().copied().collect();
    let known: Vec<usize> = split
        .train
        .iter()
        .chain(&split.validation)
        .copied()
        .filter(|item| items.label(*item).is_some())
        .collect();
    let mut found = Ranking {
        data: request.data.clone(),
        scores: request.scores.clone(),
        classes: items.classes().len(),
        train: 0,
        validation: 0,
        candidates: Vec::new(),
        skipped: Vec::new(),
    };
    for group in groups(&request.candidates) {
        let passed = pass(request, &group, &known, progress)?;
        let read = &passed.vectors.items;
        if read.is_empty() {
            return Err(Error::options(
                "the training and the validation part hold nothing that has a label and can be read",
                "give images in one folder for each class, or texts with labels",
            ));
        }
        let labels: Vec<usize> = read.iter().filter_map(|item| items.label(*item)).collect();
        let own: Vec<bool> = read.iter().map(|item| trained.contains(item)).collect();
        found.train = own.iter().filter(|own| **own).count();
        found.validation = own.len() - found.train;
        found.skipped = passed.data.skipped();
        for (number, candidate) in group.into_iter().enumerate() {
            let described = passed.describe(number, candidate, &labels, &own, found.classes);
            progress.say(&format!("{candidate}: scores"));
            found.candidates.push(ranked(request, candidate, &described, passed.seconds)?);
            if let (true, Some(last)) = (request.costs, found.candidates.last_mut()) {
                progress.say(&format!("{candidate}: what fine-tuning would cost"));
                last.cost = Some(cost::cost(request, candidate)?);
            }
        }
    }
    in_order(&mut found.candidates, ranking)?;
    Ok(found)
}

/// What the scores say of `candidate`; its rank and cost are not known yet.
fn ranked(
    request: &RankRequest,
    candidate: &Candidate,
    described: &Described<'_>,
    pass_seconds: f64,
) -> Result<Ranked, Error> {
    let started = Instant::now();
    let Found { values, missing } =
        described.score(&request.scores, request.neighbours, &request.device)?;
    Ok(Ranked {
        candidate: candidate.to_string(),
        network: candidate.network.clone(),
        stage: candidate.stage.clone(),
        weights: candidate.weights.clone(),
        rank: None,
        scores: values,
        missing,
        width: described.features.len() / described.labels.len().max(1),
        pass_seconds,
        score_seconds: started.elapsed().as_secs_f64(),
        cost: None,
    })
}

/// The score that ranks, where the request makes sense.
fn check(request: &RankRequest) -> Result<&Score, Error> {
    request.examples.items().require_classes()?;
    if let Examples::Tagged(_) = &request.examples {
        return Err(Error::options(
            "a sentence whose words have tags is no example of one class",
            "rank networks on texts with labels",
        ));
    }
    if request.batch_size == 0 || request.neighbours.count == 0 {
        let what = if request.batch_size == 0 { "--batch-size" } else { "--neighbours" };
        return Err(Error::options(format!("{what} is 0"), "give a whole number from 1"));
    }
    request.scores.first().ok_or_else(|| Error::options("there is no score", "give --score probe"))
}

/// Candidates of the same network and weights together, in the order of the first of each.
fn groups(candidates: &[Candidate]) -> Vec<Vec<&Candidate>> {
    let mut groups: Vec<Vec<&Candidate>> = Vec::new();
    for candidate in candidates {
        let same = |group: &&mut Vec<&Candidate>| {
            group.first().is_some_and(|first| {
                (&first.network, &first.weights) == (&candidate.network, &candidate.weights)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(candidate),
            None => groups.push(vec![candidate]),
        }
    }
    groups
}

/// Sorts by `score`, the largest first, and says each one's rank, equal ones the same; those without a value go last.
fn in_order(candidates: &mut [Ranked], score: Score) -> Result<(), Error> {
    let value = |candidate: &Ranked| candidate.scores.get(&score).copied();
    candidates.sort_by(|one, other| {
        let key = |candidate: &Ranked| value(candidate).unwrap_or(f64::NEG_INFINITY);
        key(other).total_cmp(&key(one))
    });
    let values: Vec<Option<f64>> = candidates.iter().map(value).collect();
    for (candidate, own) in candidates.iter_mut().zip(&values) {
        let better = |other: &&Option<f64>| matches!((other, own), (Some(a), Some(b)) if a > b);
        candidate.rank = own.map(|_| 1 + values.iter().filter(better).count());
    }
    if values.iter().any(Option::is_some) {
        return Ok(());
    }
    let why = candidates.first().and_then(|first| first.missing.get(&score));
    Err(Error::options(
        format!(
            "{} has no value for any candidate: {}",
            score.name(),
            why.map_or("", String::as_str)
        ),
        "give another --score, or other data",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(name: &str, value: Option<f64>) -> Ranked {
        let missing = BTreeMap::from([(Score::Leep, "no head".to_string())]);
        Ranked {
            candidate: name.to_string(),
            network: name.to_string(),
            stage: None,
            weights: "random".to_string(),
            rank: None,
            scores: value.into_iter().map(|value| (Score::Leep, value)).collect(),
            missing: if value.is_none() { missing } else { BTreeMap::new() },
            width: 1,
            pass_seconds: 0.0,
            score_seconds: 0.0,
            cost: None,
        }
    }

    #[test]
    fn the_best_comes_first_and_what_has_no_value_last() {
        let values = [("a", Some(-2.0)), ("b", None), ("c", Some(-1.0)), ("d", Some(-2.0))];
        let mut found = values.map(|(name, value)| ranked(name, value));
        in_order(&mut found, Score::Leep).unwrap();
        let order: Vec<(&str, Option<usize>)> =
            found.iter().map(|it| (it.network.as_str(), it.rank)).collect();
        assert_eq!(order, [("c", Some(1)), ("a", Some(2)), ("d", Some(2)), ("b", None)]);
        let mut none = [ranked("a", None)];
        let message = in_order(&mut none, Score::Leep).unwrap_err().to_string();
        assert!(message.contains("leep has no value for any candidate: no head"), "{message}");
    }

    #[test]
    fn candidates_of_the_same_weights_share_a_pass() {
        let candidates: Vec<Candidate> =
            ["resnet10=random", "resnet10=x", "resnet10@layer2=random", "resnet18=random"]
                .map(|text| Candidate::parse(text, None).unwrap())
                .to_vec();
        let found: Vec<Vec<String>> = groups(&candidates)
            .into_iter()
            .map(|group| group.into_iter().map(Candidate::to_string).collect())
            .collect();
        let expected: [&[&str]; 3] =
            [&["resnet10=random", "resnet10@layer2=random"], &["resnet10=x"], &["resnet18=random"]];
        assert_eq!(found, expected);
    }
}
