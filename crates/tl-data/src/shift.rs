//! Shifts of domain by formula: day to night, clear to fog, a digit to a digit on a photo.

mod accent;
mod blend;
mod canvas;
mod cloud;
mod fog;
mod night;
mod rain;
mod scanner;

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DataError;

pub use accent::Accent;
pub use blend::Blend;
pub use fog::Fog;
pub use night::Night;
pub use rain::Rain;
pub use scanner::Scanner;

/// How a new domain is made from the images of another, by formula.
///
/// As a text it is a name, perhaps a severity, and for `blend` the folder of photos: `night`,
/// `night:0.7`, `blend@photos`, `blend:0.5@photos`. Severity 0 leaves every image as it is, 1 (the
/// default) is the whole shift.
///
/// ```
/// # use tl_data::Shift;
/// let shift: Shift = "night:0.7".parse()?;
/// assert_eq!(shift.name(), "night");
/// # Ok::<(), tl_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shift {
    Blend(Blend),
    Night(Night),
    Fog(Fog),
    Rain(Rain),
    Scanner(Scanner),
    Accent(Accent),
}

impl Shift {
    /// Every name.
    pub const NAMES: [&str; 6] = ["blend", "night", "fog", "rain", "scanner", "accent"];

    /// The name, one of [`Shift::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Blend(_) => "blend",
            Self::Night(_) => "night",
            Self::Fog(_) => "fog",
            Self::Rain(_) => "rain",
            Self::Scanner(_) => "scanner",
            Self::Accent(_) => "accent",
        }
    }

    /// Whether every number makes sense.
    ///
    /// # Errors
    /// [`DataError::Shift`] with the number that lies outside its range.
    pub fn validate(&self) -> Result<(), DataError> {
        let checked = match self {
            Self::Blend(blend) => blend.validate(),
            Self::Night(night) => night.validate(),
            Self::Fog(fog) => fog.validate(),
            Self::Rain(rain) => rain.validate(),
            Self::Scanner(scanner) => scanner.validate(),
            Self::Accent(accent) => accent.validate(),
        };
        checked.map_err(|problem| DataError::Shift(format!("{}: {problem}", self.name())))
    }
}

impl FromStr for Shift {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let wrong = |problem: String| DataError::Shift(format!("{text:?}: {problem}"));
        let (front, photos) = match text.split_once('@') {
            Some((front, folder)) => (front, Some(folder)),
            None => (text, None),
        };
        let (name, severity) = match front.split_once(':') {
            Some((name, number)) => {
                let severity = number.parse::<f64>().ok();
                let severity = severity.filter(|severity| (0.0..=1.0).contains(severity));
                (name, severity.ok_or_else(|| wrong("a severity is a number from 0 to 1".into()))?)
            }
            None => (front, 1.0),
        };
        if name != "blend" && photos.is_some() {
            return Err(wrong("only blend takes photos".into()));
        }
        Ok(match name {
            "blend" => match photos {
                Some(folder) if !folder.is_empty() => {
                    Self::Blend(Blend { strength: severity, photos: PathBuf::from(folder) })
                }
                _ => return Err(wrong("name the folder of photos, as in blend@photos".into())),
            },
            "night" => Self::Night(Night::of_severity(severity)),
            "fog" => Self::Fog(Fog::of_severity(severity)),
            "rain" => Self::Rain(Rain::of_severity(severity)),
            "scanner" => Self::Scanner(Scanner::of_severity(severity)),
            "accent" => Self::Accent(Accent::of_severity(severity)),
            _ => return Err(wrong(format!("no such shift; there are {}", Self::NAMES.join(", ")))),
        })
    }
}

/// From `none` at severity 0 to `full` at 1.
fn graded(none: f64, full: f64, severity: f64) -> f64 {
    none + (full - none) * severity
}

/// Succeeds when `value` lies in `low..=high`.
fn within(name: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} is {value}: use {low} to {high}")),
    }
}

#[cfg(test)]
mod tests;
