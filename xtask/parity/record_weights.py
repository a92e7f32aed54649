"""Writes the small PyTorch files that the tests of tl-models read, into crates/tl-models/tests/fixtures/weights.

    python xtask/parity/record_weights.py

Needs torch. The tests know the values by the same formulas: element i is (i + 1) / 4, exact in every float type.
"""

import argparse
import collections
import os
import pathlib
import pickle

import torch

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "crates/tl-models/tests/fixtures/weights"


def values(*shape, dtype=torch.float32):
    count = 1
    for extent in shape:
        count *= extent
    return ((torch.arange(count, dtype=torch.float64) + 1) / 4).reshape(shape).to(dtype)


class Harmful:
    """A file that runs a program when Python opens it carelessly; this one would print a word."""

    def __reduce__(self):
        return (os.system, ("echo harmful",))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    # The order is not alphabetical: it is the model's, and the reader keeps it.
    plain = collections.OrderedDict(
        [
            ("stem.weight", values(2, 3)),
            ("stem.half", values(3, dtype=torch.float16)),
            ("stem.brain", values(3, dtype=torch.bfloat16)),
            ("head.turned", values(2, 3).t()),
            ("head.count", torch.tensor(7, dtype=torch.int64)),
        ]
    )
    torch.save(plain, FOLDER / "zip.pth")
    torch.save(plain, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)

    nested = {
        "epoch": 3,
        "arch": "tiny",
        "args": argparse.Namespace(rate=0.1),
        "optimizer": {"state": {0: {"exp_avg": values(2)}}},
        "state_dict": {"module.fc.weight": values(2, 2), "module.fc.bias": values(2)},
    }
    torch.save(nested, FOLDER / "nested.pth", _use_new_zipfile_serialization=False)

    torch.save({"weight": values(2), "harmful": Harmful()}, FOLDER / "harmful_zip.pth")
    with open(FOLDER / "harmful_bare.pth", "wb") as file:
        pickle.dump(Harmful(), file, protocol=2)
    torch.save(
        {"weight": values(2), "config": argparse.Namespace(rate=0.1)},
        FOLDER / "stranger.pth",
        _use_new_zipfile_serialization=False,
    )
    torch.save({"epoch": 3}, FOLDER / "empty.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
