//! timm's names.

/// How many blocks each stage of MobileNetV2 has.
const MOBILENET_STAGES: [usize; 7] = [1, 2, 3, 4, 3, 3, 1];

/// timm's name of what the network's origin calls `origin`; nothing where timm has no such network.
pub(super) fn name(network: &str, origin: &str) -> Option<String> {
    let parts: Vec<&str> = origin.split('.').collect();
    match network {
        "small_conv" | "resnet10" | "squeezenet1_0" | "squeezenet1_1" => None,
        "mobilenet_v2" => mobilenet(&parts),
        _ if network.starts_with("efficientnet_") => efficientnet(&parts),
        _ if network.starts_with("convnext_") => convnext(&parts),
        _ if network.starts_with("vgg") => Some(vgg(origin)),
        // ResNet and its kin, DenseNet and Inception have torchvision's names there too, and transformers timm's here.
        _ => Some(origin.to_string()),
    }
}

/// The shape that timm keeps the tensor in which it calls `name` and which its origin keeps as `shape`: as many values, in the
/// same order.
pub(super) fn shape(name: &str, shape: &[usize]) -> Vec<usize> {
    match (name, shape) {
        // What torchvision flattens is a window of 7 × 7 places.
        ("pre_logits.fc1.weight", &[width, inputs]) if inputs.is_multiple_of(49) => {
            vec![width, inputs / 49, 7, 7]
        }
        ("pre_logits.fc2.weight", &[width, inputs]) => vec![width, inputs, 1, 1],
        (_, &[width, 1, 1]) if name.ends_with(".gamma") => vec![width],
        _ => shape.to_vec(),
    }
}

/// The unit's convolution (0) or norm (1) as the stem and the last convolution have it.
fn outer(field: &str, conv: &str, norm: &str, value: &str) -> Option<String> {
    match field {
        "0" => Some(format!("{conv}.{value}")),
        "1" => Some(format!("{norm}.{value}")),
        _ => None,
    }
}

fn mobilenet(parts: &[&str]) -> Option<String> {
    match parts {
        ["features", "0", field, value] => outer(field, "conv_stem", "bn1", value),
        ["features", "18", field, value] => outer(field, "conv_head", "bn2", value),
        ["classifier", "1", value] => Some(format!("classifier.{value}")),
        ["features", block, "conv", place @ .., value] => {
            let number = block.parse::<usize>().ok()?.checked_sub(1)?;
            let expands = number > 0;
            let unit = match (expands, place) {
                (true, ["0", "0"]) => "conv_pw",
                (true, ["0", "1"]) | (false, ["0", "1"]) => "bn1",
                (true, ["1", "0"]) | (false, ["0", "0"]) => "conv_dw",
                (true, ["1", "1"]) | (false, ["2"]) => "bn2",
                (true, ["2"]) => "conv_pwl",
                (true, ["3"]) => "bn3",
                (false, ["1"]) => "conv_pw",
                _ => return None,
            };
            let (stage, block) = staged(number)?;
            Some(format!("blocks.{stage}.{block}.{unit}.{value}"))
        }
        _ => None,
    }
}

/// The stage of a block of MobileNetV2, and its number there.
fn staged(mut number: usize) -> Option<(usize, usize)> {
    for (stage, &blocks) in MOBILENET_STAGES.iter().enumerate() {
        if number < blocks {
            return Some((stage, number));
        }
        number -= blocks;
    }
    None
}

fn efficientnet(parts: &[&str]) -> Option<String> {
    match parts {
        ["features", "0", field, value] => outer(field, "conv_stem", "bn1", value),
        ["features", "8", field, value] => outer(field, "conv_head", "bn2", value),
        ["classifier", "1", value] => Some(format!("classifier.{value}")),
        ["features", stage, block, "block", place, field, value] => {
            let stage = stage.parse::<usize>().ok()?.checked_sub(1)?;
            // The blocks of the first stage do not expand.
            let place = place.parse::<usize>().ok()? + usize::from(stage == 0);
            let unit = match (place, *field) {
                (0, "0") => "conv_pw",
                (0, "1") => "bn1",
                (1, "0") => "conv_dw",
                (1, "1") if stage == 0 => "bn1",
                (1, "1") => "bn2",
                (2, "fc1") => "se.conv_reduce",
                (2, "fc2") => "se.conv_expand",
                (3, "0") if stage == 0 => "conv_pw",
                (3, "1") if stage == 0 => "bn2",
                (3, "0") => "conv_pwl",
                (3, "1") => "bn3",
                _ => return None,
            };
            Some(format!("blocks.{stage}.{block}.{unit}.{value}"))
        }
        _ => None,
    }
}

fn convnext(parts: &[&str]) -> Option<String> {
    let half = |place: &str| Some(place.parse::<usize>().ok()? / 2);
    match parts {
        ["features", "0", place, value] => Some(format!("stem.{place}.{value}")),
        ["classifier", "0", value] => Some(format!("head.norm.{value}")),
        ["classifier", "2", value] => Some(format!("head.fc.{value}")),
        ["features", stage, block, "layer_scale"] => {
            Some(format!("stages.{}.blocks.{block}.gamma", half(stage)?))
        }
        ["features", stage, block, "block", place, value] => {
            let layer = match *place {
                "0" => "conv_dw",
                "2" => "norm",
                "3" => "mlp.fc1",
                "5" => "mlp.fc2",
                _ => return None,
            };
            Some(format!("stages.{}.blocks.{block}.{layer}.{value}", half(stage)?))
        }
        ["features", stage, place, value] => {
            Some(format!("stages.{}.downsample.{place}.{value}", half(stage)?))
        }
        _ => None,
    }
}

/// Convolutions are called alike.
fn vgg(origin: &str) -> String {
    let names = [
        ("classifier.0.", "pre_logits.fc1."),
        ("classifier.3.", "pre_logits.fc2."),
        ("classifier.6.", "head.fc."),
    ];
    let found = names.iter().find_map(|(from, to)| Some((to, origin.strip_prefix(from)?)));
    found.map_or_else(|| origin.to_string(), |(to, value)| format!("{to}{value}"))
}
