//! The table of careful tuning: what keeps a network from losing what it knows, with few images.

use super::ways::{Data, Task, Way, Ways, way};

/// The table of careful tuning.
pub struct Careful;

impl Ways for Careful {
    const NAME: &'static str = "careful";
    const ABOUT: &'static str = "MobileNetV2, pretrained on ImageNet, on the images of `tl demo`: 300 training images of each of ten \
        classes, of which so many are used, 500 that choose the epoch, 1,000 that are measured once.";
    const TASKS: &'static [Task] = &[Task {
        name: "fashion",
        title: "Clothes",
        data: Data::Own("assets/fashion_mnist"),
        words: "--image-size 96",
        shots: &[5, 20, 100],
        seeds: 3,
        ways: WAYS,
    }];
}

const WAYS: &[Way] = &[
    way("plain", "finetune DATA --recipe finetune"),
    way("probe then tune", "finetune DATA --recipe auto"),
    way("l2_sp", "finetune DATA --recipe finetune --regularise l2_sp"),
    way("delta", "finetune DATA --recipe finetune --regularise delta"),
    way("bss", "finetune DATA --recipe finetune --regularise bss"),
    way("interpolated", "finetune DATA --recipe auto --interpolate"),
    way("lora", "finetune DATA --adapter lora"),
    way("bitfit", "finetune DATA --adapter bitfit"),
    way("bottleneck", "finetune DATA --adapter bottleneck"),
];
