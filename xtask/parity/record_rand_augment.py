"""Records what torchvision's RandAugment makes of a small image, for the tests of tl-data.

    python xtask/parity/record_rand_augment.py

Needs torch and torchvision. Writes crates/tl-data/tests/fixtures/rand_augment.json. The image is that of
record_resize.py's formula; each operation is torchvision's, on floats in 0..1 where it takes them, else on bytes that are divided by
255 afterwards. A level of Posterize is its bits, of Solarize its threshold in 0..1.
"""

import json
import pathlib

import torch
import torchvision
from torchvision.transforms import InterpolationMode, functional
from torchvision.transforms.autoaugment import RandAugment, _apply_op

from record_resize import image

SIDE = 9
# Fewer pixels than bytes have values are not equalised.
LARGE_SIDE = 20
LEVEL_SIDE = 224
BYTES = ["Posterize", "Equalize"]
CASES = [
    ("Identity", 0.0), ("ShearX", 0.09), ("ShearX", -0.27), ("ShearY", 0.13), ("ShearY", -0.3),
    ("TranslateX", 2.7), ("TranslateX", -5.2), ("TranslateY", 3.0), ("TranslateY", -1.9),
    ("Rotate", 9.0), ("Rotate", -27.0), ("Rotate", 30.0), ("Brightness", 0.27), ("Brightness", -0.9),
    ("Color", 0.27), ("Color", -0.81), ("Contrast", 0.6), ("Contrast", -0.3), ("Sharpness", 0.27), ("Sharpness", -0.9),
    ("Sharpness", 0.9), ("Posterize", 8.0), ("Posterize", 7.0), ("Posterize", 4.0), ("Solarize", 0.7), ("Solarize", 0.0),
    ("Solarize", 1.0), ("AutoContrast", 0.0), ("Equalize", 0.0), ("Rotate", 0.0),
]  # fmt: skip


def case(name, level):
    side = LARGE_SIDE if name == "Equalize" else SIDE
    start = image(side, side)
    pixels = functional.pil_to_tensor(start) if name in BYTES else functional.to_tensor(start)
    pixels = _apply_op(pixels, name, level, InterpolationMode.NEAREST, None)
    pixels = pixels.float() / 255 if name in BYTES else pixels
    pixels = [float(f"{value:.7f}") for value in pixels.flatten().tolist()]
    return {"operation": name, "level": level, "side": side, "pixels": pixels}


def levels():
    space = RandAugment()._augmentation_space(31, (LEVEL_SIDE, LEVEL_SIDE))
    for name, (magnitudes, signed) in space.items():
        found = [float(it) for it in magnitudes] if magnitudes.ndim else [0.0] * 31
        found = [it / 255 for it in found] if name == "Solarize" else found
        yield {"operation": name, "side": LEVEL_SIDE, "signed": signed, "levels": [round(it, 5) for it in found]}


def main():
    torch.set_num_threads(1)
    cases = [case(name, level) for name, level in CASES]
    rows = lambda found: ",\n".join("  " + json.dumps(it) for it in found)
    head = f'"recorded_with": "torch {torch.__version__}, torchvision {torchvision.__version__}"'
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "crates/tl-data/tests/fixtures/rand_augment.json"
    text = "{\n " + head + ',\n "cases": [\n' + rows(cases) + '\n ],\n "levels": [\n' + rows(levels()) + "\n ]\n}\n"
    path.write_text(text)
    print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
