"""Records transferability scores from their papers' formulas, for the tests of `tl-train`'s.

    python xtask/parity/record_transferability.py --out crates/tl-train/tests/fixtures/transferability.json

Needs numpy and scikit-learn. Everything is computed in another way than there: by explicit inverses, pseudoinverses and
determinants of d x d matrices in f64, the shrinkage by scikit-learn's LedoitWolf, the conditional entropy as a difference of
entropies. Features are multiples of 1/8, so that both languages hold the same numbers. The cases have more examples than
features and fewer, one example of each class, a constant feature, one that stands there twice, and classes without an example.
"""

import argparse
import json
import math
from pathlib import Path

import numpy
from sklearn.covariance import LedoitWolf

from formula import signed

ROOM = 1e-5
DISTORTION = 1e-4


def log_me(features, labels):
    n, d = features.shape
    found = []
    for label in sorted(set(labels)):
        y = (labels == label).astype(float)
        alpha, beta = 1.0, 1.0
        for _ in range(100000):
            inverse = numpy.linalg.inv(alpha * numpy.eye(d) + beta * features.T @ features)
            m = beta * inverse @ features.T @ y
            gamma = d - alpha * numpy.trace(inverse)
            rest = ((features @ m - y) ** 2).sum()
            new_alpha = gamma / (m @ m + ROOM)
            new_beta = (n - gamma) / (rest + ROOM)
            change = abs(new_alpha / new_beta - alpha / beta) / (alpha / beta)
            alpha, beta = new_alpha, new_beta
            if change < 1e-12:
                break
        else:
            raise ValueError("the fixed point was not reached")
        a = alpha * numpy.eye(d) + beta * features.T @ features
        m = beta * numpy.linalg.solve(a, features.T @ y)
        evidence = (
            d / 2 * math.log(alpha)
            + n / 2 * math.log(beta)
            - n / 2 * math.log(2 * math.pi)
            - beta / 2 * ((features @ m - y) ** 2).sum()
            - alpha / 2 * (m @ m)
            - numpy.linalg.slogdet(a)[1] / 2
        )
        found.append(evidence / n)
    return float(numpy.mean(found))


def between(features, labels):
    centred = features - features.mean(0)
    means = numpy.zeros_like(centred)
    for label in set(labels):
        means[labels == label] = centred[labels == label].mean(0)
    return means.T @ means / len(labels)


def h_score(features, labels):
    covariance = numpy.cov(features, rowvar=False, bias=True)
    return float(numpy.trace(numpy.linalg.pinv(covariance, rcond=1e-10) @ between(features, labels)))


def shrunk_h_score(features, labels):
    fitted = LedoitWolf().fit(features)
    inverse = numpy.linalg.pinv(fitted.covariance_, rcond=1e-13)
    return float(numpy.trace(inverse @ ((1 - fitted.shrinkage_) * between(features, labels))))


def rate(z):
    n, d = z.shape
    return 0.5 * numpy.linalg.slogdet(numpy.eye(d) + z.T @ z / (n * DISTORTION))[1]


def trans_rate(features, labels):
    z = features - features.mean(0)
    within = sum((labels == label).mean() * rate(z[labels == label]) for label in set(labels))
    return float(rate(z) - within)


def leep(probabilities, labels):
    n, sources = probabilities.shape
    total = 0.0
    for i in range(n):
        foretold = 0.0
        for z in range(sources):
            joint = sum(probabilities[k, z] for k in range(n) if labels[k] == labels[i]) / n
            whole = sum(probabilities[k, z] for k in range(n)) / n
            foretold += joint / whole * probabilities[i, z]
        total += math.log(foretold)
    return total / n


def entropy(keys):
    _, counts = numpy.unique(keys, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * numpy.log(shares)).sum())


def nce(source, labels):
    return entropy(source) - entropy(source * 1000 + labels)


def case(name, n, d, classes, labels=None, change=None, pull=1.0):
    labels = numpy.arange(n) % classes if labels is None else numpy.array(labels)
    noise = signed(f"transferability.{name}", n * d).reshape(n, d)
    centres = signed(f"centres.{name}", classes * d).reshape(classes, d)
    features = numpy.round(8 * (2 * noise + pull * 2 * centres[labels] + 1)) / 8
    if change is not None:
        features = change(features)
    sources = 4
    logits = 2 * signed(f"sources.{name}", n * sources).reshape(n, sources)
    logits[numpy.arange(n), labels % sources] += 1
    powers = numpy.exp(logits)
    probabilities = powers / powers.sum(1, keepdims=True)
    source = probabilities.argmax(1)
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "features": features.ravel().tolist(),
        "probabilities": probabilities.ravel().tolist(),
        "source": source.tolist(),
        "log_me": log_me(features, labels),
        "h_score": h_score(features, labels),
        "shrunk_h_score": shrunk_h_score(features, labels),
        "trans_rate": trans_rate(features, labels),
        "leep": leep(probabilities, labels),
        "nce": nce(source, labels),
    }


def constant(features):
    features[:, 1] = 2.5
    return features


def twice(features):
    features[:, 2] = features[:, 0]
    return features


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path("crates/tl-train/tests/fixtures/transferability.json")
    parser.add_argument("--out", type=Path, default=default)
    arguments = parser.parse_args()
    cases = [
        case("tall", 60, 5, 3),
        case("mixed", 50, 4, 2, pull=0.0),
        case("wide", 12, 20, 3),
        case("square", 9, 9, 3),
        case("one example of each class", 6, 9, 6),
        case("a constant feature", 30, 4, 3, change=constant),
        case("a feature twice", 30, 4, 3, change=twice),
        case("classes without an example", 21, 3, 6, labels=[0, 2, 5] * 4 + [0] * 6 + [2] * 3),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
