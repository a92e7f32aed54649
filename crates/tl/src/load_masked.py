"""Opens this run in PyTorch: python load.py [FILE]

Needs torch and transformers. Prints one line of JSON for each line of the file, in which the mask ([MASK] or <mask>) may stand
for pieces: its number, its pieces, and the five likeliest pieces at each mask.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerFast

folder = Path(__file__).resolve().parent
model, loading = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
model.eval()
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
masks = [tokenizer.convert_tokens_to_ids(name) for name in ("[MASK]", "<mask>") if name in tokenizer.get_vocab()]

with torch.no_grad():
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if len(sys.argv) > 1 else []
    for number, text in enumerate(lines, 1):
        pieces = tokenizer(text, return_tensors="pt")["input_ids"]
        logits = model(input_ids=pieces).logits[0]
        found = [logits[place].topk(5).indices.tolist() for place, piece in enumerate(pieces[0].tolist()) if piece in masks]
        likeliest = [tokenizer.convert_ids_to_tokens(five) for five in found]
        print(json.dumps({"line": number, "pieces": pieces[0].tolist(), "likeliest": likeliest}))
