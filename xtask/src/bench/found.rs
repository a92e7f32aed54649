//! What was found for a row: as a line on the terminal, as a value in JSON.

use serde_json::{Value, json};

use super::measure::{Measured, Meter, Participant};
use super::request::Request;
use super::rows::{Quantity, Row, title_of};
use super::sides::{Turn, Who};
use crate::shell::Outcome;

/// A rate in examples per second, memory in megabytes or milliseconds for each example, or why there is none.
pub(super) type Number = Result<f64, String>;

/// A row and its numbers.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub row: Row,
    pub ours: Number,
    /// By variant, that of the ratio first; none without peers.
    pub peers: Vec<(&'static str, Number)>,
}

/// The number that `quantity` asks of a turn.
pub(super) fn number(quantity: Quantity, measured: Measured) -> Number {
    measured.map(|Turn { seconds, examples, peak }| match quantity {
        Quantity::Rate => examples as f64 / seconds,
        Quantity::Memory => peak as f64 / 1e6,
        Quantity::Time => 1e3 * seconds / examples as f64,
    })
}

/// Measures a row with so many threads.
///
/// # Errors
/// When a program ends.
pub(super) fn measure(meter: &mut Meter, row: Row, threads: usize) -> Outcome<Found> {
    let compared = !row.beside.is_empty() || meter.starter.has_peers();
    let variants = if compared { row.variants() } else { Vec::new() };
    let ours = Participant { who: Who::Ours, threads, request: row.request.clone() };
    let peer = |(place, variant): (usize, &&'static str)| match row.beside.get(place) {
        Some(&work) => {
            let request = Request { work, ..row.request.clone() };
            Participant { who: Who::Ours, threads, request }
        }
        None => Participant { who: Who::Peers, threads, request: row.request(variant) },
    };
    let participants: Vec<_> =
        std::iter::once(ours).chain(variants.iter().enumerate().map(peer)).collect();
    let measured = match row.quantity {
        Quantity::Rate | Quantity::Time => meter.times(&participants, meter.rounds)?,
        Quantity::Memory => meter.peaks(&participants)?,
    };
    let mut numbers = measured.into_iter().map(|measured| number(row.quantity, measured));
    let ours = numbers.next().unwrap_or_else(|| Err("not measured".to_string()));
    let peers = variants.into_iter().zip(numbers).collect();
    Ok(Found { row, ours, peers })
}

/// A number with about three digits.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A number, or a dash.
pub(super) fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_string(), short)
}

impl Found {
    /// The number of the peer that the ratio is formed with.
    pub fn peer(&self) -> Option<f64> {
        self.peers.first().and_then(|(_, number)| number.as_ref().ok().copied())
    }

    /// Ours over the peer's.
    pub fn ratio(&self) -> Option<f64> {
        Some(*self.ours.as_ref().ok()? / self.peer()?)
    }

    /// Whether the ratio is what the row asks for; nothing where it is not known or nothing is asked.
    pub fn holds(&self) -> Option<bool> {
        self.row.holds(self.ratio()?)
    }

    /// What the row asks for, in words.
    pub fn asked(&self) -> String {
        let Some(bound) = self.row.bound else { return "–".to_string() };
        match self.row.quantity {
            Quantity::Rate => format!("≥ {bound}"),
            Quantity::Memory | Quantity::Time => format!("≤ {bound}"),
        }
    }

    /// The other peers, and what is absent and why.
    pub fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        if let Err(reason) = &self.ours {
            remarks.push(format!("ours absent: {reason}"));
        }
        for (index, (variant, number)) in self.peers.iter().enumerate() {
            match number {
                Ok(value) if index > 0 => {
                    remarks.push(format!("{} {}", title_of(variant), short(*value)));
                }
                Ok(_) => {}
                Err(reason) => remarks.push(format!("{} absent: {reason}", title_of(variant))),
            }
        }
        remarks.join(" · ")
    }

    /// The row as one of the list that `--json` writes: rates in examples per second, memory in MB, times in milliseconds.
    /// Where the ratio is bounded from above the bound is `at_most`, and `at_least` is null.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "row": self.row.title,
            "ours": self.ours.as_ref().ok(),
            "peer": self.peer(),
            "ratio": self.ratio(),
            "at_least": self.row.bound,
            "aim": self.row.aim,
        });
        if self.row.quantity != Quantity::Rate {
            value["at_least"] = Value::Null;
            value["at_most"] = json!(self.row.bound);
        }
        value
    }
}

/// The head of the terminal's table.
pub(super) fn head() -> String {
    let columns = ["ours", "peer", "ratio", "asked", "aim"].map(|name| format!("{name:>8}"));
    format!("{:<28} {} others", "row", columns.join(" "))
}

/// One line of the terminal's table.
pub(super) fn line(found: &Found) -> String {
    let ours = or_dash(found.ours.as_ref().ok().copied());
    let unit = match found.row.quantity {
        Quantity::Rate => "",
        Quantity::Memory => "MB ",
        Quantity::Time => "ms ",
    };
    let short_of = if found.holds() == Some(false) { "falls short  " } else { "" };
    format!(
        "{:<28} {ours:>8} {:>8} {:>8} {:>8} {:>8} {unit}{short_of}{}",
        found.row.name,
        or_dash(found.peer()),
        or_dash(found.ratio()),
        found.asked(),
        found.row.aim.map_or_else(|| "–".to_string(), |aim| aim.to_string()),
        found.remarks(),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::rows::all;

    /// The row called `name` with these numbers.
    pub fn found(name: &str, ours: Number, peers: &[Number]) -> Found {
        let row = all().into_iter().find(|row| row.name == name).unwrap();
        let peers = row.variants().into_iter().zip(peers.iter().cloned()).collect();
        Found { row, ours, peers }
    }

    #[test]
    fn a_row_in_json_has_the_keys_that_its_readers_expect() {
        let json = found("resnet18-forward", Ok(110.0), &[Ok(100.0), Ok(60.0), Ok(120.0)]).json();
        let mut keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["aim", "at_least", "ours", "peer", "ratio", "row"]);
        assert_eq!(json["row"], "ResNet-18 frozen forward");
        assert_eq!(json["ratio"], 1.1);
        assert_eq!(json["at_least"], 1.1);
    }

    #[test]
    fn memory_in_json_is_bounded_from_above() {
        let json = found("resnet18-step-memory", Ok(500.0), &[Ok(1000.0)]).json();
        assert_eq!(json["ratio"], 0.5);
        assert_eq!((&json["at_least"], &json["at_most"]), (&Value::Null, &json!(0.6)));
    }

    #[test]
    fn without_peers_there_is_no_ratio() {
        let alone = found("resnet18-step", Ok(30.0), &[]);
        assert_eq!(alone.json()["peer"], Value::Null);
        assert_eq!(alone.json()["ratio"], Value::Null);
        assert_eq!(alone.holds(), None);
    }

    #[test]
    fn a_line_says_what_is_absent_and_what_falls_short() {
        let absent = found("resnet18-bf16", Err("not there".into()), &[Ok(155.0), Ok(90.0)]);
        let shown = line(&absent);
        assert!(shown.contains("ours absent: not there"), "{shown}");
        assert!(shown.contains("PyTorch bf16 default 90.0"), "{shown}");
        let slow = line(&found("resnet18-step", Ok(30.0), &[Ok(60.0), Ok(50.0)]));
        assert!(slow.contains("0.50") && slow.contains("falls short"), "{slow}");
        let fast = line(&found("resnet18-step", Ok(60.0), &[Ok(60.0), Ok(50.0)]));
        assert!(!fast.contains("falls short"), "{fast}");
    }

    #[test]
    fn numbers_are_rates_or_megabytes() {
        let turn = Turn { seconds: 0.5, examples: 16, peak: 3_000_000 };
        assert_eq!(number(Quantity::Rate, Ok(turn.clone())), Ok(32.0));
        assert_eq!(number(Quantity::Time, Ok(turn.clone())), Ok(31.25));
        assert_eq!(number(Quantity::Memory, Ok(turn)), Ok(3.0));
    }
}
