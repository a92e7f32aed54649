"""Records PyTorch's cross-entropy with label smoothing and class weights, and its gradient.

    python xtask/parity/record_label_smoothing.py --out crates/tl-train/tests/fixtures/label_smoothing.json

Needs torch.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as functional

LOGITS = [[0.3, -1.2, 0.8], [2.0, 0.1, -0.4], [-0.7, 0.9, 0.2], [1.5, -0.25, -3.0]]
LABELS = [2, 0, 1, 1]
WEIGHTS = [0.5, 2.0, 1.25]


def case(smoothing, weights):
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    labels = torch.tensor(LABELS)
    loss = functional.cross_entropy(logits, labels, weight=weight, label_smoothing=smoothing)
    loss.backward()
    return {
        "smoothing": smoothing,
        "weights": weights,
        "loss": loss.item(),
        "gradient": logits.grad.flatten().tolist(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = [case(smoothing, weights) for smoothing in (0.0, 0.1, 0.4) for weights in (None, WEIGHTS)]
    recorded = {"torch": torch.__version__.split("+")[0], "logits": sum(LOGITS, []), "labels": LABELS, "cases": cases}
    arguments.out.write_text(json.dumps(recorded) + "\n")


if __name__ == "__main__":
    main()
