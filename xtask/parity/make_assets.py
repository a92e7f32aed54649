"""Makes `assets/` from files that were fetched before; a rerun writes the same bytes.

    python xtask/parity/make_assets.py --mobilenet mobilenet_v2-b0353104.pth --squeezenet squeezenet1_1.pkl \
        --fashion-mnist DIR --out assets

`DIR` holds the four gzipped IDX files of the complete Fashion-MNIST (`cargo xtask assets` fetches
all inputs); the photos come from the installed scikit-image.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy
import skimage
import torch
from safetensors.torch import save_file
from torchvision.models import MobileNet_V2_Weights

from convert_squeezenet import opened
from counter_random import rng
from idx import read_idx, write_idx

MOBILENET_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
SQUEEZENET_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
SEED, TRAIN_PER_CLASS, VALIDATION_PER_CLASS, TEST_IMAGES = 2026, 300, 50, 1000


def mobilenet(source, target):
    """The weights under torchvision's names: matrices and kernels as f16, vectors as f32.

    A vector is short, and a running variance can leave the range of f16, so vectors stay exact.
    """
    if hashlib.sha256(source.read_bytes()).hexdigest() != MOBILENET_SHA256:
        raise SystemExit(f"{source}: not the expected file (wrong sha256)")
    write(torch.load(source, map_location="cpu", weights_only=True), target)


def squeezenet(source, target):
    """SqueezeNet 1.1 likewise, turned to torchvision's names and inputs."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != SQUEEZENET_SHA256:
        raise SystemExit(f"{source}: not the expected file (wrong sha256)")
    write(opened(source), target)


def write(state, target):
    kept = {}
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            kept[name] = (value.half() if value.ndim > 1 else value.float()).contiguous()
    # One entry of metadata only: safetensors writes several in an order that changes from run to run.
    save_file(kept, target, metadata={"format": "pt"})


def fashion_mnist(source, target):
    """A small part: 300 images a class to train on, 50 a class to validate, the first 1,000 test images.

    Within a part the images keep the order of the complete set.
    """
    target.mkdir(parents=True, exist_ok=True)
    images = read_idx(source / "train-images-idx3-ubyte.gz")
    labels = read_idx(source / "train-labels-idx1-ubyte.gz")
    train, validation = [], []
    for label in range(len(CLASSES)):
        pool = numpy.flatnonzero(labels == label)
        order = pool[rng(SEED, "fashion-mnist", label, 0).permutation(len(pool))]
        train.extend(order[:TRAIN_PER_CLASS])
        validation.extend(order[TRAIN_PER_CLASS : TRAIN_PER_CLASS + VALIDATION_PER_CLASS])
    test_images = read_idx(source / "t10k-images-idx3-ubyte.gz")[:TEST_IMAGES]
    test_labels = read_idx(source / "t10k-labels-idx1-ubyte.gz")[:TEST_IMAGES]
    parts = {
        "train": (images[sorted(train)], labels[sorted(train)]),
        "validation": (images[sorted(validation)], labels[sorted(validation)]),
        "t10k": (test_images, test_labels),
    }
    assert not set(train) & set(validation)
    for name, (part_images, part_labels) in parts.items():
        write_idx(target / f"{name}-images-idx3-ubyte.gz", part_images)
        write_idx(target / f"{name}-labels-idx1-ubyte.gz", part_labels)
        print(name, part_images.shape, "per class", numpy.bincount(part_labels).tolist())
    (target / "classes.txt").write_text("\n".join(CLASSES) + "\n")


def photos(target):
    target.mkdir(parents=True, exist_ok=True)
    for name in ["chelsea.png", "coffee.png", "camera.png"]:
        shutil.copyfile(Path(skimage.__file__).parent / "data" / name, target / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mobilenet", type=Path, required=True)
    parser.add_argument("--squeezenet", type=Path, required=True)
    parser.add_argument("--fashion-mnist", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("assets"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    mobilenet(arguments.mobilenet, arguments.out / "mobilenet_v2.safetensors")
    squeezenet(arguments.squeezenet, arguments.out / "squeezenet1_1.safetensors")
    names = MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"]
    (arguments.out / "imagenet_classes.json").write_text(json.dumps(names, ensure_ascii=False, indent=0) + "\n")
    fashion_mnist(arguments.fashion_mnist, arguments.out / "fashion_mnist")
    photos(arguments.out / "photos")
    files = sorted(path for path in arguments.out.rglob("*") if path.is_file())
    for path in files:
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path)
    print(sum(path.stat().st_size for path in files), "bytes")


if __name__ == "__main__":
    main()
