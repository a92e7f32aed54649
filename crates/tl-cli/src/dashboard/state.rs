//! What a dashboard knows.

use tl::train::{EpochRow, Step};

/// The most losses that are held: of more, two neighbours become their mean.
const MOST: usize = 4096;

/// How training goes.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Of steps, or of so many neighbours each.
    pub losses: Vec<f64>,
    /// On the validation part, of epochs.
    pub figures: Vec<f64>,
    /// What these are.
    pub figure: Figure,
    pub learning_rate: Option<f64>,
    pub per_second: Option<f64>,
    /// Bytes of outputs of frozen stages that are kept.
    pub cache: Option<u64>,
    /// Bytes that the program holds, where the system tells.
    pub memory: Option<u64>,
    /// Seconds until the phase is done.
    pub left: Option<f64>,
    /// The loss of the last step.
    last: Option<f64>,
    together: usize,
    /// Steps whose losses are not among those above yet.
    waiting: Vec<f64>,
    /// Seconds when the phase was seen first, and the steps that it had then.
    phase: Option<(f64, u64)>,
}

/// What chooses among epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figure {
    #[default]
    Accuracy,
    F1,
    R2,
    /// The mean of the average precision over labels.
    Map,
}

impl State {
    /// A step was taken, `now` seconds after the beginning.
    pub fn step(&mut self, step: &Step, now: f64) {
        self.learning_rate = Some(step.learning_rate);
        self.last = Some(step.loss);
        self.waiting.push(step.loss);
        if self.waiting.len() >= self.together.max(1) {
            self.losses.push(mean(&self.waiting));
            self.waiting.clear();
        }
        if self.losses.len() >= MOST {
            self.losses = self.losses.chunks(2).map(mean).collect();
            self.together = 2 * self.together.max(1);
        }
        let (begun, first) = match self.phase {
            Some((begun, first)) if first < step.done => (begun, first),
            _ => {
                // A phase begins again at its first step.
                self.phase = Some((now, step.done));
                (now, step.done)
            }
        };
        let taken = step.done.saturating_sub(first);
        let left = step.total.saturating_sub(step.done) as f64;
        self.left = (taken > 0).then(|| (now - begun) / taken as f64 * left);
    }

    /// An epoch is over.
    pub fn epoch(&mut self, row: &EpochRow) {
        let found = [
            (Figure::F1, row.validation_f1),
            (Figure::R2, row.validation_r2),
            (Figure::Map, row.validation_map),
            (Figure::Accuracy, row.validation_accuracy),
        ];
        if let Some((figure, value)) = found.into_iter().find_map(|(it, value)| Some((it, value?)))
        {
            self.figure = figure;
            self.figures.push(value);
        }
        if row.gradient_norm.is_none() {
            // A head that was solved took no step.
            self.losses.push(row.train_loss);
            self.last = Some(row.train_loss);
        }
    }

    /// The last loss.
    pub fn loss(&self) -> Option<f64> {
        self.last
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.losses.is_empty() && self.figures.is_empty()
    }
}

fn mean(values: impl AsRef<[f64]>) -> f64 {
    let values = values.as_ref();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(done: u64, loss: f64) -> Step {
        Step { loss, learning_rate: 1e-3, done, total: 100 }
    }

    #[test]
    fn the_time_left_follows_from_the_steps_of_the_phase_that_were_seen() {
        let mut state = State::default();
        // A resume begins amid a phase.
        state.step(&step(40, 1.0), 10.0);
        assert_eq!(state.left, None);
        state.step(&step(50, 1.0), 15.0);
        // Ten steps took 5 s, fifty are left.
        assert_eq!(state.left, Some(25.0));
        // Another phase.
        state.step(&step(1, 1.0), 20.0);
        assert_eq!(state.left, None);
        state.step(&step(2, 1.0), 21.0);
        assert_eq!(state.left, Some(98.0));
    }

    #[test]
    fn many_losses_become_means_of_neighbours() {
        let mut state = State::default();
        for done in 0..2 * MOST as u64 {
            state.step(&step(done, 0.25), done as f64);
        }
        assert!(state.losses.len() < MOST, "{}", state.losses.len());
        assert!(state.losses.iter().all(|loss| *loss == 0.25));
        assert_eq!(state.loss(), Some(0.25));
    }
}
