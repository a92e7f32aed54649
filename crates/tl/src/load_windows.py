"""A long text in windows, as this run reads it; load.py takes it from here."""

import math

import torch


class Windows:
    """Of at most `longest` pieces, the marks at both ends included; neighbours share `stride` pieces."""

    def __init__(self, tokenizer, text, longest, stride):
        whole = tokenizer(text, return_special_tokens_mask=True, return_offsets_mapping=True)
        marks = whole.pop("special_tokens_mask")
        # Of each piece of the whole text, marks included, the characters that it stands for.
        self.offsets = whole.pop("offset_mapping")
        self.head = next((at for at, mark in enumerate(marks) if not mark), len(marks))
        behind = marks[self.head :][::-1]
        self.tail = next((at for at, mark in enumerate(behind) if not mark), len(behind))
        self.pieces = len(marks) - self.head - self.tail
        self.room = longest - self.head - self.tail
        step = self.room - stride
        self.begins = list(range(0, max(self.pieces - self.room, 0) + step, step))
        self.inputs = [
            {name: torch.tensor([self.cut(values, begin)]) for name, values in whole.items()} for begin in self.begins
        ]

    def cut(self, values, begin):
        begin, end = self.head + begin, len(values) - self.tail
        return values[: self.head] + values[begin : min(begin + self.room, end)] + values[end:]

    def best(self, rows):
        """For each piece of the whole text, marks included, its row in the window that shows most around it; None for marks."""

        def row(place):
            def context(window):
                begin = self.begins[window]
                return min(place - begin, min(begin + self.room, self.pieces) - 1 - place)

            window = max(range(len(rows)), key=context)
            return rows[window][self.head + place - self.begins[window]]

        return [None] * self.head + [row(place) for place in range(self.pieces)] + [None] * self.tail


def mean(answers):
    """Of several windows the mean of their numbers."""
    return torch.stack(answers).double().mean(0)


def pooled(logits):
    """Of several windows the logarithm of the mean of their probabilities; the logits of a single one as they are."""
    if len(logits) == 1:
        return logits[0]
    return torch.logsumexp(torch.log_softmax(torch.stack(logits).double(), 1), 0) - math.log(len(logits))
