//! Which values each value of a target sums, arranged so that neighbours can share loads.

use super::geometry::{Depthwise, Taps};

/// `target[y, x] = Σ source[row, column] · weight[row of the window, column of the window]`, over the taps of `y`
/// times those of `x`.
#[derive(Debug)]
pub(super) struct Plan {
    pub batch: usize,
    pub channels: usize,
    /// Height and width.
    pub source: [usize; 2],
    /// Height and width.
    pub target: [usize; 2],
    /// By row of the target.
    pub rows: Vec<Rows>,
    /// Every column of the target once.
    pub runs: Vec<Run>,
}

/// The rows of an image that one row of the target sums over, and those of the window; offsets count values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub count: usize,
    pub source: usize,
    pub source_step: usize,
    pub kernel: usize,
    pub kernel_step: isize,
}

impl Rows {
    /// Whether `next` is what this is, one step on: then both rows of the target can be made at once.
    pub fn slides_to(&self, next: &Rows) -> bool {
        *next == Rows { source: self.source + self.source_step, ..*self }
    }

    /// Where the rows end.
    pub fn end(&self) -> usize {
        self.source + self.count * self.source_step
    }
}

impl Plan {
    /// The output as a sum over the input.
    pub fn forward(geometry: &Depthwise) -> Self {
        let [_, stride] = geometry.stride;
        let step = if stride == 1 { geometry.dilation[1] } else { 1 };
        let taps = [0, 1].map(|axis| geometry.forward_taps(axis));
        Self::new(geometry, [geometry.input, geometry.output()], taps, step)
    }

    /// The input's gradient as a sum over the output's.
    pub fn input_gradient(geometry: &Depthwise) -> Self {
        let ([_, stride], [_, dilation]) = (geometry.stride, geometry.dilation);
        let step = match (stride, dilation) {
            (stride, 1) => stride,
            (1, dilation) => dilation,
            _ => 1,
        };
        let taps = [0, 1].map(|axis| geometry.backward_taps(axis));
        Self::new(geometry, [geometry.output(), geometry.input], taps, step)
    }

    fn new(
        geometry: &Depthwise,
        [source, target]: [[usize; 2]; 2],
        [rows, columns]: [Taps; 2],
        step: usize,
    ) -> Self {
        let &Depthwise { batch, channels, kernel: [_, kernel_columns], .. } = geometry;
        let (source_row, kernel_row) = (source[1] * channels, kernel_columns * channels);
        let rows = (0..rows.len()).map(|row| {
            let run = Run::of(row, 1, rows.of(row));
            Rows {
                count: run.taps,
                source: run.source * source_row,
                source_step: run.pitch * source_row,
                kernel: run.kernel * kernel_row,
                kernel_step: run.kernel_step * kernel_row as isize,
            }
        });
        let rows = rows.collect();
        let runs = runs(&columns, step).into_iter().map(|run| run.in_values(channels)).collect();
        Self { batch, channels, source, target, rows, runs }
    }

    /// Where those rows of the source begin that the rows after `made` rows from `y` on will touch for the first time,
    /// and how many they are.
    pub fn ahead(&self, y: usize, made: usize) -> (usize, usize) {
        let now = self.rows[y + made - 1];
        let last = (y + 2 * made - 1).min(self.target[0] - 1);
        let next = self.rows[last];
        let (start, end) = (now.end(), next.end());
        match end.checked_sub(start) {
            Some(more) if next.source_step > 0 => (start, more / next.source_step),
            _ => (start, 0),
        }
    }

    /// Rows of the target that make one task of about `values` values, by the shapes alone: an equal share of an
    /// image, or whole images.
    pub fn task(&self, values: usize) -> usize {
        let image = self.target[0] * self.target_row();
        if image <= values {
            return (values / image.max(1)).max(1) * self.target[0];
        }
        // Rows at the edges of a task are read twice: not too many tasks.
        self.target[0].div_ceil((image / values).min(8))
    }

    pub fn source_image(&self) -> usize {
        self.source[0] * self.source[1] * self.channels
    }

    pub fn source_values(&self) -> usize {
        self.batch * self.source_image()
    }

    /// Values of a row of the target.
    pub fn target_row(&self) -> usize {
        self.target[1] * self.channels
    }

    pub fn target_values(&self) -> usize {
        self.batch * self.target[0] * self.target_row()
    }
}

/// Columns of the target, `step` apart, that sum over the same columns of the window.
///
/// Column `j` of the run is column `target + j·step`; its tap `t` is column `source + (j·advance + t)·pitch` of the
/// source, by column `kernel + t·kernel_step` of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub target: usize,
    pub step: usize,
    pub count: usize,
    pub taps: usize,
    pub source: usize,
    pub pitch: usize,
    pub advance: usize,
    pub kernel: usize,
    pub kernel_step: isize,
}

impl Run {
    /// One column of the target.
    fn of(target: usize, step: usize, taps: &[(usize, usize)]) -> Self {
        let (source, kernel) = taps.first().copied().unwrap_or_default();
        let (pitch, kernel_step) = match taps {
            [(first, from), (second, to), ..] => (second - first, to.wrapping_sub(*from) as isize),
            _ => (0, 0),
        };
        let taps = taps.len();
        Self { target, step, count: 1, taps, source, pitch, advance: 1, kernel, kernel_step }
    }

    /// The same with offsets that count values instead of columns.
    fn in_values(self, channels: usize) -> Self {
        Self {
            target: self.target * channels,
            step: self.step * channels,
            source: self.source * channels,
            pitch: self.pitch * channels,
            kernel: self.kernel * channels,
            kernel_step: self.kernel_step * channels as isize,
            ..self
        }
    }

    /// Takes in `next`, the column that follows, where it continues the run.
    fn append(&mut self, next: &Run) -> bool {
        let same = (next.taps, next.kernel, next.kernel_step, next.pitch);
        let own =
            (self.taps, self.kernel, self.kernel_step, if self.taps > 1 { self.pitch } else { 0 });
        if same != own {
            return false;
        }
        let distance = next.source.wrapping_sub(self.source);
        if self.count == 1 && self.taps > 0 {
            // A single tap may lie anywhere: the distance itself becomes the pitch.
            let pitch = if self.taps == 1 { distance } else { self.pitch };
            if pitch == 0
                || distance != pitch && distance != 2 * pitch
                || distance > isize::MAX as usize
            {
                return false;
            }
            (self.pitch, self.advance) = (pitch, distance / pitch);
        }
        if self.taps > 0 && distance != self.count * self.advance * self.pitch {
            return false;
        }
        self.count += 1;
        true
    }
}

/// Every column once, in runs of columns `step` apart.
fn runs(columns: &Taps, step: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    for phase in 0..step.min(columns.len()) {
        let start = runs.len();
        for column in (phase..columns.len()).step_by(step) {
            let next = Run::of(column, step, columns.of(column));
            let last = if runs.len() > start { runs.last_mut() } else { None };
            if !last.is_some_and(|last: &mut Run| last.append(&next)) {
                runs.push(next);
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(stride: usize, dilation: usize) -> Depthwise {
        Depthwise {
            batch: 1,
            channels: 1,
            input: [14, 14],
            kernel: [3, 3],
            stride: [stride; 2],
            padding: [dilation; 2],
            dilation: [dilation; 2],
        }
    }

    #[test]
    fn all_columns_but_the_borders_form_one_run() {
        let counts = |plan: Plan| plan.runs.iter().map(|run| run.count).collect::<Vec<_>>();
        assert_eq!(counts(Plan::forward(&layer(1, 1))), [1, 12, 1]);
        assert_eq!(counts(Plan::input_gradient(&layer(1, 1))), [1, 12, 1]);
        assert_eq!(counts(Plan::forward(&layer(2, 1))), [1, 6]);
        assert_eq!(counts(Plan::input_gradient(&layer(2, 1))), [7, 6, 1]);
        assert_eq!(counts(Plan::forward(&layer(1, 2))), [1, 5, 1, 1, 5, 1]);
    }

    #[test]
    fn a_run_says_what_the_taps_say() {
        for (stride, dilation) in [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2), (1, 3)] {
            let layer = Depthwise { input: [31, 31], ..layer(stride, dilation) };
            for (plan, taps) in [
                (Plan::forward(&layer), layer.forward_taps(1)),
                (Plan::input_gradient(&layer), layer.backward_taps(1)),
            ] {
                let mut seen = vec![0; plan.target[1]];
                for run in &plan.runs {
                    for j in 0..run.count {
                        let column = run.target + j * run.step;
                        seen[column] += 1;
                        let said = (0..run.taps).map(|t| {
                            let source = run.source + (j * run.advance + t) * run.pitch;
                            (source, run.kernel.wrapping_add_signed(t as isize * run.kernel_step))
                        });
                        assert_eq!(said.collect::<Vec<_>>(), taps.of(column));
                    }
                }
                assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
            }
        }
    }
}
