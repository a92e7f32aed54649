"""Records seqeval's scores of entities for the tests of `tl-train`'s.

    python xtask/parity/record_entities.py --out crates/tl-train/tests/fixtures/entities.json

Needs seqeval 1.2.2. Tags are drawn by the formula that both languages implement, so most sequences are broken: beginnings
are missing, types change inside, ends have no beginning. Each scheme is recorded in the usual and in the strict mode; types
that occur in one of the two alone, sentences without an entity and a case without any are among them.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as usual
from seqeval.metrics.v1 import precision_recall_fscore_support as strict
from seqeval.scheme import BILOU, IOB2, IOBES

from formula import signed

SCHEMES = {"iob2": ("BI", IOB2), "bioes": ("BIES", IOBES), "bilou": ("BILU", BILOU)}
AVERAGES = {"micro": "micro", "macro": "macro", "weighted": "weighted"}


def tags(name, lengths, marks, types, outside):
    """One sentence of tags for each length; `outside` is the share of words in no entity."""
    values = (signed(name, 2 * sum(lengths)) + 1) / 2
    every = [f"{mark}-{kind}" for kind in types for mark in marks]
    drawn = []
    for one, other in zip(values[::2], values[1::2]):
        drawn.append("O" if one < outside else every[min(int(other * len(every)), len(every) - 1)])
    sentences, begin = [], 0
    for length in lengths:
        sentences.append(drawn[begin : begin + length])
        begin += length
    return sentences


def scores(function, truth, predicted, **more):
    found = {}
    for name, average in AVERAGES.items():
        precision, recall, f1, _ = function(truth, predicted, average=average, **more)
        # A mean over no type at all is no number there, and 0 here.
        figures = [float(numpy.nan_to_num(figure)) for figure in (precision, recall, f1)]
        found[name] = dict(zip(["precision", "recall", "f1"], figures))
    precision, recall, f1, support = function(truth, predicted, average=None, **more)
    found["per_type"] = [[float(p), float(r), float(f), int(n)] for p, r, f, n in zip(precision, recall, f1, support)]
    return found


def case(name, scheme, sentences, agreement, types, other_types, outside=0.4):
    marks, kind = SCHEMES[scheme]
    lengths = [1 + (7 * number) % 12 for number in range(sentences)]
    truth = tags(f"truth.{name}", lengths, marks, types, outside)
    guess = tags(f"guess.{name}", lengths, marks, other_types, outside)
    agree = (signed(f"agree.{name}", sentences) + 1) / 2 < agreement
    predicted = [t if same else g for t, g, same in zip(truth, guess, agree)]
    return {
        "name": name,
        "scheme": scheme,
        "truth": [" ".join(it) for it in truth],
        "predicted": [" ".join(it) for it in predicted],
        "usual": scores(usual, truth, predicted),
        "strict": scores(strict, truth, predicted, scheme=kind),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    arguments = arguments.parse_args()
    warnings.simplefilter("ignore")
    cases = [
        case("iob2", "iob2", 40, 0.6, ["geo-loc", "person", "other"], ["geo-loc", "person", "film"]),
        case("iob2 dense", "iob2", 30, 0.3, ["a", "b"], ["a", "b"], outside=0.1),
        case("iob2 without any", "iob2", 8, 0.5, ["a"], ["a"], outside=2.0),
        case("bioes", "bioes", 40, 0.5, ["a", "b", "c"], ["b", "c", "d"]),
        case("bioes dense", "bioes", 60, 0.4, ["a"], ["a"], outside=0.05),
        case("bilou", "bilou", 40, 0.5, ["a", "b"], ["a", "b"], outside=0.2),
    ]
    arguments.out.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
