//! A cell of a table and what was recorded for it.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use crate::shell::{During, Outcome};

/// One method at one number of images per class with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cell {
    pub method: String,
    pub shots: usize,
    pub seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.method, self.shots, self.seed)
    }
}

/// `METHOD:SHOTS:SEED`, each of which may be `*`; parts that are left out stand for any.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Whether `cell` is among those meant.
    pub fn matches(&self, cell: &Cell) -> bool {
        let parts = [cell.method.clone(), cell.shots.to_string(), cell.seed.to_string()];
        self.0.iter().zip(parts).all(|(wanted, part)| wanted == "*" || *wanted == part)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split(':').map(str::to_string).collect();
        let number = |part: &String| part == "*" || part.parse::<u64>().is_ok();
        if parts.len() > 3 || !parts.iter().skip(1).all(number) {
            return Err("write METHOD:SHOTS:SEED, `*` for any".to_string());
        }
        Ok(Self(parts))
    }
}

/// What was recorded for a cell.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub cell: Cell,
    /// On the test part of `n` images.
    pub accuracy: f64,
    #[serde(alias = "validation")]
    pub validation_accuracy: f64,
    pub n: u64,
    pub trained_parameters: Option<u64>,
    /// Of fitting.
    #[serde(default)]
    pub seconds: f64,
    /// Seconds since the beginning and validation accuracy, epoch by epoch.
    #[serde(default)]
    pub course: Vec<(f64, f64)>,
    /// Of the machine that made the cell.
    pub cores: Option<u64>,
    /// The whole line as it stands in the file.
    #[serde(skip)]
    pub line: String,
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// When a field is missing.
    pub fn of(value: &Value) -> Outcome<Self> {
        let mut record: Record = serde_json::from_value(value.clone()).during("a cell")?;
        record.line = value.to_string();
        Ok(record)
    }
}

/// The records of a file with one JSON object a line.
///
/// # Errors
/// When a line is no record.
pub fn parse(text: &str) -> Outcome<Vec<Record>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let mut record: Record = serde_json::from_str(line)
                .during(format_args!("line {} of the table", index + 1))?;
            record.line = line.to_string();
            Ok(record)
        })
        .collect()
}

/// Mean and sample deviation (over `n - 1`); no deviation for fewer than two values.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt())))
}

#[cfg(test)]
impl Record {
    /// A small record for tests, as accurate on the validation part as on the test part.
    pub fn example(method: &str, shots: usize, seed: u64, accuracy: f64) -> Self {
        Self {
            cell: Cell { method: method.into(), shots, seed },
            accuracy,
            validation_accuracy: accuracy,
            n: 1000,
            trained_parameters: Some(7),
            seconds: 20.0,
            course: Vec::new(),
            cores: Some(2),
            line: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_leaves_out_what_stands_for_any() {
        let cell = Cell { method: "probe".into(), shots: 5, seed: 2 };
        for (pattern, matches) in [
            ("probe", true),
            ("*:5", true),
            ("*:*:2", true),
            ("raw:5:2", false),
            ("probe:20", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(&cell), matches, "{pattern}");
        }
        assert!("a:b".parse::<Pattern>().is_err());
    }

    #[test]
    fn a_line_is_kept_as_it_stands() {
        let line = r#"{"method": "raw", "shots": 5, "seed": 0, "accuracy": 0.5, "validation": 0.4, "n": 10, "c": 1.0}"#;
        let records = parse(line).unwrap();
        assert_eq!(records[0].line, line);
        assert_eq!(records[0].validation_accuracy, 0.4);
        assert!(parse("{}").unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((mean, deviation), (2.0, Some(1.0)));
        assert_eq!(mean_and_deviation(&[4.0]), Some((4.0, None)));
        assert_eq!(mean_and_deviation(&[]), None);
    }
}
