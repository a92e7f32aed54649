use super::*;
use crate::Level;
use crate::testing::{assert_close, assert_same_bits, scattered};

/// Shapes of inputs and windows: odd sizes, strides beside and beyond the kernel, padding, one pixel, no image.
fn windows() -> Vec<([usize; 4], Window)> {
    let case = |shape, kernel, stride, padding| (shape, Window { kernel, stride, padding });
    vec![
        case([2, 12, 12, 64], [3, 3], [2, 2], [1, 1]),
        case([2, 9, 7, 5], [2, 2], [2, 2], [0, 0]),
        case([1, 7, 11, 16], [3, 2], [1, 3], [1, 0]),
        case([3, 5, 5, 35], [5, 4], [4, 1], [2, 2]),
        case([1, 17, 19, 3], [16, 16], [3, 2], [8, 8]),
        case([2, 8, 8, 24], [2, 3], [5, 4], [1, 1]),
        case([1, 1, 1, 1], [1, 1], [1, 1], [0, 0]),
        case([0, 6, 6, 8], [3, 3], [2, 2], [1, 1]),
        case([1, 2, 2, 4], [3, 3], [1, 1], [0, 0]),
    ]
}

/// Values, taps and the gradient of the input, by plain loops.
fn reference(
    x: &[f32],
    gradient: &[f32],
    shape: [usize; 4],
    window: Window,
) -> (Vec<f32>, Vec<u8>, Vec<f64>) {
    let [batch, height, width, channels] = shape;
    let [rows, columns] = window.output_size([height, width]);
    let (mut values, mut taps, mut input) = (Vec::new(), Vec::new(), vec![0.0; x.len()]);
    assert_eq!(gradient.len(), batch * rows * columns * channels);
    for (place, gradient) in gradient.iter().enumerate() {
        let channel = place % channels;
        let [column, row] = [place / channels % columns, place / channels / columns % rows];
        let image = place / channels / columns / rows;
        let mut best: Option<(f32, u8, usize)> = None;
        for tap in 0..window.kernel[0] * window.kernel[1] {
            let y =
                (row * window.stride[0] + tap / window.kernel[1]).wrapping_sub(window.padding[0]);
            let z = (column * window.stride[1] + tap % window.kernel[1])
                .wrapping_sub(window.padding[1]);
            if y < height && z < width {
                let index = ((image * height + y) * width + z) * channels + channel;
                if best.is_none_or(|best| x[index] > best.0 || x[index].is_nan()) {
                    best = Some((x[index], tap as u8, index));
                }
            }
        }
        let (value, tap, index) = best.unwrap();
        values.push(value);
        taps.push(tap);
        input[index] += f64::from(*gradient);
    }
    (values, taps, input)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_greatest_of_each_window_is_found_and_its_gradient_goes_back_to_it() {
    for level in Level::all() {
        for (shape, window) in windows() {
            let [rows, columns] = window.output_size([shape[1], shape[2]]);
            let count = shape[0] * rows * columns * shape[3];
            // Few values, so that some are equal.
            let x = scattered(shape.iter().product(), 1);
            let x: Vec<f32> = x.into_iter().map(|value| (value * 8.0).round()).collect();
            let gradient = scattered(count, 2);
            let (values, expected_taps, input) = reference(&x, &gradient, shape, window);
            let what = format!("{shape:?} {window:?} on {}", level.name());
            let (mut output, mut taps) = (vec![0.0; count], vec![255; count]);
            max(level, &x, shape, window, &mut output, Some(&mut taps));
            assert!(bits(&output) == bits(&values), "{what}: values");
            assert!(taps == expected_taps, "{what}: taps");
            output.fill(0.0);
            max(level, &x, shape, window, &mut output, None);
            assert!(bits(&output) == bits(&values), "{what}: values without taps");
            let mut target = vec![f32::NAN; x.len()];
            max_backward(level, &gradient, &taps, shape, window, &mut target);
            assert_close(&what, &target, &input);
        }
    }
}

#[test]
fn a_window_with_a_nan_gives_nan_and_infinities_are_values() {
    let window = Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    for level in Level::all() {
        let mut x = scattered(4 * 4 * 18, 3);
        x[18] = f32::NAN;
        x[5 * 18 + 2] = f32::NAN;
        for pixel in [2, 3, 6, 7] {
            x[pixel * 18 + 17] = f32::NEG_INFINITY;
        }
        let shape = [1, 4, 4, 18];
        let (values, expected_taps, _) = reference(&x, &[1.0; 72], shape, window);
        let (mut output, mut taps) = (vec![0.0; 72], vec![255; 72]);
        max(level, &x, shape, window, &mut output, Some(&mut taps));
        assert!(output[0].is_nan() && output[2].is_nan() && !output[1].is_nan());
        assert_eq!(output[18 + 17], f32::NEG_INFINITY);
        assert_eq!(bits(&output), bits(&values));
        assert_eq!(taps, expected_taps);
    }
}

#[test]
fn adaptive_means_and_their_gradients_are_those_of_plain_loops() {
    let cases = [
        ([2, 7, 7, 64], [1, 1]),
        ([2, 7, 5, 67], [3, 2]),
        ([1, 13, 9, 3], [5, 9]),
        ([3, 2, 3, 17], [4, 7]),
        ([1, 1, 1, 1], [1, 1]),
        ([1, 224, 224, 2], [1, 1]),
        ([0, 4, 4, 8], [2, 2]),
    ];
    for level in Level::all() {
        for (shape, size) in cases {
            let [batch, height, width, channels] = shape;
            let count = batch * size[0] * size[1] * channels;
            let x: Vec<f32> =
                scattered(shape.iter().product(), 1).into_iter().map(|x| x + 1.0).collect();
            let gradient = scattered(count, 2);
            let (mut means, mut input) = (vec![0.0; count], vec![0.0; x.len()]);
            for place in 0..count {
                let pixel = place / channels;
                let [column, row] = [pixel % size[1], pixel / size[1] % size[0]];
                let bounds = |index: usize, count: usize, size: usize| {
                    let edge = |index: usize| index as f64 * size as f64 / count as f64;
                    edge(index).floor() as usize..edge(index + 1).ceil() as usize
                };
                let down = bounds(row, size[0], height);
                let across = bounds(column, size[1], width);
                let share = (down.len() * across.len()) as f64;
                for y in down {
                    for z in across.clone() {
                        let image = pixel / size[1] / size[0];
                        let index =
                            ((image * height + y) * width + z) * channels + place % channels;
                        means[place] += f64::from(x[index]) / share;
                        input[index] += f64::from(gradient[place]) / share;
                    }
                }
            }
            let what = format!("{shape:?} to {size:?} on {}", level.name());
            let mut output = vec![f32::NAN; count];
            adaptive_average(level, &x, shape, size, &mut output);
            assert_close(&what, &output, &means);
            let mut target = vec![f32::NAN; x.len()];
            adaptive_average_backward(level, &gradient, shape, size, &mut target);
            assert_close(&what, &target, &input);
            if size == [1, 1] {
                let pixels = height * width;
                output.fill(f32::NAN);
                global_average(level, &x, pixels, channels, &mut output);
                assert_close(&what, &output, &means);
                target.fill(f32::NAN);
                global_average_backward(level, &gradient, pixels, channels, &mut target);
                assert_close(&what, &target, &input);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let level = Level::best();
    let (shape, window) = windows()[0];
    let x = scattered(shape.iter().product(), 1);
    assert_same_bits("pooling", || {
        let mut output = vec![0.0; 2 * 6 * 6 * 64];
        let mut taps = vec![0; output.len()];
        max(level, &x, shape, window, &mut output, Some(&mut taps));
        let mut target = vec![0.0; x.len()];
        max_backward(level, &output, &taps, shape, window, &mut target);
        let mut means = vec![0.0; 2 * 5 * 5 * 64];
        adaptive_average(level, &x, shape, [5, 5], &mut means);
        let mut spread = vec![0.0; x.len()];
        adaptive_average_backward(level, &means, shape, [5, 5], &mut spread);
        [output, target, means, spread].concat()
    });
}
