"""The demo's recipe in plain PyTorch and scikit-learn: the peer that the product's table is held against.

    python xtask/parity/demo_recipe.py --assets assets --out docs/tables/demo_pytorch.jsonl [--cells REGEX]

One line of JSON a cell (method, shots, seed) with accuracy on the 1,000 test images; a rerun computes
only the cells that are missing. `--cells` is matched against "method/shots/seed". Each seed draws its
images as the product does (`counter_random`). The whole table takes about an hour on one core.

Methods: `scratch`; `finetune` (norm statistics move); `finetune_frozen_statistics` (every norm uses its
stored statistics, its weight and bias are trained); `features` (frozen features at 128 px + logistic
regression); `raw` (pixels + logistic regression). The regression's C is chosen on the validation part.

Training: 96 px, AdamW at 1e-3 for the head and 3e-4 for the features, decay 0.01 except on norms and
biases, one cycle over all steps, batch 32 with the rest kept, label smoothing 0.1, dropout 0.2 before the
head, no augmentation, the last weights; 30 / 20 / 10 epochs at 5 / 20 / 100 images per class.
"""

import argparse
import json
import re
import time
import warnings
from pathlib import Path

import numpy
import sklearn
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from counter_random import rng
from idx import read_idx

EPOCHS = {5: 30, 20: 20, 100: 10}
METHODS = ["raw", "features", "finetune_frozen_statistics", "finetune", "scratch"]
SEEDS = [0, 1, 2]
CLASSES, BATCH = 10, 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def part(assets, name):
    folder = assets / "fashion_mnist"
    return read_idx(folder / f"{name}-images-idx3-ubyte.gz"), read_idx(folder / f"{name}-labels-idx1-ubyte.gz")


def draw(labels, shots, seed):
    """Indices of `shots` images of each class, class after class."""
    chosen = []
    for label in range(CLASSES):
        pool = numpy.flatnonzero(labels == label)
        chosen.extend(pool[rng(seed, "shots", label, 0).permutation(len(pool))[:shots]])
    return numpy.array(chosen)


def prepare(images, size):
    """[n, 3, size, size]: resized by PIL's bilinear filter, grey in three channels, normalised."""
    resized = [numpy.asarray(Image.fromarray(image).resize((size, size), Image.BILINEAR)) for image in images]
    grey = torch.from_numpy(numpy.stack(resized)).float()[:, None] / 255
    return (grey.repeat(1, 3, 1, 1) - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def network(assets, pretrained):
    model = torchvision.models.mobilenet_v2()
    if pretrained:
        state = {name: value.float() for name, value in load_file(assets / "mobilenet_v2.safetensors").items()}
        missing, unused = model.load_state_dict(state, strict=False)
        assert not unused and all(name.endswith("num_batches_tracked") for name in missing)
    model.classifier[1] = nn.Linear(model.last_channel, CLASSES)
    return model


def groups(model):
    """Four groups: head and features, each with and without decay (norms and biases are vectors)."""
    result = []
    for module, rate in [(model.classifier, 1e-3), (model.features, 3e-4)]:
        matrices = [p for p in module.parameters() if p.ndim > 1]
        vectors = [p for p in module.parameters() if p.ndim == 1]
        result.append({"params": matrices, "lr": rate, "weight_decay": 0.01})
        result.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    return result


def train(model, images, labels, epochs, frozen_statistics):
    optimizer = torch.optim.AdamW(groups(model))
    steps = epochs * -(-len(images) // BATCH)
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, cycle_momentum=False)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    model.train()
    if frozen_statistics:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    for epoch in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = loss_of(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule.last_epoch + 1 < steps:
                schedule.step()


def in_batches(function, images):
    with torch.inference_mode():
        return torch.cat([function(batch) for batch in images.split(25)])


def features(model, images):
    model.eval()
    return in_batches(lambda batch: model.features(batch).mean((2, 3)), images).numpy()


def regression(train_x, train_y, validation_x, validation_y):
    """Logistic regression; C is the smallest of those best on the validation part."""
    best = None
    for c in [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(C=c, max_iter=2000).fit(train_x, train_y)
        accuracy = fitted.score(validation_x, validation_y)
        if best is None or accuracy > best[0]:
            best = (accuracy, c, fitted)
    return best


class Recipe:
    def __init__(self, assets):
        self.assets = assets
        self.parts = {name: part(assets, name) for name in ("train", "validation", "t10k")}
        self.embedded = None

    def embeddings(self):
        """Frozen features of all parts at 128 px, computed once."""
        if self.embedded is None:
            model = network(self.assets, True)
            self.embedded = {name: features(model, prepare(images, 128)) for name, (images, _) in self.parts.items()}
        return self.embedded

    def cell(self, method, shots, seed):
        """What a cell adds to its line: accuracy and what was chosen or measured on the way."""
        images, labels = self.parts["train"]
        test_images, test_labels = self.parts["t10k"]
        chosen = draw(labels, shots, seed)
        if method in ("raw", "features"):
            if method == "raw":
                inputs = {name: (x / 255.0).reshape(len(x), -1) for name, (x, _) in self.parts.items()}
            else:
                inputs = self.embeddings()
            validation_labels = self.parts["validation"][1]
            validation, c, fitted = regression(
                inputs["train"][chosen], labels[chosen], inputs["validation"], validation_labels
            )
            return {"accuracy": fitted.score(inputs["t10k"], test_labels), "validation": validation, "c": c}
        torch.manual_seed(seed)
        model = network(self.assets, method != "scratch")
        chosen_labels = torch.from_numpy(labels[chosen].astype(numpy.int64))
        started = time.perf_counter()
        train(model, prepare(images[chosen], 96), chosen_labels, EPOCHS[shots], method.endswith("frozen_statistics"))
        seconds = time.perf_counter() - started
        model.eval()
        guessed = {
            name: in_batches(model, prepare(self.parts[name][0], 96)).argmax(1).numpy()
            for name in ("validation", "t10k")
        }
        return {
            "accuracy": float((guessed["t10k"] == test_labels).mean()),
            "validation": float((guessed["validation"] == self.parts["validation"][1]).mean()),
            "epochs": EPOCHS[shots],
            "training_seconds": round(seconds, 1),
        }


def finished(path):
    """The cells already in the file; a line cut off by an interruption counts as missing."""
    cells = set()
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
            cells.add((entry["method"], entry["shots"], entry["seed"]))
        except (ValueError, KeyError):
            continue
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=Path("assets"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cells", default="", help="a regular expression on method/shots/seed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "sklearn": sklearn.__version__}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    recipe, done = Recipe(arguments.assets), finished(arguments.out)
    for shots in EPOCHS:
        for seed in SEEDS:
            for method in METHODS:
                if (method, shots, seed) in done or not re.search(arguments.cells, f"{method}/{shots}/{seed}"):
                    continue
                started = time.perf_counter()
                result = recipe.cell(method, shots, seed)
                seconds = round(time.perf_counter() - started, 1)
                head = {"method": method, "shots": shots, "seed": seed, **result, "n": len(recipe.parts["t10k"][1])}
                line = json.dumps({**head, "seconds": seconds, "threads": 1, "versions": versions})
                with open(arguments.out, "a") as file:
                    file.write(line + "\n")
                print(line, flush=True)


if __name__ == "__main__":
    main()
