//! BitFit: the biases of a network and nothing else (Ben Zaken et al. 2021, arXiv 2106.10199).
//!
//! `y = W·x + b` with `b` alone trained, the shifts of norms among them; statistics stand still. It needs no slot: a phase
//! says so.

use tl_core::Trained;

/// What a phase trains: biases, and the stages `whole`.
pub(crate) fn trained(whole: Vec<String>) -> Trained {
    Trained::Biases { whole }
}
