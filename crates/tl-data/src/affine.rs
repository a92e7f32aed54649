//! Moving, shearing and turning a square image, each pixel taken from the nearest one, as torchvision does it on tensors.

/// For a pixel of the result its place in the source, in pixels from the centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine {
    /// Along columns: what x, y and 1 weigh.
    column: [f64; 3],
    /// Along rows.
    row: [f64; 3],
}

impl Affine {
    /// Rows are moved by `level` times their distance from the upper edge.
    pub fn shear_columns(level: f64, side: usize) -> Self {
        Self { column: [1.0, level, level * side as f64 / 2.0], row: [0.0, 1.0, 0.0] }
    }

    /// Columns are moved by `level` times their distance from the left edge.
    pub fn shear_rows(level: f64, side: usize) -> Self {
        Self { column: [1.0, 0.0, 0.0], row: [level, 1.0, level * side as f64 / 2.0] }
    }

    /// Moved right and down by whole pixels.
    pub fn translate(right: f64, down: f64) -> Self {
        Self { column: [1.0, 0.0, -right], row: [0.0, 1.0, -down] }
    }

    /// Turned about the centre, counter-clockwise.
    pub fn rotate(degrees: f64) -> Self {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Self { column: [cosine, -sine, 0.0], row: [sine, cosine, 0.0] }
    }

    /// Changes `pixels`, planes of `side` × `side` values; what comes from outside is 0.
    pub fn apply(&self, pixels: &mut [f32], side: usize) {
        let middle = side as f64 / 2.0;
        let inside = |place: f64| {
            let place = (place + middle - 0.5).round_ties_even();
            (place >= 0.0 && place < side as f64).then_some(place as usize)
        };
        let source = |at: usize| {
            let [x, y] = [at % side, at / side].map(|place| place as f64 + 0.5 - middle);
            let along = |weights: [f64; 3]| weights[0] * x + weights[1] * y + weights[2];
            Some(inside(along(self.row))? * side + inside(along(self.column))?)
        };
        let sources: Vec<Option<usize>> = (0..side * side).map(source).collect();
        for plane in pixels.chunks_exact_mut((side * side).max(1)) {
            let before = plane.to_vec();
            for (value, source) in plane.iter_mut().zip(&sources) {
                *value = source.map_or(0.0, |at| before[at]);
            }
        }
    }
}
