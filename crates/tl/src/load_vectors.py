"""Opens this run in PyTorch: python load.py [FILE]

Needs torch and transformers. Prints one line of JSON for each line of the file: its number, its pieces and its vector, the mean
over the pieces in the last layer. Texts are as near as the cosine of their vectors.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, PreTrainedTokenizerFast

folder = Path(__file__).resolve().parent
run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
longest = run["preprocess"]["max_length"]
model, loading = AutoModel.from_pretrained(folder, output_loading_info=True)
# The pooler, which no vector goes through, may be absent.
absent = [name for name in loading["missing_keys"] if "pooler" not in name]
assert not absent and not loading["unexpected_keys"], loading
model.eval()
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))

with torch.no_grad():
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if len(sys.argv) > 1 else []
    for number, text in enumerate(lines, 1):
        pieces = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")["input_ids"]
        vector = model(input_ids=pieces).last_hidden_state[0].mean(0)
        print(json.dumps({"line": number, "pieces": pieces[0].tolist(), "vector": vector.tolist()}))
