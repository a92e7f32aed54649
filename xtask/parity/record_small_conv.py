"""Records PyTorch's logits of the small convolutional network on formula-filled weights, in f64, for the tests of tl-models.

    python xtask/parity/record_small_conv.py --out crates/tl-models/tests/fixtures/small_conv.json

The network is the `Sequential` that `small_conv.rs` names, with those names. In each mode (eval, train): the 2 x 10 logits of
the formula's "input", and in training the norms of the moved statistics of the last norm.
"""

import argparse
import json
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from formula import fill, input_images

CLASSES, SHAPE, GAIN, BIAS_OFFSET = 10, (2, 3, 28, 28), 2.0, 0.5


def build():
    def block(channels):
        convolution = nn.Conv2d(*channels, 5, padding=2, bias=False)
        return [convolution, nn.BatchNorm2d(channels[1]), nn.ReLU(), nn.MaxPool2d(2)]

    features = nn.Sequential(*block((3, 32)), *block((32, 64)))
    classifier = nn.Sequential(nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, CLASSES))
    middle = [("pool", nn.AdaptiveAvgPool2d(7)), ("flatten", nn.Flatten())]
    model = nn.Sequential(OrderedDict([("features", features), *middle, ("classifier", classifier)])).double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                value.copy_(torch.from_numpy(fill(name, tuple(value.shape), GAIN, (), BIAS_OFFSET)))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/small_conv.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.from_numpy(input_images("input", SHAPE)).double()
    model = build()
    found = {"recorded_with": f"torch {torch.__version__}, f64", "gain": GAIN, "bias_offset": BIAS_OFFSET, "scales": []}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        with torch.no_grad():
            found[mode] = [[float(f"{value:.9g}") for value in row] for row in model(images).tolist()]
    norm = model.features[5]
    found["running_mean_norm"] = norm.running_mean.norm().item()
    found["running_var_norm"] = norm.running_var.norm().item()
    found["names"] = sorted(name for name in model.state_dict() if not name.endswith("num_batches_tracked"))
    arguments.out.write_text(json.dumps(found) + "\n")
    print(arguments.out, arguments.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
