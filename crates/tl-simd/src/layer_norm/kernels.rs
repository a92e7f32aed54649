//! The rows of one task.

use pulp::{Simd, WithSimd};

use super::{LayerNorm, Residual, Saved, Statistics};

pub(super) struct Forward<'a> {
    pub layer: LayerNorm<'a>,
    pub x: &'a [f32],
    pub residual: Option<Residual<'a>>,
    pub output: &'a mut [f32],
    pub statistics: Statistics<'a>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = self.layer.gamma.len();
        for (row, output) in self.output.chunks_exact_mut(width).enumerate() {
            let place = row * width..(row + 1) * width;
            let x = match &mut self.residual {
                None => &self.x[place],
                Some(Residual { values, sum }) => {
                    let sum = &mut sum[place.clone()];
                    add(simd, &self.x[place.clone()], &values[place], sum);
                    sum
                }
            };
            let mean = sum_from(simd, x, 0.0)[0] / width as f32;
            let variance = sum_from(simd, x, mean)[1] / width as f32;
            let inverse_deviation = 1.0 / (variance + self.layer.epsilon).sqrt();
            self.statistics.means[row] = mean;
            self.statistics.inverse_deviations[row] = inverse_deviation;
            normalise(simd, self.layer, x, [mean, inverse_deviation], output);
        }
    }
}

/// `sum = x + y`.
#[inline(always)]
fn add<S: Simd>(simd: S, x: &[f32], y: &[f32], sum: &mut [f32]) {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_simd_f32s(y);
    let (sum, sum_tail) = S::as_mut_simd_f32s(sum);
    for ((x, y), sum) in x.iter().zip(y).zip(sum) {
        *sum = simd.add_f32s(*x, *y);
    }
    let tail = simd.add_f32s(simd.partial_load_f32s(x_tail), simd.partial_load_f32s(y_tail));
    simd.partial_store_f32s(sum_tail, tail);
}

/// The sum of `x − center` and of its squares.
#[inline(always)]
fn sum_from<S: Simd>(simd: S, x: &[f32], center: f32) -> [f32; 2] {
    let center = simd.splat_f32s(center);
    let zero = simd.splat_f32s(0.0);
    // Four sums side by side, so that an addition need not wait for the last.
    let (mut sums, mut squares) = ([zero; 4], [zero; 4]);
    let (whole, tail) = S::as_simd_f32s(x);
    let (groups, rest) = whole.as_chunks::<4>();
    for group in groups {
        for k in 0..4 {
            let deviation = simd.sub_f32s(group[k], center);
            sums[k] = simd.add_f32s(sums[k], deviation);
            squares[k] = simd.mul_add_e_f32s(deviation, deviation, squares[k]);
        }
    }
    for x in rest {
        let deviation = simd.sub_f32s(*x, center);
        sums[0] = simd.add_f32s(sums[0], deviation);
        squares[0] = simd.mul_add_e_f32s(deviation, deviation, squares[0]);
    }
    let filled = simd.mask_between_m32s(0, tail.len() as u32).mask();
    let deviation = simd.sub_f32s(simd.partial_load_f32s(tail), center);
    let deviation = simd.select_f32s(filled, deviation, zero);
    sums[1] = simd.add_f32s(sums[1], deviation);
    squares[1] = simd.mul_add_e_f32s(deviation, deviation, squares[1]);
    [total(simd, sums), total(simd, squares)]
}

#[inline(always)]
fn total<S: Simd>(simd: S, sums: [S::f32s; 4]) -> f32 {
    let first = simd.add_f32s(sums[0], sums[1]);
    let last = simd.add_f32s(sums[2], sums[3]);
    simd.reduce_sum_f32s(simd.add_f32s(first, last))
}

#[inline(always)]
fn normalise<S: Simd>(
    simd: S,
    layer: LayerNorm,
    x: &[f32],
    [mean, inverse_deviation]: [f32; 2],
    output: &mut [f32],
) {
    let (mean, inverse) = (simd.splat_f32s(mean), simd.splat_f32s(inverse_deviation));
    let (x, x_tail) = S::as_simd_f32s(x);
    let (gamma, gamma_tail) = S::as_simd_f32s(layer.gamma);
    let (beta, beta_tail) = S::as_simd_f32s(layer.beta);
    let (output, output_tail) = S::as_mut_simd_f32s(output);
    for (((x, gamma), beta), output) in x.iter().zip(gamma).zip(beta).zip(output) {
        let unit = simd.mul_f32s(simd.sub_f32s(*x, mean), inverse);
        *output = simd.mul_add_e_f32s(unit, *gamma, *beta);
    }
    let unit = simd.mul_f32s(simd.sub_f32s(simd.partial_load_f32s(x_tail), mean), inverse);
    let gamma = simd.partial_load_f32s(gamma_tail);
    let tail = simd.mul_add_e_f32s(unit, gamma, simd.partial_load_f32s(beta_tail));
    simd.partial_store_f32s(output_tail, tail);
}

pub(super) struct Backward<'a> {
    pub gamma: &'a [f32],
    pub saved: Saved<'a>,
    pub gradient: &'a [f32],
    pub bypass: Option<&'a [f32]>,
    pub dx: &'a mut [f32],
    /// The sums `[2, width]` for γ and β, 0 at first; empty where they are frozen.
    pub sums: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        for (row, dx) in self.dx.chunks_exact_mut(width).enumerate() {
            let place = row * width..(row + 1) * width;
            let gradient = &self.gradient[place.clone()];
            let x = &self.saved.x[place.clone()];
            let statistics = [self.saved.means[row], self.saved.inverse_deviations[row]];
            let row = Row { gamma: self.gamma, x, gradient, statistics };
            let sums = row.sums(simd);
            row.input(simd, sums, self.bypass.map(|bypass| &bypass[place]), dx);
            if !self.sums.is_empty() {
                let (dgamma, dbeta) = self.sums.split_at_mut(width);
                row.parameters(simd, dgamma, dbeta);
            }
        }
    }
}

/// One row of the backward pass.
#[derive(Clone, Copy)]
struct Row<'a> {
    gamma: &'a [f32],
    x: &'a [f32],
    gradient: &'a [f32],
    /// The mean, and 1 / √(variance + ε).
    statistics: [f32; 2],
}

impl Row<'_> {
    /// Σ gγ and Σ gγ·u, with u = (x − mean) / √(variance + ε).
    #[inline(always)]
    fn sums<S: Simd>(self, simd: S) -> [f32; 2] {
        let [mean, inverse] = self.statistics.map(|value| simd.splat_f32s(value));
        let zero = simd.splat_f32s(0.0);
        let (mut plain, mut weighted) = ([zero; 4], [zero; 4]);
        let (x, x_tail) = S::as_simd_f32s(self.x);
        let (gamma, gamma_tail) = S::as_simd_f32s(self.gamma);
        let (gradient, gradient_tail) = S::as_simd_f32s(self.gradient);
        let (x, x_rest) = x.as_chunks::<4>();
        let (gamma, gamma_rest) = gamma.as_chunks::<4>();
        let (gradient, gradient_rest) = gradient.as_chunks::<4>();
        for ((x, gamma), gradient) in x.iter().zip(gamma).zip(gradient) {
            for k in 0..4 {
                let scaled = simd.mul_f32s(gradient[k], gamma[k]);
                let deviation = simd.sub_f32s(x[k], mean);
                plain[k] = simd.add_f32s(plain[k], scaled);
                weighted[k] = simd.mul_add_e_f32s(scaled, deviation, weighted[k]);
            }
        }
        for ((x, gamma), gradient) in x_rest.iter().zip(gamma_rest).zip(gradient_rest) {
            let scaled = simd.mul_f32s(*gradient, *gamma);
            plain[0] = simd.add_f32s(plain[0], scaled);
            let deviation = simd.sub_f32s(*x, mean);
            weighted[0] = simd.mul_add_e_f32s(scaled, deviation, weighted[0]);
        }
        // Empty lanes hold a gradient of 0.
        let gradient = simd.partial_load_f32s(gradient_tail);
        let scaled = simd.mul_f32s(gradient, simd.partial_load_f32s(gamma_tail));
        let deviation = simd.sub_f32s(simd.partial_load_f32s(x_tail), mean);
        plain[1] = simd.add_f32s(plain[1], scaled);
        weighted[1] = simd.mul_add_e_f32s(scaled, deviation, weighted[1]);
        let weighted = weighted.map(|sum| simd.mul_f32s(sum, inverse));
        [total(simd, plain), total(simd, weighted)]
    }

    /// dx = (gγ − (Σ gγ + u Σ gγ·u) / width) / √(variance + ε), and the bypass.
    #[inline(always)]
    fn input<S: Simd>(self, simd: S, sums: [f32; 2], bypass: Option<&[f32]>, dx: &mut [f32]) {
        let width = self.x.len() as f32;
        let [mean, inverse] = self.statistics.map(|value| simd.splat_f32s(value));
        // dx = inverse · gγ − slope · (x − mean) − level.
        let level = simd.splat_f32s(self.statistics[1] * sums[0] / width);
        let slope = self.statistics[1] * self.statistics[1] * sums[1] / width;
        let slope = simd.splat_f32s(-slope);
        let (x, x_tail) = S::as_simd_f32s(self.x);
        let (gamma, gamma_tail) = S::as_simd_f32s(self.gamma);
        let (gradient, gradient_tail) = S::as_simd_f32s(self.gradient);
        let (dx, dx_tail) = S::as_mut_simd_f32s(dx);
        let (bypass, bypass_tail) = S::as_simd_f32s(bypass.unwrap_or(&[]));
        let low = simd.neg_f32s(level);
        let terms = x.iter().zip(gamma).zip(gradient);
        for (dx, ((x, gamma), gradient)) in dx.iter_mut().zip(terms) {
            let scaled = simd.mul_f32s(*gradient, *gamma);
            let rest = simd.mul_add_e_f32s(simd.sub_f32s(*x, mean), slope, low);
            *dx = simd.mul_add_e_f32s(scaled, inverse, rest);
        }
        for (dx, bypass) in dx.iter_mut().zip(bypass) {
            *dx = simd.add_f32s(*dx, *bypass);
        }
        let gradient = simd.partial_load_f32s(gradient_tail);
        let scaled = simd.mul_f32s(gradient, simd.partial_load_f32s(gamma_tail));
        let deviation = simd.sub_f32s(simd.partial_load_f32s(x_tail), mean);
        let rest = simd.mul_add_e_f32s(deviation, slope, low);
        let own = simd.mul_add_e_f32s(scaled, inverse, rest);
        let tail = simd.add_f32s(own, simd.partial_load_f32s(bypass_tail));
        simd.partial_store_f32s(dx_tail, tail);
    }

    /// dγ += g·u and dβ += g.
    #[inline(always)]
    fn parameters<S: Simd>(self, simd: S, dgamma: &mut [f32], dbeta: &mut [f32]) {
        let [mean, inverse] = self.statistics.map(|value| simd.splat_f32s(value));
        let (x, x_tail) = S::as_simd_f32s(self.x);
        let (gradient, gradient_tail) = S::as_simd_f32s(self.gradient);
        let (dgamma, dgamma_tail) = S::as_mut_simd_f32s(dgamma);
        let (dbeta, dbeta_tail) = S::as_mut_simd_f32s(dbeta);
        for (((x, gradient), dgamma), dbeta) in x.iter().zip(gradient).zip(dgamma).zip(dbeta) {
            let unit = simd.mul_f32s(simd.sub_f32s(*x, mean), inverse);
            *dgamma = simd.mul_add_e_f32s(*gradient, unit, *dgamma);
            *dbeta = simd.add_f32s(*dbeta, *gradient);
        }
        let gradient = simd.partial_load_f32s(gradient_tail);
        let deviation = simd.sub_f32s(simd.partial_load_f32s(x_tail), mean);
        let unit = simd.mul_f32s(deviation, inverse);
        let gamma = simd.mul_add_e_f32s(gradient, unit, simd.partial_load_f32s(dgamma_tail));
        let beta = simd.add_f32s(gradient, simd.partial_load_f32s(dbeta_tail));
        simd.partial_store_f32s(dgamma_tail, gamma);
        simd.partial_store_f32s(dbeta_tail, beta);
    }
}
