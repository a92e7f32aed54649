//! What `run.json` and the report say of a fitting within a time.

use serde::{Deserialize, Serialize};
use tl_train::report::{Section, Table};

use crate::RunRecord;
use crate::record::Preprocessing;

/// A fitting within a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinutesRecord {
    /// The time that it was given, in minutes.
    pub minutes: f64,
    /// The seconds that it took up to the last measuring, those before an interruption included.
    pub seconds: f64,
    /// The name of what was tried whose weights the run holds.
    pub chosen: String,
    /// The figure of the validation part that chose it.
    pub chosen_by: String,
    /// In the order in which it was tried.
    pub tried: Vec<Tried>,
}

/// Something that was tried, or came to nothing for a reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    pub name: String,
    /// Epochs of training by gradient that the plan was laid over, and those that it has without a limit; 0 of a head that is solved.
    pub epochs: usize,
    pub wanted: usize,
    /// The figure that chooses, on the validation part; nothing where it was not tried, or came to nothing.
    pub validation: Option<f64>,
    /// Its standard error, by which another has to lead what is the default; 0 where nothing is known of it.
    #[serde(default)]
    pub error: f64,
    /// Which weights of it were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The seconds that were expected, and those that it took.
    pub expected: f64,
    pub seconds: f64,
    /// Whether the time was up before its plan was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_time: bool,
    /// Why it was not tried, or came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Tried {
    /// `auto: 0.912, kept: best (epoch 4), 3 of 10 epochs, 41.0 s`
    pub fn line(&self) -> String {
        let Some(validation) = self.validation else {
            let what = if self.seconds > 0.0 { "nothing came of it" } else { "not tried" };
            return format!("{}: {what}, {}", self.name, self.note.as_deref().unwrap_or("–"));
        };
        let mut line = format!("{}: {validation:.3}", self.name);
        if let Some(kept) = &self.kept {
            line += &format!(", kept: {kept}");
        }
        if self.wanted > 0 {
            line += &format!(", {} of {} epochs", self.epochs, self.wanted);
        }
        line += &format!(", {:.1} s", self.seconds);
        if self.out_of_time {
            line += ", ended by the time";
        }
        line
    }
}

impl MinutesRecord {
    /// What was chosen and by what, in a line.
    pub fn line(&self) -> String {
        format!(
            "{} was chosen by {}, in {:.0} s of {:.1} minutes",
            self.chosen, self.chosen_by, self.seconds, self.minutes
        )
    }
}

/// What the report says of it; nothing of another run.
pub(crate) fn sections(record: &RunRecord) -> Vec<Section> {
    let Some(found) = &record.minutes else { return Vec::new() };
    let row = |tried: &Tried| {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        let epochs = (tried.wanted > 0).then(|| format!("{} of {}", tried.epochs, tried.wanted));
        let mut note = tried.note.clone().unwrap_or_default();
        if tried.out_of_time {
            note = "ended by the time".into();
        }
        if tried.name == found.chosen {
            note = format!("chosen {note}").trim_end().to_string();
        }
        vec![
            tried.name.clone(),
            or_none(tried.validation.map(|value| format!("{value:.4}"))),
            or_none(tried.kept.clone()),
            or_none(epochs),
            format!("{:.1}", tried.expected),
            format!("{:.1}", tried.seconds),
            note,
        ]
    };
    let mut lines = vec![format!("{}; the test part was measured once, after that.", found.line())];
    let figure = |tried: &Tried| tried.validation.unwrap_or(f64::NEG_INFINITY);
    let chosen = found.tried.iter().find(|tried| tried.name == found.chosen);
    let lead = |own: &Tried| found.tried.iter().any(|tried| figure(tried) > figure(own));
    if let Some(chosen) = chosen
        && lead(chosen)
    {
        lines.push(format!(
            "What leads {} does so by less than the standard error of its figure, {:.4}, which is as likely luck.",
            chosen.name, chosen.error
        ));
    }
    if let Preprocessing::Images(_) = &record.preprocess {
        let spared = "A map of embeddings and where the network looks are not drawn within a time.";
        lines.push(spared.to_string());
    }
    let columns = ["tried", "validation#", "kept", "epochs#", "expected s#", "s#", ""];
    vec![Section {
        title: format!("Tried within {:.1} minutes", found.minutes),
        lines,
        tables: vec![Table {
            name: "tried".into(),
            columns: columns.map(str::to_string).to_vec(),
            rows: found.tried.iter().map(row).collect(),
        }],
        ..Section::default()
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_told_in_a_line() {
        let tried = Tried {
            name: "auto".into(),
            epochs: 3,
            wanted: 10,
            validation: Some(0.9121),
            error: 0.02,
            kept: Some("best (epoch 4)".into()),
            expected: 38.0,
            seconds: 41.04,
            out_of_time: false,
            note: None,
        };
        assert_eq!(tried.line(), "auto: 0.912, kept: best (epoch 4), 3 of 10 epochs, 41.0 s");
        let ended = Tried { out_of_time: true, wanted: 0, ..tried };
        assert_eq!(ended.line(), "auto: 0.912, kept: best (epoch 4), 41.0 s, ended by the time");
        let not =
            Tried { name: "lora".into(), note: Some("it is long".into()), ..Tried::default() };
        assert_eq!(not.line(), "lora: not tried, it is long");
        let diverged = Tried { seconds: 3.0, ..not };
        assert_eq!(diverged.line(), "lora: nothing came of it, it is long");
    }
}
