"""Records parameters and multiply-adds of networks, for the test of the registry.

    python xtask/parity/record_registry.py --out crates/tl/tests/fixtures/registry.json

Needs torch, torchvision, timm, transformers. `published` is torchvision's own record of its weights (`num_params`, and `_ops` in
10^9 multiply-adds); `counted` is what PyTorch's counter of operations finds without any weights: of images at 224 pixels, of the
encoder for 128 pieces. The counter counts an operation for a product and one for a sum: half of that are multiply-adds.
"""

import argparse
import json
from pathlib import Path

import timm
import torch
import torchvision.models
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

PUBLISHED = """
convnext_tiny convnext_small densenet121 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4
inception_v3 mobilenet_v2 resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2
wide_resnet101_2 squeezenet1_0 squeezenet1_1 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
""".split()


def published(name):
    meta = list(torchvision.models.get_model_weights(name))[0].meta
    return {"name": name, "parameters": meta["num_params"], "billions": meta["_ops"]}


def counted(name, build, example):
    with torch.device("meta"):
        model = build().eval()
        with FlopCounterMode(display=False) as counter:
            model(example())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"name": name, "parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl/tests/fixtures/registry.json"))
    arguments = parser.parse_args()

    def image():
        return torch.zeros(1, 3, 224, 224)

    found = [
        counted(name, lambda name=name: torchvision.models.get_model(name, weights=None), image)
        for name in ["resnet18", "vgg16", "efficientnet_b0", "densenet121", "convnext_tiny"]
    ]
    for size in ["tiny", "small"]:
        name = f"vit_{size}"
        found.append(counted(name, lambda name=name: timm.create_model(f"{name}_patch16_224"), image))
    found.append(counted("bert", lambda: BertModel(BertConfig()), lambda: torch.zeros(1, 128, dtype=torch.long)))
    result = {"published": [published(name) for name in PUBLISHED], "counted": found}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
