//! How the learning rate moves over the steps of a phase: pure functions of the step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A schedule gives the factor by which every rate of a phase is multiplied at a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Up along a cosine from 1/25 of the rate to the rate in the first 30 % of the steps, then down to
    /// 4·10⁻⁶ of it (Smith and Topin 2018; the defaults of PyTorch's `OneCycleLR`).
    #[default]
    OneCycle,
    /// Up on a straight line over the share `warmup` of the steps, then down to 0 along half a cosine.
    WarmupCosine { warmup: f64 },
    /// A short straight rise over the share `cut` of the steps, then a long straight fall; the lowest
    /// factor is 1/`ratio` (Howard and Ruder 2018, ULMFiT, section 3.2; there `cut` .1, `ratio` 32). The
    /// fall takes the rest of the steps, as theirs does where `cut` of the steps is a whole number.
    SlantedTriangular { cut: f64, ratio: f64 },
    /// Up by the same factor at every step, from 1/`ratio` to 1 at the last (Smith 2015, arXiv 1506.01186, section 3.3): a sweep over
    /// rates, not a way to train.
    Exponential { ratio: f64 },
}

impl Schedule {
    /// The factor at `step`, counted from 0, of `total` steps.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let (position, steps) = (step as f64, total.max(1) as f64);
        match *self {
            Schedule::Constant => 1.0,
            Schedule::OneCycle => one_cycle(position, steps),
            Schedule::WarmupCosine { warmup } => {
                let rise = (warmup * steps).floor();
                if position < rise {
                    (position + 1.0) / rise
                } else {
                    0.5 * (1.0 + (PI * (position - rise) / (steps - rise).max(1.0)).cos())
                }
            }
            Schedule::SlantedTriangular { cut, ratio } => {
                let peak = (cut * steps).floor().max(1.0);
                let share = if position < peak {
                    position / peak
                } else {
                    1.0 - (position - peak) / (steps - peak).max(1.0)
                };
                (1.0 + share.max(0.0) * (ratio - 1.0)) / ratio
            }
            Schedule::Exponential { ratio } => {
                let share = position / (steps - 1.0).max(1.0);
                ratio.powf(share.min(1.0) - 1.0)
            }
        }
    }
}

fn one_cycle(position: f64, steps: f64) -> f64 {
    const DIVIDE_START: f64 = 25.0;
    const DIVIDE_END: f64 = 25.0 * 1e4;
    let peak = 0.3 * steps - 1.0;
    let last = steps - 1.0;
    // A run of one to three steps has no room to rise: PyTorch's formula divides by zero there.
    if peak <= 0.0 || position > last {
        return if position >= last && last > 0.0 { 1.0 / DIVIDE_END } else { 1.0 };
    }
    let cosine =
        |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * (1.0 + (PI * share).cos());
    if position <= peak {
        cosine(1.0 / DIVIDE_START, 1.0, position / peak)
    } else {
        cosine(1.0, 1.0 / DIVIDE_END, (position - peak) / (last - peak))
    }
}
