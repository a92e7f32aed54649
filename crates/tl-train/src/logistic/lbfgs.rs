//! L-BFGS: minimising a smooth function of many unknowns from its gradients.
//!
//! Nocedal and Wright, *Numerical Optimization* (2nd edition): the two-loop recursion is algorithm
//! 7.4, the line search algorithms 3.5 and 3.6. Close to the optimum, where the differences of values
//! drown in rounding, slopes alone decide (after Hager and Zhang, *A new conjugate gradient method with
//! guaranteed descent and an efficient line search*, SIAM Journal on Optimization 16, 2005).

use std::collections::VecDeque;

/// A function with a gradient.
pub(super) trait Smooth {
    /// Returns the value at `point` and writes the gradient.
    fn value_and_gradient(&self, point: &[f64], gradient: &mut [f64]) -> f64;
    /// A positive guess of the Hessian's diagonal: the scale of each unknown.
    fn curvature(&self) -> &[f64];
}

/// Where the search ended.
#[derive(Debug)]
pub(super) struct Minimum {
    pub point: Vec<f64>,
    pub iterations: usize,
    /// Whether no entry of the gradient is larger than the tolerance.
    pub converged: bool,
}

/// Pairs of (step, change of gradient) remembered.
const MEMORY: usize = 10;
/// Share of the promised decrease that a step must bring.
const DECREASE: f64 = 1e-4;
/// Share of the slope that may remain after a step.
const CURVATURE: f64 = 0.9;
/// Evaluations in one line search.
const TRIALS: usize = 40;
/// Relative size of the rounding errors of a value that is summed from products in f32.
const ROUNDING: f64 = 1e-7;

/// Minimises `function` from `start`.
pub(super) fn minimize(
    function: &impl Smooth,
    start: Vec<f64>,
    max_iterations: usize,
    tolerance: f64,
) -> Minimum {
    let mut at = Place::new(function, start);
    let mut memory = Memory::default();
    let mut iterations = 0;
    while iterations < max_iterations && at.steepness() > tolerance {
        let direction = memory.direction(&at.gradient, function.curvature());
        let next = match line_search(function, &at, &direction) {
            Some(next) => next,
            // What was remembered misled; the plain scaled gradient has one more try.
            None if !memory.pairs.is_empty() => {
                memory = Memory::default();
                continue;
            }
            None => break,
        };
        memory.remember(&at, &next, function.curvature());
        at = next;
        iterations += 1;
    }
    Minimum { converged: at.steepness() <= tolerance, point: at.point, iterations }
}

/// A point with its value and gradient.
struct Place {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Place {
    fn new(function: &impl Smooth, point: Vec<f64>) -> Self {
        let mut gradient = vec![0.0; point.len()];
        let value = function.value_and_gradient(&point, &mut gradient);
        Self { point, value, gradient }
    }

    /// The largest entry of the gradient by size.
    fn steepness(&self) -> f64 {
        self.gradient.iter().fold(0.0, |largest, g| g.abs().max(largest))
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], factor: f64, other: &[f64]) {
    sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
}

fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a - b).collect()
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// 1 / (step · change)
    inverse: f64,
}

#[derive(Default)]
struct Memory {
    pairs: VecDeque<Pair>,
    /// The scale of the inverse Hessian, relative to the inverse of the diagonal; `None`: not known yet.
    scale: Option<f64>,
}

impl Memory {
    fn remember(&mut self, from: &Place, to: &Place, curvature: &[f64]) {
        let step = difference(&to.point, &from.point);
        let change = difference(&to.gradient, &from.gradient);
        let product = dot(&step, &change);
        let squares: f64 = change.iter().zip(curvature).map(|(y, c)| y * y / c).sum();
        // Not positive: a step too short for its change to be more than rounding.
        if product <= f64::EPSILON * squares {
            return;
        }
        if self.pairs.len() == MEMORY {
            self.pairs.pop_front();
        }
        self.scale = Some(product / squares);
        self.pairs.push_back(Pair { step, change, inverse: 1.0 / product });
    }

    /// −H·gradient, with H the remembered guess of the inverse Hessian.
    fn direction(&self, gradient: &[f64], curvature: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut factors = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let factor = pair.inverse * dot(&pair.step, &direction);
            add(&mut direction, -factor, &pair.change);
            factors.push(factor);
        }
        let scale = self.scale.unwrap_or(1.0);
        direction.iter_mut().zip(curvature).for_each(|(d, c)| *d *= scale / c);
        for (pair, factor) in self.pairs.iter().zip(factors.iter().rev()) {
            let back = pair.inverse * dot(&pair.change, &direction);
            add(&mut direction, factor - back, &pair.step);
        }
        direction
    }
}

/// One trial step of a line search: its length, and value and slope along the line.
#[derive(Clone, Copy)]
struct Trial {
    length: f64,
    value: f64,
    slope: f64,
}

/// A place along `direction` that fulfils the strong Wolfe conditions, or the one on slopes where the
/// values no longer tell.
fn line_search(function: &impl Smooth, from: &Place, direction: &[f64]) -> Option<Place> {
    let origin = Trial { length: 0.0, value: from.value, slope: dot(&from.gradient, direction) };
    if !(origin.slope < 0.0 && origin.slope.is_finite()) {
        return None;
    }
    // Values closer than this may differ by rounding alone; there the slopes decide.
    let noise = ROUNDING * origin.value.abs();
    let mut low = origin;
    let mut high: Option<Trial> = None;
    let mut length = 1.0;
    for _ in 0..TRIALS {
        let mut point = from.point.clone();
        add(&mut point, length, direction);
        let place = Place::new(function, point);
        let trial = Trial { length, value: place.value, slope: dot(&place.gradient, direction) };
        if !(trial.value.is_finite() && trial.slope.is_finite()) {
            high = None;
            length = low.length + 0.1 * (length - low.length);
            continue;
        }
        let level = (trial.value - origin.value).abs() <= noise;
        let promised = trial.value <= origin.value + DECREASE * trial.length * origin.slope;
        let flat = trial.slope.abs() <= -CURVATURE * origin.slope;
        if flat && (promised || level) {
            return Some(place);
        }
        let higher = if level { trial.slope > 0.0 } else { !promised || trial.value > low.value };
        if higher {
            high = Some(trial);
        } else {
            let passed = match high {
                Some(high) => trial.slope * (high.length - low.length) >= 0.0,
                None => trial.slope >= 0.0,
            };
            if passed {
                high = Some(low);
            }
            low = trial;
        }
        length = match high {
            None => 2.0 * trial.length,
            Some(high) => between(low, high, noise),
        };
        if high.is_some_and(|high| (high.length - low.length).abs() <= 1e-14 * low.length) {
            return None;
        }
    }
    None
}

/// Where the cubic through both trials (where their values are the same but for rounding: the line
/// through both slopes) has its minimum, kept a tenth of the span away from either.
fn between(low: Trial, high: Trial, noise: f64) -> f64 {
    let span = high.length - low.length;
    let share = if (high.value - low.value).abs() <= noise {
        low.slope / (low.slope - high.slope)
    } else {
        let first = low.slope + high.slope - 3.0 * (high.value - low.value) / span;
        let second = (first * first - low.slope * high.slope).sqrt().copysign(span);
        1.0 - (high.slope + second - first) / (high.slope - low.slope + 2.0 * second)
    };
    // No such minimum: a root of a negative number or a division by zero.
    let share = if share.is_finite() { share } else { 0.5 };
    low.length + share.clamp(0.1, 0.9) * span
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, (1 − x)² + 100 (y − x²)², with its minimum at (1, 1).
    struct Valley;

    impl Smooth for Valley {
        fn value_and_gradient(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
            let (x, y) = (point[0], point[1]);
            gradient[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
            gradient[1] = 200.0 * (y - x * x);
            (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
        }

        fn curvature(&self) -> &[f64] {
            &[1.0, 1.0]
        }
    }

    /// Σ cᵢ xᵢ² / 2 − Σ xᵢ, with its minimum at xᵢ = 1 / cᵢ.
    struct Bowl(Vec<f64>, Vec<f64>);

    impl Smooth for Bowl {
        fn value_and_gradient(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
            for ((g, x), c) in gradient.iter_mut().zip(point).zip(&self.0) {
                *g = c * x - 1.0;
            }
            point.iter().zip(&self.0).map(|(x, c)| 0.5 * c * x * x - x).sum()
        }

        fn curvature(&self) -> &[f64] {
            &self.1
        }
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let found = minimize(&Valley, vec![-1.2, 1.0], 200, 1e-9);
        assert!(found.converged && found.iterations < 60, "{found:?}");
        assert!((found.point[0] - 1.0).abs() < 1e-8 && (found.point[1] - 1.0).abs() < 1e-8);
    }

    #[test]
    fn a_true_curvature_finds_a_badly_scaled_minimum_in_one_step() {
        let scales: Vec<f64> = (0..8).map(|i| 10f64.powi(i - 4)).collect();
        let known = minimize(&Bowl(scales.clone(), scales.clone()), vec![0.0; 8], 100, 1e-9);
        assert!(known.converged && known.iterations == 1, "{known:?}");
        let unknown = minimize(&Bowl(scales.clone(), vec![1.0; 8]), vec![0.0; 8], 500, 1e-7);
        assert!(unknown.converged && unknown.iterations > 5, "{unknown:?}");
        for (found, scale) in unknown.point.iter().zip(&scales) {
            assert!((found * scale - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn too_few_iterations_are_not_called_converged() {
        let found = minimize(&Valley, vec![-1.2, 1.0], 3, 1e-9);
        assert!(!found.converged && found.iterations == 3);
    }
}
