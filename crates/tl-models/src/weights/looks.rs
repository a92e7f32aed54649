//! Which architecture a file's names and shapes point to.

use super::file::WeightsFile;

/// The architecture (or `unknown`), and the width of its last layer where it has a head.
pub(super) fn like(file: &WeightsFile) -> (String, Option<usize>) {
    let guesses = [
        mobilenet_v2,
        resnet,
        squeezenet,
        vgg,
        densenet,
        efficientnet,
        convnext,
        inception,
        vision_transformer,
        text_encoder,
        gpt2,
    ];
    guesses.iter().find_map(|guess| guess(file)).map_or_else(
        || ("unknown".to_owned(), None),
        |(name, head)| (name, file.shape(head).and_then(|shape| shape.first().copied())),
    )
}

type Guess = Option<(String, &'static str)>;

/// Whether the tensor has this shape; 0 stands for any extent.
fn has(file: &WeightsFile, name: &str, shape: &[usize]) -> bool {
    file.shape(name).is_some_and(|found| {
        found.len() == shape.len()
            && found.iter().zip(shape).all(|(found, wanted)| *wanted == 0 || found == wanted)
    })
}

/// How many blocks `0, 1, …` a file has, each told by one tensor's name.
fn blocks(file: &WeightsFile, name: impl Fn(usize) -> String) -> usize {
    (0..).take_while(|index| file.contains(&name(*index))).count()
}

fn mobilenet_v2(file: &WeightsFile) -> Guess {
    let found = file.contains("features.1.conv.0.0.weight")
        && has(file, "features.18.0.weight", &[0, 0, 1, 1]);
    found.then(|| ("mobilenet_v2".to_owned(), "classifier.1.weight"))
}

fn resnet(file: &WeightsFile) -> Guess {
    let depths = [1, 2, 3, 4]
        .map(|layer| blocks(file, |block| format!("layer{layer}.{block}.conv1.weight")));
    let bottleneck = file.contains("layer1.0.conv3.weight");
    let inner = |output, input| has(file, "layer1.0.conv2.weight", &[output, input, 3, 3]);
    let plain = |width, kernel| {
        inner(width, width) && has(file, "conv1.weight", &[width, 0, kernel, kernel])
    };
    let name = match (depths, bottleneck) {
        ([1, 1, 1, 1], false) if plain(32, 3) => "resnet10",
        // A wide or a grouped bottleneck has more channels inside.
        ([3, 4, 6, 3], true) if inner(128, 4) => "resnext50_32x4d",
        ([3, 4, 23, 3], true) if inner(256, 8) => "resnext101_32x8d",
        ([3, 4, 6, 3], true) if inner(128, 128) => "wide_resnet50_2",
        ([3, 4, 23, 3], true) if inner(128, 128) => "wide_resnet101_2",
        _ if !plain(64, 7) => return None,
        ([2, 2, 2, 2], false) => "resnet18",
        ([3, 4, 6, 3], false) => "resnet34",
        ([3, 4, 6, 3], true) => "resnet50",
        ([3, 4, 23, 3], true) => "resnet101",
        ([3, 8, 36, 3], true) => "resnet152",
        _ => return None,
    };
    Some((name.to_owned(), "fc.weight"))
}

fn squeezenet(file: &WeightsFile) -> Guess {
    let first = |width, kernel| has(file, "features.0.weight", &[width, 0, kernel, kernel]);
    let name = if first(96, 7) { "squeezenet1_0" } else { "squeezenet1_1" };
    let found = file.contains("features.3.squeeze.weight") && (first(96, 7) || first(64, 3));
    found.then(|| (name.to_owned(), "classifier.1.weight"))
}

/// By today's names or those of old files.
fn densenet(file: &WeightsFile) -> Guess {
    let layers = |block: usize, conv: &str| {
        blocks(file, |layer| {
            format!("features.denseblock{block}.denselayer{}.{conv}.weight", layer + 1)
        })
    };
    let found = ["conv1", "conv.1"]
        .iter()
        .any(|conv| [1, 2, 3, 4].map(|block| layers(block, conv)) == [6, 12, 24, 16]);
    found.then(|| ("densenet121".to_owned(), "classifier.weight"))
}

fn efficientnet(file: &WeightsFile) -> Guess {
    let first = blocks(file, |block| format!("features.1.{block}.block.0.0.weight"));
    let last = |width| has(file, "features.8.0.weight", &[width, 0, 1, 1]);
    let name = match first {
        1 if last(1280) => "efficientnet_b0",
        2 if last(1280) => "efficientnet_b1",
        2 if last(1408) => "efficientnet_b2",
        2 if last(1536) => "efficientnet_b3",
        2 if last(1792) => "efficientnet_b4",
        _ => return None,
    };
    Some((name.to_owned(), "classifier.1.weight"))
}

fn convnext(file: &WeightsFile) -> Guess {
    if !has(file, "features.0.0.weight", &[96, 0, 4, 4]) {
        return None;
    }
    let name = match blocks(file, |block| format!("features.5.{block}.layer_scale")) {
        9 => "convnext_tiny",
        27 => "convnext_small",
        _ => return None,
    };
    Some((name.to_owned(), "classifier.2.weight"))
}

fn inception(file: &WeightsFile) -> Guess {
    let found = file.contains("Conv2d_1a_3x3.conv.weight")
        && file.contains("Mixed_7c.branch3x3dbl_3b.conv.weight");
    found.then(|| ("inception_v3".to_owned(), "fc.weight"))
}

fn vgg(file: &WeightsFile) -> Guess {
    if !has(file, "features.0.weight", &[64, 0, 3, 3]) {
        return None;
    }
    let plain = |name: &&str| name.starts_with("features.") && name.matches('.').count() == 2;
    let convolutions =
        file.names().filter(plain).filter(|name| has(file, name, &[0, 0, 3, 3])).count();
    let depth = match convolutions {
        8 => 11,
        10 => 13,
        13 => 16,
        16 => 19,
        _ => return None,
    };
    let norm = if file.contains("features.1.running_mean") { "_bn" } else { "" };
    Some((format!("vgg{depth}{norm}"), "classifier.6.weight"))
}

fn vision_transformer(file: &WeightsFile) -> Guess {
    let any = |names: &[&str]| names.iter().any(|name| file.contains(name));
    // timm's names, torchvision's, Hugging Face's.
    if any(&["cls_token"])
        && any(&["patch_embed.proj.weight"])
        && any(&["blocks.0.attn.qkv.weight"])
    {
        return Some(("vit".to_owned(), "head.weight"));
    }
    if any(&["class_token"]) && any(&["conv_proj.weight"]) {
        return Some(("vit".to_owned(), "heads.head.weight"));
    }
    let hugging_face = any(&["vit.embeddings.cls_token", "embeddings.cls_token"])
        && any(&[
            "vit.encoder.layer.0.attention.attention.query.weight",
            "encoder.layer.0.attention.attention.query.weight",
        ]);
    hugging_face.then(|| ("vit".to_owned(), "classifier.weight"))
}

/// BERT, RoBERTa and DistilBERT. Without their prefix, RoBERTa's names are BERT's.
fn text_encoder(file: &WeightsFile) -> Guess {
    let families = [
        ("bert", "encoder.layer.0.attention.self.query.weight", "classifier.weight"),
        ("roberta", "encoder.layer.0.attention.self.query.weight", "classifier.out_proj.weight"),
        ("distilbert", "transformer.layer.0.attention.q_lin.weight", "classifier.weight"),
    ];
    families.into_iter().find_map(|(family, query, head)| {
        let found = [String::new(), format!("{family}.")].iter().any(|prefix| {
            file.contains(&format!("{prefix}embeddings.word_embeddings.weight"))
                && file.contains(&format!("{prefix}{query}"))
        });
        found.then(|| (family.to_owned(), head))
    })
}

fn gpt2(file: &WeightsFile) -> Guess {
    let found = ["", "transformer."].iter().any(|prefix| {
        file.contains(&format!("{prefix}wte.weight"))
            && file.contains(&format!("{prefix}h.0.attn.c_attn.weight"))
    });
    found.then(|| ("gpt2".to_owned(), "score.weight"))
}
