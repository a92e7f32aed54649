//! Turn by turn: every participant once in each round, so that what slows the machine slows all.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::median::median;
use super::request::Request;
use super::sides::{Side, Starter, Turn, Who};
use crate::shell::Outcome;

/// One of those that take turns: a program with so many threads, and what it is asked.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub who: Who,
    pub threads: usize,
    pub request: Request,
}

/// The medians over the rounds, or why there are none.
pub(super) type Measured = Result<Turn, String>;

/// The idle threads of OpenMP and of ONNX Runtime spin for a few milliseconds before they sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs the turns.
pub(super) struct Meter {
    pub starter: Starter,
    pub rounds: usize,
    /// The least time of a turn, in seconds.
    pub seconds: f64,
    sides: BTreeMap<(Who, usize), Side>,
    /// Seconds of all turns.
    turns: f64,
    /// Processor time of those whose turn it was not.
    disturbed: f64,
}

impl Meter {
    pub fn new(starter: Starter, rounds: usize, seconds: f64) -> Self {
        Self { starter, rounds, seconds, sides: BTreeMap::new(), turns: 0.0, disturbed: 0.0 }
    }

    /// The program of `who` with so many threads; started at the first call.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn side(&mut self, who: Who, threads: usize) -> Outcome<&mut Side> {
        use std::collections::btree_map::Entry;
        Ok(match self.sides.entry((who, threads)) {
            Entry::Occupied(side) => side.into_mut(),
            Entry::Vacant(place) => place.insert(self.starter.start(who, threads)?),
        })
    }

    /// The time of each participant, in turns.
    ///
    /// # Errors
    /// When a program ends.
    pub fn times(&mut self, participants: &[Participant], rounds: usize) -> Outcome<Vec<Measured>> {
        let mut turns: Vec<Result<Vec<Turn>, String>> = vec![Ok(Vec::new()); participants.len()];
        for _ in 0..rounds {
            for (participant, turns) in participants.iter().zip(&mut turns) {
                let Ok(taken) = turns else { continue };
                match self.turn(participant)? {
                    Ok(turn) => taken.push(turn),
                    Err(reason) => *turns = Err(reason),
                }
            }
        }
        for side in self.sides.values_mut() {
            side.forget()?;
        }
        Ok(turns.into_iter().map(|turns| turns.and_then(middle)).collect())
    }

    /// The peak memory of each participant: a fresh process that does nothing else.
    ///
    /// # Errors
    /// When a program ends.
    pub fn peaks(&self, participants: &[Participant]) -> Outcome<Vec<Measured>> {
        let once = |participant: &Participant| -> Outcome<Measured> {
            let mut side = self.starter.start(participant.who, participant.threads)?;
            // Twice two pieces of work: the optimizer's state is there from the second step on.
            match side.turn(&participant.request, 0.0)? {
                Ok(_) => side.turn(&participant.request, 0.0),
                absent => Ok(absent),
            }
        };
        participants.iter().map(once).collect()
    }

    fn turn(&mut self, participant: &Participant) -> Outcome<Measured> {
        let key = (participant.who, participant.threads);
        self.side(key.0, key.1)?;
        sleep(PAUSE);
        let idle = |sides: &BTreeMap<_, Side>| -> f64 {
            sides.iter().filter(|(other, _)| **other != key).map(|(_, side)| side.busy()).sum()
        };
        let (before, started) = (idle(&self.sides), Instant::now());
        let seconds = self.seconds;
        let turn = self.side(key.0, key.1)?.turn(&participant.request, seconds)?;
        self.turns += started.elapsed().as_secs_f64();
        self.disturbed += idle(&self.sides) - before;
        Ok(turn)
    }

    /// The share of a core that those used whose turn it was not.
    pub fn disturbance(&self) -> f64 {
        if self.turns > 0.0 { self.disturbed / self.turns } else { 0.0 }
    }
}

/// The turn in the middle by its seconds; the most memory of all.
fn middle(turns: Vec<Turn>) -> Measured {
    let seconds = median(turns.iter().map(|turn| turn.seconds).collect());
    let peak = turns.iter().map(|turn| turn.peak).max();
    match (seconds, peak, turns.first()) {
        (Some(seconds), Some(peak), Some(first)) => {
            Ok(Turn { seconds, examples: first.examples, peak })
        }
        _ => Err("no round was run".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_counts_and_the_most_memory() {
        let turn = |seconds, peak| Turn { seconds, examples: 16, peak };
        let found = middle(vec![turn(3.0, 7), turn(1.0, 9), turn(2.0, 8)]).unwrap();
        assert_eq!(found, turn(2.0, 9));
        assert!(middle(Vec::new()).is_err());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![5.0]), Some(5.0));
        assert_eq!(median(Vec::new()), None);
    }
}
