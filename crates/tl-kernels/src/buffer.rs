//! State that moves without a gradient.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::prelude::*;

/// A vector that a layer updates in its forward pass, such as a running mean.
///
/// Unlike Burn's `RunningState` it holds what was written the moment it was written, and a clone is
/// independent of its original. Its tensor is always plain: it never enters a graph.
#[derive(Debug)]
pub struct Buffer {
    id: ParamId,
    value: Mutex<Tensor<1>>,
}

impl Buffer {
    /// A buffer that holds `value`.
    pub fn new(value: Tensor<1>) -> Self {
        Self::with_id(ParamId::new(), value)
    }

    fn with_id(id: ParamId, value: Tensor<1>) -> Self {
        Self { id, value: Mutex::new(value.without_autodiff()) }
    }

    // A tensor is replaced as a whole, so that a thread that panicked while it held the lock left a
    // whole one.
    fn lock(&self) -> MutexGuard<'_, Tensor<1>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it holds, plain.
    pub fn value(&self) -> Tensor<1> {
        self.lock().clone()
    }

    /// `value ← (1 − momentum)·value + momentum·target`
    pub fn move_towards(&self, target: Tensor<1>, momentum: f64) {
        let mut value = self.lock();
        *value = value.clone().mul_scalar(1.0 - momentum) + target.mul_scalar(momentum);
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::with_id(self.id, self.value())
    }
}

impl Module for Buffer {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&Param::initialized(self.id, self.value()));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let mapped = mapper.map_float(Param::initialized(self.id, self.value()));
        let (id, value, _) = mapped.consume();
        Self::with_id(id, value.set_require_grad(false))
    }

    fn to_device(self, device: &Device) -> Self {
        Self::with_id(self.id, self.value().to_device(&device.clone().without_autodiff()))
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.value().device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Buffer {
    fn content(&self, content: Content) -> Option<Content> {
        let length = self.value().dims()[0];
        content.add_formatted(&format!("Buffer {{length: {length}}}")).optional()
    }
}

impl ModuleDisplay for Buffer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_independent_and_holds_what_was_written_last() {
        let device = Device::flex();
        let original = Buffer::new(Tensor::zeros([2], &device));
        original.move_towards(Tensor::ones([2], &device), 0.25);
        let copy = original.clone();
        original.move_towards(Tensor::ones([2], &device), 1.0);
        let read = |buffer: &Buffer| buffer.value().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(read(&copy), [0.25, 0.25]);
        assert_eq!(read(&original), [1.0, 1.0]);
    }
}
