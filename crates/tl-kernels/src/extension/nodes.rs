//! The units as nodes of the graph: each keeps what its own gradients need, and nothing for frozen parents.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::Flex;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn_flex::FlexTensor;

use super::ConvShape;
use super::operations::{Maybe, Units, shape4, tensor, values};
use crate::Nonlinearity;
use crate::flex::{self, Geometry, NormInputs, Wanted};

/// A tensor in the graph.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// What a unit keeps for the way back.
trait Kept: Clone + Debug + Send + 'static {
    /// The gradients of the parents in their order, `None` for those that want none.
    fn gradients(self, gradient: FlexTensor) -> Vec<Option<FlexTensor>>;
}

#[derive(Debug)]
struct Node<K>(PhantomData<K>);

impl<K: Kept, const N: usize> Backward<Flex, N> for Node<K> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        for (parent, gradient) in ops.parents.into_iter().zip(ops.state.gradients(gradient)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// The parents of a node: a guard for each keeps it in the graph until the node is there.
#[derive(Default)]
struct Parents {
    guards: Vec<NodeGuard>,
    tracked: bool,
}

impl Parents {
    /// Takes a parent: its values, and whether it wants a gradient.
    fn take(&mut self, parent: Tracked) -> (FlexTensor, bool) {
        let tracked = parent.is_tracked();
        self.tracked |= tracked;
        let (values, guard) = parent.into_parts();
        self.guards.push(guard);
        (values.to_contiguous(), tracked)
    }

    fn take_maybe<C: CheckpointStrategy>(
        &mut self,
        parent: Maybe<Autodiff<Flex, C>>,
    ) -> (Maybe<Flex>, bool) {
        match parent.into_option() {
            None => (Maybe::Absent, false),
            Some(parent) => {
                let (values, tracked) = self.take(parent);
                (Maybe::Present(values), tracked)
            }
        }
    }

    /// Puts the node into the graph. One without tracked parents stays out of it, where evaluation would leave it
    /// behind.
    fn record<C: CheckpointStrategy>(self, kept: impl Kept, output: FlexTensor) -> Tracked {
        if !self.tracked {
            return Tracked::new(output);
        }
        match self.guards.len() {
            1 => record::<C, _, 1>(self.guards, kept, output),
            2 => record::<C, _, 2>(self.guards, kept, output),
            3 => record::<C, _, 3>(self.guards, kept, output),
            _ => record::<C, _, 4>(self.guards, kept, output),
        }
    }
}

fn record<C: CheckpointStrategy, K: Kept, const N: usize>(
    guards: Vec<NodeGuard>,
    kept: K,
    output: FlexTensor,
) -> Tracked {
    let Ok(guards) = <[NodeGuard; N]>::try_from(guards) else {
        // `Parents::record` chooses N by the number of guards, and no unit has more than four parents.
        unreachable!("a node has from one to four parents")
    };
    match Backward::<Flex, N>::prepare::<C>(Node(PhantomData), guards).compute_bound().stateful() {
        OpsKind::Tracked(node) => node.finish(kept, output),
        OpsKind::UnTracked(node) => node.finish(output),
    }
}

/// The output that the nonlinearity's slope is read off, if it has one.
fn kept_output(output: &FlexTensor, act: Nonlinearity) -> Option<FlexTensor> {
    (act != Nonlinearity::None).then(|| output.clone())
}

/// `gradient`, contiguous and with one owner where it had one.
fn contiguous(gradient: FlexTensor) -> FlexTensor {
    let values = gradient.to_contiguous();
    drop(gradient);
    values
}

/// Turns the gradient after the nonlinearity into the one before it.
fn through_act(gradient: &mut FlexTensor, output: &Option<FlexTensor>, act: Nonlinearity) {
    if let Some(output) = output {
        flex::through_act(gradient.storage_mut(), values(output), act);
    }
}

#[derive(Clone, Debug)]
struct Convolution {
    geometry: Geometry,
    x: Option<FlexTensor>,
    w: Option<FlexTensor>,
    output: Option<FlexTensor>,
    act: Nonlinearity,
    wanted: Wanted,
    has_bias: bool,
}

impl Kept for Convolution {
    fn gradients(mut self, gradient: FlexTensor) -> Vec<Option<FlexTensor>> {
        let mut gradient = contiguous(gradient);
        // The depthwise kernel goes through the nonlinearity on its own; a residual's gradient needs it on its own.
        if !self.geometry.is_depthwise() || self.wanted.residual {
            through_act(&mut gradient, &self.output, self.act);
            self.output = None;
        }
        let found = flex::convolve_backward(
            &self.geometry,
            self.x.as_ref().map(values),
            self.w.as_ref().map(values),
            values(&gradient),
            self.output.as_ref().map(|output| (values(output), self.act)),
            self.wanted,
        );
        let Geometry { batch, channels, input, .. } = self.geometry;
        let weight = [
            channels[1],
            self.geometry.channels_per_group(),
            self.geometry.kernel[0],
            self.geometry.kernel[1],
        ];
        let mut gradients = vec![
            found.input.map(|values| tensor(values, [batch, channels[0], input[0], input[1]])),
            found.weight.map(|values| tensor(values, weight)),
        ];
        if self.has_bias {
            gradients.push(found.bias.map(|values| tensor(values, [channels[1]])));
        }
        gradients.push(self.wanted.residual.then_some(gradient));
        gradients
    }
}

#[derive(Clone, Debug)]
struct Norm {
    x: FlexTensor,
    weight: FlexTensor,
    statistics: [FlexTensor; 2],
    output: Option<FlexTensor>,
    epsilon: f64,
    act: Nonlinearity,
    wants_input: bool,
    wants_residual: bool,
}

impl Kept for Norm {
    fn gradients(mut self, gradient: FlexTensor) -> Vec<Option<FlexTensor>> {
        let mut gradient = contiguous(gradient);
        if self.wants_residual {
            through_act(&mut gradient, &self.output, self.act);
            self.output = None;
        }
        let shape = shape4(&self.x);
        let inputs = NormInputs {
            x: values(&self.x),
            weight: values(&self.weight),
            mean: values(&self.statistics[0]),
            variance: values(&self.statistics[1]),
            epsilon: self.epsilon,
        };
        let [input, weight, bias] = flex::norm_backward(
            inputs,
            shape[2] * shape[3],
            values(&gradient),
            self.output.as_ref().map(|output| (values(output), self.act)),
            self.wants_input,
        );
        vec![
            Some(tensor(input, shape)),
            Some(tensor(weight, [shape[1]])),
            Some(tensor(bias, [shape[1]])),
            self.wants_residual.then_some(gradient),
        ]
    }
}

impl<C: CheckpointStrategy> Units for Autodiff<Flex, C> {
    fn convolution_unit(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        shape: ConvShape,
        act: Nonlinearity,
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let (x, input) = parents.take(x);
        let (w, weight) = parents.take(w);
        let has_bias = matches!(bias, Maybe::Present(_));
        let (bias, wants_bias) = parents.take_maybe(bias);
        let (residual, wants_residual) = parents.take_maybe(residual);
        let wanted = Wanted { input, weight, bias: wants_bias, residual: wants_residual };
        let output = Flex::convolution_unit(x.clone(), w.clone(), bias, residual, shape, act);
        let Some(geometry) = Geometry::new(shape4(&x), shape4(&w), shape) else {
            return Tracked::new(output);
        };
        let kept = Convolution {
            geometry,
            x: wanted.weight.then_some(x),
            w: wanted.input.then_some(w),
            output: kept_output(&output, act),
            act,
            wanted,
            has_bias,
        };
        parents.record::<C>(kept, output)
    }

    fn norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut parents = Parents::default();
        let (x, wants_input) = parents.take(x);
        let (weight, _) = parents.take(weight);
        let (bias, _) = parents.take(bias);
        let (residual, wants_residual) = parents.take_maybe(residual);
        let (output, mean, variance) =
            Flex::norm_unit(x.clone(), weight.clone(), bias, residual, epsilon, act);
        let kept = Norm {
            x,
            weight,
            statistics: [mean.clone(), variance.clone()],
            output: kept_output(&output, act),
            epsilon,
            act,
            wants_input,
            wants_residual,
        };
        (parents.record::<C>(kept, output), Tracked::new(mean), Tracked::new(variance))
    }
}
