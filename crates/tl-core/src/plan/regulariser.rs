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
    /// The same by what a weight did for the loss while it was learnt (Zenke et al. 2017).
    Si { strength: f64 },
    /// Holds what the heads of earlier tasks answer for the new examples (Li and Hoiem 2016).
    Lwf { strength: f64, temperature: f64 },
    /// Shows examples of earlier tasks again, of which `size` are kept of all tasks together; `batch` of them in a step, as many as
    /// of new ones where it is not said.
    Rehearsal {
        strength: f64,
        size: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<usize>,
        #[serde(default)]
        pick: Pick,
    },
}

/// Which examples of earlier tasks are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// Any of all, each as likely as the others (Vitter 1985).
    #[default]
    Reservoir,
    /// Of each class those whose mean features are near the class's (Rebuffi et al. 2017).
    Herding,
}

const KINDS: &str = "l2_sp (strength, head), delta (strength, head), bss (strength, count), ewc (strength), mas (strength), \
    si (strength), lwf (strength, temperature), rehearsal (strength, size, batch, pick)";

impl Regulariser {
    /// The word by which it is asked for.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::L2Sp { .. } => "l2_sp",
            Self::Delta { .. } => "delta",
            Self::Bss { .. } => "bss",
            Self::Ewc { .. } => "ewc",
            Self::Mas { .. } => "mas",
            Self::Si { .. } => "si",
            Self::Lwf { .. } => "lwf",
            Self::Rehearsal { .. } => "rehearsal",
        }
    }

    /// One of a kind with its usual numbers.
    fn usual(kind: &str) -> Option<Self> {
        Some(match kind {
            "l2_sp" => Self::L2Sp { strength: 0.1, head: 0.01 },
            "delta" => Self::Delta { strength: 0.01, head: 0.01 },
            "bss" => Self::Bss { strength: 1e-3, count: 1 },
            "ewc" => Self::Ewc { strength: 1000.0 },
            "mas" => Self::Mas { strength: 1.0 },
            "si" => Self::Si { strength: 1.0 },
            "lwf" => Self::Lwf { strength: 1.0, temperature: 2.0 },
            "rehearsal" => {
                Self::Rehearsal { strength: 1.0, size: 200, batch: None, pick: Pick::default() }
            }
            _ => return None,
        })
    }

    /// Its strength; at 0 it does nothing at all.
    pub fn strength(&self) -> f64 {
        match *self {
            Self::L2Sp { strength, .. }
            | Self::Delta { strength, .. }
            | Self::Bss { strength, .. }
            | Self::Ewc { strength }
            | Self::Mas { strength }
            | Self::Si { strength }
            | Self::Lwf { strength, .. }
            | Self::Rehearsal { strength, .. } => strength,
        }
    }

    fn strength_mut(&mut self) -> &mut f64 {
        match self {
            Self::L2Sp { strength, .. }
            | Self::Delta { strength, .. }
            | Self::Bss { strength, .. }
            | Self::Ewc { strength }
            | Self::Mas { strength }
            | Self::Si { strength }
            | Self::Lwf { strength, .. }
            | Self::Rehearsal { strength, .. } => strength,
        }
    }

    pub(super) fn validate(&self) -> Result<(), CoreError> {
        let bad = |what: &str, value: f64, expected: &'static str| {
            let what = format!("the {what} of {}", self.kind());
            Err(CoreError::BadNumber { what, value, expected })
        };
        let from_0 = |what: &str, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => bad(what, value, "a number from 0"),
        };
        from_0("strength", self.strength())?;
        match *self {
            Self::L2Sp { head, .. } | Self::Delta { head, .. } => {
                from_0("strength for the head", head)
            }
            Self::Bss { count: 0, .. } => {
                Err(CoreError::Empty { what: "bss".into(), needs: "singular value" })
            }
            Self::Lwf { temperature, .. } if !(temperature.is_finite() && temperature > 0.0) => {
                bad("temperature", temperature, "a number above 0")
            }
            Self::Rehearsal { size: 0, .. } => {
                bad("size", 0.0, "the examples to keep, a whole number from 1")
            }
            Self::Rehearsal { batch: Some(0), .. } => {
                bad("batch", 0.0, "the examples of a step, a whole number from 1")
            }
            Self::Bss { .. }
            | Self::Ewc { .. }
            | Self::Mas { .. }
            | Self::Si { .. }
            | Self::Lwf { .. }
            | Self::Rehearsal { .. } => Ok(()),
        }
    }

    /// Takes over what is said of `key`.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number =
            || value.parse::<f64>().map_err(|_| format!("{value:?} is no number for {key}"));
        let count = || value.parse::<usize>().map_err(|_| format!("{value:?} is no count"));
        let kind = self.kind();
        if key == "strength" {
            *self.strength_mut() = number()?;
            return Ok(());
        }
        match (self, key) {
            (Self::L2Sp { head, .. } | Self::Delta { head, .. }, "head") => *head = number()?,
            (Self::Bss { count: found, .. }, "count") => *found = count()?,
            (Self::Lwf { temperature, .. }, "temperature") => *temperature = number()?,
            (Self::Rehearsal { size, .. }, "size") => *size = count()?,
            (Self::Rehearsal { batch, .. }, "batch") => *batch = Some(count()?),
            (Self::Rehearsal { pick, .. }, "pick") => {
                *pick = match value {
                    "reservoir" => Pick::Reservoir,
                    "herding" => Pick::Herding,
                    _ => return Err(format!("pick is reservoir or herding, not {value:?}")),
                };
            }
            _ => return Err(format!("{kind} knows no {key:?}")),
        }
        Ok(())
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Reservoir => "reservoir",
            Self::Herding => "herding",
        })
    }
}

impl fmt::Display for Regulariser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:strength={}", self.kind(), self.strength())?;
        match self {
            Self::L2Sp { head, .. } | Self::Delta { head, .. } => write!(out, ",head={head}"),
            Self::Bss { count, .. } => write!(out, ",count={count}"),
            Self::Lwf { temperature, .. } => write!(out, ",temperature={temperature}"),
            Self::Rehearsal { size, batch, pick, .. } => {
                write!(out, ",size={size},pick={pick}")?;
                batch.map_or(Ok(()), |batch| write!(out, ",batch={batch}"))
            }
            Self::Ewc { .. } | Self::Mas { .. } | Self::Si { .. } => Ok(()),
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
        let mut found = Self::usual(kind).ok_or_else(|| fault(format!("there is no {kind:?}")))?;
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.set(key, value).map_err(fault)?;
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
            "si:strength=0.5",
            "lwf:temperature=1.5",
            "rehearsal",
            "rehearsal:strength=0,size=7,batch=3,pick=herding",
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
            ("si:head=1", "si knows no \"head\""),
            ("lwf:temperature=0", "a number above 0"),
            ("rehearsal:size=0", "the size of rehearsal"),
            ("rehearsal:batch=0", "the batch of rehearsal"),
            ("rehearsal:pick=best", "pick is reservoir or herding"),
        ] {
            let message = text.parse::<Regulariser>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
