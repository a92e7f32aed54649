//! The networks that a method trains beside the model: discriminators, second classifiers.

use burn::prelude::*;
use burn::tensor::activation::relu;
use tl_core::parameters::map_values;
use tl_core::rng;
use tl_kernels::Linear;

/// The layers of a network: widths from input to output.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkShape {
    pub name: &'static str,
    /// `[input, hidden, …, output]`
    pub widths: Vec<usize>,
    /// Its learning rate as a multiple of the head's.
    pub rate: f64,
}

impl NetworkShape {
    /// A domain classifier: two hidden layers of `hidden` and one answer, above 0 for the source.
    ///
    /// It begins at random values beside a network that is trained already, and what it has not
    /// learned yet its reversed gradient teaches the backbone: it learns ten times as fast.
    pub fn discriminator(input: usize, hidden: usize) -> Self {
        Self { name: DISCRIMINATOR, widths: vec![input, hidden, hidden, 1], rate: 10.0 }
    }

    /// A classifier beside the model's own head, as fast as that one.
    pub fn classifier(name: &'static str, widths: Vec<usize>) -> Self {
        Self { name, widths, rate: 1.0 }
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
    #[module(skip)]
    rate: f64,
}

impl Mlp {
    /// The network at PyTorch's initial values for linear layers, drawn for `seed` and its name.
    pub fn new(shape: &NetworkShape, seed: u64, device: &Device) -> Self {
        let layers = shape.widths.windows(2).map(|pair| Linear::new(pair[0], pair[1], device));
        let (name, rate) = (shape.name.to_string(), shape.rate);
        let network = Self { layers: layers.collect(), name, rate };
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

    /// The learning rates of the networks as multiples of the head's.
    pub(crate) fn rates(&self) -> NetworkRates {
        NetworkRates(self.list.iter().map(|network| network.rate).collect())
    }

    /// The network of this name.
    pub fn get(&self, name: &str) -> Option<&Mlp> {
        self.list.iter().find(|network| network.name == name)
    }
}

/// The learning rate of each network as a multiple of the head's.
pub(crate) struct NetworkRates(Vec<f64>);

impl NetworkRates {
    /// That of the parameter at `path` of the model and its networks: 1 for the model's own, that of
    /// the network for `networks.list.0.…`.
    pub fn of(&self, path: &str) -> f64 {
        let number = path.strip_prefix("networks.list.").and_then(|own| own.split('.').next());
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.and_then(|number| self.0.get(number)).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_the_rate_of_its_network() {
        let shapes =
            [NetworkShape::classifier("second", vec![2, 2]), NetworkShape::discriminator(2, 3)];
        let networks = Networks::new(&shapes, 0, &Device::flex());
        let rates = networks.rates();
        let found: Vec<f64> = tl_core::parameters::parameters(&networks)
            .into_iter()
            .map(|info| rates.of(&format!("networks.{}", info.path)))
            .collect();
        assert_eq!(found, [1.0, 1.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]);
        assert_eq!(rates.of("backbone.hidden.weight"), 1.0);
    }
}
