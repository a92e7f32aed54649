#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`convnext`], [`densenet`], [`efficientnet`], [`encoder`], [`gpt2`], [`inception`], [`lstm`], [`mobilenet_v2`], [`resnet`], [`small_conv`], [`squeezenet`], [`vgg`], [`vit`] | one architecture each |
//! | [`architecture`] | what an architecture adds to a backbone: names, initial values, [`Classifier`] |
//! | [`channels`] | [`with_channels`]: networks for images of more or fewer channels than three |
//! | `weightless` | [`Weightless`]: heads of language models and of pairs of texts |
//! | [`weights`] | weights files: read, inspect, download, write |
//! | [`load`](mod@load) | from a file into a network, with a report |
//! | [`export`](mod@export) | the same under the names of another library |
//! | [`save`](mod@save) | from a network into a file, with the origin's names |

pub mod architecture;
pub mod channels;
mod config_file;
pub mod convnext;
pub mod densenet;
pub mod efficientnet;
pub mod encoder;
pub mod export;
pub mod gpt2;
pub mod inception;
pub mod load;
pub mod lstm;
pub mod mobilenet_v2;
pub mod resnet;
pub mod save;
pub mod small_conv;
pub mod squeezenet;
mod unit;
pub mod vgg;
pub mod vit;
mod weightless;
pub mod weights;

pub use architecture::{Architecture, Classifier, Evaluation, Initial, initialise};
pub use channels::{fit_channels, with_channels};
pub use config_file::ConfigError;
pub use convnext::{ConvNeXt, ConvNeXtSize};
pub use densenet::DenseNet;
pub use efficientnet::{EfficientNet, EfficientNetSize};
pub use encoder::{Encoder, EncoderConfig, Family, Prediction};
pub use export::{ExportError, Library, export};
pub use gpt2::{Gpt2, Gpt2Config, Purpose};
pub use inception::InceptionV3;
pub use load::{LoadError, LoadOptions, load};
pub use lstm::{Lstm, LstmConfig};
pub use mobilenet_v2::MobileNetV2;
pub use resnet::{ResNet, ResNetDepth};
pub use save::{SaveError, save, save_backbone};
pub use small_conv::SmallConv;
pub use squeezenet::{SqueezeNet, SqueezeNetVersion};
pub use vgg::{Vgg, VggDepth};
pub use vit::{Vit, VitConfig, VitSize};
pub use weightless::Weightless;
