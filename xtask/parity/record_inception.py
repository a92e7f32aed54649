"""Records torchvision's Inception-v3 in training with its auxiliary classifier, in f64, on formula-filled weights.

    python xtask/parity/record_inception.py --out crates/tl-models/tests/fixtures/parity/inception_v3_auxiliary.json

Images of 299 pixels, the first size that leaves it a place. The loss is the mean cross entropy of the last classifier plus 0.4
times that of the auxiliary one, as torchvision's training has it. Recorded are both classifiers' logits, the loss, and norm and
eight projections (see `formula.projections`) of the gradients of a convolution in the block in front of the
auxiliary classifier, of its first convolution and its linear layer, and of the last linear layer: further in front so many
values at this size lie near a kink that two passes in f32 differ. Input and refusal are as in `record_models.py`; dropout is off.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import torchvision

from formula import input_images, projections
from kinks import farthest_input
from record_models import CLASSES, MOST_GRADIENT_DEVIATION, MOST_LOGIT_DEVIATION, build, deviation, rounded

# Of four images: one place is left to the last norm of the auxiliary classifier, and the variance of two values is near nothing.
SHAPE, LABELS = (4, 3, 299, 299), [3, 7, 1, 12]
SHARE = 0.4
GRADIENTS = ["Mixed_6e.branch1x1.conv.weight", "AuxLogits.conv0.conv.weight", "AuxLogits.fc.weight", "fc.weight"]
CANDIDATES, ENOUGH_MARGIN = 6, 4.0
# Nearly every unit is on, as in `record_models.py`.
RULE = {"gain": 2.0, "bias_offset": 2.0, "scales": []}


def run(model, images):
    """Both classifiers' logits, the loss, and gradients by name."""
    logits, auxiliary = model(images)
    wanted = torch.tensor(LABELS)
    loss = torch.nn.functional.cross_entropy(logits, wanted)
    loss = loss + SHARE * torch.nn.functional.cross_entropy(auxiliary, wanted)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, [parameters[name] for name in GRADIENTS])
    double = [value.detach().double().numpy() for value in (logits, auxiliary, *gradients)]
    return double[0], double[1], float(loss.detach()), dict(zip(GRADIENTS, double[2:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out = Path("crates/tl-models/tests/fixtures/parity/inception_v3_auxiliary.json")
    parser.add_argument("--out", type=Path, default=out)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    single, double = (build("inception_v3", RULE, dtype, True).train() for dtype in (torch.float32, torch.float64))
    names = [f"input.{k}" for k in range(CANDIDATES)]
    candidates = [(name, torch.from_numpy(input_images(name, SHAPE))) for name in names]
    name, margin = farthest_input(double, single, candidates, ENOUGH_MARGIN)
    images = dict(candidates)[name]
    rough, exact = run(single, images), run(double, images.double())
    off = [deviation(rough[at], exact[at]) for at in (0, 1)]
    slopes = {path: deviation(rough[3][path], exact[3][path]) for path in GRADIENTS}
    print(f"{name} margin {margin:.1f} logits f32 {off} gradients f32 {slopes} loss {exact[2]:.5g}")
    if max(off) > MOST_LOGIT_DEVIATION or max(slopes.values()) > MOST_GRADIENT_DEVIATION:
        raise SystemExit("ill-conditioned in f32, not written")
    table = lambda rows: [[rounded(value, 7) for value in row] for row in rows.tolist()]
    summary = lambda value: {
        "norm": rounded(float(numpy.linalg.norm(value))),
        "projections": [rounded(p) for p in projections(value, 8)],
    }
    fixture = {
        "architecture": "inception_v3",
        "recorded_with": f"torch {torch.__version__}, torchvision {torchvision.__version__}, f64",
        "input_shape": list(SHAPE),
        "classes": CLASSES,
        "labels": LABELS,
        **RULE,
        "train": {
            "input": name,
            "logits": table(exact[0]),
            "loss": rounded(exact[2]),
            "gradients": {path: summary(value) for path, value in exact[3].items()},
        },
        "auxiliary": table(exact[1]),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
