//! Which adapter, and its numbers: a value, and the text by which a command line gives it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PeftError;

/// An adapter and its numbers.
///
/// ```
/// use tl_peft::AdapterConfig;
///
/// let config: AdapterConfig = "lora:rank=4,alpha=8,targets=query+value".parse()?;
/// assert_eq!(config.to_string(), "lora:rank=4,alpha=8,targets=query+value");
/// # Ok::<(), tl_peft::PeftError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AdapterConfig {
    Lora(Lora),
    Ia3(Ia3),
    Prompt(Prompt),
    Bottleneck(Bottleneck),
    Bitfit,
}

/// See [`crate::lora`] and [`crate::dora`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    pub rank: usize,
    pub alpha: f64,
    /// Of what goes into the low-rank path.
    pub dropout: f64,
    /// [Patterns](crate::targets) of layers; the usual ones of the architecture where there is none.
    pub targets: Vec<String>,
    /// Scale by `α/√rank` (Kalajdzievski 2023, arXiv 2312.03732) and not by `α/rank`.
    pub rank_stabilized: bool,
    /// With a magnitude for each output.
    pub dora: bool,
}

impl Default for Lora {
    fn default() -> Self {
        let targets = Vec::new();
        let (rank_stabilized, dora) = (false, false);
        Self { rank: 8, alpha: 16.0, dropout: 0.0, targets, rank_stabilized, dora }
    }
}

impl Lora {
    /// What the low-rank path is multiplied by.
    pub fn scaling(&self) -> f64 {
        let rank = self.rank.max(1) as f64;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// See [`crate::ia3`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ia3 {
    /// Layers whose outputs are scaled.
    pub targets: Vec<String>,
    /// Layers whose inputs are scaled.
    pub feedforward: Vec<String>,
}

/// See [`crate::prompt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prompt {
    /// How many vectors stand in front of each text.
    pub tokens: usize,
}

impl Default for Prompt {
    fn default() -> Self {
        Self { tokens: 20 }
    }
}

/// See [`crate::bottleneck`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bottleneck {
    /// The width between the two layers.
    pub width: usize,
    pub targets: Vec<String>,
}

impl Default for Bottleneck {
    fn default() -> Self {
        Self { width: 16, targets: Vec::new() }
    }
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self::Lora(Lora::default())
    }
}

const KINDS: &str = "lora, dora, ia3, prompt, bottleneck, bitfit";

impl AdapterConfig {
    /// The word by which it is asked for.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lora(Lora { dora: true, .. }) => "dora",
            Self::Lora(_) => "lora",
            Self::Ia3(_) => "ia3",
            Self::Prompt(_) => "prompt",
            Self::Bottleneck(_) => "bottleneck",
            Self::Bitfit => "bitfit",
        }
    }

    /// Whether PEFT has a format for it.
    pub fn is_known_to_peft(&self) -> bool {
        matches!(self, Self::Lora(_) | Self::Ia3(_) | Self::Prompt(_))
    }

    /// Whether it can become part of the weights.
    pub fn is_mergeable(&self) -> bool {
        matches!(self, Self::Lora(_) | Self::Ia3(_) | Self::Bitfit)
    }

    /// # Errors
    /// A number that makes no sense.
    pub fn validate(&self) -> Result<(), PeftError> {
        let check = |holds: bool, problem: String, mend: &str| match holds {
            true => Ok(()),
            false => Err(PeftError::Config { text: self.to_string(), problem, mend: mend.into() }),
        };
        let size = |what: &str, size: usize, most: usize| {
            let mend = format!("give {what} from 1 to {most}");
            check((1..=most).contains(&size), format!("has a {what} of {size}"), &mend)
        };
        match self {
            Self::Lora(lora) => {
                size("rank", lora.rank, 4096)?;
                let Lora { alpha, dropout, .. } = *lora;
                let good = alpha.is_finite() && alpha > 0.0;
                check(good, format!("has an alpha of {alpha}"), "give a number above 0")?;
                let good = (0.0..1.0).contains(&dropout);
                check(good, format!("has a dropout of {dropout}"), "give a share from 0, below 1")
            }
            Self::Prompt(prompt) => size("tokens", prompt.tokens, 4096),
            Self::Bottleneck(bottleneck) => size("width", bottleneck.width, 65_536),
            Self::Ia3(_) | Self::Bitfit => Ok(()),
        }
    }
}

impl FromStr for AdapterConfig {
    type Err = PeftError;

    /// `kind` or `kind:key=value,key=value`, several targets joined by `+`.
    fn from_str(text: &str) -> Result<Self, PeftError> {
        let fault = |problem: String, mend: String| PeftError::Config {
            text: text.to_string(),
            problem,
            mend,
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut config = match kind {
            "lora" => Self::Lora(Lora::default()),
            "dora" => Self::Lora(Lora { dora: true, ..Lora::default() }),
            "ia3" => Self::Ia3(Ia3::default()),
            "prompt" => Self::Prompt(Prompt::default()),
            "bottleneck" => Self::Bottleneck(Bottleneck::default()),
            "bitfit" => Self::Bitfit,
            _ => return Err(fault("is of no known kind".into(), format!("give one of {KINDS}"))),
        };
        for part in rest.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let whole = || {
                let mend = format!("give {key} a whole number");
                value.parse::<usize>().map_err(|_| fault(format!("says {part}"), mend))
            };
            let number = || {
                let mend = format!("give {key} a number");
                value.parse::<f64>().map_err(|_| fault(format!("says {part}"), mend))
            };
            let names =
                || value.split('+').filter(|it| !it.is_empty()).map(str::to_string).collect();
            match (&mut config, key) {
                (Self::Lora(lora), "rank") => lora.rank = whole()?,
                (Self::Lora(lora), "alpha") => lora.alpha = number()?,
                (Self::Lora(lora), "dropout") => lora.dropout = number()?,
                (Self::Lora(lora), "targets") => lora.targets = names(),
                (Self::Lora(lora), "rslora") if value.is_empty() => lora.rank_stabilized = true,
                (Self::Ia3(ia3), "targets") => ia3.targets = names(),
                (Self::Ia3(ia3), "feedforward") => ia3.feedforward = names(),
                (Self::Prompt(prompt), "tokens") => prompt.tokens = whole()?,
                (Self::Bottleneck(bottleneck), "width") => bottleneck.width = whole()?,
                (Self::Bottleneck(bottleneck), "targets") => bottleneck.targets = names(),
                (config, _) => {
                    let keys = match config {
                        Self::Lora(_) => "rank, alpha, dropout, targets, rslora",
                        Self::Ia3(_) => "targets, feedforward",
                        Self::Prompt(_) => "tokens",
                        Self::Bottleneck(_) => "width, targets",
                        Self::Bitfit => "nothing",
                    };
                    return Err(fault(format!("says {part}"), format!("{kind} knows {keys}")));
                }
            }
        }
        config.validate()?;
        Ok(config)
    }
}

impl fmt::Display for AdapterConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let names = |key: &str, names: &[String]| match names {
            [] => None,
            names => Some(format!("{key}={}", names.join("+"))),
        };
        match self {
            Self::Lora(lora) => {
                parts.push(format!("rank={}", lora.rank));
                parts.push(format!("alpha={}", lora.alpha));
                parts.extend((lora.dropout > 0.0).then(|| format!("dropout={}", lora.dropout)));
                parts.extend(names("targets", &lora.targets));
                parts.extend(lora.rank_stabilized.then(|| "rslora".to_string()));
            }
            Self::Ia3(ia3) => {
                parts.extend(names("targets", &ia3.targets));
                parts.extend(names("feedforward", &ia3.feedforward));
            }
            Self::Prompt(prompt) => parts.push(format!("tokens={}", prompt.tokens)),
            Self::Bottleneck(bottleneck) => {
                parts.push(format!("width={}", bottleneck.width));
                parts.extend(names("targets", &bottleneck.targets));
            }
            Self::Bitfit => {}
        }
        out.write_str(self.kind())?;
        if parts.is_empty() { Ok(()) } else { write!(out, ":{}", parts.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            "lora:rank=8,alpha=16",
            "lora:rank=2,alpha=0.5,dropout=0.1,targets=layer.0/query+value,rslora",
            "dora:rank=4,alpha=8",
            "ia3:targets=key+value,feedforward=outer",
            "ia3",
            "prompt:tokens=5",
            "bottleneck:width=4,targets=outer",
            "bitfit",
        ] {
            let config: AdapterConfig = text.parse().unwrap();
            assert_eq!(config.to_string(), text);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<AdapterConfig>(&json).unwrap(), config, "{json}");
        }
        assert_eq!("lora".parse::<AdapterConfig>().unwrap(), AdapterConfig::default());
    }

    #[test]
    fn what_makes_no_sense_is_told_in_one_line() {
        for (text, part) in [
            ("lora2", "give one of lora, dora"),
            ("lora:rank=0", "rank from 1"),
            ("lora:rank=x", "a whole number"),
            ("lora:alpha=nan", "above 0"),
            ("lora:dropout=1", "below 1"),
            ("lora:tokens=3", "lora knows rank"),
            ("bitfit:rank=3", "bitfit knows nothing"),
            ("prompt:tokens=0", "tokens from 1"),
        ] {
            let message = text.parse::<AdapterConfig>().unwrap_err().to_string();
            assert!(message.contains(part) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
