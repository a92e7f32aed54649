//! One pass of a network over the examples: the features of all its candidates, and the answers of its own head.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use tl_core::{Activation, Backbone, FrozenPrefix, Head, Pass};
use tl_models::Architecture;
use tl_train::Progress;

use super::score::Described;
use super::{Candidate, RankRequest};
use crate::embed::{Vectors, vectors_of};
use crate::examples::Input;
use crate::source::{Pretrained, pretrained_as};
use crate::{Error, NetworkChoice};

/// What a pass made.
pub(super) struct Passed {
    /// The features of each candidate, then the probabilities of the source's classes where the weights bring a head.
    pub vectors: Vectors,
    /// Which of them are each candidate's features.
    places: Vec<usize>,
    has_head: bool,
    pub data: Input,
    /// Of the pass itself, once the weights are there.
    pub seconds: f64,
}

impl Passed {
    /// The features of the candidate of this `number`, and what is known of the examples.
    pub fn describe<'a>(
        &'a self,
        number: usize,
        candidate: &Candidate,
        labels: &'a [usize],
        trained: &'a [bool],
        classes: usize,
    ) -> Described<'a> {
        let place = self.places.get(number).copied();
        let features = place.and_then(|place| self.vectors.values.get(place));
        // A network cut short has the head of the whole one no longer.
        let answers = self.has_head && candidate.stage.is_none();
        let probabilities = self.vectors.values.last().filter(|_| answers);
        Described {
            features: features.map_or(&[], Vec::as_slice),
            probabilities: probabilities.map(Vec::as_slice),
            labels,
            trained,
            classes,
        }
    }
}

/// Embeds `items` by the network that all of `candidates` are of, with the weights that all have.
///
/// # Errors
/// Weights that cannot be read or do not fit, a stage that does not exist, examples that the network cannot work on, a device
/// that fails.
pub(super) fn pass(
    request: &RankRequest,
    candidates: &[&Candidate],
    items: &[usize],
    progress: &mut dyn Progress,
) -> Result<Passed, Error> {
    let Some(first) = candidates.first() else {
        return Err(Error::options("there is no network to rank", "give --models NAME=WEIGHTS"));
    };
    let choice =
        NetworkChoice { image_size: request.image_size, ..NetworkChoice::named(&first.network) };
    let (partial, seed, device) = (request.partial_weights, request.seed, &request.device);
    let found = pretrained_as(&choice, &first.weights, None, partial, seed, device)?;
    let stages = found.model.backbone.stages();
    let whole = found.model.backbone.embedding_stages();
    let cuts: Vec<usize> = candidates
        .iter()
        .map(|candidate| candidate.cut(&stages, whole))
        .collect::<Result<_, _>>()?;
    let data = found.dataset(&request.examples, &request.options(first), request.threads)?;
    let has_head = has_head(&found);
    let plain = found.model.valid();
    let mut ends = cuts.clone();
    ends.sort_unstable();
    ends.dedup();
    let mut begin = 0;
    let mut parts: Vec<FrozenPrefix> = Vec::new();
    for end in &ends {
        parts.push(plain.backbone.compile(begin..*end));
        begin = *end;
    }
    let rest = (begin < stages.len()).then(|| plain.backbone.compile(begin..stages.len()));
    let forward = |input: Activation| -> Result<Vec<Tensor<2>>, Error> {
        let mut made = Vec::new();
        let mut activation = input;
        for part in &parts {
            activation = part.forward(activation)?;
            made.push(activation.clone().pooled()?);
        }
        if has_head {
            if let Some(rest) = &rest {
                activation = rest.forward(activation)?;
            }
            made.push(softmax(plain.head.forward(activation, Pass::default())?, 1));
        }
        Ok(made)
    };
    progress.begin(&first.network, data.rows(items).len() as u64);
    let started = Instant::now();
    let vectors = vectors_of(&*data, items, request.batch_size, device, progress, forward)?;
    let seconds = started.elapsed().as_secs_f64();
    let place = |cut: &usize| ends.iter().position(|end| end == cut).unwrap_or(0);
    let places = cuts.iter().map(place).collect();
    Ok(Passed { vectors, places, has_head, data, seconds })
}

/// Whether the weights hold a head of several classes, rather than the network a fresh one.
fn has_head(found: &Pretrained) -> bool {
    let Some(report) = &found.report else { return false };
    let name = format!("{}.weight", found.model.backbone.head_name());
    let fresh = report.missing.contains(&name) || report.reshaped.iter().any(|it| it.name == name);
    !fresh && found.model.head.classes() > 1
}
