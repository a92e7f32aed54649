//! The table of `tl demo`.

use serde::Serialize;
use tl::demo::{CellResult, Method};
use tl::train::metrics::mean_and_deviation;

use crate::output::thousands;

/// One method at one number of images, over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub method: Method,
    pub title: &'static str,
    /// Training images of each class.
    pub shots: usize,
    pub seeds: usize,
    /// Mean over the seeds, on the test part.
    pub accuracy: f64,
    /// Sample deviation over the seeds; nothing for one seed.
    pub deviation: Option<f64>,
    /// The 95 % interval of a single seed's accuracy.
    pub interval: Option<[f64; 2]>,
    pub trained_parameters: u64,
    /// Mean over the seeds.
    pub seconds: f64,
    /// Mean seconds until the validation accuracy is the best that training from scratch reached with the
    /// same images and seed, over the seeds that reach it.
    pub seconds_to_scratch: Option<f64>,
}

/// The rows of all cells: by number of images, then in the order of the methods.
pub fn rows(cells: &[CellResult]) -> Vec<Row> {
    let mut shots: Vec<usize> = cells.iter().map(|found| found.cell.shots).collect();
    shots.sort_unstable();
    shots.dedup();
    let pairs = shots.into_iter().flat_map(|shots| Method::ALL.map(|method| (method, shots)));
    pairs.filter_map(|(method, shots)| row(cells, method, shots)).collect()
}

fn row(cells: &[CellResult], method: Method, shots: usize) -> Option<Row> {
    let of_row: Vec<&CellResult> = cells
        .iter()
        .filter(|found| found.cell.method == method && found.cell.shots == shots)
        .collect();
    let first = *of_row.first()?;
    let accuracies: Vec<f64> = of_row.iter().map(|found| found.accuracy).collect();
    let (accuracy, deviation) = mean_and_deviation(&accuracies);
    let several = of_row.len() > 1;
    let reached: Vec<f64> = of_row
        .iter()
        .filter(|_| method != Method::Scratch)
        .filter_map(|found| seconds_to_scratch(cells, found))
        .collect();
    Some(Row {
        method,
        title: method.title(),
        shots,
        seeds: of_row.len(),
        accuracy,
        deviation: several.then_some(deviation),
        interval: (!several).then_some(first.interval),
        trained_parameters: first.trained_parameters,
        seconds: of_row.iter().map(|found| found.seconds).sum::<f64>() / of_row.len() as f64,
        seconds_to_scratch: (!reached.is_empty()).then(|| mean_and_deviation(&reached).0),
    })
}

/// Seconds until `found` is as good on the validation part as the same network from scratch ever was.
fn seconds_to_scratch(cells: &[CellResult], found: &CellResult) -> Option<f64> {
    let scratch = cells.iter().find(|other| {
        other.cell.method == Method::Scratch
            && (other.cell.shots, other.cell.seed) == (found.cell.shots, found.cell.seed)
    })?;
    let best = scratch.course.iter().map(|(_, accuracy)| *accuracy);
    let best = best.fold(scratch.validation_accuracy, f64::max);
    let on_the_way = found.course.iter().find(|(_, accuracy)| *accuracy >= best);
    let at_the_end = (found.validation_accuracy >= best).then_some(found.seconds);
    on_the_way.map(|(seconds, _)| *seconds).or(at_the_end)
}

/// A cell in one line.
pub fn line(found: &CellResult) -> String {
    format!(
        "{}, {} images per class, seed {}: accuracy {:.1} % on {} test images, {} parameters trained, {:.1} s\n",
        found.cell.method.title(),
        found.cell.shots,
        found.cell.seed,
        100.0 * found.accuracy,
        found.n,
        thousands(found.trained_parameters),
        found.seconds
    )
}

/// The table as a person reads it.
pub fn text(rows: &[Row], seconds: f64) -> String {
    let width = rows.iter().map(|row| row.title.chars().count()).max().unwrap_or(0);
    let scratch = rows.iter().any(|row| row.seconds_to_scratch.is_some());
    let mut text = format!(
        "Fashion-MNIST, accuracy on the first 1,000 test images\n\n{:width$}  images  {:>20}  {:>10}  {:>7}{}\n",
        "method",
        "accuracy",
        "trained",
        "seconds",
        if scratch { "  to scratch's best" } else { "" }
    );
    for row in rows {
        let spread = match (row.deviation, row.interval) {
            (Some(deviation), _) => format!(" ± {:.1} %", 100.0 * deviation),
            (None, Some([low, high])) => format!(" % ({:.1}–{:.1})", 100.0 * low, 100.0 * high),
            _ => " %".to_string(),
        };
        let accuracy = format!("{:.1}{spread}", 100.0 * row.accuracy);
        text += &format!(
            "{:width$}  {:>6}  {accuracy:>20}  {:>10}  {:>7.1}",
            row.title,
            row.shots,
            thousands(row.trained_parameters),
            row.seconds
        );
        if let Some(seconds) = row.seconds_to_scratch {
            text += &format!("  {seconds:.1} s");
        }
        text.push('\n');
    }
    let meaning = match rows.iter().map(|row| row.seeds).max() {
        Some(seeds) if seeds > 1 => format!("mean ± deviation of {seeds} seeds"),
        _ => "in brackets the 95 % interval; one seed".to_string(),
    };
    text + &format!(
        "\n{meaning}; images are training images of each class; {seconds:.0} s in all\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tl::demo::Cell;

    fn cell(method: Method, seed: u64, accuracy: f64, course: &[(f64, f64)]) -> CellResult {
        CellResult {
            cell: Cell { method, shots: 5, seed },
            accuracy,
            interval: [accuracy - 0.1, accuracy + 0.1],
            n: 1000,
            validation_accuracy: course.last().map_or(0.0, |(_, accuracy)| *accuracy),
            trained_parameters: 12810,
            seconds: course.last().map_or(0.0, |(seconds, _)| *seconds),
            course: course.to_vec(),
        }
    }

    #[test]
    fn seeds_are_joined_and_the_time_to_the_best_from_scratch_is_found() {
        let cells = [
            cell(Method::Scratch, 0, 0.2, &[(10.0, 0.3), (20.0, 0.25)]),
            cell(Method::Scratch, 1, 0.3, &[(10.0, 0.1), (20.0, 0.9)]),
            cell(Method::Finetune, 0, 0.6, &[(1.0, 0.2), (2.0, 0.3), (3.0, 0.7)]),
            cell(Method::Finetune, 1, 0.8, &[(1.0, 0.2), (3.0, 0.7)]),
        ];
        let rows = rows(&cells);
        assert_eq!(rows.len(), 2);
        let tuned = &rows[1];
        assert_eq!(tuned.method, Method::Finetune);
        assert!((tuned.accuracy - 0.7).abs() < 1e-12);
        assert!((tuned.deviation.unwrap() - 0.02_f64.sqrt()).abs() < 1e-12);
        // Of two seeds one reaches what scratch reached, .3 after 2 s.
        assert_eq!(tuned.seconds_to_scratch, Some(2.0));
        assert_eq!(rows[0].seconds_to_scratch, None);
        let text = text(&rows, 12.0);
        assert!(text.contains("70.0 ± 14.1 %"), "{text}");
        assert!(text.contains("12,810"), "{text}");
    }
}
