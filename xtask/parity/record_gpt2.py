"""Records transformers' GPT-2 on formula-filled weights, in f64, for the parity tests.

    python xtask/parity/record_gpt2.py --out crates/tl-models/tests/fixtures/parity

Needs transformers. Two files of GPT-2 small's size: `gpt2.json`, the classifier, in the form of `record_encoders`, and
`gpt2_language.json`, the language model, of whose logits (one row for each piece but a text's last) norm and
projections are kept.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers

from record_encoders import CLASSES, LABELS, LENGTHS, RULE, build, summary, texts
from record_models import MOST_GRADIENT_DEVIATION, MOST_LOGIT_DEVIATION, deviation, rounded

IGNORED = -100
WANTED = ["wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias", "h.0.mlp.c_fc.weight"]
WANTED += ["h.11.attn.c_proj.weight", "h.11.ln_2.weight", "h.11.mlp.c_proj.weight", "ln_f.bias"]


def run(model, rows, language):
    longest = max(LENGTHS)
    padded = torch.tensor([row["ids"] + [model.config.pad_token_id] * (longest - len(row["ids"])) for row in rows])
    mask = torch.tensor([[int(place < length) for place in range(longest)] for length in LENGTHS])
    answer = model(input_ids=padded, attention_mask=mask, output_hidden_states=True)
    if language:
        behind = padded.masked_fill(mask == 0, IGNORED)[:, 1:]
        kept = behind != IGNORED
        logits, labels = answer.logits[:, :-1][kept], behind[kept]
        own = model(input_ids=padded, attention_mask=mask, labels=padded.masked_fill(mask == 0, IGNORED)).loss
    else:
        logits, labels = answer.logits, torch.tensor(LABELS)
        own = model(input_ids=padded, attention_mask=mask, labels=labels).loss
    loss = torch.nn.functional.cross_entropy(logits, labels)
    assert abs(float((loss - own).detach())) < 1e-5, "the loss is not the one that transformers computes"
    parameters = dict(model.named_parameters())
    names = ["transformer." + name for name in WANTED] + ([] if language else ["score.weight"])
    gradients = torch.autograd.grad(loss, [parameters[name] for name in names])
    return {
        "logits": logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "gradients": {name: value.double().numpy() for name, value in zip(names, gradients)},
        "hidden": [state.detach().double()[mask.bool()].numpy() for state in answer.hidden_states],
    }


def record(name, language):
    kind = transformers.GPT2LMHeadModel if language else transformers.GPT2ForSequenceClassification
    config = transformers.GPT2Config(num_labels=CLASSES, attn_implementation="eager", pad_token_id=50256)
    rows = texts(config, False)
    rough, exact = (run(build(kind, config, dtype), rows, language) for dtype in (torch.float32, torch.float64))
    off = {key: deviation(rough["gradients"][key], value) for key, value in exact["gradients"].items()}
    off["logits"] = deviation(rough["logits"], exact["logits"])
    print(name, f"loss {exact['loss']:.4g}", {key: f"{value:.1e}" for key, value in off.items()}, flush=True)
    if off.pop("logits") > MOST_LOGIT_DEVIATION or max(off.values()) > MOST_GRADIENT_DEVIATION:
        raise SystemExit(f"{name} is ill-conditioned in f32, not written")
    logits = exact["logits"]
    mode = {
        "logits": [] if language else [[rounded(value, 7) for value in row] for row in logits.tolist()],
        "loss": rounded(exact["loss"]),
        "gradients": {key: summary(value) for key, value in exact["gradients"].items()},
    }
    said = json.loads(config.to_json_string(use_diff=False))
    keys = ["model_type", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function"]
    keys += ["layer_norm_epsilon", "pad_token_id", "eos_token_id"]
    entries = build(kind, config, torch.float32).named_parameters()
    return {
        "architecture": name,
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, f64",
        "config": {key: said[key] for key in keys},
        "texts": rows,
        "classes": CLASSES,
        "labels": LABELS,
        **RULE,
        "hidden": [summary(value) for value in exact["hidden"] + ([logits] if language else [])],
        "eval": mode,
        "train": mode,
        "entries": {key: list(value.shape) for key, value in entries},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/parity"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, language in [("gpt2", False), ("gpt2_language", True)]:
        fixture = record(name, language)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
