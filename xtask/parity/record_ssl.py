"""Records losses of self-supervised methods and their gradients in f64.

    python xtask/parity/record_ssl.py --out crates/tl-ssl/tests/fixtures/losses.json

Each loss is written down from its paper's formula, on inputs of the formula in `formula`; gradients are PyTorch's.
"""

import argparse
import json
from pathlib import Path

import torch

from formula import signed

IMAGES, WIDTH = 6, 5


def views(*names):
    count = IMAGES * WIDTH
    return [torch.from_numpy(signed(name, count).reshape(IMAGES, WIDTH)).requires_grad_() for name in names]


def nt_xent(first, second, temperature):
    """Equation 1 of SimCLR, view by view."""
    all_views = torch.cat([first, second])
    unit = all_views / all_views.norm(dim=1, keepdim=True)
    total = 0
    for i in range(2 * IMAGES):
        j = (i + IMAGES) % (2 * IMAGES)
        others = torch.stack([torch.exp(unit[i] @ unit[k] / temperature) for k in range(2 * IMAGES) if k != i])
        total = total - torch.log(torch.exp(unit[i] @ unit[j] / temperature) / others.sum())
    return total / (2 * IMAGES)


def case(loss, inputs):
    gradients = torch.autograd.grad(loss, inputs)
    return {"loss": float(loss.detach()), "gradients": [gradient.flatten().tolist() for gradient in gradients]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-ssl/tests/fixtures/losses.json"))
    arguments = parser.parse_args()
    fixture = {"recorded_with": f"torch {torch.__version__}, f64", "images": IMAGES, "width": WIDTH}
    for temperature in (0.1, 0.5):
        first, second = views("first", "second")
        fixture[f"nt_xent_{temperature}"] = case(nt_xent(first, second, temperature), [first, second])
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
