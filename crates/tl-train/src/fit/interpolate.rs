//! Between the weights before and after: WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903, equation 1).
//!
//! `w(α) = (1 − α) · w⁰ + α · w¹` for every parameter and statistic: `w⁰` the weights before the first phase that trains a stage, with the
//! head that phases before it have found, `w¹` those that are kept. A head that nothing was found for before stays as it is. Of
//! the shares `α = 0, 0.1, …, 1` the validation part chooses, by what chooses among epochs; of equals the larger.

use tl_core::{Backbone, Head, Model, ResolvedPhase};

use super::feed::Feed;
use super::session::Session;
use super::validated::Validated;
use crate::TrainError;
use crate::ema::{Snapshot, put_back, snapshot};
use crate::progress::Progress;

/// Steps from one end to the other.
const STEPS: u32 = 10;

/// `(1 − α) · first + α · last`; what the first lacks is taken from the last.
fn between(first: &Snapshot, last: &Snapshot, share: f64) -> Snapshot {
    let mix = |(path, last): (&String, &Vec<f32>)| {
        let mixed = match first.get(path) {
            Some(first) if first.len() == last.len() => first
                .iter()
                .zip(last)
                .map(|(first, last)| {
                    ((1.0 - share) * f64::from(*first) + share * f64::from(*last)) as f32
                })
                .collect(),
            _ => last.clone(),
        };
        (path.clone(), mixed)
    };
    last.iter().map(mix).collect()
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Notes the weights before the first phase that trains a stage.
    pub(super) fn note_first(&mut self, phase: &ResolvedPhase) -> Result<(), TrainError> {
        let stages = phase.settings.len().saturating_sub(1);
        if !self.settings.interpolate || self.first.is_some() || phase.cut >= stages {
            return Ok(());
        }
        let Some(model) = &self.model else { return Ok(()) };
        let mut first = snapshot(model)?;
        if self.state.rows.is_empty() {
            // Nothing has trained the head yet.
            first.retain(|path, _| !path.starts_with("head."));
        }
        self.first = Some(first);
        Ok(())
    }

    /// The weights that the validation part chooses between the first ones and those of `model`, and what they are called.
    pub(super) fn interpolated(
        &self,
        model: Model<B, H>,
        kept: String,
        progress: &mut dyn Progress,
    ) -> Result<(Model<B, H>, String), TrainError> {
        let rows = self.sorted(self.labelled(&self.task.split.validation));
        let Some(first) = self.first.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok((model, kept));
        };
        let data = self.task.data;
        // What frozen stages gave is kept no more.
        let feed = Feed::Streamed { data, prefix: None };
        let last = snapshot(&model)?;
        let mut best: Option<(f64, Validated)> = None;
        for step in (0..=STEPS).rev() {
            let share = f64::from(step) / f64::from(STEPS);
            let candidate = put_back(model.clone(), &between(first, &last, share));
            let Some(found) = self.validate(&candidate, &feed, 0, &rows, progress)? else {
                continue;
            };
            let known = best.as_ref().map(|(_, best)| (best.score, best.loss));
            if found.is_better(known, data) {
                best = Some((share, found));
            }
        }
        let Some((share, _)) = best else { return Ok((model, kept)) };
        progress.say(&format!("interpolated: {share:.1} of the way from the first weights"));
        let kept = format!("{kept}, {share:.1} of the way from the first weights");
        Ok((put_back(model, &between(first, &last, share)), kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_way_lies_in_the_middle_and_the_ends_are_the_ends() {
        let one = |path: &str, values: [f32; 2]| (path.to_string(), values.to_vec());
        let first = Snapshot::from([one("backbone.a", [1.0, -2.0])]);
        let last = Snapshot::from([one("backbone.a", [2.0, 4.0]), one("head.weight", [5.0, 6.0])]);
        let half = between(&first, &last, 0.5);
        assert_eq!(half["backbone.a"], [1.5, 1.0]);
        assert_eq!(half["head.weight"], [5.0, 6.0]);
        assert_eq!(between(&first, &last, 1.0), last);
        assert_eq!(between(&first, &last, 0.0)["backbone.a"], first["backbone.a"]);
    }
}
