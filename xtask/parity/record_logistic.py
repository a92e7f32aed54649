"""Records scikit-learn's logistic regression for tl-train's tests.

    python xtask/parity/record_logistic.py

Writes crates/tl-train/tests/fixtures/logistic.json. Features and labels follow from a formula that
the test repeats, so that only the fitted coefficients are stored.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

EXAMPLES, WIDTH, CLASSES = 60, 5, 3


def examples():
    i, j = np.arange(EXAMPLES)[:, None], np.arange(WIDTH)[None, :]
    # Sixteenths: exact in binary. The column's own offset and scale make it badly conditioned.
    features = ((i * 37 + j * 11 + i * j * 5) % 64) / 16.0 * (j + 1) + 4.0 * j
    labels = (i[:, 0] * 37 % 64 // 22 + (i[:, 0] % 5 == 0)) % CLASSES
    return features.astype(np.float64), labels


def main():
    features, labels = examples()
    cases = []
    for c in (0.01, 1.0, 100.0):
        head = LogisticRegression(C=c, tol=1e-12, max_iter=100_000, solver="newton-cg")
        head.fit(features, labels)
        cases.append({
            "c": c,
            "weight": head.coef_.ravel().tolist(),
            "bias": head.intercept_.tolist(),
            "loss": log_loss(labels, head.predict_proba(features)),
        })
    path = Path(__file__).parents[2] / "crates/tl-train/tests/fixtures/logistic.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"scikit-learn": sklearn.__version__, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
