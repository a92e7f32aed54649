//! DINO (Caron et al. 2021, *Emerging Properties in Self-Supervised Vision Transformers*, arXiv 2104.14294): from any
//! part of an image the network is to say what its moving average says of a large part.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation::{log_softmax, softmax};
use serde::{Deserialize, Serialize};
use tl_core::{Backbone, Pass};
use tl_data::{Augment, Colour, CropRange, ViewRecipe};
use tl_kernels::Buffer;

use super::SMALL;
use super::twins::{check_widths, together};
use crate::SslError;
use crate::contract::{Method, Pair, Sizes, Step, Terms};
use crate::initial::glorot;
use crate::momentum::cosine;
use crate::projector::{Norms, Projector};
use crate::vectors::unit;

/// The settings of DINO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dino {
    /// How many small parts of an image are looked at beside two large ones.
    pub local_views: usize,
    /// Pixels on a side of a small part; three sevenths of the images' where it is not given, as the paper's 96
    /// are of 224.
    pub local_size: Option<usize>,
    /// The answers that the network chooses between. The paper has 65,536 for a million images.
    pub prototypes: usize,
    /// The width before the answers.
    pub bottleneck: usize,
    /// The width of the two hidden layers.
    pub hidden: usize,
    pub student_temperature: f64,
    pub teacher_temperature: f64,
    /// How much of itself the centre keeps at a step.
    pub centre_momentum: f64,
    /// How much of itself the moving average keeps at the first step, below 1; 1 at the last. The paper's
    /// .996 is for 300 epochs.
    pub momentum: f64,
    /// The least and largest share of the area in a large part.
    pub global_scale: [f64; 2],
    /// The same in a small part.
    pub local_scale: [f64; 2],
}

impl Default for Dino {
    fn default() -> Self {
        Self {
            local_views: 4,
            local_size: None,
            prototypes: 1024,
            bottleneck: 256,
            hidden: 512,
            student_temperature: 0.1,
            teacher_temperature: 0.04,
            centre_momentum: 0.9,
            momentum: 0.99,
            global_scale: [0.4, 1.0],
            local_scale: [0.1, 0.4],
        }
    }
}

/// Large parts of an image, which the teacher sees.
const GLOBAL: usize = 2;

/// What stands on the network: layers down to a bottleneck, brought to length 1, and one direction of length 1
/// for each answer.
#[derive(Module, Debug)]
pub struct DinoHeads {
    pub projector: Projector,
    /// `[prototypes, bottleneck]`
    pub prototypes: Param<Tensor<2>>,
    /// The mean of the teacher's logits; a statistic, so that it belongs to the teacher alone.
    pub centre: Centre,
}

/// A mean that moves with each batch, `[prototypes]`.
#[derive(Module, Debug)]
pub struct Centre {
    pub running_mean: Buffer,
}

impl DinoHeads {
    /// `[batch, embedding]` to logits `[batch, prototypes]`, the cosines with the prototypes.
    pub fn forward(&self, embedding: Tensor<2>) -> Tensor<2> {
        let vectors = unit(self.projector.forward(embedding));
        vectors.matmul(unit(self.prototypes.val()).transpose())
    }
}

/// The mean over all pairs of a student's view and another view of the teacher of `−Σ p·log q`, where
/// `q = softmax(s / τs)` and `p = softmax((t − centre) / τt)`: equation 3, and its algorithm 1.
///
/// `student` holds one tensor `[n, prototypes]` for each view, `teacher` for the first ones of them; `centre` is
/// `[1, prototypes]`, the result `[1]`. No gradient goes through the teacher's.
pub fn dino_loss(
    student: &[Tensor<2>],
    teacher: &[Tensor<2>],
    centre: Tensor<2>,
    student_temperature: f64,
    teacher_temperature: f64,
) -> Tensor<1> {
    let said: Vec<Tensor<2>> = student
        .iter()
        .map(|logits| log_softmax(logits.clone().div_scalar(student_temperature), 1))
        .collect();
    let mut terms = Vec::new();
    for (place, logits) in teacher.iter().enumerate() {
        let target = (logits.clone().detach() - centre.clone()).div_scalar(teacher_temperature);
        let target = softmax(target, 1);
        for (_, said) in said.iter().enumerate().filter(|(view, _)| *view != place) {
            terms.push((target.clone() * said.clone()).sum_dim(1).mean());
        }
    }
    let pairs = terms.len().max(1) as f64;
    Tensor::cat(terms, 0).sum().div_scalar(-pairs)
}

impl Dino {
    fn local_size(&self, image: usize) -> usize {
        self.local_size.unwrap_or(image * 3 / 7)
    }

    /// Logits of the views `range`, view by view: those of one size as one batch.
    fn logits<B: Backbone>(
        pair: &Pair<'_, B, DinoHeads>,
        views: &[Tensor<4>],
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Vec<Tensor<2>>, SslError> {
        let views = &views[range];
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let embedded = together(pair.backbone, views, pass)?;
        Ok(pair.heads.forward(embedded).chunk(views.len(), 0))
    }

    fn validate(&self) -> Result<(), SslError> {
        let wrong = |what, value: f64, expected| {
            Err(SslError::BadOption { what, value: value.to_string(), expected })
        };
        let share = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !share(self.momentum) {
            return wrong("the teacher's momentum", self.momentum, "a number from 0, below 1");
        }
        if !share(self.centre_momentum) {
            let what = "the centre's momentum";
            return wrong(what, self.centre_momentum, "a number from 0, below 1");
        }
        for value in [self.student_temperature, self.teacher_temperature] {
            if !positive(value) {
                return wrong("a temperature", value, "a number above 0");
            }
        }
        Ok(())
    }
}

impl<B: Backbone> Method<B> for Dino {
    type Heads = DinoHeads;

    fn name(&self) -> &'static str {
        "dino"
    }

    fn views(&self, image: usize) -> Vec<ViewRecipe> {
        let local_size = self.local_size(image);
        let view = |size, scale, colour| {
            let range = CropRange { scale, ..CropRange::default() };
            ViewRecipe { size, augment: Augment::cropped(range).coloured(colour) }
        };
        let byol = Colour::byol;
        let [first, second, local] = if image <= SMALL {
            [0; 3].map(|_| Colour::simclr(0.5))
        } else {
            let second = byol().blurred(image, 0.1).solarised(0.2);
            [byol().blurred(image, 1.0), second, byol().blurred(local_size, 0.5)]
        };
        let mut views = vec![view(None, self.global_scale, first)];
        views.push(view(None, self.global_scale, second));
        let local = view(Some(local_size), self.local_scale, local);
        views.extend(vec![local; self.local_views]);
        views
    }

    fn heads(
        &self,
        backbone: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<DinoHeads, SslError> {
        self.validate()?;
        let widths = [sizes.embedding, self.hidden, self.hidden, self.bottleneck];
        check_widths(&[&widths[..], &[self.prototypes]].concat())?;
        let zeros = |dims| Tensor::<2>::zeros(dims, device);
        let heads = DinoHeads {
            projector: Projector::new(&widths, Norms::as_in(backbone), "dino", seed, device),
            prototypes: Param::from_tensor(zeros([self.prototypes, self.bottleneck])),
            centre: Centre { running_mean: Buffer::new(Tensor::zeros([self.prototypes], device)) },
        };
        Ok(glorot(heads, "dino", seed))
    }

    fn embed(&self, step: &Step<'_, B, DinoHeads>) -> Result<Vec<Tensor<2>>, SslError> {
        let (expected, found) = (GLOBAL + self.local_views, step.views.len());
        if found != expected {
            return Err(SslError::Views { method: "dino", expected, found });
        }
        let Some(teacher) = &step.teacher else {
            return Err(SslError::NoTeacher { method: "dino" });
        };
        let (views, pass) = (step.views, step.pass);
        let mut logits = Self::logits(teacher, views, 0..GLOBAL, pass)?;
        logits.extend(Self::logits(&step.student, views, 0..GLOBAL, pass)?);
        logits.extend(Self::logits(&step.student, views, GLOBAL..found, pass)?);
        Ok(logits)
    }

    fn compare(
        &self,
        step: &Step<'_, B, DinoHeads>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let (Some(taught), true) = (&step.teacher, embedded.len() > GLOBAL) else {
            return Err(SslError::NoTeacher { method: "dino" });
        };
        let (teacher, student) = embedded.split_at(GLOBAL);
        let moving = &taught.heads.centre.running_mean;
        let centre = moving.value().reshape([1, self.prototypes]).autodiff();
        let loss =
            dino_loss(student, teacher, centre, self.student_temperature, self.teacher_temperature);
        let said = Tensor::cat(teacher.to_vec(), 0).without_autodiff();
        let mean = said.mean_dim(0).reshape([self.prototypes]);
        moving.move_towards(mean, 1.0 - self.centre_momentum);
        Ok(Terms::of(student[0].clone()).with("distillation", 1.0, loss))
    }

    fn momentum(&self, progress: f64) -> Option<f64> {
        Some(cosine(self.momentum, 1.0, progress))
    }

    fn compares_images(&self) -> bool {
        false
    }
}
