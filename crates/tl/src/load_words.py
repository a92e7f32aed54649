"""Opens this run in PyTorch: python load.py [FILE]

Needs torch and transformers. Prints one line of JSON for each line of the file: its number, its words, their tags and logits, and the entities.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

folder = Path(__file__).resolve().parent
run = json.loads((folder / "run.json").read_text())
tokenizer = AutoTokenizer.from_pretrained(folder)
longest, stride = run["preprocess"]["max_length"], run["preprocess"].get("stride")
labels = {int(id): label for id, label in json.loads((folder / "config.json").read_text())["id2label"].items()}


def by_lstm():
    import network

    model = network.load(folder)
    return lambda inputs: model.fc(model.outputs(inputs["input_ids"]))[0]


def by_transformers():
    model, loading = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    model.eval()
    return lambda inputs: model(**inputs).logits[0]


logits_of = by_lstm() if (folder / "network.py").exists() else by_transformers()


def words(text):
    """What stands between spaces, each sign at its edge alone; @ and # at a beginning belong to the word."""
    found, at = [], 0
    for run_of in text.split():
        at = text.index(run_of, at)
        first = next((i for i, c in enumerate(run_of) if c.isalnum() or c in "@#"), len(run_of))
        last = max((i + 1 for i, c in enumerate(run_of) if c.isalnum()), default=first)
        last = max(first, last)
        found += [(at + i, at + i + 1) for i in range(first)]
        found += [(at + first, at + last)] if last > first else []
        found += [(at + i, at + i + 1) for i in range(last, len(run_of))]
        at += len(run_of)
    return found


def read(text):
    """Of each piece of a text that is read the characters that it stands for, and its logits."""
    if stride is None:
        inputs = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        return offsets, logits_of(inputs)
    from windows import Windows

    windows = Windows(tokenizer, text, longest, stride)
    return windows.offsets, windows.best([logits_of(inputs) for inputs in windows.inputs])


def answer(text):
    """The logits of each word's first piece; None for a word that was cut off."""
    offsets, logits = read(text)
    pieces = [(i, a, b) for i, (a, b) in enumerate(offsets) if a < b]
    found = []
    for begin, end in words(text):
        while pieces and pieces[0][2] <= begin:
            pieces.pop(0)
        found.append(logits[pieces.pop(0)[0]] if pieces and pieces[0][1] < end else None)
    return found


def entities(text, tags):
    """Neighbours of one type, a new one at each B or S."""
    found, before = [], "O"
    for (begin, end), tag in zip(words(text), tags):
        mark, _, label = tag.partition("-")
        if mark != "O" and before != "O" and mark not in "BSU" and before[0] not in "ELSU" and found[-1]["label"] == label:
            found[-1]["end"] = end
        elif mark != "O":
            found.append({"label": label, "start": begin, "end": end})
        before = tag
    return [{**entity, "text": text[entity["start"] : entity["end"]]} for entity in found]


with torch.no_grad():
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n") if len(sys.argv) > 1 else []
    for number, text in enumerate(lines[:-1] if lines and not lines[-1] else lines, 1):
        logits = answer(text)
        tags = ["O" if row is None else labels[int(row.argmax())] for row in logits]
        rows = [None if row is None else row.tolist() for row in logits]
        print(json.dumps({"file": str(number), "tags": tags, "logits": rows, "entities": entities(text, tags)}))
