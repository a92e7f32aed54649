//! What a phase adds to its loss, so that a network keeps what its weights know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CoreError;

/// A term beside the loss. Formulas and papers stand where each is computed.
///
/// ```
/// use tl_core::Regulariser;
///
/// let regulariser: Regulariser = "l2_sp:strength=0.1".parse()?;
/// assert_eq!(regulariser, Regulariser::L2Sp { strength: 0.1, head: 0.01 });
/// # Ok::<(), tl_core::CoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Regulariser {
    /// Holds weights near those that the run began with (Li et al. 2018).
    L2Sp { strength: f64, head: f64 },
    /// Holds the outputs of stages near those that the first weights gave (Li et al. 2019).
    Delta { strength: f64, head: f64 },
    /// Makes the smallest singular values of a batch's features smaller (Chen et al. 2019).
    Bss { strength: f64, count: usize },
    /// Holds weights that earlier tasks hang on, by the Fisher information (Kirkpatrick et al. 2017).
    Ewc { strength: f64 },
    /// The same by how far the answers move with a weight (Aljundi et al. 2018).
    Mas { strength: f64 },
}

const KINDS: &str = "l2_sp (strength, head), delta (strength, head), bss (strength, count), ewc (strength), mas (strength)";

impl Regulariser {
    /// The word by which it is asked for.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::L2Sp { .. } => "l2_sp",
            Self::Delta { .. } => "delta",
            Self::Bss { .. } => "bss",
            Self::Ewc { .. } => "ewc",
            Self::Mas { .. } => "mas",
        }
    }

    /// Its strength; at 0 it does nothing at all.
    pub fn strength(&self) -> f64 {
        match *self {
            Self::L2Sp { strength, .. }
            | Self::Delta { strength, .. }
            | Self::Bss { strength, .. }
            | Self::Ewc { strength }
            | Self::Mas { strength } => strength,
        }
    }

    pub(super) fn validate(&self) -> Result<(), CoreError> {
        let from_0 = |what: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                return Ok(());
            }
            let what = format!("the {what} of {}", self.kind());
            Err(CoreError::BadNumber { what, value, expected: "a number from 0" })
        };
        from_0("strength", self.strength())?;
        match *self {
            Self::L2Sp { head, .. } | Self::Delta { head, .. } => {
                from_0("strength for the head", head)
            }
            Self::Bss { count: 0, .. } => {
                Err(CoreError::Empty { what: "bss".into(), needs: "singular value" })
            }
            Self::Bss { .. } | Self::Ewc { .. } | Self::Mas { .. } => Ok(()),
        }
    }
}

impl fmt::Display for Regulariser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:strength={}", self.kind(), self.strength())?;
        match self {
            Self::L2Sp { head, .. } | Self::Delta { head, .. } => write!(out, ",head={head}"),
            Self::Bss { count, .. } => write!(out, ",count={count}"),
            Self::Ewc { .. } | Self::Mas { .. } => Ok(()),
        }
    }
}

impl FromStr for Regulariser {
    type Err = CoreError;

    /// `KIND` or `KIND:KEY=VALUE,…`.
    fn from_str(text: &str) -> Result<Self, CoreError> {
        let fault = |problem: String| CoreError::BadRegulariser {
            text: text.to_string(),
            problem,
            known: KINDS,
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut found = match kind {
            "l2_sp" => Self::L2Sp { strength: 0.1, head: 0.01 },
            "delta" => Self::Delta { strength: 0.01, head: 0.01 },
            "bss" => Self::Bss { strength: 1e-3, count: 1 },
            "ewc" => Self::Ewc { strength: 1000.0 },
            "mas" => Self::Mas { strength: 1.0 },
            _ => return Err(fault(format!("there is no {kind:?}"))),
        };
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number: f64 =
                value.parse().map_err(|_| fault(format!("{value:?} is no number for {key}")))?;
            match (&mut found, key) {
                (
                    Self::L2Sp { strength, .. }
                    | Self::Delta { strength, .. }
                    | Self::Bss { strength, .. }
                    | Self::Ewc { strength }
                    | Self::Mas { strength },
                    "strength",
                ) => *strength = number,
                (Self::L2Sp { head, .. } | Self::Delta { head, .. }, "head") => *head = number,
                (Self::Bss { count, .. }, "count") => {
                    *count = value.parse().map_err(|_| fault(format!("{value:?} is no count")))?;
                }
                _ => return Err(fault(format!("{kind} knows no {key:?}"))),
            }
        }
        found.validate()?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            "l2_sp",
            "l2_sp:strength=0",
            "delta:strength=0.5,head=0",
            "bss:count=3",
            "ewc",
            "mas:strength=2",
        ] {
            let found: Regulariser = text.parse().unwrap();
            assert_eq!(found.to_string().parse::<Regulariser>().unwrap(), found);
            let json = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Regulariser>(&json).unwrap(), found);
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, part) in [
            ("l3", "there is no \"l3\""),
            ("bss:head=1", "bss knows no \"head\""),
            ("l2_sp:strength=much", "\"much\" is no number"),
            ("l2_sp:strength=-1", "a number from 0"),
            ("bss:count=0", "singular value"),
            ("bss:count=1.5", "is no count"),
        ] {
            let message = text.parse::<Regulariser>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
