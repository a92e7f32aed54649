"""Records what torchvision makes of the colours of a small image, for the tests of tl-data.

    python xtask/parity/record_colour.py

Needs torch, torchvision and Pillow. Writes crates/tl-data/tests/fixtures/colour.json. The image is that of
record_resize.py's formula, as floats in 0..1; each change is torchvision's functional of that name, in f32.
"""

import json
import pathlib

import torch
import torchvision
from torchvision.transforms import functional

from record_resize import image

SIDE = 9
CHANGES = {
    "brightness": lambda x, factor: functional.adjust_brightness(x, factor),
    "contrast": lambda x, factor: functional.adjust_contrast(x, factor),
    "saturation": lambda x, factor: functional.adjust_saturation(x, factor),
    "hue": lambda x, turn: functional.adjust_hue(x, turn),
    "greyscale": lambda x, _: functional.rgb_to_grayscale(x, num_output_channels=3),
    "solarise": lambda x, threshold: functional.solarize(x, threshold),
    "blur": lambda x, kernel, sigma: functional.gaussian_blur(x, [kernel, kernel], [sigma, sigma]),
}
CASES = [
    ("brightness", 0.3), ("brightness", 1.7), ("contrast", 0.2), ("contrast", 1.8),
    ("saturation", 0.0), ("saturation", 0.4), ("saturation", 1.9), ("hue", -0.5), ("hue", -0.13), ("hue", 0.2),
    ("hue", 0.5), ("greyscale", 0), ("solarise", 0.5), ("solarise", 0.2),
    ("blur", 3, 0.4), ("blur", 5, 1.5), ("blur", 15, 2.0),
]  # fmt: skip


def main():
    start = functional.to_tensor(image(SIDE, SIDE))
    lines = []
    for name, *numbers in CASES:
        pixels = CHANGES[name](start, *numbers).flatten().tolist()
        pixels = [float(f"{value:.7f}") for value in pixels]
        lines.append("  " + json.dumps({"change": name, "numbers": numbers, "pixels": pixels}))
    head = f'"recorded_with": "torch {torch.__version__}, torchvision {torchvision.__version__}", "side": {SIDE}'
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "crates/tl-data/tests/fixtures/colour.json"
    path.write_text("{\n " + head + ',\n "cases": [\n' + ",\n".join(lines) + "\n ]\n}\n")
    print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
