"""Records how timm (torchvision, for a vision transformer) calls the tensors of the networks that are exported to it.

    python xtask/parity/record_export.py --out crates/tl-models/tests/fixtures/export.txt

A network of each kind is drawn at random; its tensors are put into the other library's network in the order in which both have
them, strictly, and both answer alike. One line for each tensor is written: library, network, its name there, its name in the
origin, its shape there; of the first 15 and the last 9 modules of a network, without its counters of batches. A line `count` says
how many tensors there are in all.
"""

import argparse
from pathlib import Path

import timm
import torch
import torchvision

CLASSES = 5
SIZE = 224
FIRST, LAST = 15, 9


def drawn(network):
    """The network with its initial weights and other statistics."""
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return network.eval()


def of_torchvision(name):
    return torchvision.models.get_model(name, weights=None, num_classes=CLASSES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/export.txt"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pairs = [
        ("timm", "mobilenet_v2", lambda: of_torchvision("mobilenet_v2"), lambda: timm.create_model("mobilenetv2_100", num_classes=CLASSES)),
        ("timm", "efficientnet_b0", lambda: of_torchvision("efficientnet_b0"), lambda: timm.create_model("efficientnet_b0", num_classes=CLASSES)),
        ("timm", "convnext_tiny", lambda: of_torchvision("convnext_tiny"), lambda: timm.create_model("convnext_tiny", num_classes=CLASSES)),
        ("timm", "vgg11_bn", lambda: of_torchvision("vgg11_bn"), lambda: timm.create_model("vgg11_bn", num_classes=CLASSES)),
        (
            "torchvision",
            "vit_tiny",
            lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, num_classes=CLASSES),
            lambda: torchvision.models.VisionTransformer(
                image_size=32, patch_size=16, num_layers=1, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=CLASSES
            ),
        ),
    ]
    lines = []
    for library, name, origin, other in pairs:
        origin, other = drawn(origin()), other()
        own, there = origin.state_dict(), other.state_dict()
        ordered = there.keys()
        if name == "vit_tiny":
            # torchvision declares the convolution behind the class token, timm the positions in front of it.
            ordered = list(there)
            ordered.insert(1, ordered.pop(ordered.index("encoder.pos_embedding")))
        assert len(own) == len(there), name
        matched = list(zip(ordered, own))
        moved = {theirs: own[ours].reshape(there[theirs].shape) for theirs, ours in matched}
        other.load_state_dict(moved, strict=True)
        other.eval()
        size = 32 if name == "vit_tiny" else SIZE
        images = torch.rand(1, 3, size, size)
        with torch.no_grad():
            one, two = origin(images), other(images)
        apart = ((one - two).norm() / one.norm()).item()
        print(f"{library} {name}: {len(own)} tensors, logits apart by {apart:.1e} of their length")
        assert apart < 1e-4 and one.std() > 1e-6, name
        lines.append(f"count {library} {name} {len(own)}")
        modules = list(dict.fromkeys(ours.rpartition(".")[0] if "layer_scale" not in ours else ours for _, ours in matched))
        kept = modules if len(modules) <= FIRST + LAST else modules[:FIRST] + modules[-LAST:]
        for theirs, ours in matched:
            module = ours.rpartition(".")[0] if "layer_scale" not in ours else ours
            if module in kept and not theirs.endswith("num_batches_tracked"):
                lines.append(" ".join([library, name, theirs, ours, "x".join(map(str, there[theirs].shape))]))
    arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
