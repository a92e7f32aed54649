//! What a load did, for the run's record and for a person.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tensor that was given another shape on the way into the network (a head, input channels, positions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reshaped {
    /// The tensor's name in the file.
    pub name: String,
    /// Its shape in the file.
    pub from: Vec<usize>,
    /// Its shape in the network.
    pub to: Vec<usize>,
}

/// What a load did: which tensors found a place, which did not, and whether the file holds anything learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Where the weights came from.
    pub source: String,
    /// How many of the network's tensors were filled.
    pub applied: usize,
    /// Tensors of the network that the file lacks; they keep their initial values.
    pub missing: Vec<String>,
    /// Tensors of the file that the network has no place for.
    pub unused: Vec<String>,
    /// Tensors that were given another shape.
    pub reshaped: Vec<Reshaped>,
    /// Whether the file looks like a fresh initialisation.
    pub untrained: bool,
    /// What a person has to know of the head that was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How many names a line lists before it says how many more there are.
const LISTED: usize = 10;

fn listed<T: fmt::Display>(items: &[T]) -> String {
    let mut line = items.iter().take(LISTED).map(T::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > LISTED {
        line.push_str(&format!(" and {} more", items.len() - LISTED));
    }
    line
}

impl fmt::Display for Reshaped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} → {:?}", self.name, self.from, self.to)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, applied, missing, unused, reshaped, untrained, note } = self;
        let plural = if *applied == 1 { "" } else { "s" };
        write!(formatter, "weights {source}: {applied} tensor{plural} applied")?;
        if !missing.is_empty() {
            write!(formatter, "\n  missing {}: {}", missing.len(), listed(missing))?;
        }
        if !unused.is_empty() {
            write!(formatter, "\n  unused {}: {}", unused.len(), listed(unused))?;
        }
        if !reshaped.is_empty() {
            write!(formatter, "\n  reshaped {}: {}", reshaped.len(), listed(reshaped))?;
        }
        if *untrained {
            write!(
                formatter,
                "\n  looks untrained: every norm still has its initial scale and mean"
            )?;
        }
        if let Some(note) = note {
            write!(formatter, "\n  {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_cuts_long_lists_and_says_how_many_more() {
        let report = LoadReport {
            source: "a.pth".to_owned(),
            applied: 1,
            missing: (0..12).map(|index| format!("m{index}")).collect(),
            unused: vec!["fc.bias".to_owned()],
            reshaped: vec![Reshaped {
                name: "conv1.weight".to_owned(),
                from: vec![64, 3, 7, 7],
                to: vec![64, 1, 7, 7],
            }],
            untrained: true,
            note: None,
        };
        let text = report.to_string();
        assert_eq!(text.lines().next(), Some("weights a.pth: 1 tensor applied"));
        assert!(
            text.contains("missing 12: m0, m1")
                && text.contains("m9 and 2 more")
                && !text.contains("m10"),
            "{text}"
        );
        assert!(
            text.contains("unused 1: fc.bias\n") && text.contains("[64, 3, 7, 7] → [64, 1, 7, 7]"),
            "{text}"
        );
        assert!(text.ends_with("initial scale and mean"), "{text}");
        let noted = LoadReport { note: Some("The head is another.".to_owned()), ..report.clone() };
        assert_eq!(noted.to_string(), format!("{text}\n  The head is another."));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<LoadReport>(&json).unwrap(), report);
    }

    #[test]
    fn a_full_load_is_one_line() {
        let report =
            LoadReport { source: "embedded".to_owned(), applied: 314, ..LoadReport::default() };
        assert_eq!(report.to_string(), "weights embedded: 314 tensors applied");
    }
}
