//! What a fitting within a time goes on from after an interruption.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_train::time_used;

use super::candidates::Candidate;
use super::record::Tried;
use crate::Error;
use crate::record::write_json;

/// The file in a run's folder.
pub(super) const KEPT_FILE: &str = "minutes.json";
/// The folder in a run's folder that holds one for each candidate.
pub(super) const TRIED_FOLDER: &str = "tried";

/// Where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// Seconds that were used so far.
    pub used: f64,
    pub tried: Vec<Tried>,
    pub running: Option<Running>,
}

/// What was under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Running {
    pub name: String,
    pub epochs: usize,
}

impl Kept {
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        write_json(&folder.join(KEPT_FILE), self)
    }

    /// That of the run in `folder`, with the time that its last checkpoint knows of.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(KEPT_FILE);
        let fail = |problem: String, mend| Error::Run { path: path.clone(), problem, mend };
        let text = std::fs::read_to_string(&path).map_err(|reason| {
            fail(reason.to_string(), "resume a run that was made with --minutes, or leave it out")
        })?;
        let mut found: Self = serde_json::from_str(&text).map_err(|reason| {
            fail(format!("is damaged ({reason})"), "start again without --resume")
        })?;
        if !found.used.is_finite() || found.used < 0.0 {
            return Err(fail("is damaged (used)".into(), "start again without --resume"));
        }
        if let Some(running) = &found.running
            && let Some(used) = time_used(&folder.join(TRIED_FOLDER).join(&running.name))?
        {
            found.used = found.used.max(used);
        }
        // What there was no time for may find some now.
        found.tried.retain(|tried| tried.validation.is_some());
        Ok(found)
    }

    /// Whether it was tried, or came to nothing.
    pub fn has(&self, candidate: Candidate) -> bool {
        self.tried.iter().any(|tried| tried.name == candidate.name())
    }

    /// What has the best figure on the validation part, of equals what took less time. The default is left only for what leads by its
    /// standard error: a smaller lead is as likely luck, and may be a loss on other data.
    pub fn best(&self) -> Option<&Tried> {
        let mut best: Option<(f64, &Tried)> = None;
        for tried in &self.tried {
            let Some(score) = tried.validation else { continue };
            let better = best.is_none_or(|(most, other)| {
                score > most || score == most && tried.seconds < other.seconds
            });
            if better {
                best = Some((score, tried));
            }
        }
        let (most, best) = best?;
        let default = self.tried.iter().find(|tried| tried.name == Candidate::DEFAULT.name());
        let close = |tried: &&Tried| tried.validation.is_some_and(|own| most - own < tried.error);
        Some(default.filter(close).unwrap_or(best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_and_the_time_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let done = Tried { name: "auto".into(), validation: Some(0.5), ..Tried::default() };
        let not = Tried { name: "lora".into(), note: Some("long".into()), ..Tried::default() };
        let running = Some(Running { name: "probe".into(), epochs: 0 });
        let kept = Kept { used: 12.5, tried: vec![done.clone(), not], running };
        kept.write(folder.path()).unwrap();
        let found = Kept::read(folder.path()).unwrap();
        assert_eq!((found.used, found.running), (12.5, kept.running));
        assert_eq!(found.tried, [done]);
        std::fs::write(
            folder.path().join(KEPT_FILE),
            r#"{"used": -1, "tried": [], "running": null}"#,
        )
        .unwrap();
        let error = Kept::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }
}
