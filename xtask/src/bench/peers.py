"""The peers' side of `cargo xtask bench`: PyTorch, ONNX Runtime and Pillow do what they are told, line by line.

Not meant to be run by hand. The one argument is the number of threads; lines in and out are those of
request.rs. Everything is eager; forward passes run in inference mode.
"""

import concurrent.futures
import importlib.metadata
import json
import logging
import multiprocessing
import os
import pathlib
import statistics
import sys
import tempfile
import time
import warnings

# Answers go to the pipe alone; whatever a library prints goes to the terminal.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import torch.nn.functional as F
from torch import nn

THREADS = int(sys.argv[1])
torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)

CLASSES = 1000
PROBE_IMAGES, PROBE_EPOCHS, PROBE_CLASSES = 1000, 20, 10
HEAD_WIDTH = 64
# Seconds from which on a piece of work needs no untimed one before it.
LONG = 2.0


class Layer(nn.Module):
    """A pre-norm layer of a transformer encoder."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        joint = self.qkv(self.norm1(x)).view(batch, tokens, 3, width // HEAD_WIDTH, HEAD_WIDTH)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Encoder(nn.Module):
    """Layers, a last norm, the mean over the tokens and a linear head."""

    def __init__(self, layers, width):
        super().__init__()
        self.layers = nn.Sequential(*(Layer(width) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.head(self.norm(self.layers(x)).mean(1))


def network(request, variant):
    """The network of a request and a batch for it, in the layout that is asked for."""
    torch.manual_seed(0)
    name, batch, size = request["network"], request["batch"], request["size"]
    if name.startswith("encoder"):
        layers, width = map(int, name.removeprefix("encoder").split("x"))
        return Encoder(layers, width), torch.rand(batch, size, width) * 2 - 1
    # Imported here: the memory of an encoder's process is no business of torchvision's.
    import torchvision

    model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
    images = torch.rand(batch, 3, size, size) * 2 - 1
    if "channels_last" in variant:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    return model, images


def forward(request, variant):
    model, images = network(request, variant)
    model.eval()
    if "onnxruntime" in variant:
        return onnxruntime(model, images)
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in variant)

    def work():
        with torch.inference_mode(), half:
            model(images)

    return work


def onnxruntime(model, images):
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(model, (images,), path, dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        # Threads may spin while it runs, and sleep when it is another one's turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, values = session.get_inputs()[0].name, images.numpy()
    return lambda: session.run(None, {name: values})


def labels(batch):
    return torch.arange(batch) * 37 % CLASSES


def trainer(parameters):
    """The step after a forward pass: SGD with momentum."""
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)

    def step(logits, targets):
        loss = F.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def step(request, variant):
    model, images = network(request, variant)
    model.train()
    targets, train = labels(request["batch"]), trainer(model.parameters())
    return lambda: train(model(images), targets)


def tail(request, variant):
    """The usual loop computes the frozen stages in every epoch; a caching one keeps their output."""
    model, images = network(request, variant)
    prefix = nn.Sequential(
        model.conv1, model.bn1, model.relu, model.maxpool, model.layer1, model.layer2, model.layer3
    )
    rest = nn.Sequential(model.layer4, model.avgpool, nn.Flatten(), model.fc)
    prefix.eval().requires_grad_(False)
    rest.train()
    targets, train = labels(request["batch"]), trainer(rest.parameters())
    with torch.no_grad():
        kept = prefix(images)
    order = torch.randperm(request["batch"])

    def recomputing():
        with torch.no_grad():
            features = prefix(images)
        train(rest(features), targets)

    return (lambda: train(rest(kept[order]), targets)) if "caching" in variant else recomputing


def probe(request, variant):
    """Features once and 20 epochs of the head, or one epoch of a loop that computes features in each."""
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.get_model(request["network"], weights=None).eval()
    width, model.fc = model.fc.in_features, nn.Identity()
    layout = torch.channels_last if "channels_last" in variant else torch.contiguous_format
    model = model.to(memory_format=layout).requires_grad_(False)
    size, batch = request["size"], request["batch"]
    pixels = torch.randint(0, 256, (PROBE_IMAGES, size, size), dtype=torch.uint8)
    targets = torch.arange(PROBE_IMAGES) % PROBE_CLASSES
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def features(chosen):
        images = (pixels[chosen].float().div(255).unsqueeze(1) - mean) / deviation
        with torch.no_grad():
            return model(images.contiguous(memory_format=layout))

    def epoch(head, train, features):
        for chosen in torch.randperm(PROBE_IMAGES).split(batch):
            train(head(features(chosen)), targets[chosen])

    def caching():
        head = nn.Linear(width, PROBE_CLASSES)
        train = trainer(head.parameters())
        kept = torch.cat([features(chosen) for chosen in torch.arange(PROBE_IMAGES).split(batch)])
        for _ in range(PROBE_EPOCHS):
            epoch(head, train, lambda chosen: kept[chosen])

    def recomputing():
        head = nn.Linear(width, PROBE_CLASSES)
        epoch(head, trainer(head.parameters()), features)

    return caching if "caching" in variant else recomputing


def image_files():
    files = pathlib.Path(os.environ["TL_BENCH_IMAGES"]).rglob("*")
    return sorted(str(file) for file in files if file.is_file())


def read_image(job):
    """What torchvision's Resize and CenterCrop do with a file, with Pillow alone; the bytes stay where they were made."""
    from PIL import Image

    path, size = job
    with Image.open(path) as file:
        image = file.convert("RGB")
    width, height = image.size
    shorter = size * 256 // 224
    scale = shorter / min(width, height)
    width, height = max(shorter, int(width * scale)), max(shorter, int(height * scale))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return len(image.crop((left, top, left + size, top + size)).tobytes())


def decode(request, variant):
    if "processes" in variant:
        # Forked: whatever else would start a process runs this script in it.
        context = multiprocessing.get_context("fork")
        pool = concurrent.futures.ProcessPoolExecutor(THREADS, mp_context=context)
    else:
        pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    jobs = [(file, request["size"]) for file in image_files()]

    def work():
        lengths = list(pool.map(read_image, jobs))
        assert lengths == [3 * request["size"] ** 2] * len(jobs)

    return work


WORKS = {
    "decode": decode,
    "forward": forward,
    "step": step,
    "tail_first": tail,
    "tail_later": tail,
    "probe": probe,
}


def examples(request, variant):
    """What one piece of work goes through."""
    if request["work"] == "decode":
        return len(image_files())
    if request["work"] != "probe":
        return request["batch"]
    return PROBE_IMAGES * (PROBE_EPOCHS if "caching" in variant else 1)


def peak():
    """The most memory that this process has held, in bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            lines = [line for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024 if lines else 0


def versions():
    def version(name):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "absent"

    names = ["torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "pillow"]
    # The version of the module says which build it is (2.15.0+cpu).
    return [[name, torch.__version__ if name == "torch" else version(name)] for name in names]


jobs = {}


def turn(request, seconds):
    key = json.dumps(request, sort_keys=True)
    variant = request["variant"].split("+")
    if key not in jobs:
        jobs[key] = [WORKS[request["work"]](request, variant), 0.0]
    work, last = jobs[key]
    if last < LONG:
        work()
    begun, taken = time.perf_counter(), []
    while not taken or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    jobs[key][1] = taken[-1]
    measured = {
        "seconds": statistics.median(taken),
        "examples": examples(request, variant),
        "peak": peak(),
    }
    return {"measured": measured}


for line in sys.stdin:
    command = json.loads(line)
    if command == "versions":
        answer = {"versions": versions()}
    elif command == "forget":
        jobs.clear()
        answer = "done"
    else:
        try:
            answer = turn(**command["run"])
        except Exception as error:
            answer = {"absent": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(answer), file=answers, flush=True)
