//! The validators against a recording made from their formulas by
//! `xtask/parity/record_adaptation.py`.

use crate::support::{formula_values, recorded};
use tl_adapt::Outputs;
use tl_adapt::validators::*;

#[test]
fn validators_equal_the_recording() {
    let recorded = recorded();
    let expected = &recorded["validators"];
    let rows = expected["rows"].as_u64().unwrap() as usize;
    let (width, classes) = (4, 3);
    let target = Outputs {
        features: formula_values("validator.features", rows * width, 2.0),
        logits: formula_values("validator.logits", rows * classes, 4.0),
        width,
        classes,
    };
    for (name, found) in [
        ("entropy", entropy_score(&target)),
        ("information_maximisation", information_score(&target)),
        ("bnm", nuclear_score(&target)),
        ("snd", soft_neighbourhood_density(&target, 0.05)),
        ("silhouette", silhouette(&target).unwrap()),
        ("calinski_harabasz", calinski_harabasz(&target).unwrap()),
    ] {
        let expected = expected[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {found} should be {expected}");
    }
}
