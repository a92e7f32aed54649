//! Names by regular expression.

use burn::module::{ParamGroup, ParamGroupError, ParamId};

use crate::CoreError;

/// A regular expression over whole names.
#[derive(Clone, Debug)]
pub struct Pattern {
    group: ParamGroup,
}

impl Pattern {
    /// One that names match as a whole.
    ///
    /// # Errors
    /// Text that is no regular expression.
    pub fn whole(pattern: &str) -> Result<Self, CoreError> {
        Self::within(pattern, "^(?:", ")$")
    }

    /// One that paths match as a whole or from one of their points on: `query` matches `layers.0.query`.
    ///
    /// # Errors
    /// As [`Pattern::whole`].
    pub fn tail(pattern: &str) -> Result<Self, CoreError> {
        Self::within(pattern, r"(?:^|\.)(?:", ")$")
    }

    fn within(pattern: &str, before: &str, behind: &str) -> Result<Self, CoreError> {
        // By itself first: a pattern like `a)(b` is whole only within the brackets around it.
        ParamGroup::from_regex(pattern)
            .and_then(|_| ParamGroup::from_regex(format!("{before}{pattern}{behind}")))
            .map(|group| Self { group })
            .map_err(|reason| CoreError::BadPattern {
                pattern: pattern.to_string(),
                reason: describe(&reason),
            })
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        // The group is asked about names alone, so that any identity serves.
        self.group.matches(&ParamId::from(0), Some(name))
    }
}

/// A regex error is a drawing over several lines; its last line says what is wrong.
fn describe(reason: &ParamGroupError) -> String {
    let ParamGroupError::InvalidPatternError(drawing) = reason;
    drawing.lines().last().unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_at_a_point() {
        let query = Pattern::tail("query").unwrap();
        assert!(query.matches("layers.0.query") && query.matches("query"));
        assert!(!query.matches("layers.0.subquery") && !query.matches("query.norm"));
        assert!(Pattern::tail(r"layers\.[12]\.(query|value)").unwrap().matches("layers.2.value"));
        assert!(Pattern::whole("(").is_err());
    }
}
