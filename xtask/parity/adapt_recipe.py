"""The recipe of `tl adapt --method dann` on MNIST → its blend with photos, in plain PyTorch: the peer of the docs' table.

    python xtask/parity/adapt_recipe.py --cache ~/.cache/tl --assets assets --out docs/tables/adapt_pytorch.jsonl [--seeds N]

One line of JSON a cell (shift, method, seed), with the accuracy on the 2,000 blended test images after the last epoch and
the best and the worst epoch; a rerun computes only the cells that are missing. Images, blends and the validation part
that is left out are those of the product, drawn by the same generator (`counter_random`). About two minutes a seed on one
core.

Network: two blocks of convolution (5×5, 32 and 64 channels), norm, ReLU and pooling, a hidden layer of 128, a linear head.
Training: AdamW, decay .01 except on norms and biases, one cycle over each phase, batches of 64 of each domain. First 2 epochs
on the source at 3e-3, then 4 epochs at 9e-4 with beta1 = .5: cross-entropy on the source plus the domain loss (half the mean
over each domain) of a classifier 128-256-256-1 behind a reversed gradient, whose factor is 2 / (1 + exp(-10 p)) - 1 and whose
rate is ten times the network's. Each domain goes through the norms by itself; before the test the norms' statistics are
estimated on 512 target images.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import nn

from counter_random import hash64, rng

BATCH, SIDE, CLASSES = 64, 28, 10
SOURCE_EPOCHS, EPOCHS, NORM_IMAGES = 2, 4, 512
RATE, METHOD_SHARE, DOMAIN_RATE = 3e-3, 0.3, 10.0


def digits(cache):
    """Names, pixels [n, 28, 28] and labels, and which are for the test: every fifth."""
    names, pixels, labels = [], [], []
    for digit in range(CLASSES):
        values = numpy.array(json.loads((cache / f"mnist-{digit}.json").read_text())["data"])
        block = numpy.rint(values * 255).astype(numpy.uint8).reshape(-1, SIDE, SIDE)
        names += [f"{digit}/{len(names) + index:05}" for index in range(len(block))]
        labels += [digit] * len(block)
        pixels.append(block)
    return names, numpy.concatenate(pixels), numpy.array(labels), numpy.arange(len(names)) % 5 == 4


def split(labels, test, seed):
    """Training items without the validation part: .15 of .85 of each class."""
    kept, due, share = [], 0.0, 0.15 / 0.85
    for label in range(CLASSES):
        members = numpy.flatnonzero((labels == label) & ~test)
        members = members[rng(seed, "split", 0, label).permutation(len(members))]
        due += share * len(members)
        given = math.floor(due + 0.5)
        due -= given
        kept.extend(members[given:])
    return numpy.sort(numpy.array(kept))


def blend(image, name, photos, seed):
    """|digit - photo| with a random part of a random photo."""
    random = rng(seed, "blend", 0, hash64(name))
    photo = photos[random.below(len(photos))]
    left = random.below(photo.shape[1] - SIDE + 1)
    top = random.below(photo.shape[0] - SIDE + 1)
    patch = photo[top : top + SIDE, left : left + SIDE].astype(numpy.int16)
    return numpy.abs(image.astype(numpy.int16)[:, :, None] - patch).astype(numpy.uint8)


def tensor(images):
    """[n, 28, 28, 3] bytes to [n, 3, 28, 28] from -1 to 1."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for inputs, outputs in [(3, 32), (32, 64)]:
            convolution = nn.Conv2d(inputs, outputs, 5, padding=2, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU())
        self.head = nn.Linear(128, CLASSES)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, values, factor):
        context.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(context, gradient):
        return -context.factor * gradient, None


def optimizer(parts, beta, steps):
    groups = []
    for module, rate in parts:
        matrices = [p for p in module.parameters() if p.ndim > 1]
        vectors = [p for p in module.parameters() if p.ndim == 1]
        groups += [{"params": matrices, "lr": rate, "weight_decay": 0.01}, {"params": vectors, "lr": rate, "weight_decay": 0.0}]
    made = torch.optim.AdamW(groups, betas=(beta, 0.999))
    rates = [group["lr"] for group in groups]
    return made, torch.optim.lr_scheduler.OneCycleLR(made, rates, total_steps=steps, cycle_momentum=False)


def step(made, schedule, loss):
    made.zero_grad()
    loss.backward()
    made.step()
    if schedule.last_epoch + 1 < schedule.total_steps:
        schedule.step()


def stream(count, length):
    order = torch.cat([torch.randperm(count) for _ in range(-(-length // count))])
    return order[:length].split(BATCH)


def test(network, target, images, labels):
    """Accuracy with the target's statistics in the norms."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.inference_mode():
        network.train()
        for batch in torch.randperm(len(target))[:NORM_IMAGES].split(BATCH):
            network.features(target[batch])
        network.eval()
        guessed = torch.cat([network.head(network.features(part)) for part in images.split(250)]).argmax(1)
    network.train()
    return float((guessed == labels).float().mean())


def cell(data, photos, seed):
    names, pixels, labels, is_test = data
    started = time.perf_counter()
    kept, everything = split(labels, is_test, seed), numpy.flatnonzero(~is_test)
    blended = numpy.stack([blend(pixels[item], names[item], photos, seed) for item in range(len(names))])
    source, target = tensor(numpy.repeat(pixels[kept][..., None], 3, 3)), tensor(blended[everything])
    source_labels, test_labels = torch.from_numpy(labels[kept]), torch.from_numpy(labels[is_test])
    test_images = tensor(blended[is_test])
    torch.manual_seed(seed)
    network = Network()
    steps = len(target) // BATCH
    cross_entropy = nn.CrossEntropyLoss()
    made, schedule = optimizer([(network, RATE)], 0.9, SOURCE_EPOCHS * steps)
    for _ in range(SOURCE_EPOCHS):
        for batch in stream(len(source), steps * BATCH):
            step(made, schedule, cross_entropy(network.head(network.features(source[batch])), source_labels[batch]))
    domain = nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
    rate = RATE * METHOD_SHARE
    made, schedule = optimizer([(network, rate), (domain, rate * DOMAIN_RATE)], 0.5, EPOCHS * steps)
    accuracies, done = [], 0
    for _ in range(EPOCHS):
        for ours, theirs in zip(stream(len(source), steps * BATCH), stream(len(target), steps * BATCH)):
            factor = 2 / (1 + math.exp(-10 * done / (EPOCHS * steps))) - 1
            on_source, on_target = network.features(source[ours]), network.features(target[theirs])
            told = [domain(Reverse.apply(features, factor)) for features in (on_source, on_target)]
            loss = cross_entropy(network.head(on_source), source_labels[ours])
            loss = loss - (nn.functional.logsigmoid(told[0]).mean() + nn.functional.logsigmoid(-told[1]).mean()) / 2
            step(made, schedule, loss)
            done += 1
        accuracies.append(test(network, target, test_images, test_labels))
    return {
        "accuracy": accuracies[-1],
        "best_epoch": max(accuracies),
        "worst_epoch": min(accuracies),
        "n": len(test_labels),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="the folder of fetched assets")
    parser.add_argument("--assets", type=Path, default=Path("assets"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits(arguments.cache)
    listed = sorted((arguments.assets / "photos").glob("*.png"))
    photos = [numpy.asarray(Image.open(path).convert("RGB")) for path in listed]
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {json.loads(line)["seed"] for line in lines}
    for seed in (seed for seed in range(arguments.seeds) if seed not in done):
        entry = {"shift": "blend", "method": "dann", "seed": seed, **cell(data, photos, seed)}
        entry |= {"threads": 1, "versions": {"torch": torch.__version__}}
        with arguments.out.open("a") as out:
            out.write(json.dumps(entry) + "\n")
        print(json.dumps(entry))


if __name__ == "__main__":
    main()
