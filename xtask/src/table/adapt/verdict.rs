//! What the table says of a shift, in words made from its numbers.

use std::collections::BTreeSet;

use super::page::of;
use super::record::Record;
use super::shifts::{BOUND, CORE, SHIFTS, SOURCE, Shift, TEST_TIME, WIDER};
use crate::table::cell::mean_and_deviation;

/// The pick among the methods of a seed, once all are there: `tl_adapt::prefer`, from what was recorded. The record with the highest
/// score of those that the validator may judge, the first of equals, unless one that it may not is better by both scores of clusters.
pub fn pick<'a>(records: &'a [Record], shift: &str, seed: u64) -> Option<&'a Record> {
    const CLUSTERS: [&str; 2] = ["silhouette", "calinski_harabasz"];
    let all = all(records, shift, seed)?;
    let score = |record: &&&Record| record.judged_by(&record.validator);
    let low = f64::NEG_INFINITY;
    let best = all
        .iter()
        .rev()
        .max_by(|one, other| score(one).unwrap_or(low).total_cmp(&score(other).unwrap_or(low)))?;
    let better = |record: &&&Record| {
        score(record).is_none()
            && CLUSTERS.iter().all(|by| {
                record.judged_by(by).zip(best.judged_by(by)).is_some_and(|(own, other)| own > other)
            })
    };
    let challengers: Vec<&Record> = all.iter().filter(better).copied().collect();
    // The mean rank without its constants: how many are better, by either score.
    let beaten = |record: &Record| -> usize {
        let by = CLUSTERS.iter().map(|by| {
            challengers.iter().filter(|other| other.judged_by(by) > record.judged_by(by)).count()
        });
        by.sum()
    };
    challengers.iter().min_by_key(|record| beaten(record)).or(Some(best)).copied()
}

/// The best epoch of any method, once all methods of the seed are there.
pub fn oracle(records: &[Record], shift: &str, seed: u64) -> Option<f64> {
    let all = all(records, shift, seed)?;
    all.into_iter().map(|record| record.best_epoch).max_by(f64::total_cmp)
}

/// The records of all methods of a seed, in their order.
pub fn all<'a>(records: &'a [Record], shift: &str, seed: u64) -> Option<Vec<&'a Record>> {
    let shift = SHIFTS.iter().find(|known| known.name == shift)?;
    shift
        .core()
        .map(|method| {
            of(records, shift.name, method).into_iter().find(|record| record.cell.seed == seed)
        })
        .collect()
}

/// What comes of the pick, of the test-time method and of the others, beside training on the source alone.
pub fn verdict(records: &[Record], shift: &Shift) -> String {
    let name = shift.name;
    let accuracy = |method: &str, seed: u64| {
        let found = of(records, name, method).into_iter().find(|record| record.cell.seed == seed);
        found.map(|record| record.accuracy)
    };
    let mean = |value: &dyn Fn(u64) -> Option<f64>| {
        let values: Vec<f64> = (0..shift.seeds).filter_map(value).collect();
        mean_and_deviation(&values).map(|(mean, _)| mean)
    };
    let gain = |method: &str| mean(&|seed| Some(accuracy(method, seed)? - accuracy(SOURCE, seed)?));
    let picked = |seed| Some(pick(records, name, seed)?.accuracy - accuracy(SOURCE, seed)?);
    let mut said = Vec::new();
    if let Some(gained) = mean(&picked) {
        said.push(format!("The pick gains {} over `{SOURCE}`", points(gained)));
        let open = |seed| {
            pick(records, name, seed)?;
            Some(accuracy(BOUND, seed)? - accuracy(SOURCE, seed)?)
        };
        if let Some(open) = mean(&open).filter(|open| *open > 0.0) {
            said.push(format!("that is {:.0} % of what the bound gains", 100.0 * gained / open));
        }
    }
    let mut text = if said.is_empty() { String::new() } else { said.join("; ") + ". " };
    if let Some(gained) = gain(TEST_TIME) {
        text += &format!("The test-time method `{TEST_TIME}` gains {}. ", points(gained));
    }
    let others = || CORE.into_iter().chain(WIDER).filter(|method| *method != SOURCE);
    let losing: Vec<String> = others()
        .filter_map(|method| Some((method, gain(method)?)))
        .filter(|(_, gained)| *gained < 0.0)
        .map(|(method, gained)| format!("`{method}` ({})", points(gained)))
        .collect();
    let known = others().filter(|method| gain(method).is_some()).count();
    text += &match (losing.is_empty(), known) {
        (_, 0) => String::new(),
        (true, _) => format!("Of {known} methods none loses to `{SOURCE}`."),
        (false, _) => {
            format!("Of {known} methods these lose to `{SOURCE}`: {}.", losing.join(", "))
        }
    };
    if text.is_empty() { text } else { text.trim_end().to_string() + "\n" }
}

/// How the methods that PyTorch was run for compare with it, on the seeds that both have.
pub fn beside_peers(records: &[Record], peers: &[Record], shift: &str) -> String {
    let mut text = String::new();
    for method in CORE {
        let theirs = of(peers, shift, method);
        let ours = of(records, shift, method);
        let differences: Vec<f64> = theirs
            .iter()
            .filter_map(|peer| {
                let own = ours.iter().find(|own| own.cell.seed == peer.cell.seed)?;
                Some(own.accuracy - peer.accuracy)
            })
            .collect();
        if let Some((mean, _)) = mean_and_deviation(&differences) {
            let (size, side) = (points(mean.abs()), if mean < 0.0 { "below" } else { "above" });
            let seeds = differences.len();
            text += &format!(
                "`{method}` is {size} {side} the same recipe in PyTorch, a mean over {seeds} seeds.\n"
            );
        }
    }
    text
}

fn points(value: f64) -> String {
    format!("{:.1} points", 100.0 * value)
}

/// How much the choices lose against the oracle.
pub fn gaps(records: &[Record]) -> String {
    let over = |values: Vec<f64>| match mean_and_deviation(&values) {
        Some((mean, _)) => format!("{} over {}", points(mean), values.len()),
        None => "not known yet over 0".to_string(),
    };
    let chosen = || records.iter().filter(|record| record.cell.method != BOUND);
    let epochs = chosen().map(|record| record.best_epoch - record.accuracy).collect();
    let mut picks = Vec::new();
    for shift in &SHIFTS {
        for seed in 0..shift.seeds {
            let pair = pick(records, shift.name, seed).zip(oracle(records, shift.name, seed));
            picks.extend(pair.map(|(record, best)| best - record.accuracy));
        }
    }
    let validators: BTreeSet<&str> = chosen().map(|record| record.validator.as_str()).collect();
    let validators: Vec<&str> = validators.into_iter().collect();
    format!(
        "## Choice and oracle\n\nEpochs and methods are chosen by {}. The mean gap between the chosen epoch and the best epoch of \
         the same run is {} runs; between the pick among methods and the best epoch of any method {} picks.\n",
        validators.join(", "),
        over(epochs),
        over(picks)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        CORE.iter().map(|method| Record::example("uci", method, 0, 0.5)).collect()
    }

    #[test]
    fn the_pick_is_the_method_with_the_highest_score_and_its_gap_is_told() {
        let mut records = records();
        records[3].scores.insert("entropy".into(), 2.0);
        records[3].accuracy = 0.6;
        records[5].best_epoch = 0.9;
        assert_eq!(pick(&records, "uci", 0).unwrap().cell.method, CORE[3]);
        assert!(gaps(&records).contains("any method 30.0 points over 1 picks"));
        records[4].scores.insert("entropy".into(), 3.0);
        records[4].trains_on.push("entropy".into());
        assert_eq!(pick(&records, "uci", 0).unwrap().cell.method, CORE[3]);
        // By both scores of clusters it wins all the same; by one it does not.
        for (record, height) in [(3, 1.0), (4, 2.0)] {
            records[record].scores.insert("silhouette".into(), height);
            assert_eq!(pick(&records, "uci", 0).unwrap().cell.method, CORE[3]);
        }
        for (record, height) in [(3, 1.0), (4, 2.0)] {
            records[record].scores.insert("calinski_harabasz".into(), height);
        }
        assert_eq!(pick(&records, "uci", 0).unwrap().cell.method, CORE[4]);
        records.pop();
        assert!(pick(&records, "uci", 0).is_none());
    }

    #[test]
    fn a_peer_is_compared_on_the_seeds_that_both_have() {
        let of = |seeds: std::ops::Range<u64>, accuracy: f64| -> Vec<Record> {
            seeds.map(|seed| Record::example("blend", "dann", seed, accuracy)).collect()
        };
        let text = beside_peers(&of(1..4, 0.5), &of(0..3, 0.6), "blend");
        assert!(text.starts_with("`dann` is 10.0 points below the same recipe"), "{text}");
        assert!(text.contains("over 2 seeds"), "{text}");
        assert_eq!(beside_peers(&of(1..2, 0.5), &[], "blend"), "");
    }

    #[test]
    fn a_shift_says_what_is_gained_what_loses_and_how_far_the_bound_is() {
        let mut records = records();
        records[3].scores.insert("entropy".into(), 2.0);
        records[3].accuracy = 0.6;
        records[4].accuracy = 0.45;
        records.push(Record::example("uci", BOUND, 0, 0.9));
        let text = verdict(&records, &SHIFTS[0]);
        assert!(
            text.contains("The pick gains 10.0 points over `source`; that is 25 % of"),
            "{text}"
        );
        assert!(text.contains("`adabn` gains 0.0 points"), "{text}");
        assert!(text.ends_with(&format!("these lose to `source`: `{}` (-5.0 points).\n", CORE[4])));
        assert_eq!(verdict(&[], &SHIFTS[0]), "");
    }
}
