//! Smooth random fields, such as fog banks and uneven light.

use tl_random::Rng;

/// Value noise (Perlin 1985 called its kin "solid noise"): random numbers on grids that double in
/// fineness, smoothly interpolated and summed with halving weights.
pub(super) struct Cloud {
    /// `(cells per shorter side, [cells + 1, cells + 1] of values)`
    octaves: Vec<(f32, Vec<f32>, usize)>,
    short_side: f32,
}

impl Cloud {
    /// A field over an image of `width × height` pixels: `octaves` grids, the coarsest with
    /// `cells` cells along the shorter side.
    pub fn draw(
        width: usize,
        height: usize,
        cells: usize,
        octaves: usize,
        random: &mut Rng,
    ) -> Self {
        let short_side = width.min(height) as f32;
        let grids = (0..octaves).map(|octave| {
            let per_side = (cells << octave) as f32;
            // A long strip repeats instead of needing a grid of its length.
            let side = (cells << octave).max(1) * 4 + 1;
            let values = (0..side * side).map(|_| random.uniform()).collect();
            (per_side, values, side)
        });
        Self { octaves: grids.collect(), short_side }
    }

    /// The field at a pixel, in `0..=1`.
    pub fn at(&self, column: usize, row: usize) -> f32 {
        let (mut sum, mut total, mut weight) = (0.0, 0.0, 1.0);
        for (per_side, values, side) in &self.octaves {
            let place = |position: usize| {
                let place = (position as f32 + 0.5) / self.short_side * per_side;
                let cell = place as usize;
                let share = place - cell as f32;
                // Smoothstep: no edge is seen where cells meet.
                (cell % side, (cell + 1) % side, share * share * (3.0 - 2.0 * share))
            };
            let ((left, right, across), (top, bottom, down)) = (place(column), place(row));
            let mix = |one: f32, other: f32, share: f32| one + (other - one) * share;
            let value = |column: usize, row: usize| values[row * side + column];
            let upper = mix(value(left, top), value(right, top), across);
            let lower = mix(value(left, bottom), value(right, bottom), across);
            sum += weight * mix(upper, lower, down);
            total += weight;
            weight *= 0.5;
        }
        sum / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_stays_in_range_and_has_no_jumps() {
        let cloud = Cloud::draw(600, 60, 2, 3, &mut tl_random::rng(3, "test", 0, 0));
        for row in 0..60 {
            for column in 0..600 {
                let value = cloud.at(column, row);
                assert!((0.0..=1.0).contains(&value));
                // The finest grid has cells of 7.5 pixels, the slope of smoothstep is at most 1.5.
                assert!(column == 0 || (value - cloud.at(column - 1, row)).abs() < 0.2);
            }
        }
    }

    #[test]
    fn one_pixel_has_a_cloud() {
        let cloud = Cloud::draw(1, 1, 2, 3, &mut tl_random::rng(3, "test", 0, 0));
        assert!((0.0..=1.0).contains(&cloud.at(0, 0)));
    }
}
