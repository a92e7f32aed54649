"""Records scikit-learn's TfidfVectorizer, for the test of the words of texts.

    python xtask/parity/record_tf_idf.py --out crates/tl-data/tests/fixtures

Needs scikit-learn. Texts to learn from and others, with signs, digits, accents, repeated and unknown words.
"""

import argparse
import json
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

LEARNED = [
    "The film was good, the music was not.",
    "A very good film!",
    "so_so: 2 of 10, I'd say",
    "Été à Paris — déjà vu; ÉTÉ",
    "",
    "the THE tHe film_2 film",
]
TEXTS = [*LEARNED, "unheard words only", "good good good music", "x y z", "été, film: the end"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-data/tests/fixtures"))
    arguments = parser.parse_args()
    vectorizer = TfidfVectorizer()
    vectorizer.fit(LEARNED)
    rows = vectorizer.transform(TEXTS)
    features = []
    for number in range(rows.shape[0]):
        row = rows[number]
        features.append(sorted([int(column), round(float(value), 12)] for column, value in zip(row.indices, row.data)))
    found = {"learned": LEARNED, "texts": TEXTS, "words": list(map(str, vectorizer.get_feature_names_out())), "features": features}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()]
    (arguments.out / "tf_idf.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
