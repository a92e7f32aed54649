use super::*;
use crate::Act;
use crate::conv::Window;
use crate::testing::{assert_same_bits, scattered};

/// Images, channels, input and padding: sides that tiles divide and that they do not, bands of one image and several.
fn geometries() -> Vec<Geometry> {
    let shapes = [
        (2, [32, 48], [12, 16], [1, 1]),
        (1, [48, 80], [15, 13], [1, 1]),
        (3, [32, 32], [14, 57], [0, 2]),
        (0, [32, 32], [12, 12], [1, 1]),
    ];
    let geometry = |(batch, channels, input, padding)| {
        let window =
            Window { kernel: [3; 2], stride: [1; 2], padding, dilation: [1; 2], groups: 1 };
        Geometry::new(batch, channels, input, window).unwrap()
    };
    shapes.into_iter().map(geometry).collect()
}

/// The sum over the window in f64, `[batch, height, width, out]`.
fn reference(g: &Geometry, x: &[f32], weight: &[f32]) -> Vec<f64> {
    let ([inputs, outputs], [height, width]) = (g.channels, g.output);
    let mut sums = vec![0.0; g.batch * g.output_values()];
    for (index, sum) in sums.iter_mut().enumerate() {
        let (output, pixel) = (index % outputs, index / outputs);
        let (column, row, image) = (pixel % width, pixel / width % height, pixel / width / height);
        for tap in 0..9 {
            let y = (row + tap / 3).checked_sub(g.window.padding[0]);
            let x_ = (column + tap % 3).checked_sub(g.window.padding[1]);
            let (Some(y), Some(x_)) = (y, x_) else { continue };
            if y >= g.input[0] || x_ >= g.input[1] {
                continue;
            }
            let from = ((image * g.input[0] + y) * g.input[1] + x_) * inputs;
            for input in 0..inputs {
                *sum += f64::from(x[from + input])
                    * f64::from(weight[(output * inputs + input) * 9 + tap]);
            }
        }
    }
    sums
}

#[test]
fn tiles_give_the_sum_over_the_window_at_every_level_and_with_any_number_of_threads() {
    for geometry in geometries() {
        let outputs = geometry.channels[1];
        let x = scattered(geometry.batch * geometry.input_values(), 1);
        let weight = scattered(geometry.weight_shape().iter().product(), 2);
        let residual = scattered(geometry.batch * geometry.output_values(), 3);
        let (bias, scale) = (scattered(outputs, 4), scattered(outputs, 5));
        let mut expected = reference(&geometry, &x, &weight);
        let greatest = expected.iter().fold(1e-6f64, |most, value| most.max(value.abs()));
        for (index, value) in expected.iter_mut().enumerate() {
            *value *= f64::from(scale[index % outputs]);
            *value += f64::from(bias[index % outputs]) + f64::from(residual[index]);
            *value = value.max(0.0);
        }
        for level in Level::all() {
            let winograd = Winograd::new(level, &geometry, &weight, Some(&scale)).unwrap();
            let epilogue =
                Epilogue { bias: Some(&bias), residual: Some(&residual), act: Act::Relu };
            let kernel = || {
                let mut output = vec![f32::NAN; residual.len()];
                winograd.forward(&geometry, &x, epilogue, &mut output);
                output
            };
            let place = format!("{} {geometry:?}", level.name());
            for (index, (found, expected)) in kernel().iter().zip(&expected).enumerate() {
                let apart = (f64::from(*found) - expected).abs();
                assert!(apart <= 1e-5 * greatest, "{place}: {found} for {expected} at {index}");
            }
            assert_same_bits(&place, kernel);
        }
    }
}

#[test]
fn only_what_gains_goes_by_tiles() {
    let window =
        Window { kernel: [3; 2], stride: [1; 2], padding: [1; 2], dilation: [1; 2], groups: 1 };
    let suits = |channels, side, window| {
        Winograd::suits(&Geometry::new(1, channels, [side; 2], window).unwrap())
    };
    assert!(suits([64, 64], 56, window) && suits([256, 256], 14, window));
    assert!(!suits([512, 512], 14, window), "too many weights");
    assert!(!suits([64, 64], 7, window), "tiles reach too far beyond the image");
    assert!(!suits([64, 40], 56, window), "no whole registers of channels");
    assert!(!suits([64, 64], 56, Window { stride: [2; 2], ..window }));
    assert!(!suits([64, 64], 56, Window { dilation: [2; 2], ..window }));
    assert!(!suits([64, 64], 56, Window { groups: 2, ..window }));
}
