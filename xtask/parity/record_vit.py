"""Records timm's vision transformers on formula-filled weights, in f64, for the parity tests.

    python xtask/parity/record_vit.py --out crates/tl-models/tests/fixtures/parity

One JSON file a case, in the form of `record_models`: logits, loss, and norm and eight projections of some
gradients. The cases are the three sizes, small patches with the mean of the patches as output, DINOv2's kind
(scaled branches, registers), CLIP's kind (a norm in front, quick GELU), and images of another size than the
network was built for (`dynamic_img_size`), which is also what a resampled file gives.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from formula import fill, input_images, projections
from record_models import CLASSES, LABELS, MOST_GRADIENT_DEVIATION, MOST_LOGIT_DEVIATION, deviation, rounded

SIZES = {"tiny": 3, "small": 6, "base": 12}
RULE = {"gain": 1.0, "bias_offset": 0.0, "scales": []}


def case(size, image, seen=None, patch=16, **more):
    heads = SIZES[size]
    return seen or image, dict(img_size=image, patch_size=patch, embed_dim=64 * heads, num_heads=heads, **more)


CASES = {
    "vit_tiny": case("tiny", 64),
    "vit_small": case("small", 64),
    "vit_base": case("base", 64),
    "vit_tiny_patch4_mean": case("tiny", 28, patch=4, depth=6, global_pool="avg", fc_norm=False),
    "vit_small_dinov2": case("small", 56, patch=14, init_values=1e-5),
    "vit_small_dinov2_registers": case("small", 56, patch=14, init_values=1e-5, reg_tokens=4, no_embed_class=True),
    "vit_tiny_clip": case(
        "tiny", 64, pre_norm=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-5), act_layer="quick_gelu"
    ),
    "vit_tiny_larger": case("tiny", 64, seen=96, dynamic_img_size=True),
    "vit_tiny_smaller": case("tiny", 64, seen=48, dynamic_img_size=True),
}


def build(arguments, dtype):
    model = VisionTransformer(num_classes=CLASSES, **arguments).to(dtype).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(torch.from_numpy(fill(name, tuple(value.shape), RULE["gain"])))
    return model


def run(model, images):
    logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    parameters = dict(model.named_parameters())
    wanted = ["patch_embed.proj.weight", "pos_embed", "cls_token", "blocks.1.attn.qkv.weight", "head.weight"]
    wanted += [name for name in ("reg_token", "blocks.0.ls1.gamma", "norm_pre.weight") if name in parameters]
    gradients = torch.autograd.grad(loss, [parameters[name] for name in wanted], allow_unused=True)
    return {
        "logits": logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "gradients": {name: value.double().numpy() for name, value in zip(wanted, gradients) if value is not None},
    }


def record(name, seen, arguments):
    single, double = (build(arguments, dtype) for dtype in (torch.float32, torch.float64))
    shape = (2, 3, seen, seen)
    images = torch.from_numpy(input_images("input", shape))
    rough, exact = run(single, images), run(double, images.double())
    off = {name: deviation(rough["gradients"][name], value) for name, value in exact["gradients"].items()}
    off["logits"] = deviation(rough["logits"], exact["logits"])
    print(name, f"loss {exact['loss']:.4g}", {name: f"{value:.1e}" for name, value in off.items()}, flush=True)
    if off.pop("logits") > MOST_LOGIT_DEVIATION or max(off.values()) > MOST_GRADIENT_DEVIATION:
        raise SystemExit(f"{name} is ill-conditioned in f32, not written")
    mode = {
        "input": "input",
        "logits": [[rounded(value, 7) for value in row] for row in exact["logits"].tolist()],
        "loss": rounded(exact["loss"]),
        "gradients": {
            name: {
                "norm": rounded(float((value**2).sum() ** 0.5)),
                "projections": [rounded(p) for p in projections(value, 8)],
            }
            for name, value in exact["gradients"].items()
        },
    }
    return {
        "architecture": name,
        "recorded_with": f"torch {torch.__version__}, timm {timm.__version__}, f64",
        "input_shape": list(shape),
        "classes": CLASSES,
        "labels": LABELS,
        **RULE,
        "eval": mode,
        "train": mode,
        "entries": {name: list(value.shape) for name, value in double.state_dict().items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/parity"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, (seen, options) in CASES.items():
        fixture = record(name, seen, options)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
