"""Opens this run in PyTorch: python load.py [IMAGE ...]

Needs torch, torchvision, safetensors and Pillow; timm for a vision transformer. Prints one line of JSON for each
image: logits, or features where the run has no classifier. Of a run of several labels those above 0.5 stand beside them.
"""

import json
import math
import sys
from functools import partial
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.torch import load_file
from torchvision import models, transforms

folder = Path(__file__).resolve().parent
run = json.loads((folder / "run.json").read_text())
labels, preprocess = run["labels"], run["preprocess"]
weights = load_file(folder / "model.safetensors")


def transformer(name):
    """timm's network of the size `name`, in the shape that the weights have."""
    import timm

    with safe_open(folder / "model.safetensors", "pt") as file:
        mean = file.metadata()["pooling"] == "mean"
    patch = weights["patch_embed.proj.weight"].shape[-1]
    registers = weights["reg_token"].shape[1] if "reg_token" in weights else 0
    return timm.create_model(
        f"{name}_patch16_224", patch_size=patch, img_size=patch * math.isqrt(weights["pos_embed"].shape[1]),
        depth=sum(name.endswith(".norm1.weight") for name in weights), num_classes=len(labels),
        global_pool="avg" if mean else "token", fc_norm=False, reg_tokens=registers, no_embed_class=registers > 0,
        init_values=1.0 if "blocks.0.ls1.gamma" in weights else None, pre_norm="norm_pre.weight" in weights,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-5 if "norm_pre.weight" in weights else 1e-6),
    )


def small_conv():
    """Two convolutions and a hidden layer: no library has it."""
    nn = torch.nn

    def block(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 5, padding=2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    parts = {
        "features": nn.Sequential(*block(3, 32), *block(32, 64)),
        "pool": nn.AdaptiveAvgPool2d(7),
        "flat": nn.Flatten(),
        "classifier": nn.Sequential(nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, len(labels))),
    }
    network = nn.Sequential()
    for name, part in parts.items():
        network.add_module(name, part)
    return network


def resnet10():
    """torchvision's ResNet with one block a layer, half the channels and a first convolution for small images."""

    class Half(models.resnet.ResNet):
        def _make_layer(self, block, planes, *others, **more):
            self.inplanes = 32 if planes == 64 else self.inplanes
            return super()._make_layer(block, planes // 2, *others, **more)

    network = Half(models.resnet.BasicBlock, [1, 1, 1, 1])
    network.conv1 = torch.nn.Conv2d(3, 32, 3, padding=1, bias=False)
    network.bn1 = torch.nn.BatchNorm2d(32)
    network.fc = torch.nn.Linear(256, len(labels))
    return network


def convolutional(name):
    """The network `name` of torchvision or from above; where there are no labels, its last layer passes on what it gets."""
    own = {"small_conv": small_conv, "resnet10": resnet10}
    options = {"init_weights": False} if name == "inception_v3" else {}
    # Without labels its middle answers as ImageNet's.
    classes = len(labels) or (1000 if name == "inception_v3" else 1)
    if name in own:
        network = own[name]()
    else:
        network = models.get_model(name, weights=None, num_classes=classes, **options)
    if name.startswith("squeezenet"):
        # The head is linear: the mean over the image of a convolution's output, without a ReLU between them.
        network.classifier[2] = torch.nn.Identity()
    if labels:
        return network
    passing = torch.nn.Identity()
    if hasattr(network, "fc"):
        network.fc = passing
    elif isinstance(network.classifier, torch.nn.Linear):
        network.classifier = passing
    else:
        network.classifier[1 if name.startswith("squeezenet") else -1] = passing
    return network


name = run["network"]
model = transformer(name) if name.startswith("vit_") else convolutional(name)
model.load_state_dict(weights, strict=True)
model.eval()

modes = {name: getattr(transforms.InterpolationMode, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos")}
transform = transforms.Compose([
    transforms.Resize(preprocess["resize"], interpolation=modes[preprocess["interpolation"]]),
    transforms.CenterCrop(preprocess["crop"]),
    transforms.ToTensor(),
    transforms.Normalize(preprocess["mean"], preprocess["std"]),
])

for name in sys.argv[1:]:
    with torch.no_grad():
        upright = ImageOps.exif_transpose(Image.open(name))  # Pillow shows a phone's photo as it is stored
        output = model(transform(upright.convert("RGB")).unsqueeze(0))[0]
    if not labels:
        print(json.dumps({"file": name, "features": output.tolist()}))
        continue
    if run.get("several"):
        found = [labels[place] for place in output.argsort(descending=True).tolist() if output[place] > 0]
        shares = output.sigmoid().tolist()
        print(json.dumps({"file": name, "labels": found, "probabilities": shares, "logits": output.tolist()}))
        continue
    probabilities = output.softmax(0)
    best = int(probabilities.argmax())
    print(json.dumps({"file": name, "label": labels[best], "probability": float(probabilities[best]), "logits": output.tolist()}))
