//! The methods of the verb: those of `tl-adapt`, and Fourier domain adaptation, which needs a loader.

use tl_adapt::{AdaptError, Method, Round, Step, Terms, Validator, methods};

pub(super) const FDA: &str = "fda";

/// The methods that are compared where none is named.
pub const CORE: [&str; 11] =
    ["source", "dann", "cdan", "mcd", "coral", "dan", "mcc", "adabn", "tent", "shot", FDA];

/// Why a method is not for texts, if it is not.
pub(super) fn unfit_for_texts(name: &str) -> Option<&'static str> {
    match name {
        FDA | "mixstyle" => Some("changes pixels, and texts have none"),
        "adabn" => Some("measures the statistics of batch norms, and encoders of texts have none"),
        _ => None,
    }
}

/// The names of all methods.
pub fn names() -> Vec<&'static str> {
    let mut names = methods::names();
    names.push(FDA);
    names
}

/// The method `name` with its default settings.
///
/// # Errors
/// When no method is called that.
pub fn named(name: &str) -> Result<Box<dyn Method>, AdaptError> {
    if name == FDA {
        return Ok(Box::new(Fda));
    }
    methods::named(name).map_err(|_| AdaptError::Unknown {
        kind: "method",
        name: name.to_string(),
        known: names(),
    })
}

/// Fourier domain adaptation (Yang, Soatto 2020): training on source images with the low frequencies of target images. The
/// exchange is made where images are loaded.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fda;

impl Method for Fda {
    fn name(&self) -> &'static str {
        FDA
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_method_is_found_by_its_name_and_an_unknown_one_is_told_them_all() {
        for name in CORE {
            assert_eq!(named(name).unwrap().name(), name);
        }
        let message = named("dan2").unwrap_err().to_string();
        assert!(message.contains("fda") && message.contains("coral"), "{message}");
    }
}
