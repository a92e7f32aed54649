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


def barlow_twins(first, second, redundancy):
    """Equation 1 of Barlow Twins, entry by entry; 1e-5 is a batch norm's epsilon."""

    def standard(rows):
        return (rows - rows.mean(dim=0)) / (rows.var(dim=0, unbiased=False) + 1e-5).sqrt()

    first, second = standard(first), standard(second)
    total = 0
    for i in range(WIDTH):
        for j in range(WIDTH):
            correlation = (first[:, i] * second[:, j]).mean()
            total = total + ((1 - correlation) ** 2 if i == j else redundancy * correlation**2)
    return total


def vicreg(first, second, invariance, variance, covariance):
    """Equations 1 to 5 of VICReg, with the mean over both views of the hinge, as its program has it."""
    total = invariance * ((first - second) ** 2).mean()
    for rows in (first, second):
        deviation = (rows.var(dim=0, unbiased=True) + 1e-4).sqrt()
        total = total + variance * torch.clamp(1 - deviation, min=0).mean() / 2
        matrix = torch.cov(rows.T)
        beside = [matrix[i, j] ** 2 for i in range(WIDTH) for j in range(WIDTH) if i != j]
        total = total + covariance * torch.stack(beside).sum() / WIDTH
    return total


def cosines(first, second):
    return (first * second).sum(dim=1) / (first.norm(dim=1) * second.norm(dim=1))


def byol(first, second, first_target, second_target):
    """Equation 2 of BYOL in both directions: squared distances of unit vectors."""

    def distance(one, other):
        one, other = one / one.norm(dim=1, keepdim=True), other / other.norm(dim=1, keepdim=True)
        return ((one - other.detach()) ** 2).sum(dim=1).mean()

    return distance(first, first_target) + distance(second, second_target)


def simsiam(first, second, first_target, second_target):
    """Equation 2 of SimSiam."""
    one, other = cosines(first, first_target.detach()), cosines(second, second_target.detach())
    return -0.5 * one.mean() - 0.5 * other.mean()


def dino(students, teachers, centre, student_temperature, teacher_temperature):
    """Equation 3 of DINO: every view of the student against every other view of the teacher."""
    terms = []
    for at, teacher in enumerate(teachers):
        target = torch.softmax((teacher.detach() - centre) / teacher_temperature, dim=1)
        for view, student in enumerate(students):
            if view != at:
                said = torch.softmax(student / student_temperature, dim=1)
                terms.append(-(target * torch.log(said)).sum(dim=1).mean())
    return torch.stack(terms).mean()


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
    first, second = views("first", "second")
    fixture["barlow_twins"] = case(barlow_twins(first, second, 0.005), [first, second])
    # Small values, so that the hinge of the variance is at work.
    first, second = views("first", "second")
    fixture["vicreg"] = case(vicreg(0.5 * first, 0.5 * second, 25, 25, 1), [first, second])
    first, second = views("first", "second")
    targets = [target.detach() for target in views("first_target", "second_target")]
    fixture["byol"] = case(byol(first, second, *targets), [first, second])
    first, second = views("first", "second")
    fixture["simsiam"] = case(simsiam(first, second, *targets), [first, second])
    first, second = views("first", "second")
    centre = torch.from_numpy(signed("centre", WIDTH))
    loss = dino([first, second, *targets], targets, centre, 0.1, 0.04)
    fixture["dino"] = case(loss, [first, second])
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
