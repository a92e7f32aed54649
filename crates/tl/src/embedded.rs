//! What is part of the program: a pretrained network and a small data set.

use tl_data::{DataError, Images, Part};
use tl_models::weights::{WeightsError, WeightsFile};

/// MobileNetV2, ImageNet-1k, torchvision's weights as f16.
static WEIGHTS: &[u8] = include_bytes!("../../../assets/mobilenet_v2.safetensors");

macro_rules! fashion {
    ($part:literal) => {
        (
            include_bytes!(concat!(
                "../../../assets/fashion_mnist/",
                $part,
                "-images-idx3-ubyte.gz"
            ))
            .as_slice(),
            include_bytes!(concat!(
                "../../../assets/fashion_mnist/",
                $part,
                "-labels-idx1-ubyte.gz"
            ))
            .as_slice(),
        )
    };
}

/// The weights of [`crate::EMBEDDED_NETWORK`].
///
/// # Errors
/// When the program's own data is damaged.
pub fn weights() -> Result<WeightsFile, WeightsError> {
    WeightsFile::from_bytes(WEIGHTS, "embedded")
}

/// A part of Fashion-MNIST: 300 training and 50 validation images of each class, and the first 1,000
/// test images.
///
/// # Errors
/// When the program's own data is damaged.
pub fn fashion_mnist() -> Result<Images, DataError> {
    let (train, train_labels) = fashion!("train");
    let (validation, validation_labels) = fashion!("validation");
    let (test, test_labels) = fashion!("t10k");
    let classes = include_str!("../../../assets/fashion_mnist/classes.txt");
    Images::idx(
        &[
            (Part::Train, train, train_labels),
            (Part::Validation, validation, validation_labels),
            (Part::Test, test, test_labels),
        ],
        classes.lines().map(str::to_string).collect(),
    )
}

/// The names of ImageNet's 1,000 classes, in the order of the network's answers.
pub fn imagenet_classes() -> Vec<String> {
    serde_json::from_str(include_str!("../../../assets/imagenet_classes.json")).unwrap_or_default()
}
