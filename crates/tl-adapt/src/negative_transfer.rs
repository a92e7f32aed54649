//! Signs, without target labels, that the adaptation did harm.

use crate::validators::{Scores, Validator};

/// What is compared: the model before the adaptation (trained on the source alone) and after.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    pub before: &'a Scores,
    pub after: &'a Scores,
    /// How many target examples are predicted as each class, before and after.
    pub predicted_before: &'a [usize],
    pub predicted_after: &'a [usize],
    /// What a class is called.
    pub name: &'a dyn Fn(usize) -> String,
}

/// How much source accuracy may fall, .05 = 5 points.
const SOURCE_LOSS: f64 = 0.05;
/// A class that falls below this share of its earlier predictions has vanished.
const VANISHED: f64 = 0.1;

/// Warnings, each one line; none unless two signs of three point to harm, because each alone also comes
/// with a gain: a network that moves to the target forgets some of the source. They are signs, not
/// proof: how frequent the classes of the target really are is not known.
pub fn warnings(comparison: &Comparison<'_>) -> Vec<String> {
    let Comparison { before, after, predicted_before, predicted_after, name } = *comparison;
    let mut found = Vec::new();
    let pair = |validator| Some((before.get(validator)?, after.get(validator)?));
    if let Some((old, new)) = pair(Validator::SourceAccuracy).filter(|(o, n)| o - n > SOURCE_LOSS) {
        found.push(format!(
            "negative transfer is likely: the source's validation accuracy fell from {:.1} % to {:.1} %",
            100.0 * old,
            100.0 * new
        ));
    }
    let total: usize = predicted_before.iter().sum();
    // Classes that were hardly predicted before say nothing.
    let least = total as f64 / predicted_before.len().max(1) as f64 * 0.25;
    let vanished: Vec<String> = predicted_before
        .iter()
        .zip(predicted_after)
        .enumerate()
        .filter(|(_, (old, new))| **old as f64 >= least && (**new as f64) < VANISHED * **old as f64)
        .map(|(class, _)| name(class))
        .collect();
    if !vanished.is_empty() {
        found.push(format!(
            "negative transfer is likely: on the target the classes {} are hardly predicted any more",
            vanished.join(", ")
        ));
    }
    let fell: Vec<&str> = [Validator::InformationMaximisation, Validator::Dev, Validator::Reverse]
        .into_iter()
        .filter(|validator| pair(*validator).is_some_and(|(old, new)| new < old))
        .map(Validator::name)
        .collect();
    if fell.len() == 3 {
        let fell = fell.join(", ");
        found.push(format!("negative transfer is likely: {fell} are all lower than before"));
    }
    if found.len() < 2 { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(source: f64, other: f64) -> Scores {
        let others = [Validator::InformationMaximisation, Validator::Dev, Validator::Reverse];
        let entries = others.into_iter().map(|v| (v, other));
        Scores(entries.chain([(Validator::SourceAccuracy, source)]).collect())
    }

    #[test]
    fn harm_is_named_and_gain_is_not() {
        let (before, worse, better) = (scores(0.9, 0.5), scores(0.7, 0.4), scores(0.88, 0.9));
        let forgetful = scores(0.7, 0.9);
        let of = |after, predicted_after| {
            warnings(&Comparison {
                before: &before,
                after,
                predicted_before: &[50, 40, 10],
                predicted_after,
                name: &|class| ["cat", "dog", "eel"][class].to_string(),
            })
        };
        assert!(of(&better, &[45, 45, 10]).is_empty());
        assert!(of(&forgetful, &[45, 45, 10]).is_empty());
        let found = of(&worse, &[97, 1, 2]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("90.0 % to 70.0 %") && found[1].contains("classes dog are"));
        assert!(found.iter().all(|line| line.lines().count() == 1));
    }
}
