"""Records losses and validators of domain adaptation, computed from their formulas in f64, for the tests of tl-adapt.

    python xtask/parity/record_adaptation.py --out crates/tl-adapt/tests/fixtures/adaptation.json

Inputs are s under their own name (see `formula`), rounded to f32 as the product sees them, times a scale. Each case gives
the loss and, where it is differentiated, the gradient of every input by PyTorch's autograd in f64. Nothing here shares
code with the product: discrepancies are written as sums over pairs, the nuclear norm comes from a singular value
decomposition, covariances from `torch.cov`.
"""

import argparse
import json
import math
from pathlib import Path

import numpy
import torch

from formula import signed

torch.set_default_dtype(torch.float64)


def tensor(name, shape, scale):
    values = (scale * signed(name, math.prod(shape))).astype(numpy.float32)
    return torch.from_numpy(values.astype(numpy.float64)).reshape(shape).clone().requires_grad_()


def entropy(p):
    return -(p * torch.log(p)).sum(dim=-1)


def domain(source, target):
    bce = torch.nn.functional.binary_cross_entropy
    ones, zeros = torch.ones_like(source), torch.zeros_like(target)
    return (bce(torch.sigmoid(source), ones) + bce(torch.sigmoid(target), zeros)) / 2


def weighted_domain(source, target, source_logits, target_logits):
    def part(losses, logits):
        weights = 1 + torch.exp(-entropy(torch.softmax(logits.detach(), 1)))
        return (losses.flatten() * weights).sum() / weights.sum()

    on_source = -torch.log(torch.sigmoid(source))
    on_target = -torch.log(1 - torch.sigmoid(target))
    return (part(on_source, source_logits) + part(on_target, target_logits)) / 2


def coral(source, target):
    difference = torch.cov(source.T) - torch.cov(target.T)
    return (difference**2).sum() / (4 * source.shape[1] ** 2)


def mcc(logits, temperature=2.5):
    batch, classes = logits.shape
    p = torch.softmax(logits / temperature, 1)
    weights = (1 + torch.exp(-entropy(p))).detach()
    weights = batch * weights / weights.sum()
    confusion = torch.einsum("b,bi,bj->ij", weights, p, p)
    confusion = confusion / confusion.sum(dim=1, keepdim=True)
    return (confusion.sum() - confusion.trace()) / classes


def information(logits):
    p = torch.softmax(logits, 1)
    return entropy(p).mean() - entropy(p.mean(dim=0))


def pair_distances(rows):
    return ((rows[:, None, :] - rows[None, :, :]) ** 2).sum(dim=2)


def multiple_kernel(rows):
    distances = pair_distances(rows)
    mean = distances.detach().mean()
    widths = [2.0**k for k in range(-3, 2)]
    return sum(torch.exp(-distances / (2 * width * mean)) for width in widths) / len(widths)


def squared_discrepancy(kernel, n):
    m = kernel.shape[0] - n
    within = kernel[:n, :n].sum() / n**2 + kernel[n:, n:].sum() / m**2
    return within - 2 * kernel[:n, n:].sum() / (n * m)


def dan(source, target):
    return squared_discrepancy(multiple_kernel(torch.cat([source, target])), len(source))


def jan(source, target, source_logits, target_logits):
    p = torch.softmax(torch.cat([source_logits, target_logits]), 1)
    kernel = multiple_kernel(torch.cat([source, target])) * torch.exp(-pair_distances(p) / (2 * 0.92**2))
    return squared_discrepancy(kernel, len(source))


def mcd(first, second):
    return (torch.softmax(first, 1) - torch.softmax(second, 1)).abs().mean()


def bnm(logits):
    return -torch.linalg.svdvals(torch.softmax(logits, 1)).sum() / len(logits)


def afn(features, growth=1.0):
    norms = torch.linalg.vector_norm(features, dim=1)
    return ((norms - (norms.detach() + growth)) ** 2).mean()


def agreement(logits, labels):
    return torch.nn.functional.cross_entropy(logits, torch.tensor(labels))


def contradiction(logits, labels):
    p = torch.softmax(logits, 1)[torch.arange(len(labels)), torch.tensor(labels)]
    return -torch.log(1 - p).mean()


def inverted(target):
    return torch.nn.functional.binary_cross_entropy(torch.sigmoid(target), torch.ones_like(target))


def consistency(student, teacher, threshold=0.4):
    p, q = torch.softmax(student, 1), torch.softmax(teacher.detach(), 1)
    sure = (q.max(dim=1).values >= threshold).to(p.dtype)
    return (((p - q) ** 2).sum(dim=1) * sure).sum() / p.numel()


def masked(logits, labels):
    rows = [row for row, label in enumerate(labels) if label >= 0]
    kept = torch.tensor([labels[row] for row in rows])
    return torch.nn.functional.cross_entropy(logits[rows], kept, reduction="sum") / len(labels)


def multilinear_sum(features, predictions, weights):
    outer = torch.einsum("bi,bj->bij", predictions, features).flatten(1)
    return (outer * weights).sum()


N, M, D, K = 6, 5, 4, 3
LABELS = [0, 2, 1, 1, 0]

# name: (function, inputs as (name, shape, scale), further arguments)
CASES = {
    "domain": (domain, [("domain.source", (N, 1), 3.0), ("domain.target", (M, 1), 3.0)], []),
    "weighted_domain": (
        weighted_domain,
        [("domain.source", (N, 1), 3.0), ("domain.target", (M, 1), 3.0), ("logits.source", (N, K), 2.0),
         ("logits.target", (M, K), 2.0)],
        [],
    ),
    "coral": (coral, [("source", (N, D), 2.0), ("target", (M, D), 1.0)], []),
    "mcc": (mcc, [("logits.target", (M, K), 4.0)], []),
    "information": (information, [("logits.target", (M, K), 4.0)], []),
    "dan": (dan, [("source", (N, D), 2.0), ("target", (M, D), 1.0)], []),
    "jan": (
        jan,
        [("source", (N, D), 2.0), ("target", (M, D), 1.0), ("logits.source", (N, K), 2.0), ("logits.target", (M, K), 2.0)],
        [],
    ),
    "mcd": (mcd, [("logits.first", (M, K), 2.0), ("logits.second", (M, K), 2.0)], []),
    "bnm": (bnm, [("logits.target", (M, K), 4.0)], []),
    "bnm_wide": (bnm, [("logits.wide", (3, 7), 4.0)], []),
    "afn": (afn, [("source", (N, D), 2.0)], []),
    "entropy": (lambda z: entropy(torch.softmax(z, 1)).mean(), [("logits.target", (M, K), 4.0)], []),
    "agreement": (agreement, [("logits.target", (M, K), 4.0)], [LABELS]),
    "contradiction": (contradiction, [("logits.target", (M, K), 4.0)], [LABELS]),
    "inverted": (inverted, [("domain.target", (M, 1), 3.0)], []),
    "consistency": (consistency, [("logits.first", (M, K), 2.0), ("logits.second", (M, K), 2.0)], []),
    "masked": (masked, [("logits.target", (M, K), 4.0)], [[0, -1, 1, -1, 2]]),
    "multilinear": (
        multilinear_sum,
        [("source", (N, D), 2.0), ("logits.source", (N, K), 2.0), ("weights", (N, K * D), 1.0)],
        [],
    ),
}


def snd(logits, temperature=0.05):
    p = torch.softmax(logits, 1)
    p = p / torch.linalg.vector_norm(p, dim=1, keepdim=True)
    total = 0.0
    for i in range(len(p)):
        others = [j for j in range(len(p)) if j != i]
        total += entropy(torch.softmax((p[others] @ p[i]) / temperature, 0))
    return total / len(p)


def silhouette(features, labels):
    distances = pair_distances(features).sqrt()
    values = []
    for i, own in enumerate(labels):
        mine = [j for j, label in enumerate(labels) if label == own and j != i]
        if not mine:
            values.append(0.0)
            continue
        a = distances[i, mine].mean().item()
        others = {label for label in labels if label != own}
        b = min(distances[i, [j for j, label in enumerate(labels) if label == other]].mean().item() for other in others)
        values.append((b - a) / max(a, b))
    return sum(values) / len(values)


def calinski_harabasz(features, labels):
    n, clusters = len(labels), sorted(set(labels))
    between = within = 0.0
    for cluster in clusters:
        rows = features[[i for i, label in enumerate(labels) if label == cluster]]
        between += len(rows) * ((rows.mean(0) - features.mean(0)) ** 2).sum().item()
        within += ((rows - rows.mean(0)) ** 2).sum().item()
    return between / (len(clusters) - 1) / (within / (n - len(clusters)))


def validators():
    rows = 20
    features = tensor("validator.features", (rows, D), 2.0).detach()
    logits = tensor("validator.logits", (rows, K), 4.0).detach()
    p = torch.softmax(logits, 1)
    labels = p.argmax(dim=1).tolist()
    assert len(set(labels)) == K
    return {
        "rows": rows,
        "entropy": -entropy(p).mean().item(),
        "information_maximisation": (entropy(p.mean(0)) - entropy(p).mean()).item(),
        "bnm": (torch.linalg.svdvals(p).sum() / math.sqrt(rows * min(rows, K))).item(),
        "snd": snd(logits).item(),
        "silhouette": silhouette(features, labels),
        "calinski_harabasz": calinski_harabasz(features, labels),
    }


def record(function, inputs, arguments):
    tensors = [tensor(*spec) for spec in inputs]
    loss = function(*tensors, *arguments)
    loss.backward()
    return {
        "loss": loss.item(),
        "inputs": [{"name": name, "shape": list(shape), "scale": scale} for name, shape, scale in inputs],
        "gradients": [(x.grad if x.grad is not None else torch.zeros_like(x)).flatten().tolist() for x in tensors],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-adapt/tests/fixtures/adaptation.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f' "recorded_with": {json.dumps(f"torch {torch.__version__}, f64")}']
    losses = [f"  {json.dumps(name)}: {json.dumps(record(*case))}" for name, case in CASES.items()]
    lines.append(' "losses": {\n' + ",\n".join(losses) + "\n }")
    lines.append(f' "validators": {json.dumps(validators())}')
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(arguments.out, arguments.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
