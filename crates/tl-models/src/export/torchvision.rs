//! torchvision's names.

/// torchvision's name of what the network's origin calls `origin`; nothing where torchvision has no such network, or no place for
/// the tensor in it.
pub(super) fn name(network: &str, origin: &str) -> Option<String> {
    match network {
        "small_conv" | "resnet10" => None,
        _ if network.starts_with("vit_") => transformer(origin),
        _ => Some(origin.to_string()),
    }
}

/// From timm's name. torchvision's transformer has neither registers, nor scaled branches, nor a norm in front.
fn transformer(origin: &str) -> Option<String> {
    let parts: Vec<&str> = origin.split('.').collect();
    Some(match parts.as_slice() {
        ["cls_token"] => "class_token".to_string(),
        ["pos_embed"] => "encoder.pos_embedding".to_string(),
        ["patch_embed", "proj", value] => format!("conv_proj.{value}"),
        ["norm", value] => format!("encoder.ln.{value}"),
        ["head", value] => format!("heads.head.{value}"),
        ["blocks", block, rest @ ..] => {
            let place = match rest {
                ["norm1", value] => format!("ln_1.{value}"),
                ["attn", "qkv", value] => format!("self_attention.in_proj_{value}"),
                ["attn", "proj", value] => format!("self_attention.out_proj.{value}"),
                ["norm2", value] => format!("ln_2.{value}"),
                ["mlp", "fc1", value] => format!("mlp.0.{value}"),
                ["mlp", "fc2", value] => format!("mlp.3.{value}"),
                _ => return None,
            };
            format!("encoder.layers.encoder_layer_{block}.{place}")
        }
        _ => return None,
    })
}
