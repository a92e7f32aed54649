//! Adapters into the weights and out of them again.

use std::collections::HashMap;

use burn::module::Module;
use tl_core::parameters::{map_values, values, visit_parameters};
use tl_kernels::adapter::{Adapter, sites};

use crate::targets::adapted;
use crate::{PeftError, detach, dora, ia3, lora};

/// A module whose adapters were merged into its weights, and what undoes it.
#[derive(Clone, Debug)]
pub struct Merged<M: Module> {
    /// Without adapters.
    pub module: M,
    /// The values before, by path.
    before: HashMap<String, Vec<f32>>,
    adapters: HashMap<String, Option<Adapter>>,
}

/// Computes what the adapters of `module` do into its weights, in f64, and takes them out.
///
/// # Errors
/// Adapters that are no change of weights, a device that cannot be read.
pub fn merge<M: Module>(module: M) -> Result<Merged<M>, PeftError> {
    let mut layers = HashMap::new();
    let mut adapters = HashMap::new();
    for (path, _, adapter) in sites(&module) {
        let Some(adapter) = adapter else { continue };
        layers.insert(path.clone(), Change::of(&adapter)?);
        adapters.insert(path, Some(adapter));
    }
    let mut before = HashMap::new();
    let mut failure = None;
    visit_parameters(&module, |info, tensor| {
        let Some((layer, name)) = info.path.rsplit_once('.') else { return };
        if layers.contains_key(layer) && ["weight", "bias"].contains(&name) {
            match values(tensor) {
                Ok(found) => drop(before.insert(info.path.clone(), found)),
                Err(reason) => failure = Some(reason),
            }
        }
    });
    if let Some(reason) = failure {
        return Err(PeftError::Device(reason));
    }
    let mut after = HashMap::new();
    for (layer, change) in &layers {
        let path = |name: &str| format!("{layer}.{name}");
        let held = |name: &str| before.get(&path(name)).map(Vec::as_slice).unwrap_or_default();
        let (weight, bias) = change.apply(held("weight"), held("bias"));
        after.insert(path("weight"), weight);
        after.insert(path("bias"), bias);
    }
    let module = map_values(detach(module), |info| after.remove(&info.path));
    Ok(Merged { module, before, adapters })
}

impl<M: Module> Merged<M> {
    /// The module as it was, bit for bit.
    pub fn unmerge(mut self) -> M {
        let module = map_values(self.module, |info| self.before.remove(&info.path));
        tl_kernels::adapter::replace(module, self.adapters)
    }
}

/// The names of layers in `module` that hold what cannot be merged.
///
/// # Errors
/// Where there is one.
pub fn check_mergeable<M: Module>(module: &M) -> Result<(), PeftError> {
    if adapted(module).is_empty() {
        return Ok(());
    }
    let all = sites(module).into_iter();
    all.filter_map(|(_, _, adapter)| adapter).try_for_each(|adapter| refuse(&adapter))
}

fn refuse(adapter: &Adapter) -> Result<(), PeftError> {
    if adapter.bottleneck.is_some() {
        let (what, why) = ("a bottleneck", "its nonlinearity is no change of a weight");
        return Err(PeftError::NotMergeable { what, why });
    }
    if adapter.prompt.is_some() {
        let (what, why) = ("a prompt", "it is part of the input");
        return Err(PeftError::NotMergeable { what, why });
    }
    Ok(())
}

/// What an adapter makes of a layer's weight and bias, on the host.
#[derive(Debug, Default)]
struct Change {
    low_rank: Option<LowRank>,
    input: Option<Vec<f32>>,
    output: Option<Vec<f32>>,
}

#[derive(Debug)]
struct LowRank {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
    scaling: f64,
    magnitude: Option<Vec<f32>>,
}

impl Change {
    fn of(adapter: &Adapter) -> Result<Self, PeftError> {
        refuse(adapter)?;
        let flat = |tensor: burn::tensor::Tensor<2>| {
            let count = tensor.dims().iter().product::<usize>();
            values(tensor.without_autodiff().reshape([count])).map_err(PeftError::Device)
        };
        let vector = |tensor: burn::tensor::Tensor<1>| {
            values(tensor.without_autodiff()).map_err(PeftError::Device)
        };
        let low_rank = lora::of(adapter).map(|path| {
            let (a, b) = (flat(path.a.val())?, flat(path.b.val())?);
            let magnitude = path.magnitude.as_ref().map(|it| vector(it.val())).transpose()?;
            let (rank, scaling) = (path.rank(), path.scaling());
            Ok::<_, PeftError>(LowRank { a, b, rank, scaling, magnitude })
        });
        Ok(Self {
            low_rank: low_rank.transpose()?,
            input: adapter.scale_input.as_ref().map(|it| vector(it.val())).transpose()?,
            output: adapter.scale_output.as_ref().map(|it| vector(it.val())).transpose()?,
        })
    }

    fn apply(&self, weight: &[f32], bias: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        let mut bias: Vec<f64> = wide(bias);
        let mut whole = match &self.low_rank {
            Some(LowRank { a, b, rank, scaling, magnitude }) => {
                let whole = lora::merged(weight, [a, b], *rank, *scaling);
                match magnitude {
                    Some(magnitude) => dora::merged(whole, magnitude),
                    None => whole,
                }
            }
            None => wide(weight),
        };
        for (factor, on_input) in [(&self.input, true), (&self.output, false)] {
            if let Some(factor) = factor {
                ia3::merge(&mut whole, &mut bias, factor, on_input);
            }
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        (narrow(whole), narrow(bias))
    }
}
