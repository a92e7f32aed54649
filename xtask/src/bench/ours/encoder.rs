//! A transformer encoder, pre-norm as in ViT and GPT-2, made of the layers there are.

use burn::module::Module;
use burn::prelude::*;
use tl::core::parameters::{is_adapter, map_values, set_trained};
use tl::core::plan::ParameterRates;
use tl::core::{Optimizer, OptimizerConfig};
use tl::device;
use tl::kernels::adapter::{Adapter, LowRank, replace, sites};
use tl::kernels::{AttentionMask, Gelu, LayerNorm, Linear, attention, gelu};
use tl::kernels::{Fused, cross_entropy};

use crate::request::Request;
use crate::{CLASSES, Outcome, labels, values};

type Work = Box<dyn FnMut() -> Outcome<()>>;

/// The width of one head of attention.
const HEAD_WIDTH: usize = 64;
const EPSILON: f64 = 1e-6;
/// Of low-rank paths.
const RANK: usize = 8;

/// Layers and width.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    layers: usize,
    width: usize,
}

impl Shape {
    /// `encoder12x768` is 12 layers of width 768; nothing for other names.
    pub fn named(name: &str) -> Option<Self> {
        let (layers, width) = name.strip_prefix("encoder")?.split_once('x')?;
        Some(Self { layers: layers.parse().ok()?, width: width.parse().ok()? })
    }
}

#[derive(Module, Debug)]
struct Layer {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Layer {
    fn new(width: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNorm::new(width, EPSILON, device),
            qkv: Linear::new(width, 3 * width, device),
            out: Linear::new(width, width, device),
            norm2: LayerNorm::new(width, EPSILON, device),
            up: Linear::new(width, 4 * width, device),
            down: Linear::new(4 * width, width, device),
        }
    }

    /// `[batch · tokens, width]` to the same.
    fn forward(&self, input: Tensor<2>, tokens: usize) -> Tensor<2> {
        let attended = self.attention(self.norm1.forward(input.clone()), tokens);
        let hidden = input + self.out.forward(attended);
        let inner = gelu(self.up.forward(self.norm2.forward(hidden.clone())), Gelu::Exact);
        hidden + self.down.forward(inner)
    }

    fn attention(&self, input: Tensor<2>, tokens: usize) -> Tensor<2> {
        let [rows, width] = input.dims();
        let joint = self.qkv.forward(input).reshape([rows / tokens, tokens, 3 * width]);
        let heads = width / HEAD_WIDTH;
        attention(joint, heads, AttentionMask::default()).reshape([rows, width])
    }
}

/// Layers, a last norm, the mean over the tokens and a linear head.
#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<Layer>,
    norm: LayerNorm,
    head: Linear,
}

impl Encoder {
    fn new(shape: Shape, device: &Device) -> Self {
        let encoder = Self {
            layers: (0..shape.layers).map(|_| Layer::new(shape.width, device)).collect(),
            norm: LayerNorm::new(shape.width, EPSILON, device),
            head: Linear::new(shape.width, CLASSES, device),
        };
        map_values(encoder, |info| {
            let matrix = info.shape.len() == 2;
            let small = |value: f32| 0.02 * value;
            matrix.then(|| values(&info.path, info.elements()).into_iter().map(small).collect())
        })
    }

    /// Logits `[batch, classes]` of `[batch, tokens, width]`.
    fn forward(&self, input: Tensor<3>) -> Tensor<2> {
        let [batch, tokens, width] = input.dims();
        let rows = input.reshape([batch * tokens, width]);
        let rows = self.layers.iter().fold(rows, |rows, layer| layer.forward(rows, tokens));
        let tokens = self.norm.forward(rows).reshape([batch, tokens, width]);
        self.head.forward(tokens.mean_dim(1).reshape([batch, width]))
    }
}

fn tokens(request: &Request, shape: Shape, device: &Device) -> Tensor<3> {
    let dims = [request.batch, request.size, shape.width];
    Tensor::from_data(TensorData::new(values("tokens", dims.iter().product()), dims), device)
}

/// Logits without gradients.
pub fn forward(request: &Request, shape: Shape) -> Outcome<Work> {
    let device = device("flex")?;
    let encoder = Encoder::new(shape, &device).valid();
    let tokens = tokens(request, shape, &device);
    Ok(Box::new(move || {
        let logits = encoder.forward(tokens.clone());
        logits.into_data().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
        Ok(())
    }))
}

/// With LoRA at every linear layer but the head.
fn adapted(encoder: Encoder, device: &Device) -> Encoder {
    let layers = sites(&encoder).into_iter().filter(|(path, ..)| path.starts_with("layers."));
    let changes = layers.map(|(path, site, _)| {
        let matrix = |name: &str, dims: [usize; 2]| {
            let values = values(&format!("{path}.{name}"), dims[0] * dims[1]);
            Tensor::<2>::from_data(TensorData::new(values, dims), device).mul_scalar(0.02)
        };
        let (a, b) = (matrix("a", [RANK, site.input]), matrix("b", [site.output, RANK]));
        let low_rank = Some(LowRank::new(a, b, 2.0, (&path, 0.0)));
        (path, Some(Adapter { low_rank, ..Adapter::default() }))
    });
    replace(encoder, changes.collect())
}

/// Forward, cross-entropy, backward, step of SGD with momentum; of adapters and the head alone if `low_rank`.
pub fn step(request: &Request, shape: Shape, low_rank: bool) -> Outcome<Work> {
    let device = device("flex")?;
    let mut encoder = Encoder::new(shape, &device);
    if low_rank {
        encoder = adapted(encoder, &device);
    }
    let trained = |path: &str, _| !low_rank || is_adapter(path) || path.starts_with("head.");
    let mut encoder = Some(set_trained(encoder.train(), trained));
    let tokens = tokens(request, shape, &device);
    let labels = labels(request.batch);
    let mut optimizer = Optimizer::new(OptimizerConfig::sgd()).with_kernel(&Fused);
    Ok(Box::new(move || {
        let model = encoder.take().ok_or("an earlier step failed")?;
        let loss = cross_entropy(model.forward(tokens.clone().autodiff()), &labels, 0.0);
        let value = loss.clone().into_scalar::<f32>();
        let mut gradients = loss.backward();
        let rates = |_: &str, _| ParameterRates { rate: 1e-3, weight_decay: 0.0 };
        encoder = Some(optimizer.step(model, &mut gradients, 1.0, rates));
        if value.is_finite() { Ok(()) } else { Err("the loss is not finite".into()) }
    }))
}
