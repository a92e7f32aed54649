//! The methods, one file each; [`named`] finds one by its name.

mod adabn;
mod adda;
mod afn;
mod bnm;
mod cdan;
mod coral;
mod dan;
mod dann;
mod jan;
mod kernel;
mod mcc;
mod mcd;
mod mdd;
mod mean_teacher;
mod mixstyle;
pub(crate) mod pieces;
mod pseudo_label;
mod shot;
mod source;
mod t3a;
mod tent;

pub use adabn::{AdaBn, adapt_norms};
pub use adda::{Adda, inverted_domain_loss};
pub use afn::{Afn, norm_growth_loss};
pub use bnm::{Bnm, bnm_loss};
pub use cdan::{Cdan, certainty, multilinear, weighted_domain_loss};
pub use coral::{Coral, coral_loss};
pub use dan::{Dan, mmd_loss};
pub use dann::Dann;
pub use jan::{Jan, joint_mmd_loss};
pub use mcc::{Mcc, mcc_loss};
pub use mcd::{Mcd, discrepancy};
pub use mdd::{Mdd, agreement_loss, contradiction_loss};
pub use mean_teacher::{MeanTeacher, consistency_loss};
pub use mixstyle::{MixStyle, mix_styles};
pub use pieces::{domain_accuracy, domain_loss, rising_lambda};
pub use pseudo_label::{PseudoLabel, calibrate, masked_cross_entropy};
pub use shot::{Shot, cluster_labels, information_loss};
pub use source::Source;
pub use t3a::{Supports, T3a};
pub use tent::{Tent, entropy_loss};

use crate::AdaptError;
use crate::contract::Method;

type Maker = fn() -> Box<dyn Method>;

const METHODS: [(&str, Maker); 20] = [
    ("source", || Box::new(Source)),
    ("dann", || Box::new(Dann::default())),
    ("cdan", || Box::new(Cdan::default())),
    ("cdan_e", || Box::new(Cdan::with_entropy())),
    ("adda", || Box::new(Adda::default())),
    ("mcd", || Box::new(Mcd::default())),
    ("mdd", || Box::new(Mdd::default())),
    ("coral", || Box::new(Coral::default())),
    ("dan", || Box::new(Dan::default())),
    ("jan", || Box::new(Jan::default())),
    ("afn", || Box::new(Afn::default())),
    ("mcc", || Box::new(Mcc::default())),
    ("bnm", || Box::new(Bnm::default())),
    ("adabn", || Box::new(AdaBn)),
    ("tent", || Box::new(Tent)),
    ("t3a", || Box::new(T3a::default())),
    ("shot", || Box::new(Shot::default())),
    ("pseudo_label", || Box::new(PseudoLabel::default())),
    ("mean_teacher", || Box::new(MeanTeacher::default())),
    ("mixstyle", || Box::new(MixStyle::default())),
];

/// The names of all methods.
pub fn names() -> Vec<&'static str> {
    METHODS.iter().map(|(name, _)| *name).collect()
}

/// The method `name` with its default settings.
///
/// # Errors
/// When no method is called that.
pub fn named(name: &str) -> Result<Box<dyn Method>, AdaptError> {
    match METHODS.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => Ok(make()),
        None => {
            let (name, known) = (name.to_string(), names());
            Err(AdaptError::Unknown { kind: "method", name, known })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_the_name_that_it_gives_itself() {
        for name in names() {
            assert_eq!(named(name).unwrap().name(), name);
        }
        let message = named("dan2").unwrap_err().to_string();
        assert!(message.contains("dann") && message.contains("shot"), "{message}");
    }
}
