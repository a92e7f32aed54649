"""Records scikit-learn's and SciPy's figures of numbers that were foretold, for the tests of `tl-train`'s.

    python xtask/parity/record_regression.py --out crates/tl-train/tests/fixtures/regression.json

Needs scikit-learn and SciPy. Numbers and answers are multiples of 1/8, so that both languages hold the same ones and ties
occur. The cases are answers that follow the numbers closely, loosely, in order alone and the other way round, many ties, and
numbers of a large unit.
"""

import argparse
import json
from pathlib import Path

import numpy
from scipy import stats
from sklearn import metrics

from formula import signed


def case(name, n, noise, steps=8, of=lambda numbers: numbers, unit=1.0, offset=0.0):
    truth = numpy.round(steps * 3 * signed(f"numbers.{name}", n)) / steps
    answers = numpy.round(steps * (of(truth) + noise * signed(f"answers.{name}", n))) / steps
    truth, answers = unit * truth + offset, unit * answers + offset
    pearson = stats.pearsonr(truth, answers)
    interval = pearson.confidence_interval(0.95)
    return {
        "name": name,
        "truth": truth.tolist(),
        "answers": answers.tolist(),
        "r2": metrics.r2_score(truth, answers),
        "root_mean_squared_error": metrics.root_mean_squared_error(truth, answers),
        "mean_absolute_error": metrics.mean_absolute_error(truth, answers),
        "pearson": pearson.statistic,
        "pearson_interval": [interval.low, interval.high],
        "spearman": stats.spearmanr(truth, answers).statistic,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-train/tests/fixtures/regression.json"))
    arguments = parser.parse_args()
    cases = [
        case("close", 50, 0.5),
        case("loose", 40, 4.0),
        case("in order alone", 40, 0.0, of=lambda numbers: numbers**3),
        case("the other way round", 30, 1.0, of=lambda numbers: -numbers),
        case("many ties", 60, 1.5, steps=1),
        case("four", 4, 1.0),
        case("a large unit", 40, 1.0, unit=1024.0, offset=2.0**20),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
