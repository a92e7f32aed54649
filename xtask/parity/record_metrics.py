"""Records scikit-learn's classification metrics for the tests of `tl-train`'s.

    python xtask/parity/record_metrics.py --out crates/tl-train/tests/fixtures/metrics.json

Needs scikit-learn 1.7 or later. Logits are multiples of 1/8, so that both languages hold the same numbers and ties
occur. The cases are balanced and skewed classes, eight classes (of which five count), a class that is never predicted,
one that never occurs (no AUROC then), and a classifier that always answers the same. The calibration error is summed
from `calibration_curve`'s bins, the temperature is found by `scipy.optimize.minimize_scalar`.
"""

import argparse
import json
from pathlib import Path

import warnings

import numpy
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve

from formula import signed


def calibration_error(truth, logits, probabilities, bins=15):
    predicted = logits.argmax(1)
    confidence = probabilities[numpy.arange(len(truth)), predicted]
    right = (predicted == truth).astype(int)
    accuracy, mean = calibration_curve(right, confidence, n_bins=bins, strategy="uniform")
    counts = numpy.histogram(numpy.searchsorted(numpy.linspace(0, 1, bins + 1)[1:-1], confidence), range(bins + 1))[0]
    return float((counts[counts > 0] * abs(accuracy - mean)).sum() / len(truth))


def temperature(truth, logits):
    loss = lambda beta: -log_softmax(beta * logits, axis=1)[numpy.arange(len(truth)), truth].mean()
    found = minimize_scalar(loss, bounds=(1 / 64, 64), method="bounded", options={"xatol": 1e-12})
    return 1 / found.x if 1.0001 / 64 < found.x < 63.99 else None


def further(truth, logits, probabilities):
    classes = logits.shape[1]
    labels = range(classes)
    with warnings.catch_warnings():
        # Classes that are predicted and do not occur have no recall.
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(truth, logits.argmax(1))
    brier = probabilities[:, 1] if classes == 2 else probabilities
    return {
        "balanced_accuracy": balanced,
        "top_5": metrics.top_k_accuracy_score(truth, logits, k=5, labels=labels) if classes > 5 else None,
        "ece": calibration_error(truth, logits, probabilities),
        "brier": metrics.brier_score_loss(truth, brier, labels=labels),
        "temperature": temperature(truth, logits),
    }


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
        **further(truth, logits, probabilities),
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
        case("eight", 120, 8, 1.0),
        case("never predicted", 60, 3, 2.0, bias=[0, 0, -20]),
        case("never occurs", 60, 4, 2.0, lambda ranks: ((ranks + 1) / 2 * 3).astype(int)),
        case("always the same", 40, 2, 0.0, bias=[20, 0]),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
