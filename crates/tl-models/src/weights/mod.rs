//! Weights files: read, inspect, download, write.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@file`] | [`WeightsFile`]: tensors by name, whatever the format |
//! | `format` | [`Format`], told by content |
//! | `dtype` | [`DType`], and its way to f32 |
//! | [`safetensors`] | the safetensors format: its header, and [`save_safetensors`] |
//! | `burnpack` | Burn's `.bpk`, and [`save_burnpack`] |
//! | `npz` | numpy's archives of arrays |
//! | `onnx` | the initialisers of an ONNX graph |
//! | `order` | tensors whose axes stand in another order in their file |
//! | `pytorch` | PyTorch's zip, tar and legacy files; nothing in them is ever run |
//! | [`known`] | [`KnownWeights`]: published files, their licences and sizes |
//! | [`source`] | [`Source`]: where weights come from |
//! | [`hub`] | a file of a model hub's repository, through a local cache (feature `hub`) |
//! | [`mod@inspect`] | [`Inspection`]: what a file holds and what it looks like; [`looks_untrained`] |
//! | [`report`] | [`LoadReport`]: what a load did |
//! | [`error`] | [`WeightsError`] |
//!
//! ```no_run
//! use tl_models::weights::WeightsFile;
//!
//! let file = WeightsFile::open("resnet18.pth".as_ref())?;
//! for name in file.names() {
//!     println!("{name} {:?}", file.shape(name));
//! }
//! let bias: Vec<f32> = file.values("fc.bias")?;
//! # Ok::<(), tl_models::weights::WeightsError>(())
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

mod burnpack;
mod dtype;
pub mod error;
pub mod file;
mod format;
pub mod hub;
pub mod inspect;
pub mod known;
mod looks;
mod npz;
mod onnx;
mod order;
mod pytorch;
pub mod report;
pub mod safetensors;
pub mod source;

pub use burnpack::save_burnpack;
pub use dtype::DType;
pub use error::WeightsError;
pub use file::WeightsFile;
pub use format::Format;
pub use hub::HubOptions;
pub use inspect::{Inspection, TensorSummary, inspect, looks_untrained};
pub use known::{KnownImages, KnownWeights};
pub use report::{LoadReport, Reshaped};
pub use safetensors::save_safetensors;
pub use source::Source;

/// The last resort against a file that a reader of another library was not prepared for: its panic becomes an error.
fn guarded<T>(
    file: &str,
    read: impl FnOnce() -> Result<T, WeightsError>,
) -> Result<T, WeightsError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let problem = "its content confuses the reader".to_owned();
        Err(WeightsError::Damaged { file: file.to_owned(), problem })
    })
}
