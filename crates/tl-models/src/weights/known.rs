//! The published weights that are known to fit the networks here: what they are called where they come from, their size, their
//! licence.

use serde::Serialize;

/// A published weights file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KnownWeights {
    /// The network that reads it.
    pub network: &'static str,
    /// What its origin calls these weights.
    pub name: &'static str,
    /// `torchvision`, `timm` or `Hugging Face`.
    pub origin: &'static str,
    /// The origin's name of the file, or the repository that holds it on the Hugging Face hub.
    pub file: &'static str,
    /// The licence that the origin gives these weights, or, marked so, its library where it gives them none; the images and texts
    /// that they were made of may have terms of their own.
    pub licence: &'static str,
    /// Millions of bytes, where that was read off the origin's own record or the file.
    pub megabytes: Option<f64>,
    /// The answers of the file's head; 0 where it has none of a classifier.
    pub classes: usize,
    /// How images were prepared where the weights were evaluated; nothing for texts.
    pub images: Option<KnownImages>,
}

/// How images were prepared where weights were evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KnownImages {
    /// Pixels of the shorter side, before the middle is cut out.
    pub resize: usize,
    /// Pixels of a side of the middle.
    pub crop: usize,
    /// By a bicubic filter instead of a bilinear one.
    pub bicubic: bool,
}

impl KnownWeights {
    /// All that are known for the network called `name`.
    pub fn of(name: &str) -> impl Iterator<Item = &'static KnownWeights> {
        KNOWN.iter().filter(move |known| known.network == name)
    }

    /// All of them.
    pub fn all() -> &'static [KnownWeights] {
        KNOWN
    }
}

/// Of torchvision 0.29's own record (`Weights.meta`), whose sizes are in 2²⁰ bytes. It names no licence for weights: its
/// documentation says that they may have licences or terms of their own, derived from the data set.
const fn torchvision(
    network: &'static str,
    name: &'static str,
    file: &'static str,
    megabytes: f64,
    [resize, crop]: [usize; 2],
    bicubic: bool,
) -> KnownWeights {
    KnownWeights {
        network,
        name,
        origin: "torchvision",
        file,
        licence: "BSD-3-Clause (library)",
        megabytes: Some(megabytes),
        classes: 1000,
        images: Some(KnownImages { resize, crop, bicubic }),
    }
}

/// Of timm 1.0.31's own record (`PretrainedCfg`): licence, cut, filter.
const fn timm(network: &'static str, name: &'static str, file: &'static str) -> KnownWeights {
    KnownWeights {
        network,
        name,
        origin: "timm",
        file,
        licence: "Apache-2.0",
        megabytes: None,
        classes: 1000,
        // A cut of nine tenths.
        images: Some(KnownImages { resize: 248, crop: 224, bicubic: true }),
    }
}

/// Of the repository's own card.
const fn texts(network: &'static str, file: &'static str, licence: &'static str) -> KnownWeights {
    KnownWeights {
        network,
        name: network,
        origin: "Hugging Face",
        file,
        licence,
        megabytes: None,
        classes: 0,
        images: None,
    }
}

const KNOWN: &[KnownWeights] = &[
    torchvision(
        "convnext_tiny",
        "IMAGENET1K_V1",
        "convnext_tiny-983f1562.pth",
        114.4,
        [236, 224],
        false,
    ),
    torchvision(
        "convnext_small",
        "IMAGENET1K_V1",
        "convnext_small-0c510722.pth",
        201.0,
        [230, 224],
        false,
    ),
    torchvision(
        "densenet121",
        "IMAGENET1K_V1",
        "densenet121-a639ec97.pth",
        32.3,
        [256, 224],
        false,
    ),
    torchvision(
        "efficientnet_b0",
        "IMAGENET1K_V1",
        "efficientnet_b0_rwightman-7f5810bc.pth",
        21.4,
        [256, 224],
        true,
    ),
    torchvision(
        "efficientnet_b1",
        "IMAGENET1K_V1",
        "efficientnet_b1_rwightman-bac287d4.pth",
        31.6,
        [256, 240],
        true,
    ),
    torchvision(
        "efficientnet_b1",
        "IMAGENET1K_V2",
        "efficientnet_b1-c27df63c.pth",
        31.6,
        [255, 240],
        false,
    ),
    torchvision(
        "efficientnet_b2",
        "IMAGENET1K_V1",
        "efficientnet_b2_rwightman-c35c1473.pth",
        36.9,
        [288, 288],
        true,
    ),
    torchvision(
        "efficientnet_b3",
        "IMAGENET1K_V1",
        "efficientnet_b3_rwightman-b3899882.pth",
        49.5,
        [320, 300],
        true,
    ),
    torchvision(
        "efficientnet_b4",
        "IMAGENET1K_V1",
        "efficientnet_b4_rwightman-23ab8bcd.pth",
        78.1,
        [384, 380],
        true,
    ),
    torchvision(
        "inception_v3",
        "IMAGENET1K_V1",
        "inception_v3_google-0cc3c7bd.pth",
        109.0,
        [342, 299],
        false,
    ),
    torchvision(
        "mobilenet_v2",
        "IMAGENET1K_V1",
        "mobilenet_v2-b0353104.pth",
        14.2,
        [256, 224],
        false,
    ),
    torchvision(
        "mobilenet_v2",
        "IMAGENET1K_V2",
        "mobilenet_v2-7ebf99e0.pth",
        14.3,
        [232, 224],
        false,
    ),
    torchvision("resnet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth", 46.8, [256, 224], false),
    torchvision("resnet34", "IMAGENET1K_V1", "resnet34-b627a593.pth", 87.3, [256, 224], false),
    torchvision("resnet50", "IMAGENET1K_V1", "resnet50-0676ba61.pth", 102.5, [256, 224], false),
    torchvision("resnet50", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth", 102.5, [232, 224], false),
    torchvision("resnet101", "IMAGENET1K_V1", "resnet101-63fe2227.pth", 178.8, [256, 224], false),
    torchvision("resnet101", "IMAGENET1K_V2", "resnet101-cd907fc2.pth", 178.8, [232, 224], false),
    torchvision("resnet152", "IMAGENET1K_V1", "resnet152-394f9c45.pth", 241.6, [256, 224], false),
    torchvision("resnet152", "IMAGENET1K_V2", "resnet152-f82ba261.pth", 241.7, [232, 224], false),
    torchvision(
        "resnext50_32x4d",
        "IMAGENET1K_V1",
        "resnext50_32x4d-7cdf4587.pth",
        100.4,
        [256, 224],
        false,
    ),
    torchvision(
        "resnext50_32x4d",
        "IMAGENET1K_V2",
        "resnext50_32x4d-1a0047aa.pth",
        100.5,
        [232, 224],
        false,
    ),
    torchvision(
        "resnext101_32x8d",
        "IMAGENET1K_V1",
        "resnext101_32x8d-8ba56ff5.pth",
        356.1,
        [256, 224],
        false,
    ),
    torchvision(
        "resnext101_32x8d",
        "IMAGENET1K_V2",
        "resnext101_32x8d-110c445d.pth",
        356.2,
        [232, 224],
        false,
    ),
    torchvision(
        "wide_resnet50_2",
        "IMAGENET1K_V1",
        "wide_resnet50_2-95faca4d.pth",
        138.2,
        [256, 224],
        false,
    ),
    torchvision(
        "wide_resnet50_2",
        "IMAGENET1K_V2",
        "wide_resnet50_2-9ba9bcbe.pth",
        275.9,
        [232, 224],
        false,
    ),
    torchvision(
        "wide_resnet101_2",
        "IMAGENET1K_V1",
        "wide_resnet101_2-32ee1156.pth",
        254.7,
        [256, 224],
        false,
    ),
    torchvision(
        "wide_resnet101_2",
        "IMAGENET1K_V2",
        "wide_resnet101_2-d733dc28.pth",
        508.3,
        [232, 224],
        false,
    ),
    torchvision(
        "squeezenet1_0",
        "IMAGENET1K_V1",
        "squeezenet1_0-b66bff10.pth",
        5.0,
        [256, 224],
        false,
    ),
    torchvision(
        "squeezenet1_1",
        "IMAGENET1K_V1",
        "squeezenet1_1-b8a52dc0.pth",
        5.0,
        [256, 224],
        false,
    ),
    torchvision("vgg11", "IMAGENET1K_V1", "vgg11-8a719046.pth", 531.5, [256, 224], false),
    torchvision("vgg11_bn", "IMAGENET1K_V1", "vgg11_bn-6002323d.pth", 531.5, [256, 224], false),
    torchvision("vgg13", "IMAGENET1K_V1", "vgg13-19584684.pth", 532.2, [256, 224], false),
    torchvision("vgg13_bn", "IMAGENET1K_V1", "vgg13_bn-abd245e5.pth", 532.2, [256, 224], false),
    torchvision("vgg16", "IMAGENET1K_V1", "vgg16-397923af.pth", 553.4, [256, 224], false),
    torchvision("vgg16_bn", "IMAGENET1K_V1", "vgg16_bn-6c64b313.pth", 553.5, [256, 224], false),
    torchvision("vgg19", "IMAGENET1K_V1", "vgg19-dcbb9e9d.pth", 574.7, [256, 224], false),
    torchvision("vgg19_bn", "IMAGENET1K_V1", "vgg19_bn-c79401a0.pth", 574.8, [256, 224], false),
    timm("vit_tiny", "augreg_in21k_ft_in1k", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
    timm("vit_small", "augreg_in21k_ft_in1k", "timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
    timm("vit_base", "augreg2_in21k_ft_in1k", "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    texts("bert", "google-bert/bert-base-uncased", "Apache-2.0"),
    KnownWeights {
        name: "all-MiniLM-L6-v2, 6 layers of width 384",
        megabytes: Some(90.9),
        ..texts("bert", "sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0")
    },
    texts("roberta", "FacebookAI/roberta-base", "MIT"),
    texts("distilbert", "distilbert/distilbert-base-uncased", "Apache-2.0"),
    texts("gpt2", "openai-community/gpt2", "MIT"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_file_is_named_once_without_the_host_that_it_is_fetched_from() {
        let files: HashSet<&str> = KNOWN.iter().map(|known| known.file).collect();
        assert_eq!(files.len(), KNOWN.len(), "a file stands twice");
        for known in KNOWN {
            assert!(!known.file.contains("://") && !known.licence.is_empty(), "{known:?}");
            let parts = known.file.split('/').count();
            assert_eq!(parts == 1, known.origin == "torchvision", "{known:?}");
            assert!(known.megabytes.is_none_or(|size| size > 1.0), "{known:?}");
        }
        assert_eq!(KnownWeights::of("resnet50").count(), 2);
        assert_eq!(KnownWeights::of("small_conv").count(), 0);
    }

    #[test]
    fn a_size_is_that_of_four_bytes_for_each_value() {
        // torchvision's ResNet-50 has 25,557,032 parameters and 53,173 statistics and counters.
        let known = KnownWeights::of("resnet50").next().unwrap();
        let bytes = 4.0 * 25_610_205.0 / 1e6;
        assert!((known.megabytes.unwrap() / bytes - 1.0).abs() < 0.005, "{known:?}");
    }
}
