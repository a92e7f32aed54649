use super::*;
use crate::testing::{assert_close, assert_same_bits, scattered};

fn geometries() -> Vec<Geometry> {
    let window = |kernel, stride, padding, dilation, groups| Window {
        kernel,
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [dilation; 2],
        groups,
    };
    let shapes = [
        (2, [3, 5], [7, 9], window([3, 3], 1, 1, 1, 1)),
        (1, [64, 64], [12, 12], window([3, 3], 1, 1, 1, 1)),
        (3, [17, 70], [6, 5], window([1, 1], 1, 0, 1, 1)),
        (2, [3, 24], [33, 31], window([7, 7], 2, 3, 1, 1)),
        (5, [20, 130], [7, 7], window([3, 3], 2, 1, 1, 1)),
        (2, [40, 33], [9, 8], window([1, 1], 2, 0, 1, 1)),
        (2, [6, 8], [11, 10], window([3, 3], 1, 2, 2, 2)),
        (2, [12, 9], [8, 8], window([3, 5], 3, 2, 1, 3)),
        (1, [5, 4], [1, 1], window([3, 3], 1, 1, 1, 1)),
        (1, [5, 4], [2, 1], window([1, 1], 3, 0, 1, 1)),
        (1, [4, 6], [30, 40], window([3, 3], 2, 1, 1, 1)),
        (4, [300, 20], [3, 3], window([3, 3], 1, 1, 1, 1)),
        (1, [2, 3], [5, 6], window([2, 4], 2, 3, 1, 1)),
        (0, [3, 5], [7, 9], window([3, 3], 1, 1, 1, 1)),
    ];
    let geometry =
        |(batch, channels, input, window)| Geometry::new(batch, channels, input, window).unwrap();
    shapes.into_iter().map(geometry).collect()
}

/// Visits every product: index of its output, its input and its weight.
fn products(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let [outputs, inputs, height, width] = g.weight_shape();
    let w = g.window;
    let per_group = outputs / w.groups;
    let inside = |axis: usize, place: usize, tap: usize| {
        (place * w.stride[axis] + tap * w.dilation[axis])
            .checked_sub(w.padding[axis])
            .filter(|&place| place < g.input[axis])
    };
    for image in 0..g.batch {
        for row in 0..g.output[0] {
            for column in 0..g.output[1] {
                for output in 0..outputs {
                    let pixel = (image * g.output[0] + row) * g.output[1] + column;
                    for tap in 0..height * width {
                        let from = [inside(0, row, tap / width), inside(1, column, tap % width)];
                        let [Some(y), Some(x)] = from else { continue };
                        for input in 0..inputs {
                            let channel = output / per_group * inputs + input;
                            visit(
                                pixel * outputs + output,
                                ((image * g.input[0] + y) * g.input[1] + x) * g.channels[0]
                                    + channel,
                                (output * inputs + input) * height * width + tap,
                            );
                        }
                    }
                }
            }
        }
    }
}

struct Case {
    geometry: Geometry,
    x: Vec<f32>,
    weight: Vec<f32>,
    gradient: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let case = |geometry: Geometry| Case {
        x: scattered(geometry.batch * geometry.input_values(), 1),
        weight: scattered(geometry.weight_shape().iter().product(), 2),
        gradient: scattered(geometry.batch * geometry.output_values(), 3),
        geometry,
    };
    geometries().into_iter().map(case).collect()
}

#[test]
fn the_forward_pass_is_the_sum_of_all_products() {
    for Case { geometry, x, weight, gradient: residual } in cases() {
        let outputs = geometry.channels[1];
        let (bias, scale) = (scattered(outputs, 4), scattered(outputs, 5));
        let mut expected = vec![0.0; residual.len()];
        products(&geometry, |to, from, tap| {
            expected[to] +=
                f64::from(x[from]) * f64::from(weight[tap]) * f64::from(scale[to % outputs]);
        });
        for (index, value) in expected.iter_mut().enumerate() {
            *value += f64::from(bias[index % outputs]) + f64::from(residual[index]);
            *value = value.clamp(0.0, 6.0);
        }
        for level in Level::all() {
            let filters = Filters::forward(level, &geometry, &weight, Some(&scale));
            let epilogue =
                Epilogue { bias: Some(&bias), residual: Some(&residual), act: crate::Act::Relu6 };
            let kernel = || {
                let mut output = vec![f32::NAN; residual.len()];
                forward(&filters, &x, epilogue, &mut output);
                output
            };
            let place = format!("{} {geometry:?}", level.name());
            assert_close(&place, &kernel(), &expected);
            assert_same_bits(&place, kernel);
        }
    }
}

#[test]
fn the_gradients_are_sums_of_the_same_products() {
    for Case { geometry, x, weight, gradient } in cases() {
        let mut expected = [vec![0.0; x.len()], vec![0.0; weight.len()]];
        products(&geometry, |to, from, tap| {
            expected[0][from] += f64::from(gradient[to]) * f64::from(weight[tap]);
            expected[1][tap] += f64::from(gradient[to]) * f64::from(x[from]);
        });
        for level in Level::all() {
            let place = format!("{} {geometry:?}", level.name());
            let earlier: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
            let both: Vec<f64> = expected[0].iter().zip(&earlier).map(|(a, b)| a + b).collect();
            for (earlier, expected) in [(None, &expected[0]), (Some(&x[..]), &both)] {
                let kernel = || {
                    let mut target = vec![f32::NAN; x.len()];
                    input_gradient(level, &geometry, &weight, &gradient, earlier, &mut target);
                    target
                };
                assert_close(&format!("input, {place}"), &kernel(), expected);
                assert_same_bits(&place, kernel);
            }
            let kernel = || {
                let mut target = vec![f32::NAN; weight.len()];
                weight_gradient(level, &geometry, &x, &gradient, &mut target);
                target
            };
            assert_close(&format!("weight, {place}"), &kernel(), &expected[1]);
            assert_same_bits(&place, kernel);
        }
    }
}

#[test]
fn large_maps_are_cut_into_bands_that_fit_together() {
    for (stride, kernel) in [(1, 3), (2, 3), (2, 1)] {
        let window = Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            dilation: [1; 2],
            groups: 1,
        };
        let geometry = Geometry::new(1, [2, 3], [61, 75], window).unwrap();
        let weight = scattered(geometry.weight_shape().iter().product(), 2);
        let x = scattered(geometry.input_values(), 1);
        let gradient = scattered(geometry.output_values(), 3);
        let mut expected = [vec![0.0; gradient.len()], vec![0.0; x.len()]];
        products(&geometry, |to, from, tap| {
            expected[0][to] += f64::from(x[from]) * f64::from(weight[tap]);
            expected[1][from] += f64::from(gradient[to]) * f64::from(weight[tap]);
        });
        let level = Level::best();
        let mut found = vec![f32::NAN; gradient.len()];
        let filters = Filters::forward(level, &geometry, &weight, None);
        forward(&filters, &x, Epilogue::NONE, &mut found);
        assert_close("output", &found, &expected[0]);
        let mut found = vec![f32::NAN; x.len()];
        input_gradient(level, &geometry, &weight, &gradient, None, &mut found);
        assert_close("input", &found, &expected[1]);
    }
}

#[test]
fn sizes_that_do_not_fit_make_no_geometry() {
    let window =
        Window { kernel: [3, 3], stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 };
    assert!(Geometry::new(1, [1, 1], [2, 3], window).is_none());
    assert!(Geometry::new(1, [4, 3], [5, 5], Window { groups: 2, ..window }).is_none());
    assert!(Geometry::new(1, [4, 4], [5, 5], Window { stride: [0, 1], ..window }).is_none());
    assert!(Geometry::new(1, [4, 4], [5, 5], window).is_some());
}

#[test]
fn products_of_bf16_are_summed_as_those_of_rounded_values() {
    let rounded = |values: &[f32]| -> Vec<f32> {
        let bits = |value: &f32| value.to_bits();
        // To the nearest, to even where two are as near.
        let nearest = |bits: u32| (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
        values.iter().map(|value| f32::from_bits(nearest(bits(value)))).collect()
    };
    let level = Level::best();
    let (mut ran, mut odd) = (0, 0);
    for Case { geometry, x, weight, gradient: residual } in cases() {
        let outputs = geometry.channels[1];
        let (bias, scale) = (scattered(outputs, 4), scattered(outputs, 5));
        let Some(filters) = Filters::forward_half(level, &geometry, &weight, Some(&scale)) else {
            odd += usize::from(geometry.weight_shape()[1] % 2 == 1);
            continue;
        };
        ran += 1;
        let taps = weight.len() / outputs;
        let scaled: Vec<f32> =
            weight.iter().enumerate().map(|(at, value)| value * scale[at / taps]).collect();
        let (seen, weight) = (rounded(&x), rounded(&scaled));
        let mut expected = vec![0.0; residual.len()];
        products(&geometry, |to, from, tap| {
            expected[to] += f64::from(seen[from]) * f64::from(weight[tap]);
        });
        for (index, value) in expected.iter_mut().enumerate() {
            *value += f64::from(bias[index % outputs]) + f64::from(residual[index]);
        }
        let epilogue =
            Epilogue { bias: Some(&bias), residual: Some(&residual), act: crate::Act::None };
        let kernel = || {
            let mut output = vec![f32::NAN; residual.len()];
            forward(&filters, &x, epilogue, &mut output);
            output
        };
        let place = format!("{geometry:?}");
        assert_close(&place, &kernel(), &expected);
        assert_same_bits(&place, kernel);
    }
    let all = cases().len();
    assert!(ran + odd == all || ran == 0, "{ran} of {all} ran, {odd} have odd channels");
    println!("{ran} of {all} ran: the rest have odd channels, or the processor has no AVX512-BF16");
}
