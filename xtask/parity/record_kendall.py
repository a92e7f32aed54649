"""Records SciPy's weighted Kendall tau, for the test of the table of rankings.

    python xtask/parity/record_kendall.py --out xtask/tests/fixtures/kendall.json

Needs scipy. Values are small whole numbers of quarters, so that ties occur in one of both lists and in both.
"""

import argparse
import json
from pathlib import Path

import numpy
from scipy.stats import weightedtau

from formula import signed


def case(name, count, steps, pull):
    one = numpy.round(steps * signed(f"kendall.{name}", count)) / 4
    noise = numpy.round(steps * signed(f"kendall.other.{name}", count)) / 4
    other = pull * one + noise
    return {"name": name, "one": one.tolist(), "other": other.tolist(), "tau": weightedtau(one, other).statistic}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("xtask/tests/fixtures/kendall.json"))
    arguments = parser.parse_args()
    cases = [
        case("few", 3, 1000, 1),
        case("six", 6, 1000, 1),
        case("against", 12, 1000, -2),
        case("many", 40, 1000, 1),
        case("ties", 15, 3, 1),
        case("many ties", 30, 1, 1),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(found) for found in cases)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
