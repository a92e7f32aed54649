"""The recurrent network of this run in PyTorch, which no class of transformers is; load.py takes it from here."""

import json

import torch
from safetensors.torch import load_file


class Lstm(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        directions = 1 + config["bidirectional"]
        self.embedding = torch.nn.Embedding(config["vocab_size"], config["embedding_size"])
        self.lstm = torch.nn.LSTM(
            config["embedding_size"],
            config["hidden_size"],
            config["num_layers"],
            batch_first=True,
            bidirectional=config["bidirectional"],
        )
        self.fc = torch.nn.Linear(directions * config["hidden_size"], len(config["id2label"]))

    def outputs(self, input_ids):
        """Those of the last layer for one text, [1, pieces, width]; of an empty one a single output of zeros."""
        if not input_ids.numel():
            return torch.zeros(1, 1, self.fc.in_features)
        return self.lstm(self.embedding(input_ids.long()))[0]


def load(folder):
    model = Lstm(json.loads((folder / "config.json").read_text()))
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    return model.eval()
