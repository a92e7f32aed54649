"""Records torchvision's logits for the three photos in `assets/photos` with the weights in `assets`.

    python xtask/parity/record_photos.py [NETWORK ...] --assets assets --out crates/tl-models/tests/fixtures/photos

One file a network, mobilenet_v2 and squeezenet1_1; this one without the ReLU between its last convolution and the pooling.

Preprocessing is torchvision's for evaluation: the shorter side to 256 with PIL's bilinear filter, the
centre 224 x 224, scaled to [0, 1], minus the ImageNet mean, divided by its deviation. A grey photo is
copied to three channels. The network runs in f64 on the weights as they stand in the file.
"""

import argparse
import json
from pathlib import Path

import PIL
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["mobilenet_v2", "squeezenet1_1"])
    parser.add_argument("--assets", type=Path, default=Path("assets"))
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/photos"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for network in arguments.networks:
        record(network, arguments.assets, arguments.out)


def record(network, assets, out):
    names = json.loads((assets / "imagenet_classes.json").read_text())
    model = torchvision.models.get_model(network)
    if network.startswith("squeezenet"):
        model.classifier[2] = torch.nn.Identity()
    state = {name: value.double() for name, value in load_file(assets / f"{network}.safetensors").items()}
    model.double().load_state_dict(state, strict=False)
    model.eval()
    prepare = torch.nn.Sequential(v2.Resize(256, v2.InterpolationMode.BILINEAR), v2.CenterCrop(224))
    photos = {}
    for name in ["chelsea", "coffee", "camera"]:
        image = prepare(Image.open(assets / "photos" / f"{name}.png").convert("RGB"))
        pixels = v2.functional.pil_to_tensor(image)
        batch = v2.functional.normalize(pixels.double()[None] / 255, MEAN, STD)
        with torch.no_grad():
            logits = model(batch)[0]
        best = logits.topk(5)
        probabilities = logits.softmax(0)
        photos[f"{name}.png"] = {
            "top5": [
                {
                    "class": index,
                    "name": names[index],
                    "logit": round(logits[index].item(), 6),
                    "probability": round(probabilities[index].item(), 6),
                }
                for index in best.indices.tolist()
            ],
            "first_logits": [round(value, 6) for value in logits[:10].tolist()],
            "logits_norm": round(logits.norm().item(), 6),
            # After resize and crop, bytes: their sum, and the three channels of the pixel at row 112, column 100.
            "pixel_sum": int(pixels.long().sum()),
            "pixel": pixels[:, 112, 100].tolist(),
        }
        print(network, name, [(entry["name"], entry["probability"]) for entry in photos[f"{name}.png"]["top5"]])
    fixture = {
        "recorded_with": ", ".join(
            [f"torch {torch.__version__}", f"torchvision {torchvision.__version__}", f"Pillow {PIL.__version__}", "f64"]
        ),
        "photos": photos,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{network}.json").write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
