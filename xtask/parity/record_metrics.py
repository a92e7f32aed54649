"""Records scikit-learn's classification metrics for the tests of `tl-train`'s.

    python xtask/parity/record_metrics.py --out crates/tl-train/tests/fixtures/metrics.json

Needs scikit-learn. Logits are multiples of 1/8, so that both languages hold the same numbers and ties occur. The
cases are balanced and skewed classes, a class that is never predicted, one that never occurs (no AUROC then), and
a classifier that always answers the same.
"""

import argparse
import json
from pathlib import Path

import numpy
from scipy.special import softmax
from sklearn import metrics

from formula import signed


def case(name, n, classes, pull, truth_of=None, bias=None):
    noise = signed(f"metrics.{name}", n * classes).reshape(n, classes)
    ranks = signed(f"truth.{name}", n)
    truth = ((ranks + 1) / 2 * classes).astype(int) if truth_of is None else truth_of(ranks)
    logits = 4 * noise + pull * numpy.eye(classes)[truth] + (0 if bias is None else numpy.array(bias))
    logits = numpy.round(8 * logits) / 8
    predicted = logits.argmax(1)
    probabilities = softmax(logits, axis=1)
    occurring = set(truth) == set(range(classes))
    scores = probabilities[:, 1] if classes == 2 else probabilities
    area = metrics.roc_auc_score(truth, scores, multi_class="ovr", average="macro") if occurring else None
    found = metrics.precision_recall_fscore_support(truth, predicted, labels=range(classes), zero_division=0)
    return {
        "name": name,
        "classes": classes,
        "logits": logits.ravel().tolist(),
        "truth": truth.tolist(),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "loss": metrics.log_loss(truth, probabilities, labels=range(classes)),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro", zero_division=0),
        "weighted_f1": metrics.f1_score(truth, predicted, average="weighted", zero_division=0),
        "mcc": metrics.matthews_corrcoef(truth, predicted),
        "auroc": area,
        "precision": found[0].tolist(),
        "recall": found[1].tolist(),
        "f1": found[2].tolist(),
        "confusion": metrics.confusion_matrix(truth, predicted, labels=range(classes)).tolist(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-train/tests/fixtures/metrics.json"))
    arguments = parser.parse_args()
    skewed = lambda ranks: (ranks > 0.9).astype(int)
    cases = [
        case("two", 60, 2, 2.0),
        case("skewed", 80, 2, 2.0, skewed),
        case("five", 90, 5, 3.0),
        case("never predicted", 60, 3, 2.0, bias=[0, 0, -20]),
        case("never occurs", 60, 4, 2.0, lambda ranks: ((ranks + 1) / 2 * 3).astype(int)),
        case("always the same", 40, 2, 0.0, bias=[20, 0]),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
