"""Records trajectories of PyTorch's optimizers and schedules, in f64, for the tests of tl-core.

    python xtask/parity/record_optimizers.py --out crates/tl-core/tests/fixtures/optimizers.json

The problem has two parameters, "matrix" [3, 4] and "vector" [5]. Their start is s under their own name
(see `formula`), and the gradient of step t (from 0) is the recorded `gradients[t]`: 0.5 s under
"NAME.gradient.T". Each case gives both parameters, flat, after each of the 10 steps.

LARS is not in PyTorch: `Lars` below writes the formula down, in f64, over PyTorch's tensors.

Schedules give the rate of each step from 0, before that step's update.
"""

import argparse
import json
import math
from pathlib import Path

import torch

from formula import signed

STEPS = 10
SHAPES = {"matrix": (3, 4), "vector": (5,)}


def tensor(name, shape, scale):
    values = torch.from_numpy(scale * signed(name, math.prod(shape)))
    return values.reshape(shape).clone()


def gradient(name, step):
    return tensor(f"{name}.gradient.{step}", SHAPES[name], 0.5)


def trajectory(make, clip=None, rates=None):
    """Parameters after each step; `rates` sets the rate of each step by hand."""
    parameters = {name: torch.nn.Parameter(tensor(name, shape, 1.0)) for name, shape in SHAPES.items()}
    optimizer = make(parameters)
    steps, norms = [], []
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = gradient(name, step)
        if clip is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(list(parameters.values()), clip).item())
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[step]
        optimizer.step()
        steps.append({name: parameter.detach().flatten().tolist() for name, parameter in parameters.items()})
    return {"steps": steps, **({"norms_before_clipping": norms} if norms else {})}


class Lars(torch.optim.Optimizer):
    """You et al. 2017 (arXiv 1708.03888), equation 6 and its momentum, as SimCLR uses it: parameters of one
    dimension neither decay nor are adapted; a norm of 0 leaves the rate as it is."""

    def __init__(self, parameters, lr, momentum, weight_decay, trust_coefficient):
        super().__init__(parameters, {"lr": lr})
        self.momentum, self.decay, self.trust = momentum, weight_decay, trust_coefficient

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                direction, local = parameter.grad, 1.0
                if parameter.ndim > 1:
                    direction = direction + self.decay * parameter
                    local = self.trust * parameter.norm() / direction.norm()
                    local = local if torch.isfinite(local) and local > 0 else 1.0
                state = self.state[parameter]
                velocity = state.get("velocity", torch.zeros_like(parameter))
                state["velocity"] = self.momentum * velocity + group["lr"] * local * direction
                parameter -= state["velocity"]


def one_group(optimizer, **settings):
    return lambda parameters: optimizer(list(parameters.values()), **settings)


def two_groups(optimizer, first, second):
    settings = [("matrix", first), ("vector", second)]
    return lambda parameters: optimizer([{"params": [parameters[name]], **values} for name, values in settings])


def optimizer_cases():
    sgd, adamw = torch.optim.SGD, torch.optim.AdamW
    lars = {"lr": 0.5, "momentum": 0.9, "weight_decay": 0.01, "trust_coefficient": 0.001}
    ramp = [0.01 * (step + 1) for step in range(STEPS)]
    momentum = {"lr": 0.1, "momentum": 0.9}
    settings = [
        ("sgd", sgd, {"lr": 0.1}, {}),
        ("sgd_momentum", sgd, momentum, {}),
        ("sgd_momentum_decay", sgd, {**momentum, "weight_decay": 0.01}, {}),
        ("sgd_nesterov", sgd, {**momentum, "nesterov": True}, {}),
        ("sgd_nesterov_decay", sgd, {**momentum, "nesterov": True, "weight_decay": 0.01}, {}),
        ("sgd_momentum_changing_rate", sgd, momentum, {"rates": ramp}),
        ("sgd_momentum_clipped", sgd, momentum, {"clip": 1.0}),
        ("adamw", adamw, {}, {}),
        ("adamw_changing_rate", adamw, {}, {"rates": ramp}),
        ("adamw_clipped", adamw, {}, {"clip": 1.0}),
        ("adamw_settings", adamw, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}, {}),
        ("lars", Lars, lars, {}),
        ("lars_changing_rate", Lars, {**lars, "momentum": 0.5, "trust_coefficient": 0.1}, {"rates": ramp}),
        ("lars_clipped", Lars, {**lars, "lr": 0.3, "weight_decay": 0.0, "trust_coefficient": 0.02}, {"clip": 1.0}),
    ]
    cases = []
    for name, kind, values, extra in settings:
        recorded = trajectory(one_group(kind, **values), **extra)
        cases.append({"name": name, "optimizer": kind.__name__, "settings": values, **extra, **recorded})
    matrix, vector = {"lr": 0.01, "weight_decay": 0.1}, {"lr": 0.001, "weight_decay": 0.0}
    cases.append(
        {
            "name": "adamw_two_groups",
            "optimizer": "AdamW",
            "groups": {"matrix": matrix, "vector": vector},
            **trajectory(two_groups(adamw, matrix, vector)),
        }
    )
    return cases


def rates_of(make_scheduler, rate, total):
    """The rate of every step as a scheduler of PyTorch sets it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=rate)
    scheduler = make_scheduler(optimizer)
    rates = []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < total:
            scheduler.step()
    return rates


def warmup_cosine(rate, warmup, total, last=0.0):
    """Linear warm-up over the first `warmup` steps, then half a cosine down to `last` at step `total`."""
    rates = []
    for step in range(total):
        if step < warmup:
            rates.append(rate * (step + 1) / warmup)
        else:
            progress = (step - warmup) / (total - warmup)
            rates.append(last + (rate - last) * (1 + math.cos(math.pi * progress)) / 2)
    return rates


def slanted_triangular(rate, total, cut_fraction=0.1, ratio=32.0):
    """Howard and Ruder 2018 (ULMFiT), equation 3; `rate` is their eta_max.

    The paper divides the falling part by cut * (1 / cut_fraction - 1), which is total - cut where
    total * cut_fraction is whole and lets the rate fall below 0 elsewhere; total - cut is used throughout.
    """
    cut = max(1, math.floor(total * cut_fraction))
    rates = []
    for step in range(total):
        if step < cut:
            p = step / cut
        else:
            p = 1 - (step - cut) / (total - cut)
        rates.append(rate * (1 + p * (ratio - 1)) / ratio)
    return rates


def schedule_cases():
    lr_scheduler = torch.optim.lr_scheduler

    def one_cycle(total):
        return lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total, cycle_momentum=False)

    cases = [
        {"name": "one_cycle", "rate": 0.1, "total": total, "rates": rates_of(one_cycle(total), 0.1, total)}
        for total in (20, 7, 100)
    ]
    for total, warmup, last in [(20, 5, 0.0), (20, 0, 0.001), (100, 10, 0.0)]:
        rates = warmup_cosine(0.1, warmup, total, last)
        settings = {"rate": 0.1, "total": total, "warmup": warmup, "last": last}
        cases.append({"name": "warmup_cosine", **settings, "rates": rates})
    # The cosine part against PyTorch's own, which counts from 0 as well.
    cosine = rates_of(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 20, 0.001), 0.1, 20)
    assert max(abs(a - b) for a, b in zip(cosine, warmup_cosine(0.1, 0, 20, 0.001))) < 1e-12
    for total in (20, 100, 25, 5):
        settings = {"rate": 0.1, "total": total, "cut_fraction": 0.1, "ratio": 32.0}
        cases.append({"name": "slanted_triangular", **settings, "rates": slanted_triangular(**settings)})
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-core/tests/fixtures/optimizers.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head = {
        "recorded_with": f"torch {torch.__version__}, f64",
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "start": {name: tensor(name, shape, 1.0).flatten().tolist() for name, shape in SHAPES.items()},
        "gradients": [
            {name: gradient(name, step).flatten().tolist() for name in SHAPES} for step in range(STEPS)
        ],
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, cases in [("optimizers", optimizer_cases()), ("schedules", schedule_cases())]:
        lines.append(f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in cases) + "\n ]")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(arguments.out, arguments.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
