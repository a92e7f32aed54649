"""Records the names, types and shapes of torchvision's state dicts, for the test of the runs' files.

    python xtask/parity/record_state_dicts.py --out crates/tl-cli/tests/fixtures/state_dicts.json

Needs torch and torchvision. Networks with and without norms, and one whose head is a convolution, with three classes; types by their names in safetensors.
"""

import argparse
import json
from pathlib import Path

import torch
import torchvision

NETWORKS = ["mobilenet_v2", "resnet18", "squeezenet1_1", "vgg11"]
CLASSES = 3
TYPES = {torch.float32: "F32", torch.int64: "I64"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    networks = []
    for name in NETWORKS:
        with torch.device("meta"):  # no values are needed
            model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
        tensors = sorted(
            (key, f"{TYPES[value.dtype]} {list(value.shape)}") for key, value in model.state_dict().items()
        )
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(text)}" for key, text in tensors)
        networks.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("{\n" + ",\n".join(networks) + "\n}\n")
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}: {out}")


if __name__ == "__main__":
    main()
