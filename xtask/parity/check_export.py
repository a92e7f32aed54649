"""Opens what `tl export` wrote in torchvision and in timm, strictly, and compares their logits with each other.

    python xtask/parity/check_export.py TL RUN

TL is the program, RUN the folder of a finished run on images whose network both libraries have. The lines that the program prints
are run as they stand. Exits with 1 where a file is not loaded strictly or the logits differ by more than 1e-4 of their length.
"""

import json
import subprocess
import sys

import torch


def opened(program, run, library):
    """The network that the printed line opens."""
    words = [program, "export", run, "--to", library, "--json"]
    line = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["open"]
    names = {}
    exec(line, names)
    return names["m"]


def main():
    program, run = sys.argv[1:3]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        one, two = (opened(program, run, library)(images) for library in ("torchvision", "timm"))
    apart = ((one - two).norm() / one.norm()).item()
    print(f"{run}: logits of torchvision and timm are apart by {apart:.1e} of their length")
    sys.exit(0 if apart <= 1e-4 else 1)


if __name__ == "__main__":
    main()
