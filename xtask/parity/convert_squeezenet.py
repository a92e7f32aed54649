"""Turns the published SqueezeNet 1.1 weights into a file with torchvision's names.

    python xtask/parity/convert_squeezenet.py WEIGHTS.pkl squeezenet1_1.safetensors [PHOTO ...]

`cargo xtask assets` fetches them: a pickle of name to [HWIO kernel, bias] for images in the order blue, green, red from 0
to 255 with the means 103.939, 116.779 and 123.68 taken off. Kernels are turned to OIHW, and the first convolution takes
over what lies between that and images normalised as ImageNet's (it pads nothing, so that this is exact up to rounding).

For each photo it prints the best three classes by torchvision's logits, and by those without the ReLU between the last
convolution and the pooling, which is how the network answers here. Needs torch, torchvision and safetensors.
"""

import argparse
import pickle
from pathlib import Path

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
MEANS_OF_BYTES = [123.68, 116.779, 103.939]  # red, green, blue
FIRES = [3, 4, 6, 7, 9, 10, 11, 12]
LAYERS = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}


class Arrays(pickle.Unpickler):
    """Reads arrays of numpy and nothing else."""

    def find_class(self, module, name):
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype", "scalar"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no array")


def converted(arrays):
    """The tensors by torchvision's names."""
    names = {"conv1": "features.0", "conv10": "classifier.1"}
    for number, place in enumerate(FIRES, 2):
        names |= {f"fire{number}/{ours}": f"features.{place}.{theirs}" for ours, theirs in LAYERS.items()}
    state = {}
    for name, (kernel, bias) in arrays.items():
        state[f"{names[name]}.weight"] = torch.from_numpy(kernel).permute(3, 2, 0, 1).double()
        state[f"{names[name]}.bias"] = torch.from_numpy(bias).double()
    # From blue first to red first; then 255 (std z + mean) - mean of bytes for each channel's value z.
    first = state["features.0.weight"].flip(1)
    shift = 255 * torch.tensor(MEAN, dtype=torch.float64) - torch.tensor(MEANS_OF_BYTES, dtype=torch.float64)
    state["features.0.bias"] += (first * shift.view(1, 3, 1, 1)).sum((1, 2, 3))
    state["features.0.weight"] = first * 255 * torch.tensor(STD, dtype=torch.float64).view(1, 3, 1, 1)
    return {name: value.float().contiguous() for name, value in state.items()}


def opened(path):
    """The tensors of the published file by torchvision's names."""
    with path.open("rb") as file:
        return converted(Arrays(file, encoding="latin1").load())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", type=Path, nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    state = opened(arguments.weights)
    model = torchvision.models.squeezenet1_1().eval()
    model.load_state_dict(state)
    save_file(state, arguments.out)
    names = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.meta["categories"]
    prepare = torch.nn.Sequential(v2.Resize(256), v2.CenterCrop(224))
    for photo in arguments.photos:
        pixels = v2.functional.pil_to_tensor(prepare(Image.open(photo).convert("RGB"))).float()[None] / 255
        batch = v2.functional.normalize(pixels, MEAN, STD)
        for relu in (torch.nn.ReLU(), torch.nn.Identity()):
            model.classifier[2] = relu
            with torch.no_grad():
                best = model(batch)[0].softmax(0).topk(3)
            said = [f"{names[index]} {share:.3f}" for share, index in zip(best.values.tolist(), best.indices.tolist())]
            print(f"{photo.stem:10} {type(relu).__name__:8} {', '.join(said)}")


if __name__ == "__main__":
    main()
