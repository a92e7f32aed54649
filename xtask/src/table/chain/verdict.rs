//! What the table says of a method, in words made from its numbers.

use super::Record;
use super::methods::{METHODS, Method, PLAIN};

/// Of what plain tuning forgets, a method may forget this share at most,
const SHARE: f64 = 0.5;
/// and be so far below it on a new task.
const LESS: f64 = 0.02;

/// A line for each method that has chains beside plain ones with the same seeds; trials are not among `records`.
pub fn verdicts(records: &[Record]) -> String {
    let methods = METHODS.iter().filter(|method| method.name != PLAIN);
    methods
        .filter_map(|method| verdict(records, method))
        .map(|line| format!("- {line}\n"))
        .collect()
}

fn verdict(records: &[Record], method: &Method) -> Option<String> {
    let of = |name: &str, seed: u64| {
        records.iter().find(|record| record.cell.method == name && record.cell.seed == seed)
    };
    let own = records.iter().filter(|record| record.cell.method == method.name);
    if method.leaves_all() {
        let known: Vec<bool> = own.filter_map(|record| record.unchanged).collect();
        let same = known.iter().filter(|same| **same).count();
        let end = if same == known.len() { "As it should be." } else { "**It should be in all.**" };
        return (!known.is_empty()).then(|| {
            format!(
                "`{}`: every earlier answer is unchanged in {same} of {} chains. {end}",
                method.name,
                known.len()
            )
        });
    }
    let pairs: Vec<(&Record, &Record)> =
        own.filter_map(|record| Some((record, of(PLAIN, record.cell.seed)?))).collect();
    let both = |value: fn(&Record) -> Option<f64>| {
        let values: Option<Vec<(f64, f64)>> =
            pairs.iter().map(|(own, plain)| Some((value(own)?, value(plain)?))).collect();
        let values = values.filter(|values| !values.is_empty())?;
        let mean = |of: fn(&(f64, f64)) -> f64| super::mean(values.iter().map(of));
        Some((mean(|pair| pair.0)?, mean(|pair| pair.1)?))
    };
    let (forgets, plain_forgets) = both(|record| record.forgetting)?;
    let (learns, plain_learns) = both(Record::learnt)?;
    let chains =
        if pairs.len() == 1 { "one chain".into() } else { format!("{} chains", pairs.len()) };
    let mut text = format!(
        "`{}`, {chains}: forgets {} where plain tuning forgets {}",
        method.name,
        points(forgets),
        points(plain_forgets)
    );
    // Of nothing there is no half.
    let cut = plain_forgets > 0.0 && forgets <= SHARE * plain_forgets;
    if plain_forgets > 0.0 {
        text += &format!(", {:.0} % of it", 100.0 * forgets / plain_forgets);
    }
    let learnt = learns >= plain_learns - LESS - 1e-9;
    text +=
        &format!("; on a new task it is {:+.1} points from it. ", 100.0 * (learns - plain_learns));
    text += match (plain_forgets > 0.0, cut, learnt) {
        (false, ..) => "Plain tuning forgets nothing here, so that nothing can be cut.",
        (_, true, true) => {
            "**It cuts forgetting by half or more at no more than 2 points of the new task.**"
        }
        (_, true, false) => {
            "It cuts forgetting by half or more, but at more than 2 points of the new task."
        }
        (_, false, true) => "It does not cut forgetting by half.",
        (_, false, false) => {
            "It does not cut forgetting by half, and takes more than 2 points of the new task."
        }
    };
    Some(text)
}

fn points(value: f64) -> String {
    format!("{:.1} points", 100.0 * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(records: &[Record], name: &str) -> String {
        let method = METHODS.iter().find(|method| method.name == name).unwrap();
        verdict(records, method).unwrap_or_default()
    }

    #[test]
    fn half_of_the_forgetting_at_two_points_of_a_new_task_is_enough_and_less_is_not() {
        // The mean over both tasks when just learnt: .9 and .7 of plain; two points of the mean are four of the second.
        for (learnt, lost, says) in [
            (0.66, 0.2, "**It cuts forgetting by half or more at no more than 2 points"),
            (0.66, 0.21, "It does not cut forgetting by half."),
            (0.65, 0.2, "It cuts forgetting by half or more, but at more than 2 points"),
            (0.65, 0.3, "It does not cut forgetting by half, and takes more than 2 points"),
        ] {
            let records =
                [Record::example("plain", 0, 0.7, 0.4), Record::example("ewc", 0, learnt, lost)];
            let text = line(&records, "ewc");
            assert!(text.contains(says), "{learnt} {lost}: {text}");
        }
    }

    #[test]
    fn a_method_is_compared_on_the_seeds_that_plain_tuning_has() {
        let mut records =
            vec![Record::example("plain", 0, 0.7, 0.4), Record::example("lwf", 0, 0.7, 0.1)];
        records.push(Record::example("lwf", 1, 0.1, 0.9));
        let text = line(&records, "lwf");
        let wanted = "`lwf`, one chain: forgets 10.0 points where plain tuning forgets 40.0 points, 25 % of it; on a new task it is \
                      +0.0 points from it. ";
        assert!(text.starts_with(wanted), "{text}");
        assert_eq!(line(&records[1..], "lwf"), "");
    }

    #[test]
    fn of_nothing_there_is_no_half() {
        let records = [Record::example("plain", 0, 0.7, 0.0), Record::example("si", 0, 0.7, 0.0)];
        let text = line(&records, "si");
        assert!(text.contains("nothing can be cut") && !text.contains('%'), "{text}");
    }

    #[test]
    fn adapters_are_judged_by_whether_anything_changed() {
        let mut records =
            [Record::example("lora", 0, 0.7, 0.0), Record::example("lora", 1, 0.7, 0.0)];
        for record in &mut records {
            record.unchanged = Some(true);
        }
        assert!(line(&records, "lora").contains("unchanged in 2 of 2 chains. As it should be."));
        records[1].unchanged = Some(false);
        assert!(line(&records, "lora").contains("unchanged in 1 of 2 chains. **It should"));
        assert_eq!(verdicts(&[]), "");
    }
}
