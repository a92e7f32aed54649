//! All that was trained beside a base: adapters, the head, and stages that began fresh.

use std::collections::{BTreeMap, HashMap};

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::parameters::{is_adapter, map_values, parameters, values, visit_parameters};
use tl_core::{HEAD, Head, Model};
use tl_kernels::adapter::{Adapter, Bottleneck, LowRank, Site, SiteKind, replace, sites};
use tl_models::Architecture;

use crate::attach::{check_low_rank, plain_device};
use crate::{AdapterConfig, PeftError, detach, prompt, trained};

/// A tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// What was trained, by its path in the classifier (`backbone.layers.0.query.adapter.low_rank.a`, `head.linear.weight`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterRecord {
    pub config: AdapterConfig,
    /// The stages that were trained as they are.
    pub whole: Vec<String>,
    pub tensors: BTreeMap<String, Held>,
    /// What a file held besides, by its names: the parts of another task's network.
    pub passed_over: Vec<String>,
    /// What low-rank paths are multiplied by, by the path of their layer, where it is not as the configuration says.
    pub(crate) scalings: BTreeMap<String, f64>,
}

/// The path segment of every slot, with its points.
pub(crate) const SLOT: &str = ".adapter.";

impl AdapterRecord {
    /// What `model` holds that a plan with this adapter trains.
    ///
    /// # Errors
    /// A device that cannot be read.
    pub fn of<B: Architecture, H: Head>(
        model: &Model<B, H>,
        config: &AdapterConfig,
        whole: &[String],
    ) -> Result<Self, PeftError> {
        let stages = model.backbone.stages();
        let (selection, _) = trained(&model.backbone, config, whole.to_vec());
        let wanted = |path: &str| match path.strip_prefix("backbone.") {
            None => path.starts_with(&format!("{HEAD}.")),
            Some(inner) => {
                let stage = stages.iter().find(|stage| stage.owns(inner));
                is_adapter(inner)
                    || selection.selects(inner)
                    || stage.is_some_and(|stage| whole.contains(&stage.name))
            }
        };
        let (mut tensors, mut failure) = (BTreeMap::new(), None);
        visit_parameters(model, |info, tensor| {
            if wanted(&info.path) {
                match values(tensor) {
                    Ok(values) => {
                        let held = Held { shape: info.shape.clone(), values };
                        tensors.insert(info.path.clone(), held);
                    }
                    Err(reason) => failure = Some(reason),
                }
            }
        });
        if let Some(reason) = failure {
            return Err(PeftError::Device(reason));
        }
        let mut scalings = BTreeMap::new();
        if let AdapterConfig::Lora(lora) = config {
            for (path, _, adapter) in sites(&model.backbone) {
                let Some(low_rank) = adapter.and_then(|it| it.low_rank) else { continue };
                if low_rank.scaling() != lora.scaling() {
                    scalings.insert(path, low_rank.scaling());
                }
            }
        }
        let (config, whole) = (config.clone(), whole.to_vec());
        Ok(Self { config, whole, tensors, scalings, passed_over: Vec::new() })
    }

    /// `model`, on the plain device with the same base, with what this holds.
    ///
    /// # Errors
    /// A tensor that has no place in the network or does not fit there.
    pub fn apply<B: Architecture, H: Head>(
        &self,
        model: Model<B, H>,
    ) -> Result<Model<B, H>, PeftError> {
        let device = plain_device(&model);
        let fault = |path: &str, problem: String| PeftError::Config {
            text: self.config.to_string(),
            problem: format!("{problem} at {path}"),
            mend: format!("give it the {} that it was made on", model.backbone.name()),
        };
        let mut layers: BTreeMap<&str, BTreeMap<&str, &Held>> = BTreeMap::new();
        let mut beside: HashMap<&str, &Held> = HashMap::new();
        for (path, held) in &self.tensors {
            if held.values.len() != held.shape.iter().product::<usize>() {
                return Err(fault(path, "holds values that its shape does not".into()));
            }
            match path.strip_prefix("backbone.").and_then(|inner| inner.split_once(SLOT)) {
                Some((layer, part)) => drop(layers.entry(layer).or_default().insert(part, held)),
                None => drop(beside.insert(path, held)),
            }
        }
        let known: HashMap<String, Site> =
            sites(&model.backbone).into_iter().map(|(path, site, _)| (path, site)).collect();
        let mut changes = HashMap::new();
        for (layer, parts) in layers {
            let site = known.get(layer);
            let site = site.ok_or_else(|| fault(layer, "has no layer".into()))?;
            let adapter = self.adapter(layer, site, &parts, &device)?;
            let adapter = adapter.ok_or_else(|| fault(layer, "does not fit".into()))?;
            changes.insert(layer.to_string(), Some(adapter));
        }
        for info in parameters(&model) {
            if beside.remove(info.path.as_str()).is_some_and(|held| held.shape != info.shape) {
                return Err(fault(&info.path, "is of another shape".into()));
            }
        }
        if let Some(path) = beside.keys().min() {
            return Err(fault(path, "has no place".into()));
        }
        let backbone = replace(detach(model.backbone), changes);
        let model = Model { backbone, head: model.head };
        Ok(map_values(model, |info| match is_adapter(&info.path) {
            true => None,
            false => self.tensors.get(&info.path).map(|held| held.values.clone()),
        }))
    }

    /// The content of a slot of these tensors; nothing where they do not fit it.
    fn adapter(
        &self,
        layer: &str,
        site: &Site,
        parts: &BTreeMap<&str, &Held>,
        device: &Device,
    ) -> Result<Option<Adapter>, PeftError> {
        let matrix = |name: &str| {
            let held = parts.get(name)?;
            let [rows, columns] = *held.shape.as_slice() else { return None };
            if rows * columns == 0 {
                return None;
            }
            let data = TensorData::new(held.values.clone(), [rows, columns]);
            Some(Tensor::<2>::from_data(data, device))
        };
        let vector = |name: &str, length: usize| {
            let held = parts.get(name).filter(|held| held.shape == [length])?;
            Some(Tensor::<1>::from_data(TensorData::new(held.values.clone(), [length]), device))
        };
        if site.kind == SiteKind::Closed {
            return Ok(None);
        }
        let table = site.kind == SiteKind::Table;
        let linear = site.kind == SiteKind::Linear;
        let names: Vec<&str> = parts.keys().copied().collect();
        let found = match (&self.config, names.as_slice()) {
            (AdapterConfig::Prompt(_), ["prompt"]) if table => matrix("prompt")
                .filter(|prompt| prompt.dims()[1] == site.output && prompt.dims()[0] > 0)
                .map(prompt::holding),
            (AdapterConfig::Lora(lora), ["low_rank.a", "low_rank.b", rest @ ..])
                if !table && rest.is_empty() != lora.dora =>
            {
                check_low_rank(layer, site, lora.dora)?;
                let (Some(a), Some(b)) = (matrix("low_rank.a"), matrix("low_rank.b")) else {
                    return Ok(None);
                };
                let [rank, fan_in] = a.dims();
                if rank == 0 || fan_in != site.fan_in() || b.dims() != [site.output, rank] {
                    return Ok(None);
                }
                let scaling = self.scalings.get(layer).copied().unwrap_or_else(|| lora.scaling());
                let name = format!("{layer}.lora");
                let path = LowRank::new(a, b, scaling, (&name, lora.dropout));
                let path = match vector("low_rank.magnitude", site.output) {
                    Some(magnitude) => path.with_magnitude(magnitude),
                    None if lora.dora => return Ok(None),
                    None => path,
                };
                Some(Adapter { low_rank: Some(path), ..Adapter::default() })
            }
            (AdapterConfig::Ia3(_), ["scale_input"]) if linear => {
                let factor = vector("scale_input", site.input);
                factor.map(|it| Adapter {
                    scale_input: Some(Param::from_tensor(it)),
                    ..Adapter::default()
                })
            }
            (AdapterConfig::Ia3(_), ["scale_output"]) if linear => {
                let factor = vector("scale_output", site.output);
                factor.map(|it| Adapter {
                    scale_output: Some(Param::from_tensor(it)),
                    ..Adapter::default()
                })
            }
            (AdapterConfig::Bottleneck(_), [_, _, _, _]) if !table => {
                let width = site.output;
                let (down, up) = (matrix("bottleneck.down"), matrix("bottleneck.up"));
                let (Some(down), Some(up)) = (down, up) else { return Ok(None) };
                let hidden = down.dims()[0];
                let biases =
                    (vector("bottleneck.down_bias", hidden), vector("bottleneck.up_bias", width));
                let (Some(down_bias), Some(up_bias)) = biases else { return Ok(None) };
                let fits =
                    hidden > 0 && down.dims() == [hidden, width] && up.dims() == [width, hidden];
                fits.then(|| {
                    let mut bottleneck = Bottleneck::new(down, up);
                    bottleneck.down_bias = Param::from_tensor(down_bias);
                    bottleneck.up_bias = Param::from_tensor(up_bias);
                    Adapter { bottleneck: Some(bottleneck), ..Adapter::default() }
                })
            }
            _ => None,
        };
        Ok(found)
    }

    /// How many answers the head in it gives; nothing where it holds none.
    pub fn answers(&self) -> Option<usize> {
        let weight = self.tensors.get(&format!("{HEAD}.linear.weight"))?;
        weight.shape.first().copied().filter(|count| *count > 0)
    }

    /// The same without a head, for a network with another task.
    pub fn without_head(mut self) -> Self {
        let own = format!("{HEAD}.");
        self.tensors.retain(|path, _| !path.starts_with(&own));
        self
    }

    /// The values that it holds.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|held| held.values.len()).sum()
    }
}
