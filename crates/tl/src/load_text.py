"""Opens this run in PyTorch: python load.py [FILE]

Needs torch and transformers. Prints one line of JSON for each line of the file: its number, logits and label; or, of a run that
answers with a number, that.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

folder = Path(__file__).resolve().parent
run = json.loads((folder / "run.json").read_text())
tokenizer = AutoTokenizer.from_pretrained(folder)
longest, stride = run["preprocess"]["max_length"], run["preprocess"].get("stride")
pooling = run["options"]["patches"]["pooling"]
numbers = run["preprocess"].get("numbers", False)
kind = json.loads((folder / "config.json").read_text())["model_type"]


def by_lstm():
    import network

    model = network.load(folder)

    def answer(inputs):
        outputs = model.outputs(inputs["input_ids"])
        return model.fc(outputs[:, -1] if pooling == "last" else outputs.mean(1))

    return answer


def by_mean():
    """The encoder, and the head on the mean of its tokens, which no class of transformers has."""
    weights = load_file(folder / "model.safetensors")
    encoder = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    prefix = encoder.base_model_prefix + "."
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    missing, unexpected = encoder.load_state_dict(own, strict=False)
    assert not unexpected and all("pooler" in name or "position_ids" in name for name in missing), (missing, unexpected)
    encoder.eval()
    head = [weights[name] for name in weights if not name.startswith(prefix)]
    # GPT-2's head has no bias.
    weight, bias = sorted([*head, torch.zeros(1)][:2], key=torch.Tensor.dim, reverse=True)

    def answer(inputs):
        hidden = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(2)
        return (hidden * mask).sum(1) / mask.sum(1) @ weight.T + bias

    return answer


def by_class():
    model, loading = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    model.eval()
    return lambda inputs: model(**inputs).logits


def read(text):
    """What the network reads of a text: its first pieces, or all of them in windows."""
    if stride is None:
        return [tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")]
    from windows import Windows

    return Windows(tokenizer, text, longest, stride).inputs


def pooled(logits):
    if stride is None:
        return logits[0]
    import windows

    return windows.mean(logits) if numbers else windows.pooled(logits)


with torch.no_grad():
    answer = by_lstm() if kind == "lstm" else by_mean() if pooling == "mean" else by_class()
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n") if len(sys.argv) > 1 else []
    for number, text in enumerate(lines[:-1] if lines and not lines[-1] else lines, 1):
        inputs = read(text)
        if kind != "lstm" and not inputs[0]["input_ids"].numel():  # GPT-2's tokenizer adds no mark: of an empty text there is padding alone
            padding = AutoConfig.from_pretrained(folder).pad_token_id
            inputs = [{"input_ids": torch.tensor([[padding]]), "attention_mask": torch.ones(1, 1, dtype=torch.long)}]
        logits = pooled([answer(window)[0] for window in inputs])
        if numbers:
            print(json.dumps({"file": str(number), "number": float(logits[0])}))
            continue
        label = run["labels"][int(logits.argmax())]
        print(json.dumps({"file": str(number), "logits": logits.tolist(), "label": label}))
