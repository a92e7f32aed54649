"""Opens this run in PyTorch: python load.py [IMAGE ...]

Needs torch, torchvision, safetensors and Pillow. Prints one line of JSON for each image.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision import models, transforms

folder = Path(__file__).resolve().parent
run = json.loads((folder / "run.json").read_text())
labels, preprocess = run["labels"], run["preprocess"]

model = models.get_model(run["network"], weights=None, num_classes=len(labels))
model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
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
        logits = model(transform(upright.convert("RGB")).unsqueeze(0))[0]
    probabilities = logits.softmax(0)
    best = int(probabilities.argmax())
    print(json.dumps({"file": name, "label": labels[best], "probability": float(probabilities[best]), "logits": logits.tolist()}))
