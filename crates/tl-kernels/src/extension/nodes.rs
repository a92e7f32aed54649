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
use tl_simd::Level;
use tl_simd::conv::Geometry;
use tl_simd::norm::{self, Inputs, Slope};
use tl_simd::pool::Window;

use super::ConvShape;
use super::flex;
use super::images::{MapShape, channels_last, map, tensor, values};
use super::meeting::Meeting;
use super::operations::{Maybe, Units, shape4};
use super::pooling::{self, AveragePool, MaxPool};
use crate::Nonlinearity;
use crate::memory::unwritten;

/// A tensor in the graph.
pub(super) type Tracked = FloatTensor<Autodiff<Flex>>;

/// What a unit keeps for the way back.
pub(super) trait Kept: Clone + Debug + Send + 'static {
    /// The gradients of the parents in their order, `None` for those that want none. `earlier` is to be part of the
    /// first one.
    fn gradients(
        self,
        gradient: FlexTensor,
        earlier: Option<FlexTensor>,
    ) -> Vec<Option<FlexTensor>>;

    /// For parents that other units read too, where their gradients meet; by the parent's place.
    fn meetings(&self) -> Vec<(usize, Meeting)> {
        Vec::new()
    }
}

#[derive(Debug)]
struct Node<K>(PhantomData<K>);

impl<K: Kept, const N: usize> Backward<Flex, N> for Node<K> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let meetings = ops.state.meetings();
        let meeting = |place| meetings.iter().find(|(at, _)| *at == place).map(|(_, it)| it);
        // A leaf (of order 0) keeps its gradient when it is read: adding to it would count it twice.
        let earlier = match (&ops.parents[0], meeting(0)) {
            (Some(parent), Some(meeting)) if meeting.has_gradient() && parent.order > 0 => {
                Some(gradients.consume::<Flex>(parent))
            }
            _ => None,
        };
        let found = ops.state.gradients(gradient, earlier);
        for (place, (parent, gradient)) in ops.parents.into_iter().zip(found).enumerate() {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
                if let Some(meeting) = meeting(place) {
                    meeting.arrive();
                }
            }
        }
    }
}

/// The parents of a node: a guard for each keeps it in the graph until the node is there.
#[derive(Default)]
pub(super) struct Parents {
    guards: Vec<NodeGuard>,
    tracked: bool,
}

impl Parents {
    /// Takes a parent: its values, and whether it wants a gradient.
    pub fn take(&mut self, parent: Tracked) -> (FlexTensor, bool) {
        let tracked = parent.is_tracked();
        self.tracked |= tracked;
        let (values, guard) = parent.into_parts();
        self.guards.push(guard);
        (values, tracked)
    }

    pub fn take_maybe<C: CheckpointStrategy>(
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
    pub fn record<C: CheckpointStrategy>(self, kept: impl Kept, output: FlexTensor) -> Tracked {
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

/// Turns the gradient after the nonlinearity into the one before it.
fn through_act(gradient: &mut FlexTensor, output: &Option<FlexTensor>, act: Nonlinearity) {
    if let Some(output) = output {
        norm::through_act(Level::best(), gradient.storage_mut(), values(output), act.into());
    }
}

/// Which gradients of a convolution are needed.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    input: bool,
    weight: bool,
    bias: bool,
    residual: bool,
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
    /// Of the input and of the residual.
    meetings: [Option<Meeting>; 2],
}

impl Kept for Convolution {
    fn meetings(&self) -> Vec<(usize, Meeting)> {
        let places = [0, 2 + usize::from(self.has_bias)];
        let at = |(place, meeting): (usize, &Option<Meeting>)| Some((place, meeting.clone()?));
        places.into_iter().zip(&self.meetings).filter_map(at).collect()
    }

    fn gradients(
        self,
        gradient: FlexTensor,
        earlier: Option<FlexTensor>,
    ) -> Vec<Option<FlexTensor>> {
        let Self { geometry, wanted, .. } = self;
        let mut gradient = channels_last(gradient);
        through_act(&mut gradient, &self.output, self.act);
        let weight = self.x.map(|x| flex::weight_gradient(&geometry, &x, &gradient));
        let input = self.w.map(|w| flex::input_gradient(&geometry, &w, &gradient, earlier));
        let mut gradients = vec![input, weight];
        if self.has_bias {
            let channels = geometry.channels[1];
            gradients.push(wanted.bias.then(|| {
                let sums = norm::channel_sums(Level::best(), values(&gradient), channels);
                tensor(sums, [channels])
            }));
        }
        gradients.push(wanted.residual.then_some(gradient));
        gradients
    }
}

#[derive(Clone, Debug)]
struct Norm {
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    statistics: [FlexTensor; 2],
    /// Of a norm with a residual; without one the slope is read off `x`.
    output: Option<FlexTensor>,
    epsilon: f64,
    act: Nonlinearity,
    wants_input: bool,
    wants_residual: bool,
    /// Of the residual.
    meeting: Option<Meeting>,
}

impl Kept for Norm {
    fn meetings(&self) -> Vec<(usize, Meeting)> {
        self.meeting.clone().map(|meeting| (3, meeting)).into_iter().collect()
    }

    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let level = Level::best();
        let mut gradient = channels_last(gradient);
        let shape = MapShape::of(&self.x);
        let [mean, variance] = self.statistics.each_ref().map(values);
        let (gamma, act) = (values(&self.weight), self.act.into());
        let (scale, shift) =
            norm::scale_and_shift(mean, variance, self.epsilon, gamma, values(&self.bias));
        let slope = match &self.output {
            _ if self.act == Nonlinearity::None => Slope::One,
            Some(output) => Slope::Output(values(output), act),
            None => Slope::Affine { scale: &scale, shift: &shift, act },
        };
        let x = values(&self.x);
        let sums = norm::sums(level, x, values(&gradient), slope, mean);
        let (weight, bias) = sums.parameter_gradients(variance, self.epsilon);
        let inputs = Inputs { x, mean, variance, epsilon: self.epsilon, gamma };
        let mut residual = self.wants_residual.then(|| unwritten(shape.elements()));
        let input = self.wants_input.then(|| match gradient.try_storage_mut::<f32>() {
            Some(values) => {
                let residual = residual.as_deref_mut();
                norm::input_gradient_in_place(level, inputs, slope, &sums, values, residual);
                gradient.clone()
            }
            None => {
                let mut target = unwritten(shape.elements());
                let (gradient, residual) = (values(&gradient), residual.as_deref_mut());
                norm::input_gradient(level, inputs, slope, &sums, gradient, &mut target, residual);
                map(target, shape)
            }
        });
        let residual = residual.map(|residual| match self.wants_input {
            true => map(residual, shape),
            false => {
                through_act(&mut gradient, &self.output, self.act);
                gradient
            }
        });
        vec![
            input,
            Some(tensor(weight, [shape.channels])),
            Some(tensor(bias, [shape.channels])),
            residual,
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
        meetings: [Option<Meeting>; 2],
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let (x, input) = parents.take(x);
        let (w, weight) = parents.take(w);
        let (x, w) = (channels_last(x), w.to_contiguous());
        let has_bias = matches!(bias, Maybe::Present(_));
        let (bias, wants_bias) = parents.take_maybe(bias);
        let (residual, wants_residual) = parents.take_maybe(residual);
        let wanted = Wanted { input, weight, bias: wants_bias, residual: wants_residual };
        let output = Flex::convolution_unit(
            x.clone(),
            w.clone(),
            bias,
            residual,
            shape,
            act,
            Default::default(),
        );
        let Some(geometry) = flex::geometry(shape4(&x), shape4(&w), shape) else {
            return Tracked::new(output);
        };
        let kept = Convolution {
            geometry,
            x: wanted.weight.then_some(x),
            w: wanted.input.then_some(w),
            output: (act != Nonlinearity::None).then(|| output.clone()),
            act,
            wanted,
            has_bias,
            meetings,
        };
        parents.record::<C>(kept, output)
    }

    fn max_pool_unit(x: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let (x, tracked) = parents.take(x);
        let (x, mut taps) = (channels_last(x), Vec::new());
        let output = pooling::max(&x, window, tracked.then_some(&mut taps));
        parents.record::<C>(MaxPool { taps, shape: MapShape::of(&x), window }, output)
    }

    fn average_pool_unit(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let x = channels_last(parents.take(x).0);
        let output = pooling::average(&x, size);
        parents.record::<C>(AveragePool { shape: MapShape::of(&x), size }, output)
    }

    fn norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
        meeting: Option<Meeting>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut parents = Parents::default();
        let (x, wants_input) = parents.take(x);
        let (weight, _) = parents.take(weight);
        let (bias, _) = parents.take(bias);
        let x = channels_last(x);
        let [weight, bias] = [weight, bias].map(|tensor| tensor.to_contiguous());
        let has_residual = matches!(residual, Maybe::Present(_));
        let (residual, wants_residual) = parents.take_maybe(residual);
        let (output, mean, variance) =
            Flex::norm_unit(x.clone(), weight.clone(), bias.clone(), residual, epsilon, act, None);
        let kept = Norm {
            x,
            weight,
            bias,
            statistics: [mean.clone(), variance.clone()],
            output: (act != Nonlinearity::None && has_residual).then(|| output.clone()),
            epsilon,
            act,
            wants_input,
            wants_residual,
            meeting,
        };
        (parents.record::<C>(kept, output), Tracked::new(mean), Tracked::new(variance))
    }
}
