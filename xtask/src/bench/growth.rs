//! How a number grows with the batch, the size of the examples and the threads.

use super::found::{Number, number, or_dash};
use super::measure::{Meter, Participant};
use super::request::Request;
use super::rows::{Quantity, Row};
use super::sides::Who;
use crate::shell::Outcome;

/// What is made larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Batch,
    /// Pixels of a side, or tokens.
    Size,
    Threads,
}

impl Axis {
    pub const ALL: [Self; 3] = [Self::Batch, Self::Size, Self::Threads];

    /// The points that are measured.
    fn points(self, encoder: bool, threads: usize) -> Vec<usize> {
        match (self, encoder) {
            (Self::Batch, _) => vec![8, 16, 32],
            // Each has about twice the area of the one before.
            (Self::Size, false) => vec![112, 160, 224],
            (Self::Size, true) => vec![64, 128, 256],
            (Self::Threads, _) => vec![1, threads],
        }
    }

    /// The request and the threads at a point.
    fn at(self, point: usize, request: &Request, threads: usize) -> (Request, usize) {
        let mut request = request.clone();
        match self {
            Self::Batch => request.batch = point,
            Self::Size => request.size = point,
            Self::Threads => return (request, point),
        }
        (request, threads)
    }
}

/// A row along an axis.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    pub row: Row,
    pub axis: Axis,
    pub points: Vec<usize>,
    pub ours: Vec<Number>,
    /// The peer of the ratio; empty without peers.
    pub peer: Vec<Number>,
}

/// More rounds would take too long for what is shown with two digits.
const MOST_ROUNDS: usize = 1;

/// Measures a row along an axis.
///
/// # Errors
/// When a program ends.
pub(super) fn measure(meter: &mut Meter, row: &Row, axis: Axis, threads: usize) -> Outcome<Growth> {
    let points = axis.points(row.request.network.starts_with("encoder"), threads);
    let both = [(Who::Ours, row.request.clone()), (Who::Peers, row.request(row.reference))];
    let sides = if meter.starter.has_peers() { &both[..] } else { &both[..1] };
    let mut participants = Vec::new();
    for &point in &points {
        for (who, request) in sides {
            let (request, threads) = axis.at(point, request, threads);
            participants.push(Participant { who: *who, threads, request });
        }
    }
    let measured = match row.quantity {
        Quantity::Rate | Quantity::Time => {
            meter.times(&participants, meter.rounds.min(MOST_ROUNDS))?
        }
        Quantity::Memory => meter.peaks(&participants)?,
    };
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for (participant, measured) in participants.iter().zip(measured) {
        let side = if participant.who == Who::Ours { &mut ours } else { &mut peer };
        side.push(number(row.quantity, measured));
    }
    Ok(Growth { row: row.clone(), axis, points, ours, peer })
}

impl Growth {
    /// For threads the gain in rate from the first point to the last. Otherwise the largest factor by
    /// which time or memory grew when the batch, the area or the tokens doubled. Nothing where a number
    /// is absent.
    pub fn factor(&self, numbers: &[Number]) -> Option<f64> {
        let numbers: Vec<f64> =
            numbers.iter().map(|number| number.as_ref().ok().copied()).collect::<Option<_>>()?;
        if self.axis == Axis::Threads {
            return Some(numbers.last()? / numbers.first()?);
        }
        let costs: Vec<f64> =
            self.points.iter().zip(numbers).map(|(p, n)| self.cost(*p, n)).collect();
        let extents: Vec<f64> = self.points.iter().map(|&point| self.extent(point)).collect();
        let doubling = |(cost, extent): (&[f64], &[f64])| {
            ((cost[1] / cost[0]).ln() / (extent[1] / extent[0]).ln()).exp2()
        };
        costs.windows(2).zip(extents.windows(2)).map(doubling).reduce(f64::max)
    }

    /// One line of the terminal.
    pub fn line(&self) -> String {
        let side = |numbers: &[Number]| {
            let values: Vec<String> =
                numbers.iter().map(|number| or_dash(number.as_ref().ok().copied())).collect();
            format!("{} (× {})", values.join(" / "), or_dash(self.factor(numbers)))
        };
        let points: Vec<String> = self.points.iter().map(usize::to_string).collect();
        let axis = format!("{:?} {}", self.axis, points.join(" / ")).to_lowercase();
        let peer = if self.peer.is_empty() { String::new() } else { side(&self.peer) };
        format!("{:<28} {axis}: {} {peer}", self.row.name, side(&self.ours))
    }

    /// Seconds of one piece of work, or its memory.
    fn cost(&self, point: usize, number: f64) -> f64 {
        let batch = if self.axis == Axis::Batch { point } else { self.row.request.batch };
        match self.row.quantity {
            Quantity::Rate => batch as f64 / number,
            Quantity::Memory => number,
            Quantity::Time => batch as f64 * number,
        }
    }

    /// What is doubled.
    fn extent(&self, point: usize) -> f64 {
        let image = !self.row.request.network.starts_with("encoder");
        let sides = if self.axis == Axis::Size && image { 2 } else { 1 };
        (point as f64).powi(sides)
    }

    /// Whether cost at most doubles within a tenth, or threads gain at least what the peer gains.
    /// Attention grows with the square of the tokens: of them nothing is asked.
    pub fn holds(&self) -> Option<bool> {
        let ours = self.factor(&self.ours)?;
        match self.axis {
            Axis::Threads => Some(ours >= self.factor(&self.peer)?),
            Axis::Size if self.row.request.network.starts_with("encoder") => None,
            Axis::Batch | Axis::Size => Some(ours <= 2.2),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::rows::all;

    /// The row called `name` along `axis` with these numbers.
    pub fn growth(name: &str, axis: Axis, ours: &[f64], peer: &[f64]) -> Growth {
        let row = all().into_iter().find(|row| row.name == name).unwrap();
        let points = axis.points(row.request.network.starts_with("encoder"), 2);
        let numbers = |values: &[f64]| values.iter().map(|&value| Ok(value)).collect();
        Growth { row, axis, points, ours: numbers(ours), peer: numbers(peer) }
    }

    #[test]
    fn an_even_rate_over_batches_doubles_the_time() {
        let even = growth("resnet18-step", Axis::Batch, &[30.0, 30.0, 30.0], &[]);
        assert!((even.factor(&even.ours).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(even.holds(), Some(true));
        let worse = growth("resnet18-step", Axis::Batch, &[30.0, 30.0, 26.0], &[]);
        assert!((worse.factor(&worse.ours).unwrap() - 60.0 / 26.0).abs() < 1e-9);
        assert_eq!(worse.holds(), Some(false));
    }

    #[test]
    fn time_in_proportion_to_the_area_doubles_with_it() {
        let rates: Vec<f64> =
            [112.0, 160.0, 224.0].iter().map(|side| 1e6 / (side * side)).collect();
        let even = growth("resnet18-forward", Axis::Size, &rates, &[]);
        assert!((even.factor(&even.ours).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn threads_must_gain_what_the_peer_gains() {
        let less = growth("resnet18-step", Axis::Threads, &[10.0, 18.0], &[10.0, 19.0]);
        assert_eq!(less.factor(&less.ours), Some(1.8));
        assert_eq!(less.holds(), Some(false));
        let alone = growth("resnet18-step", Axis::Threads, &[10.0, 18.0], &[]);
        assert_eq!(alone.holds(), None);
    }

    #[test]
    fn memory_grows_as_it_is() {
        let memory = growth("resnet18-step-memory", Axis::Batch, &[400.0, 600.0, 1000.0], &[]);
        assert!((memory.factor(&memory.ours).unwrap() - 10.0 / 6.0).abs() < 1e-9);
    }

    #[test]
    fn an_absent_number_leaves_no_factor() {
        let mut broken = growth("resnet18-step", Axis::Batch, &[30.0, 30.0, 30.0], &[]);
        broken.ours[1] = Err("absent".into());
        assert_eq!(broken.factor(&broken.ours), None);
    }
}
