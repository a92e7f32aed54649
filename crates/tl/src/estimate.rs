//! What a plan will cost, before anything is trained.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use tl_core::{
    Activation, Backbone, CoreError, Head, Optimizer, OptimizerConfig, Pass, PhaseTime,
    ResolvedPhase, RowShape, Solver, TrainableReport, apply,
};
use tl_kernels::cross_entropy;
use tl_kernels::memory;
use tl_models::Classifier;
use tl_train::fit::CANDIDATES;
use tl_train::logistic::{self, Options};
use tl_train::{Dataset, Settings, TrainError, resident_bytes};

use crate::record::Preprocessing;
use crate::{Error, Network};

/// An example that stands for all others.
#[derive(Clone, Copy)]
pub(crate) enum Sample {
    /// Pixels of a side.
    Image {
        size: usize,
    },
    Text {
        pieces: usize,
    },
}

impl Sample {
    /// An image of the size that all have, or a text of which nine in ten are no longer.
    pub fn of(how: &Preprocessing, data: &dyn Dataset) -> Self {
        match (how, data.lengths()) {
            (Preprocessing::Images(preprocess), _) => Self::Image { size: preprocess.crop },
            (Preprocessing::Texts(_), lengths) => {
                let mut lengths = lengths.unwrap_or_default().to_vec();
                lengths.sort_unstable();
                let place = lengths.len() * 9 / 10;
                Self::Text { pieces: lengths.get(place).copied().unwrap_or(1).max(1) }
            }
        }
    }

    fn shape(self) -> RowShape {
        match self {
            Self::Image { size } => RowShape::Image { channels: 3, height: size, width: size },
            Self::Text { pieces } => RowShape::Texts { pieces },
        }
    }

    fn empty(self, count: usize, device: &Device) -> Activation {
        let shape = self.shape();
        Activation::from_rows(shape, vec![0.0; shape.elements() * count], device)
    }
}

/// Notes down for each phase the bytes that the outputs of its frozen prefix take for `examples` such as
/// `sample`; where no stage is frozen, the bytes of the images themselves.
///
/// One empty example runs through the stages up to the deepest cut.
///
/// # Errors
/// A device that fails.
pub(crate) fn cache_sizes(
    report: &mut TrainableReport,
    phases: &[ResolvedPhase],
    model: &Classifier<Network>,
    [examples, views]: [usize; 2],
    sample: Sample,
    device: &Device,
) -> Result<(), Error> {
    let plain = model.valid();
    let stages = plain.backbone.stages().len();
    let mut activation = sample.empty(1, device);
    let input_is_kept = matches!(sample, Sample::Image { .. });
    let mut elements = vec![if input_is_kept { sample.shape().elements() } else { 0 }];
    let deepest = phases.iter().map(|phase| phase.cut).max().unwrap_or(0);
    for stage in 0..deepest.min(stages) {
        activation =
            plain.backbone.forward_stages(activation, stage..stage + 1, Pass::default())?;
        elements.push(activation.row_shape().elements());
    }
    if deepest == stages {
        let vector = tl_core::Head::features(&plain.head, activation)?;
        let row = Activation::Vector(vector).into_rows().map_err(TrainError::Device)?;
        elements[stages] = row.len();
    }
    for (phase, row) in phases.iter().zip(&mut report.phases) {
        if phase.cut > 0 || !phase.phase.augment {
            let varied = phase.cut > 0 && phase.phase.augment;
            let rows = examples + if varied { views } else { 0 };
            row.cached_bytes = (elements[phase.cut] * rows * size_of::<f32>()) as u64;
        }
    }
    Ok(())
}

/// The examples of a fitting, as far as its costs depend on them.
pub(crate) struct Extent {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
    pub sample: Sample,
    /// The most bytes of prefix outputs that are kept in memory.
    pub cache_memory: u64,
    /// The seconds that reading an example takes.
    pub each_read: f64,
}

/// Examples that are read to see how long that takes, and how many at a time.
const READ: [usize; 2] = [16, 8];

/// The seconds that reading one of the rows `part` takes: some of them, evenly apart, are read. What cannot be read is told by
/// who needs it.
pub(crate) fn seconds_to_read(data: &dyn Dataset, part: &[usize], device: &Device) -> f64 {
    let apart = (part.len() / READ[0]).max(1);
    let some: Vec<usize> = part.iter().copied().step_by(apart).take(READ[0]).collect();
    let started = Instant::now();
    let batches = data.batches(some, READ[1], None, device);
    let read: usize = batches.map_while(Result::ok).map(|(rows, _)| rows.len()).sum();
    started.elapsed().as_secs_f64() / read.max(1) as f64
}

/// Images of the small steps that costs are measured with.
const FEW: [usize; 2] = [2, 8];

/// Notes down the memory and the seconds of each phase, and of measuring in the end: two small steps are carried out on a copy of
/// the network and their costs drawn out to the batch. The memory only in a program that counts it
/// ([`memory::CountingAllocator`]).
///
/// # Errors
/// A device that fails.
pub(crate) fn costs(
    report: &mut TrainableReport,
    phases: &[ResolvedPhase],
    model: &Classifier<Network>,
    optimizer: OptimizerConfig,
    settings: &Settings,
    extent: &Extent,
    device: &Device,
) -> Result<(), Error> {
    let counted = memory::in_use() > 0;
    let weights = Module::num_params(model) * size_of::<f32>();
    // Through the frozen stages: once for each image, or in every epoch without a cache.
    let mut frozen_lines = Vec::new();
    for phase in phases {
        let prefix = model.backbone.compile(0..phase.cut);
        let pass = |count| forward(|input| prefix.forward(input), count, extent.sample, device);
        frozen_lines.push(line(FEW.map(pass))?);
    }
    // In the end the parts are measured through all stages.
    let plain = model.valid();
    let stages = plain.backbone.stages().len();
    let pass = |input| plain.backbone.forward_stages(input, 0..stages, Pass::default());
    let whole = line(FEW.map(|count| forward(pass, count, extent.sample, device)))?;
    // After the passes above, which set up what stays: buffers of threads, the allocator's reserves.
    let begun_with = resident();
    for ((phase, row), frozen) in phases.iter().zip(&mut report.phases).zip(frozen_lines) {
        let by_gradient = phase.phase.solver == Solver::Gradient;
        let rows = extent.train + extent.validation;
        // The loop keeps inputs only where they fit into memory.
        let fits = phase.cut > 0 || row.cached_bytes <= extent.cache_memory;
        let stored = settings.cache && row.cached_bytes > 0 && fits;
        let in_memory = if stored { row.cached_bytes.min(extent.cache_memory) } else { 0 };
        let batch = settings.batch_size.min(extent.train.max(1));
        let step =
            line(FEW.map(|count| train(phase, model, optimizer, count, extent.sample, device)))?;
        // Decoded images ahead: three batches of pixels.
        let ahead = 3 * batch * extent.sample.shape().elements() * size_of::<f32>();
        let passes = if stored { 1 } else { row.epochs };
        let varied = stored && phase.cut > 0 && phase.phase.augment;
        let views = if varied {
            extent.train.saturating_mul(settings.cached_views.saturating_sub(1))
        } else {
            0
        };
        let read = (rows * passes + views) as f64;
        let mut time = PhaseTime {
            decode: extent.each_read * read,
            frozen: frozen.each_second * read,
            ..PhaseTime::default()
        };
        let mut working = frozen.bytes(batch) + ahead;
        let mut state = 0;
        if by_gradient {
            time.steps = step.each_second * (extent.train * row.epochs) as f64;
            // Validation runs forward alone, about a third of a step; a moving average is measured beside the weights.
            let models = if settings.ema.is_some() { 2 } else { 1 };
            let measured = models * row.epochs.div_ceil(settings.validate_every.max(1));
            time.evaluation = step.each_second / 3.0 * (extent.validation * measured) as f64;
            working = working.max(step.bytes(batch) + if stored { 0 } else { ahead });
            state = 2 * row.trainable() as usize * size_of::<f32>();
        } else {
            time.steps = solving(model, extent.train)?;
        }
        time.once = match (by_gradient, stored) {
            (false, _) => time.total(),
            (true, true) => time.decode + time.frozen,
            (true, false) => 0.0,
        };
        // The weights in training, the best ones, and the optimizer's state.
        let held = 2 * weights + state;
        // Between steps a checkpoint of all that is laid out in memory, twice, before it is written.
        let checkpoint = 2 * held;
        let training = held + in_memory as usize + working.max(checkpoint);
        let measuring = weights + whole.bytes(batch) + ahead;
        row.memory_bytes = counted.then(|| (begun_with + training.max(measuring)) as u64);
        (row.seconds, row.time) = (Some(time.total()), Some(time));
    }
    let last = (extent.validation + extent.test) as f64;
    report.measuring = Some((extent.each_read + whole.each_second) * last);
    Ok(())
}

/// The most products of a small head that is solved, over its examples, classes and values, and its most examples.
const SOLVED: [usize; 2] = [1 << 21, 64];

/// The seconds that solving a head takes, for all strengths of its penalty: some classes and examples that are made up are solved
/// and drawn out to all. How many iterations it takes is a matter of the examples, so that this is a guess.
fn solving(model: &Classifier<Network>, train: usize) -> Result<f64, Error> {
    let (width, classes) = (model.backbone.head_input_width().max(1), model.head.classes());
    if classes < 2 {
        return Ok(0.0);
    }
    // At least two examples of each class.
    let shown = (SOLVED[0] / (2 * width)).isqrt().min(classes).min(SOLVED[1] / 2).max(2);
    let count = (SOLVED[0] / (width * shown)).min(SOLVED[1]).max(2 * shown);
    let places = tl_core::rng(0, "estimate", 0, 0).permutation(count * width);
    let middle = (count * width) as f32 / 2.0;
    let features: Vec<f32> = places.into_iter().map(|it| it as f32 / middle - 1.0).collect();
    let labels: Vec<usize> = (0..count).map(|row| row % shown).collect();
    let started = Instant::now();
    logistic::fit(&features, &labels, shown, &Options::default()).map_err(TrainError::Solver)?;
    let each = started.elapsed().as_secs_f64() / (count * shown) as f64;
    Ok(each * (train * classes * CANDIDATES.len()) as f64)
}

/// What the program holds now, its own code included.
fn resident() -> usize {
    resident_bytes().map_or_else(memory::in_use, |bytes| bytes as usize)
}

/// Bytes that grow with the number of images on a straight line, and the seconds of one image.
struct Line {
    base: f64,
    each: f64,
    each_second: f64,
}

impl Line {
    fn bytes(&self, images: usize) -> usize {
        (self.base + self.each * images as f64).max(0.0) as usize
    }
}

type Cost = Result<(usize, f64), Error>;

fn line(costs: [Cost; 2]) -> Result<Line, Error> {
    let [few, more] = costs;
    let ((few_bytes, _), (more_bytes, more_seconds)) = (few?, more?);
    let apart = (FEW[1] - FEW[0]) as f64;
    let each = (more_bytes as f64 - few_bytes as f64).max(0.0) / apart;
    let base = few_bytes as f64 - each * FEW[0] as f64;
    Ok(Line { base, each, each_second: more_seconds / FEW[1] as f64 })
}

/// Bytes and seconds of what `work` does, measured the second time: the first one also sets up what
/// stays.
fn measured(mut work: impl FnMut() -> Result<(), Error>) -> Cost {
    work()?;
    let before = memory::in_use();
    memory::forget_most();
    let started = Instant::now();
    work()?;
    let seconds = started.elapsed().as_secs_f64();
    Ok((memory::most().saturating_sub(before), seconds))
}

fn forward(
    pass: impl Fn(Activation) -> Result<Activation, CoreError>,
    count: usize,
    sample: Sample,
    device: &Device,
) -> Cost {
    measured(|| Ok(pass(sample.empty(count, device)).map(|_| ())?))
}

fn train(
    phase: &ResolvedPhase,
    model: &Classifier<Network>,
    optimizer: OptimizerConfig,
    count: usize,
    sample: Sample,
    device: &Device,
) -> Cost {
    if phase.phase.solver != Solver::Gradient {
        return Ok((0, 0.0));
    }
    let prefix = model.backbone.compile(0..phase.cut);
    let input = prefix.forward(sample.empty(count, device))?;
    let mut model = Some(apply(phase, model.clone().train()));
    let mut optimizer = Optimizer::new(optimizer);
    measured(|| {
        let Some(before) = model.take() else { return Ok(()) };
        let logits = before.forward_from(input.clone().autodiff(), phase.cut, Pass::default())?;
        // One answer for each example, or for each of its pieces.
        let answers = logits.dims()[0];
        let loss = cross_entropy(logits, &vec![0; answers], phase.phase.label_smoothing);
        let mut gradients = loss.backward();
        // The numbers are those of empty images: no step is taken that anyone keeps.
        model =
            Some(optimizer.step(before, &mut gradients, 0.0, |path, rank| phase.rates(path, rank)));
        Ok(())
    })
}
