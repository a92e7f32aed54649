"""Records torchvision's logits and gradients on formula-filled weights, in f64, for the parity tests.

    python xtask/parity/record_models.py [ARCHITECTURE ...] --out crates/tl-models/tests/fixtures/parity

One JSON file an architecture; of larger ones of the same code, in the folder `names` beside them, the names and shapes of
their tensors alone. SqueezeNet is recorded without the ReLU between its last convolution and its pooling, Inception on images
that leave no place for its auxiliary classifier (`record_inception.py` has those that do). For each mode (eval, train): the 2 x 20 logits, the loss (mean cross
entropy), and norm and eight projections (see `formula.projections`) of the gradients of the first
convolution's weight and of the last linear layer's weight (SqueezeNet's is a 1 x 1 convolution); after the train-mode
pass the norms of the updated statistics of the first and the last norm layer. Dropout and stochastic depth are off in
both modes.

The input of a mode is the candidate "input.K" that stays farthest from every kink (see `kinks`). The
script repeats every pass in f32, prints how far that lies from f64 and refuses to write a file for a case
so ill-conditioned that f32 cannot meet the tests' tolerances.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import torchvision

from formula import fill, input_images, projections
from kinks import farthest_input

CLASSES, LABELS = 20, [3, 7]
VGG = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
RESNET = [f"resnet{depth}" for depth in (10, 18, 34, 50, 101, 152)]
SQUEEZENET = ["squeezenet1_0", "squeezenet1_1"]
ARCHITECTURES = ["mobilenet_v2", *RESNET, *VGG, *SQUEEZENET, "resnext50_32x4d", "densenet121", "efficientnet_b0"]
ARCHITECTURES += ["convnext_tiny", "inception_v3"]
NAMES = ["resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2", *(f"efficientnet_b{size}" for size in range(1, 5))]
NAMES += ["convnext_small"]
# A margin of 4 keeps a pass with normally distributed errors off the kinks; deep networks get the best of all.
CANDIDATES, ENOUGH_MARGIN = 64, 4.0
MOST_LOGIT_DEVIATION, MOST_GRADIENT_DEVIATION = 1e-5, 1e-4


def shape(architecture):
    """64 pixels; of Inception those of which 3 x 3 are left to the last norms, where a variance of fewer is near nothing."""
    side = 139 if architecture == "inception_v3" else 64
    return (2, 3, side, side)


def rules(architecture):
    """Gain, offset of the biases and scales of norms, chosen so that f32 is accurate enough in both modes.

    The offset keeps most units of a network with norms on, so that no channel's variance nearly vanishes;
    the scale on the last norm of a residual branch keeps the sum over 50 branches from growing.
    """
    if architecture.startswith("res"):
        last_norm = "bn2.weight" if architecture in ("resnet10", "resnet18", "resnet34") else "bn3.weight"
        return {"gain": 1.0, "bias_offset": 0.5, "scales": [{"suffix": last_norm, "scale": 0.2}]}
    if architecture.startswith("convnext"):
        return {"gain": 1.0, "bias_offset": 0.0, "scales": []}
    if architecture == "inception_v3":
        # Nearly every unit is on: of a million near their kinks one would lie nearer than an f32 pass is exact.
        return {"gain": 2.0, "bias_offset": 2.0, "scales": []}
    plain = architecture in SQUEEZENET or (architecture.startswith("vgg") and not architecture.endswith("_bn"))
    return {"gain": 2.0, "bias_offset": 0.0 if plain else 0.5, "scales": []}


class Half(torchvision.models.resnet.ResNet):
    """torchvision's ResNet with half the channels after its first convolution."""

    def _make_layer(self, block, planes, *others, **more):
        self.inplanes = 32 if planes == 64 else self.inplanes
        return super()._make_layer(block, planes // 2, *others, **more)


def watch(module):
    """Gives one of Inception's units its ReLU as a module, so that its kinks are seen."""
    module.relu = torch.nn.ReLU()
    module.forward = lambda images: module.relu(module.bn(module.conv(images)))


def network(architecture, auxiliary=False):
    """torchvision's network, or its ResNet halved, with one block a layer and a first convolution for small images."""
    options = {"aux_logits": auxiliary, "init_weights": False} if architecture == "inception_v3" else {}
    if architecture != "resnet10":
        model = torchvision.models.get_model(architecture, weights=None, num_classes=CLASSES, **options)
        if architecture in SQUEEZENET:
            model.classifier[2] = torch.nn.Identity()
        for module in model.modules():
            if isinstance(module, torchvision.models.inception.BasicConv2d):
                watch(module)
        return model
    model = Half(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    model.conv1 = torch.nn.Conv2d(3, 32, 3, padding=1, bias=False)
    model.bn1 = torch.nn.BatchNorm2d(32)
    model.fc = torch.nn.Linear(256, CLASSES)
    return model


def build(architecture, rule, dtype, auxiliary=False):
    with torch.device("meta"):  # no time is spent on an initialisation that is thrown away
        model = network(architecture, auxiliary)
    model = model.to(dtype).to_empty(device="cpu")
    scales = [(entry["suffix"], entry["scale"]) for entry in rule["scales"]]
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                value.zero_()
            else:
                value.copy_(torch.from_numpy(fill(name, tuple(value.shape), rule["gain"], scales, rule["bias_offset"])))
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
    return model


def first_and_last(model):
    """Names of the first convolution's weight and of the last linear layer's weight, or the last convolution's."""
    convolutions, linear = (
        [name for name, module in model.named_modules() if isinstance(module, kind)]
        for kind in (torch.nn.Conv2d, torch.nn.Linear)
    )
    first, last = convolutions[0], (linear or convolutions)[-1]
    return f"{first}.weight", f"{last}.weight"


def run(model, images):
    """Logits, loss, gradients by name and, in training, the norms of the moved statistics by name."""
    logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    parameters = dict(model.named_parameters())
    wanted = first_and_last(model)
    gradients = torch.autograd.grad(loss, [parameters[name] for name in wanted])
    norms = [name for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    statistics = {}
    if model.training and norms:
        state = model.state_dict()
        for name in (norms[0], norms[-1]):
            for part in ("running_mean", "running_var"):
                statistics[f"{name}.{part}"] = rounded(state[f"{name}.{part}"].double().norm().item())
    return {
        "logits": logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "gradients": {name: value.double().numpy() for name, value in zip(wanted, gradients)},
        "statistics": statistics,
    }


def deviation(value, reference):
    return float(numpy.linalg.norm(value - reference) / numpy.linalg.norm(reference))


def rounded(value, digits=9):
    return float(f"{value:.{digits}g}")


def entries_of(architecture):
    """Names and shapes of a network's tensors, without the counters of batches."""
    with torch.device("meta"):
        state = network(architecture, auxiliary=True).state_dict().items()
    return {name: list(value.shape) for name, value in state if not name.endswith("num_batches_tracked")}


def record_names(architecture):
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    entries = entries_of(architecture)
    return {"architecture": architecture, "recorded_with": versions, "classes": CLASSES, "entries": entries}


def record(architecture):
    rule, size = rules(architecture), shape(architecture)
    single, double = (build(architecture, rule, dtype) for dtype in (torch.float32, torch.float64))
    fixture = {
        "architecture": architecture,
        "recorded_with": f"torch {torch.__version__}, torchvision {torchvision.__version__}, f64",
        "input_shape": list(size),
        "classes": CLASSES,
        "labels": LABELS,
        **{key: rule[key] for key in ("gain", "bias_offset", "scales")},
    }
    good = True
    names = [f"input.{k}" for k in range(CANDIDATES)]
    candidates = [(name, torch.from_numpy(input_images(name, size))) for name in names]
    for mode in ("eval", "train"):
        for model in (single, double):
            model.train(mode == "train")
        name, margin = farthest_input(double, single, candidates, ENOUGH_MARGIN)
        images = dict(candidates)[name]
        rough, exact = run(single, images), run(double, images.double())
        off = deviation(rough["logits"], exact["logits"])
        good &= off <= MOST_LOGIT_DEVIATION
        rows = exact["logits"]
        line = f"{architecture:12} {mode:5} {name} margin {margin:.1f} logits f32 {off:.1e} spread {rows.std():.3g}"
        line += f" row difference {deviation(rows[0], rows[1]):.2g} loss {exact['loss']:.4g}"
        fixture[mode] = {
            "input": name,
            "logits": [[rounded(value, 7) for value in row] for row in rows.tolist()],
            "loss": rounded(exact["loss"]),
            "gradients": {},
        }
        for name, value in exact["gradients"].items():
            off = deviation(rough["gradients"][name], value)
            good &= off <= MOST_GRADIENT_DEVIATION
            norm = float(numpy.linalg.norm(value))
            line += f"; {name} f32 {off:.1e} norm {norm:.3g}"
            fixture[mode]["gradients"][name] = {
                "norm": rounded(norm),
                "projections": [rounded(p) for p in projections(value, 8)],
            }
        print(line, flush=True)
        if exact["statistics"]:
            fixture[mode]["statistics"] = exact["statistics"]
    fixture["entries"] = entries_of(architecture)
    return fixture, good


def write(path, fixture):
    entries = fixture.pop("entries")
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    names = ",\n".join(f"  {json.dumps(name)}: {json.dumps(dims)}" for name, dims in entries.items())
    path.write_text("{\n" + ",\n".join(lines) + ',\n "entries": {\n' + names + "\n }\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/parity"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (arguments.out / "names").mkdir(parents=True, exist_ok=True)
    refused = []
    for architecture in arguments.architectures or [*ARCHITECTURES, *NAMES]:
        if architecture in NAMES:
            write(arguments.out / "names" / f"{architecture}.json", record_names(architecture))
            continue
        fixture, good = record(architecture)
        if not good:
            refused.append(architecture)
            continue
        write(arguments.out / f"{architecture}.json", fixture)
    if refused:
        raise SystemExit(f"ill-conditioned in f32, not written: {', '.join(refused)}")


if __name__ == "__main__":
    main()
