//! Whether our accuracies are those of PyTorch.

use super::Record;
use super::{SCRATCH, SHOTS, brackets, each, heading, of};
use crate::table::cell::mean_and_deviation;

/// Our method, that of PyTorch with the same recipe, and both in words.
const PAIRS: [(&str, &str, &str); 4] = [
    ("raw", "raw", "raw pixels: scikit-learn"),
    (SCRATCH, SCRATCH, "from scratch: PyTorch"),
    ("probe", "features", "probe: scikit-learn on PyTorch's features"),
    ("finetune", "finetune_frozen_statistics", "fine-tuning: PyTorch, norm statistics frozen"),
];

/// Ours less PyTorch's, beside the deviations; nothing where there is nothing to compare.
pub fn section(records: &[Record], peers: &[Record]) -> String {
    let all = || {
        PAIRS.iter().flat_map(|(ours, theirs, _)| {
            SHOTS.iter().filter_map(|shots| Difference::of(records, ours, peers, theirs, *shots))
        })
    };
    if all().next().is_none() {
        return String::new();
    }
    let verdicts: Vec<bool> = all().filter_map(|difference| difference.within()).collect();
    let mut text = format!(
        "\n## Agreement with PyTorch\n\nThe difference of the means (ours less PyTorch's) in points of test accuracy, \
         over the seeds that both have; then whether it lies within the sum of both sample deviations, in brackets. \
         {} of {} do.\n\n",
        verdicts.iter().filter(|within| **within).count(),
        verdicts.len()
    ) + &heading("method, compared with", &[]);
    for (ours, theirs, title) in PAIRS {
        let cells = each(|shots| {
            Difference::of(records, ours, peers, theirs, shots)
                .map_or_else(|| "–".to_string(), |difference| difference.shown())
        });
        text += &format!("| {title} |{cells}\n");
    }
    text
}

/// Between two means of accuracies over the same seeds.
#[derive(Debug)]
struct Difference {
    seeds: usize,
    difference: f64,
    /// The sum of both sample deviations, where there are any.
    deviations: Option<f64>,
}

impl Difference {
    /// Nothing where the two have no seed in common.
    fn of(
        records: &[Record],
        ours: &str,
        peers: &[Record],
        theirs: &str,
        shots: usize,
    ) -> Option<Self> {
        let pairs = of(records, ours, shots).filter_map(|record| {
            let peer = of(peers, theirs, shots).find(|peer| peer.cell.seed == record.cell.seed)?;
            Some((record.accuracy, peer.accuracy))
        });
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let (mean, deviation) = mean_and_deviation(&ours)?;
        let (mean_of_peer, deviation_of_peer) = mean_and_deviation(&theirs)?;
        Some(Self {
            seeds: ours.len(),
            difference: mean - mean_of_peer,
            deviations: deviation.zip(deviation_of_peer).map(|(one, other)| one + other),
        })
    }

    fn within(&self) -> Option<bool> {
        self.deviations.map(|deviations| self.difference.abs() <= deviations)
    }

    fn shown(&self) -> String {
        let verdict = match (self.within(), self.deviations) {
            (Some(within), Some(deviations)) => {
                let (answer, sign) = if within { ("yes", "≤") } else { ("**no**", ">") };
                format!(", {answer} ({sign} {:.1})", 100.0 * deviations)
            }
            _ => String::new(),
        };
        format!("{:+.1}{verdict}{}", 100.0 * self.difference, brackets(self.seeds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(method: &str, accuracies: [f64; 3]) -> Vec<Record> {
        let records = accuracies.iter().zip(0..);
        records.map(|(accuracy, seed)| Record::example(method, 5, seed, *accuracy)).collect()
    }

    fn shown(ours: &[Record], theirs: &[Record]) -> String {
        Difference::of(ours, "probe", theirs, "features", 5).unwrap().shown()
    }

    #[test]
    fn a_difference_within_the_sum_of_both_deviations_is_agreement_and_one_beyond_is_none() {
        let ours = three("probe", [0.70, 0.71, 0.72]);
        assert_eq!(shown(&ours, &three("features", [0.71, 0.72, 0.73])), "-1.0, yes (≤ 2.0)");
        assert_eq!(shown(&ours, &three("features", [0.67, 0.68, 0.69])), "+3.0, **no** (> 2.0)");
    }

    #[test]
    fn only_seeds_that_both_have_are_compared_and_one_alone_gives_no_verdict() {
        let ours = three("probe", [0.70, 0.71, 0.1]);
        let theirs = three("features", [0.70, 0.71, 0.72]);
        assert_eq!(shown(&ours, &theirs[..2]), "+0.0, yes (≤ 1.4) (2)");
        assert_eq!(shown(&ours[1..2], &theirs), "+0.0 (1)");
        assert!(Difference::of(&ours, "probe", &[], "features", 5).is_none());
    }

    #[test]
    fn the_section_counts_the_verdicts_and_is_left_out_where_nothing_can_be_compared() {
        let ours = [three("probe", [0.70, 0.71, 0.72]), three("raw", [0.5, 0.5, 0.5])].concat();
        let theirs =
            [three("features", [0.70, 0.71, 0.72]), three("raw", [0.6, 0.6, 0.6])].concat();
        let text = section(&ours, &theirs);
        assert!(text.contains("1 of 2 do"), "{text}");
        assert!(text.contains("-10.0, **no** (> 0.0) | – | – |"), "{text}");
        assert_eq!(section(&ours, &[]), "");
    }
}
