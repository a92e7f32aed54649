"""Records transformers' masked autoencoder on formula-filled weights, in f64, for the parity test.

    python xtask/parity/record_mae.py --out crates/tl-ssl/tests/fixtures/mae.json

`ViTMAEForPreTraining` with a given noise: the loss, and norm and eight projections (see `formula`) of
gradients of encoder and decoder, under timm's names and those of this project's decoder. transformers keeps
queries, keys and values apart and the values of a patch with the channel last; here they are one matrix, and the
channel comes first, so that the rows of the last layer stand in another order.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import transformers
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from formula import fill, input_images, projections, signed
from record_models import deviation, rounded

WIDTH, DEPTH, HEADS, IMAGE, PATCH = 192, 2, 3, 28, 4
DECODER = {"width": 64, "depth": 2, "heads": 2}
SHAPE = (3, 3, IMAGE, IMAGE)
RATIO = 0.75
ENCODER_WANTED = ["patch_embed.proj.weight", "cls_token", "blocks.0.attn.qkv.weight", "blocks.1.mlp.fc2.weight", "norm.bias"]
DECODER_WANTED = ["embed.weight", "mask_token", "blocks.0.attn.qkv.weight", "pred.weight", "pred.bias"]
BLOCK = {
    "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.o_proj",
    "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
}


def blocks(ours, theirs, depth):
    """Pairs of our name and the names there that make it up."""
    for block in range(depth):
        for part in ("weight", "bias"):
            for own, other in BLOCK.items():
                yield f"{ours}blocks.{block}.{own}.{part}", [f"{theirs}.{block}.{other}.{part}"]
            joint = [f"{theirs}.{block}.attention.{kind}_proj.{part}" for kind in "qkv"]
            yield f"{ours}blocks.{block}.attn.qkv.{part}", joint


def names():
    pairs = [
        ("cls_token", ["vit.embeddings.cls_token"]),
        ("pos_embed", ["vit.embeddings.position_embeddings"]),
        ("patch_embed.proj.weight", ["vit.embeddings.patch_embeddings.projection.weight"]),
        ("patch_embed.proj.bias", ["vit.embeddings.patch_embeddings.projection.bias"]),
        ("norm.weight", ["vit.layernorm.weight"]),
        ("norm.bias", ["vit.layernorm.bias"]),
        ("decoder.mask_token", ["decoder.mask_token"]),
        *blocks("", "vit.layers", DEPTH),
        *blocks("decoder.", "decoder.decoder_layers", DECODER["depth"]),
    ]
    for own, other in (("embed", "decoder_embed"), ("norm", "decoder_norm"), ("pred", "decoder_pred")):
        pairs += [(f"decoder.{own}.{part}", [f"decoder.{other}.{part}"]) for part in ("weight", "bias")]
    return dict(pairs)


def channel_first():
    """For each place of a patch's values, channel first, its place with the channel last."""
    return numpy.arange(3 * PATCH * PATCH).reshape(PATCH, PATCH, 3).transpose(2, 0, 1).ravel()


def build(dtype, normalise):
    config = ViTMAEConfig(
        hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=4 * WIDTH,
        image_size=IMAGE, patch_size=PATCH, decoder_hidden_size=DECODER["width"],
        decoder_num_hidden_layers=DECODER["depth"], decoder_num_attention_heads=DECODER["heads"],
        decoder_intermediate_size=4 * DECODER["width"], mask_ratio=RATIO, norm_pix_loss=normalise,
        layer_norm_eps=1e-6, attn_implementation="eager",
    )
    model = ViTMAEForPreTraining(config).to(dtype)
    parameters = dict(model.named_parameters())
    # Sines and cosines, as the library fills them itself where it loads or initialises weights.
    model.decoder.initialize_weights((IMAGE // PATCH) ** 2)
    assert model.decoder.decoder_pos_embed.abs().sum() > 0
    filled = {"decoder.decoder_pos_embed"}
    with torch.no_grad():
        for own, others in names().items():
            parts = [parameters[name] for name in others]
            shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:]) if len(parts) > 1 else parts[0].shape
            values = fill(own, tuple(shape), 1.0)
            if own.startswith("decoder.pred"):
                there = numpy.empty_like(values)
                there[channel_first()] = values
                values = there
            for part, value in zip(parts, numpy.split(values, len(parts)) if len(parts) > 1 else [values]):
                part.copy_(torch.from_numpy(value))
            filled.update(others)
    assert filled == set(parameters), set(parameters) ^ filled
    return model.train()


def run(model, images, noise):
    loss = model(images, noise=noise).loss
    parameters = dict(model.named_parameters())
    found, known = {}, names()
    for own in ENCODER_WANTED + [f"decoder.{name}" for name in DECODER_WANTED]:
        parts = [parameters[name] for name in known[own]]
        gradients = torch.autograd.grad(loss, parts, retain_graph=True)
        value = torch.cat(gradients).double().numpy() if len(parts) > 1 else gradients[0].double().numpy()
        found[own] = value[channel_first()] if own.startswith("decoder.pred") else value
    return float(loss.detach()), found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-ssl/tests/fixtures/mae.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.from_numpy(input_images("input", SHAPE))
    patches = (IMAGE // PATCH) ** 2
    noise = signed("noise", SHAPE[0] * patches).reshape(SHAPE[0], patches)
    cases = []
    for normalise in (True, False):
        exact, gradients = run(build(torch.float64, normalise), images.double(), torch.from_numpy(noise))
        rough, approximate = run(build(torch.float32, normalise), images, torch.from_numpy(noise).float())
        off = {name: f"{deviation(approximate[name], value):.1e}" for name, value in gradients.items()}
        print(f"normalise {normalise} loss {exact:.6g}, f32 off {abs(rough - exact) / exact:.1e}", off)
        cases.append({
            "normalise": normalise,
            "loss": rounded(exact),
            "gradients": {
                name: {
                    "norm": rounded(float(numpy.linalg.norm(value))),
                    "projections": [rounded(p) for p in projections(value, 8)],
                }
                for name, value in gradients.items()
            },
        })
    fixture = {
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, f64",
        "input_shape": list(SHAPE), "patch": PATCH, "depth": DEPTH, "mask_ratio": RATIO, "decoder": DECODER,
        # The order in which each image's patches stand by their noise.
        "orders": numpy.argsort(noise, axis=1).tolist(),
        "cases": cases,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
