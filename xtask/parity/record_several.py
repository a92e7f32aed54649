"""Records scikit-learn's figures of answers with several labels, for the tests of `tl-train`'s.

    python xtask/parity/record_several.py --out crates/tl-train/tests/fixtures/several.json

Needs scikit-learn. Logits are multiples of 1/8, so that both languages hold the same ones; the cases are ones with and without
many ties, with a rare label, and of a single item.
"""

import argparse
import json
from pathlib import Path

import numpy
from sklearn import metrics

from formula import signed


def case(name, n, labels, steps=8, bias=0.0):
    logits = numpy.round(steps * 3 * signed(f"several.logits.{name}", n * labels)) / steps
    truth = logits / 3 + signed(f"several.truth.{name}", n * labels) + bias > 0
    logits, truth = logits.reshape(n, labels), truth.reshape(n, labels)
    for label in range(labels):
        truth[label % n, label] = True
    found = logits > 0
    f1 = {kind: metrics.f1_score(truth, found, average=kind, zero_division=0) for kind in ("macro", "micro")}
    return {
        "name": name,
        "labels": labels,
        "logits": logits.ravel().tolist(),
        "truth": truth.ravel().tolist(),
        "average_precision": metrics.average_precision_score(truth, logits, average=None).tolist(),
        "mean_average_precision": metrics.average_precision_score(truth, logits, average="macro"),
        "macro_f1": f1["macro"],
        "micro_f1": f1["micro"],
        "loss": float(numpy.mean(numpy.logaddexp(0, numpy.where(truth, -logits, logits)))),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-train/tests/fixtures/several.json"))
    arguments = parser.parse_args()
    cases = [
        case("few ties", 40, 4),
        case("many ties", 60, 3, steps=1),
        case("rare labels", 50, 5, bias=-1.2),
        case("all the same score", 12, 2, steps=0.1),
        case("one item", 1, 3),
    ]
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
