//! What a matrix of accuracies over a chain of `T` tasks says in one number.
//!
//! `R[t][k]`, with `k ≤ t`, is the accuracy on the test part of task `k` after task `t` was learnt. Lopez-Paz and Ranzato (2017),
//! *Gradient episodic memory for continual learning*, section 2, define the mean and both transfers; Chaudhry et al. (2018),
//! *Riemannian walk for incremental learning*, section 3, the forgetting.

/// The mean of the last row, `1/T · Σₖ R[T][k]`: how good the network is at all tasks in the end. Nothing of no task.
pub fn average_accuracy(matrix: &[Vec<f64>]) -> Option<f64> {
    mean(matrix.last()?.iter().copied())
}

/// `1/(T−1) · Σ_{k<T} (R[T][k] − R[k][k])`: what later tasks did to earlier ones; below 0 it was lost. Nothing of one task.
pub fn backward_transfer(matrix: &[Vec<f64>]) -> Option<f64> {
    mean(earlier(matrix).map(|(task, last)| last - at(matrix, task, task)))
}

/// `1/(T−1) · Σ_{k<T} (max_{k≤l<T} R[l][k] − R[T][k])`: how far each task is below its best so far. Nothing of one task.
pub fn forgetting(matrix: &[Vec<f64>]) -> Option<f64> {
    let before = matrix.len().saturating_sub(1);
    let best = |task: usize| {
        (task..before).map(|row| at(matrix, row, task)).fold(f64::NEG_INFINITY, f64::max)
    };
    mean(earlier(matrix).map(|(task, last)| best(task) - last))
}

/// `1/(T−1) · Σ_{k>1} (b[k] − b⁰[k])`, with `b[k]` what a probe reaches on task `k` with the features of the network that the
/// tasks before it left, and `b⁰[k]` with those that the chain began with: what earlier tasks did for later ones.
///
/// The paper takes the accuracy of a network that never saw the task, with the head of a random one; with a head for
/// each task that would be chance. Tasks of which either is not known are left out; nothing where none is left.
pub fn forward_transfer(probes: &[[Option<f64>; 2]]) -> Option<f64> {
    let known = probes.iter().skip(1).filter_map(|[before, base]| Some((*before)? - (*base)?));
    mean(known)
}

/// The tasks before the last, each with its accuracy in the last row.
fn earlier(matrix: &[Vec<f64>]) -> impl Iterator<Item = (usize, f64)> + '_ {
    let before = matrix.len().saturating_sub(1);
    matrix.last().into_iter().flatten().copied().enumerate().take(before)
}

/// `R[row][task]`; no number where the matrix is not as it should be.
fn at(matrix: &[Vec<f64>], row: usize, task: usize) -> f64 {
    matrix.get(row).and_then(|row| row.get(task)).copied().unwrap_or(f64::NAN)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second task is best after the third, the first is lost and half regained.
    fn matrix() -> Vec<Vec<f64>> {
        vec![vec![0.9], vec![0.5, 0.8], vec![0.6, 0.85, 0.7], vec![0.7, 0.75, 0.6, 0.95]]
    }

    fn is(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} is not {expected}");
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        // (.7 + .75 + .6 + .95) / 4
        is(average_accuracy(&matrix()), 0.75);
        // (.7 − .9) + (.75 − .8) + (.6 − .7), over 3
        is(backward_transfer(&matrix()), -0.35 / 3.0);
        // (.9 − .7) + (.85 − .75) + (.7 − .6), over 3
        is(forgetting(&matrix()), 0.4 / 3.0);
        // (.6 − .5) + (.7 − .9), over 2: of the first there is nothing to transfer, of the third nothing is known.
        let probes = [
            [Some(0.4), Some(0.1)],
            [Some(0.6), Some(0.5)],
            [None, Some(0.3)],
            [Some(0.7), Some(0.9)],
        ];
        is(forward_transfer(&probes), -0.05);
    }

    #[test]
    fn of_one_task_there_is_nothing_to_forget() {
        let matrix = vec![vec![0.8]];
        is(average_accuracy(&matrix), 0.8);
        assert_eq!([backward_transfer(&matrix), forgetting(&matrix)], [None, None]);
        assert_eq!(forward_transfer(&[[Some(0.4), Some(0.4)]]), None);
        assert_eq!([average_accuracy(&[]), backward_transfer(&[]), forgetting(&[])], [None; 3]);
    }

    #[test]
    fn what_is_never_changed_is_never_forgotten() {
        let matrix = vec![vec![0.9], vec![0.9, 0.8], vec![0.9, 0.8, 0.3]];
        assert_eq!([backward_transfer(&matrix), forgetting(&matrix)], [Some(0.0); 2]);
    }
}
