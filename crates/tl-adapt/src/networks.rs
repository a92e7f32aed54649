//! The networks that a method trains beside the model: discriminators, second classifiers.

use burn::prelude::*;
use burn::tensor::activation::relu;
use tl_core::parameters::map_values;
use tl_core::rng;
use tl_kernels::Linear;

/// The layers of a network: widths from input to output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkShape {
    pub name: &'static str,
    /// `[input, hidden, …, output]`
    pub widths: Vec<usize>,
}

impl NetworkShape {
    /// A domain classifier: two hidden layers of `hidden` and one answer, above 0 for the source.
    pub fn discriminator(input: usize, hidden: usize) -> Self {
        Self { name: DISCRIMINATOR, widths: vec![input, hidden, hidden, 1] }
    }
}

/// The name of a method's domain classifier.
pub const DISCRIMINATOR: &str = "discriminator";

/// Fully connected layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    pub layers: Vec<Linear>,
    #[module(skip)]
    name: String,
}

impl Mlp {
    /// The network at PyTorch's initial values for linear layers, drawn for `seed` and its name.
    pub fn new(shape: &NetworkShape, seed: u64, device: &Device) -> Self {
        let layers = shape.widths.windows(2).map(|pair| Linear::new(pair[0], pair[1], device));
        let network = Self { layers: layers.collect(), name: shape.name.to_string() };
        let widths = &shape.widths;
        map_values(network, |info| {
            let layer = info.path.split('.').nth(1)?.parse::<usize>().ok()?;
            let bound = 1.0 / (*widths.get(layer)? as f64).sqrt();
            let mut random = rng(seed, &format!("{}.{}", shape.name, info.path), 0, 0);
            Some((0..info.elements()).map(|_| random.between(-bound, bound) as f32).collect())
        })
    }

    /// `[batch, input]` to `[batch, output]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(input, |input, (at, layer)| {
            let output = layer.forward(input);
            if at < last { relu(output) } else { output }
        })
    }
}

/// All networks of a method.
#[derive(Module, Debug)]
pub struct Networks {
    pub list: Vec<Mlp>,
}

impl Networks {
    /// The networks of these shapes at their initial values.
    pub fn new(shapes: &[NetworkShape], seed: u64, device: &Device) -> Self {
        Self { list: shapes.iter().map(|shape| Mlp::new(shape, seed, device)).collect() }
    }

    /// The network of this name.
    pub fn get(&self, name: &str) -> Option<&Mlp> {
        self.list.iter().find(|network| network.name == name)
    }
}
