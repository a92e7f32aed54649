//! Source only: cross-entropy on the source and nothing else, the baseline of every table.

use crate::contract::{Method, Round, Step, Terms};
use crate::{AdaptError, Validator};

/// Trains on the source and leaves the target alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source;

impl Method for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn rounds(&self) -> Vec<Round> {
        vec![Round::SOURCE_ALONE]
    }

    fn terms(&self, _: &Step<'_>) -> Result<Terms, AdaptError> {
        Ok(Terms::default())
    }
}
