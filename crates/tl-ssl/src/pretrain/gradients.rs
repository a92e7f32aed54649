//! Loss and gradients of a batch, in one piece or in parts.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::Backbone;
use tl_train::loss::scalar;

use crate::SslError;
use crate::contract::{Method, Pair, Step, Term, Terms};

/// A batch, differentiated.
pub(super) struct Differentiated {
    /// Every term as a number, without its weight.
    pub terms: Vec<(&'static str, f64)>,
    pub notes: Vec<(&'static str, f64)>,
    pub loss: f64,
    pub features: Tensor<2>,
    pub gradients: Gradients,
}

/// The whole batch at once.
pub(super) fn at_once<B: Backbone, M: Method<B>>(
    method: &M,
    step: &Step<'_, B, M::Heads>,
) -> Result<Differentiated, SslError> {
    let embedded = method.embed(step)?;
    let (found, loss) = summed(method.compare(step, embedded)?, step.pass.step)?;
    Ok(found(loss.backward()))
}

/// The same gradient by embedding `parts` of the batch one after another (Gao et al. 2021, *Scaling Deep
/// Contrastive Learning Batch Size under Memory Limited Setup*, arXiv 2101.06983): all parts are embedded
/// without a graph and compared; then each is embedded again, and the loss's gradient in its rows goes back
/// through it. Exact where an image's rows do not depend on the other images of the batch.
pub(super) fn in_parts<B: Backbone, H: Module, M: Method<B, Heads = H>>(
    method: &M,
    step: &Step<'_, B, H>,
    module: &impl Module,
    parts: usize,
) -> Result<Differentiated, SslError> {
    let images = step.views.first().map_or(0, |view| view.dims()[0]);
    let size = images.div_ceil(parts).max(1);
    let begins = (0..images).step_by(size).map(|begin| (begin, size.min(images - begin)));
    let mut slots: Vec<Vec<Tensor<2>>> = Vec::new();
    for (begin, count) in begins.clone() {
        let rows = method.embed(&part(step, &narrowed(step, begin, count), begin))?;
        slots.resize_with(rows.len(), Vec::new);
        slots.iter_mut().zip(rows).for_each(|(slot, rows)| slot.push(rows.without_autodiff()));
    }
    let leaves: Vec<Tensor<2>> =
        slots.into_iter().map(|parts| Tensor::cat(parts, 0).autodiff().require_grad()).collect();
    let (found, loss) = summed(method.compare(step, leaves.clone())?, step.pass.step)?;
    let back = loss.backward();
    let slopes: Vec<Option<Tensor<2>>> = leaves.iter().map(|leaf| leaf.grad(&back)).collect();
    let mut total: Option<Gradients> = None;
    for (begin, count) in begins {
        let rows = method.embed(&part(step, &narrowed(step, begin, count), begin))?;
        let products = rows.into_iter().zip(&slopes).filter_map(|(rows, slope)| {
            let slope = slope.as_ref()?.clone().without_autodiff().narrow(0, begin, count);
            Some((rows * slope.autodiff()).sum_dim(1).sum())
        });
        let Some(product) = products.reduce(|sum, product| sum + product) else { continue };
        let gradients = product.backward();
        total = Some(match total {
            Some(sum) => added(module, sum, gradients),
            None => gradients,
        });
    }
    let total = total.ok_or_else(|| SslError::device("the loss depends on no image".into()))?;
    Ok(found(total))
}

fn narrowed<B, H>(step: &Step<'_, B, H>, begin: usize, count: usize) -> Vec<Tensor<4>> {
    step.views.iter().map(|view| view.clone().narrow(0, begin, count)).collect()
}

fn part<'a, B, H>(step: &Step<'a, B, H>, views: &'a [Tensor<4>], begin: usize) -> Step<'a, B, H> {
    let pair = |pair: &Pair<'a, B, H>| Pair { backbone: pair.backbone, heads: pair.heads };
    Step {
        student: pair(&step.student),
        teacher: step.teacher.as_ref().map(pair),
        views,
        first: step.first + begin,
        progress: step.progress,
        pass: step.pass,
    }
}

/// The weighted sum of the terms, and what makes the rest of them once the gradients are known.
fn summed(
    terms: Terms,
    step: u64,
) -> Result<(impl FnOnce(Gradients) -> Differentiated, Tensor<1>), SslError> {
    let Terms { terms, notes, features } = terms;
    let mut numbers = Vec::new();
    let mut loss: Option<Tensor<1>> = None;
    for Term { name, value, weight } in terms {
        let number = scalar(value.clone()).map_err(SslError::device)?;
        if !number.is_finite() {
            return Err(SslError::NotFinite { step, term: format!("the term {name}") });
        }
        numbers.push((name, number));
        let weighted = if weight == 1.0 { value } else { value.mul_scalar(weight) };
        loss = Some(match loss {
            Some(sum) => sum + weighted,
            None => weighted,
        });
    }
    let loss = loss.ok_or_else(|| SslError::device("the method has no loss".into()))?;
    let value = scalar(loss.clone()).map_err(SslError::device)?;
    let features = features.without_autodiff();
    let found =
        move |gradients| Differentiated { terms: numbers, notes, loss: value, features, gradients };
    Ok((found, loss))
}

/// The gradients of `more` added to those of `sum`, for every parameter of `module`.
fn added<M: Module>(module: &M, sum: Gradients, more: Gradients) -> Gradients {
    struct Add {
        sum: Gradients,
        more: Gradients,
    }
    impl ModuleVisitor for Add {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let Some(own) = value.grad_remove(&mut self.more) else { return };
            let both = match value.grad_remove(&mut self.sum) {
                Some(sum) => sum + own,
                None => own,
            };
            value.grad_replace(&mut self.sum, both);
        }
    }
    let mut add = Add { sum, more };
    module.visit(&mut add);
    add.sum
}
