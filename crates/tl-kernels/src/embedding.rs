//! A table of vectors, looked up by number.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::module::embedding;

use crate::adapter::{Site, Slot};

/// One vector for each number, with PyTorch's name: `weight` is `[count, width]`.
#[derive(Module, Debug)]
pub struct Embedding {
    pub weight: Param<Tensor<2>>,
    /// Closed, but for a table of pieces by itself, which a prompt may belong to.
    pub adapter: Slot,
}

impl Embedding {
    /// A table of `count` vectors of `width` values, all 0.
    pub fn new(count: usize, width: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([count, width], device)),
            adapter: Slot::new(Site::table(count, width)).closed(),
        }
    }

    /// The same with an open slot, for a network that puts what is in it in front of a text's own vectors.
    pub fn with_prompts(mut self) -> Self {
        let [count, width] = self.weight.dims();
        self.adapter = Slot::new(Site::table(count, width));
        self
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.weight.dims()[0]
    }

    /// The vectors of `numbers`, which are `batch` equally long rows of numbers below
    /// [`Embedding::count`]: `[batch, numbers / batch, width]`.
    pub fn forward(&self, numbers: &[u32], batch: usize) -> Tensor<3> {
        let weight = self.weight.val();
        let dims = [batch, numbers.len() / batch.max(1)];
        let numbers: Vec<i64> = numbers.iter().map(|number| i64::from(*number)).collect();
        let device = weight.device().without_autodiff();
        embedding(weight, Tensor::<2, Int>::from_data(TensorData::new(numbers, dims), &device))
    }

    /// The product of vectors `[rows, width]` with every vector of the table, `[rows, count]`: a language model's
    /// answer, where it is tied to the table.
    pub fn scores(&self, input: Tensor<2>) -> Tensor<2> {
        crate::linear::product(input, self.weight.id, self.weight.val(), || None, None)
    }

    /// The vectors `first..first + count`, for every example the same: `[1, count, width]`.
    pub fn rows(&self, first: usize, count: usize) -> Tensor<3> {
        self.weight.val().narrow(0, first, count).unsqueeze()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn table() -> Embedding {
        let values: Vec<f32> = (0..8).map(|value| value as f32).collect();
        let weight = Tensor::from_data(TensorData::new(values, [4, 2]), &Device::flex());
        Embedding { weight: Param::from_tensor(weight), ..Embedding::new(4, 2, &Device::flex()) }
    }

    fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn numbers_become_their_vectors_row_by_row() {
        let found = table().forward(&[3, 0, 1, 1], 2);
        assert_eq!(found.dims(), [2, 2, 2]);
        assert_eq!(list(found), [6.0, 7.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]);
        assert_eq!(list(table().rows(1, 2)), [2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn a_vector_s_gradient_is_the_sum_over_its_places() {
        let table = table().train();
        let scale = Tensor::<3>::from_data([[[1.0], [2.0]], [[3.0], [4.0]]], &Device::flex());
        let loss = (table.forward(&[3, 0, 1, 1], 2) * scale.autodiff()).sum();
        let gradient = table.weight.val().grad(&loss.backward()).unwrap();
        assert_eq!(list(gradient), [2.0, 2.0, 7.0, 7.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
