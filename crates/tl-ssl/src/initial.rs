//! Initial values of a method's own networks.

use burn::module::Module;
use tl_core::parameters::map_values;
use tl_core::rng;

/// Norms at scale 1 and shift 0, biases 0, matrices uniform by their inputs and outputs (Glorot and Bengio
/// 2010), other tensors normal with deviation .02: as the masked autoencoder has it. Each is drawn from a
/// generator of its own, named by `name` and its path.
pub(crate) fn glorot<M: Module>(module: M, name: &str, seed: u64) -> M {
    map_values(module, |info| {
        let mut random = rng(seed, &format!("{name}.{}", info.path), 0, 0);
        let mut draw = |value: &mut dyn FnMut(&mut tl_random::Rng) -> f64| -> Vec<f32> {
            (0..info.elements()).map(|_| value(&mut random) as f32).collect()
        };
        Some(match info.shape[..] {
            [_] if info.path.ends_with("weight") || info.path.ends_with("running_var") => {
                draw(&mut |_| 1.0)
            }
            [_] => draw(&mut |_| 0.0),
            // A convolution of one pixel is a matrix too.
            [output, input] | [output, input, 1, 1] => {
                let bound = (6.0 / (input + output).max(1) as f64).sqrt();
                draw(&mut |random| random.between(-bound, bound))
            }
            _ => draw(&mut |random| 0.02 * random.normal()),
        })
    })
}
