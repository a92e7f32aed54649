//! `load.py` of a run: the way back to PyTorch.

/// The script; it stands beside `model.safetensors` and reads everything else from `run.json`.
pub(crate) const TEXT: &str = include_str!("load.py");
