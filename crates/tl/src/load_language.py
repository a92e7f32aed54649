"""Opens this run in PyTorch: python load.py [FILE]

Needs torch and transformers. Prints one line of JSON for each line of the file: its number, its pieces and the mean loss of
each but the first.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = Path(__file__).resolve().parent
model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
model.eval()
tokenizer = AutoTokenizer.from_pretrained(folder)

with torch.no_grad():
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if len(sys.argv) > 1 else []
    for number, text in enumerate(lines, 1):
        pieces = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        loss = float(model(input_ids=pieces, labels=pieces).loss) if pieces.shape[1] > 1 else None
        print(json.dumps({"line": number, "pieces": pieces[0].tolist(), "loss": loss}))
