//! Mean teacher for adaptation (Tarvainen and Valpola 2017, arXiv 1703.01780; French et al. 2018,
//! arXiv 1706.05208): a moving average of the network answers for the target, and the network
//! follows it.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::pieces::{constant, host};
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// The mean squared difference of probabilities over the rows where the teacher is at least
/// `threshold` sure, divided by the number of all rows and of classes.
///
/// Shapes: both logits are `[batch, classes]`, the teacher's are taken as constants; the result is
/// `[1]`.
///
/// # Errors
/// When the device cannot be read.
pub fn consistency_loss(
    student: Tensor<2>,
    teacher: Tensor<2>,
    threshold: f64,
) -> Result<Tensor<1>, AdaptError> {
    let [batch, classes] = student.dims();
    let teacher = softmax(teacher.detach(), 1);
    let sure = host(teacher.clone().max_dim(1))?
        .into_iter()
        .map(|value| f32::from(u8::from(f64::from(value) >= threshold)))
        .collect();
    let sure: Tensor<2> = constant(sure, [batch, 1], &student);
    let difference = softmax(student, 1) - teacher;
    let squares = difference.clone() * difference * sure;
    Ok(squares.sum().div_scalar((batch * classes).max(1) as f64))
}

/// Works where the network sees the target varied: by augmentation or dropout.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanTeacher {
    /// The weight at the end of its rise.
    pub weight: f64,
    pub decay: f64,
    /// The least probability at which the teacher is followed.
    pub threshold: f64,
}

impl Default for MeanTeacher {
    fn default() -> Self {
        Self { weight: 3.0, decay: 0.99, threshold: 0.9 }
    }
}

impl Method for MeanTeacher {
    fn name(&self) -> &'static str {
        "mean_teacher"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn teacher(&self) -> Option<f64> {
        Some(self.decay)
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let target = step.target()?;
        let teacher = target.teacher.clone().ok_or_else(|| step.absent("a teacher"))?;
        let loss = consistency_loss(target.logits.clone(), teacher, self.threshold)?;
        // exp(−5(1 − p)²), the rise of Laine and Aila 2017, over the first third of the steps.
        let rise = (-5.0 * (1.0 - (3.0 * step.progress).min(1.0)).powi(2)).exp();
        Ok(Terms::default()
            .with("consistency", self.weight * rise, loss)
            .note("consistency_weight", self.weight * rise))
    }
}
