//! Tensors whose axes stand in another order in their file.

/// How the axes of a tensor lie in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The extents as they are stored, in row-major order.
    stored: Vec<usize>,
    /// Which stored axis each axis of the tensor is.
    axes: Vec<usize>,
}

impl Order {
    /// The first axis runs fastest, as in Fortran: `shape` is the tensor's own.
    pub(super) fn fortran(shape: &[usize]) -> Self {
        let axes = (0..shape.len()).rev().collect();
        Self { stored: shape.iter().rev().copied().collect(), axes }
    }

    /// Stored as `stored`; axis k of the tensor is the stored axis `axes[k]`, each of them once.
    pub(super) fn permuted(stored: &[usize], axes: &[usize]) -> Self {
        Self { stored: stored.to_vec(), axes: axes.to_vec() }
    }

    /// The tensor's own extents.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().filter_map(|&axis| self.stored.get(axis).copied()).collect()
    }

    /// The same values in row-major order of the tensor's own axes, further turned by `axes`.
    pub(super) fn then(&self, axes: &[usize]) -> Self {
        let axes = axes.iter().filter_map(|&axis| self.axes.get(axis).copied()).collect();
        Self { stored: self.stored.clone(), axes }
    }

    /// The values in row-major order of the tensor's own axes; `values` are as stored.
    pub(super) fn restore(&self, values: &[f32]) -> Vec<f32> {
        // An extent of 0 leaves the others unbounded, and their product beyond any number.
        if values.is_empty() {
            return Vec::new();
        }
        let mut strides = vec![1; self.stored.len()];
        for axis in (1..self.stored.len()).rev() {
            strides[axis - 1] = strides[axis] * self.stored[axis];
        }
        let shape = self.shape();
        let steps: Vec<usize> =
            self.axes.iter().filter_map(|&axis| strides.get(axis).copied()).collect();
        let mut place = vec![0; shape.len()];
        let mut from = 0;
        let mut restored = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            restored.push(values.get(from).copied().unwrap_or_default());
            // The next place, the last axis first, as a counter is turned on.
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                from += steps[axis];
                if place[axis] < shape[axis] {
                    break;
                }
                from -= steps[axis] * shape[axis];
                place[axis] = 0;
            }
        }
        restored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_fortran_become_rows() {
        // [[0, 1, 2], [3, 4, 5]] column by column.
        let order = Order::fortran(&[2, 3]);
        assert_eq!(order.shape(), [2, 3]);
        assert_eq!(order.restore(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn a_kernel_of_height_width_in_out_is_turned_to_out_in_height_width() {
        // The value at (h, w, i, o) is 1000 h + 100 w + 10 i + o.
        let stored = [2, 3, 2, 4];
        let mut values = Vec::new();
        for h in 0..2 {
            for w in 0..3 {
                for i in 0..2 {
                    values.extend((0..4).map(|o| (1000 * h + 100 * w + 10 * i + o) as f32));
                }
            }
        }
        let order = Order::permuted(&stored, &[3, 2, 0, 1]);
        assert_eq!(order.shape(), [4, 2, 2, 3]);
        let found = order.restore(&values);
        let at = |o: usize, i: usize, h: usize, w: usize| found[((o * 2 + i) * 2 + h) * 3 + w];
        assert_eq!(at(3, 1, 0, 2), 213.0);
        assert_eq!(at(0, 0, 1, 1), 1100.0);
        assert_eq!(found.len(), 48);
    }

    #[test]
    fn an_empty_tensor_of_huge_extents_has_no_values() {
        let huge = 1 << 40;
        let order = Order::permuted(&[0, huge, huge, huge], &[3, 2, 0, 1]);
        assert_eq!(order.shape(), [huge, huge, 0, huge]);
        assert!(order.restore(&[]).is_empty());
    }

    #[test]
    fn turns_follow_each_other() {
        let order = Order::fortran(&[2, 3]).then(&[1, 0]);
        assert_eq!(order.shape(), [3, 2]);
        // Column by column of a matrix is row by row of the turned one.
        assert_eq!(order.restore(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
