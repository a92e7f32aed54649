"""Records the windows that transformers' tokenizers cut long texts into, for the tests of `tl-data`'s.

    python xtask/parity/record_windows.py --out crates/tl-data/tests/fixtures/windows.json

Needs transformers and tokenizers. Two small tokenizers are built here and stored as they are written down: pieces of words between
marks, as BERT has them, and single bytes without marks, as GPT-2 has them. Recorded are the pieces of every window by
`return_overflowing_tokens=True`, `stride` and `max_length`.
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

MARKS = ["[UNK]", "[CLS]", "[SEP]"]
WORDS = ["it", "was", "un", "##der", "##stand", "##able", "all", "day"]
LETTERS = "abcdefghijklmnopqrstuvwxyz "


def pieces_of_words():
    vocabulary = {piece: number for number, piece in enumerate(MARKS + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [(mark, vocabulary[mark]) for mark in ["[CLS]", "[SEP]"]]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    return tokenizer


def letters():
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary = {bytes_of.pre_tokenize_str(letter)[0][0]: number for number, letter in enumerate(LETTERS)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = bytes_of
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def cases(tokenizer, texts, ways):
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    for text in texts:
        for longest, stride in ways:
            found = wrapped(text, truncation=True, max_length=longest, stride=stride, return_overflowing_tokens=True)
            yield {"text": text, "max_length": longest, "stride": stride, "windows": found["input_ids"]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True)
    out = options.parse_args().out
    sentences = ["it", "it was all day", "it was understandable all day it was all understandable day"]
    tokenizers = {
        "pieces of words": (pieces_of_words(), sentences, [(6, 0), (6, 1), (6, 3), (9, 2), (64, 10)]),
        "letters": (letters(), ["a", "it was all day"], [(4, 0), (4, 3), (14, 5), (13, 5)]),
    }
    record = {
        name: {"tokenizer": json.loads(tokenizer.to_str()), "cases": list(cases(tokenizer, texts, ways))}
        for name, (tokenizer, texts, ways) in tokenizers.items()
    }
    out.write_text(json.dumps(record) + "\n")


main()
