"""Records transformers' masked language models on formula-filled weights, in f64, for the parity tests.

    python xtask/parity/record_masked.py --out crates/tl-models/tests/fixtures/parity

Needs transformers. One JSON file a family, small networks in the form of `record_encoders`: every third place of a text is asked
for, and of the logits at these places (one row each, text after text) norm and projections are kept. `labels` holds the pieces
that stand there: the loss is computed as if nothing had been hidden.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers

from record_encoders import LENGTHS, RULE, build, summary, texts
from record_models import MOST_GRADIENT_DEVIATION, MOST_LOGIT_DEVIATION, deviation, rounded

IGNORED = -100
SMALL = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 192, "vocab_size": 600}
DISTILLED = {"dim": 96, "n_layers": 3, "n_heads": 4, "hidden_dim": 192, "vocab_size": 600, "activation": "relu"}

CASES = {
    "bert_masked": (transformers.BertConfig, transformers.BertForMaskedLM, {**SMALL, "max_position_embeddings": 40}),
    "roberta_masked": (
        transformers.RobertaConfig,
        transformers.RobertaForMaskedLM,
        # The head's activation is GELU whatever the layers have.
        {**SMALL, "max_position_embeddings": 42, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "hidden_act": "relu"},
    ),
    "distilbert_masked": (
        transformers.DistilBertConfig,
        transformers.DistilBertForMaskedLM,
        {**DISTILLED, "max_position_embeddings": 40},
    ),
}


def run(model, rows):
    longest = max(LENGTHS)
    padding = model.config.pad_token_id or 0
    ids = torch.tensor([row["ids"] + [padding] * (longest - len(row["ids"])) for row in rows])
    mask = torch.tensor([[int(place < length) for place in range(longest)] for length in LENGTHS])
    asked = torch.tensor([[place in row["asked"] for place in range(longest)] for row in rows])
    answer = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(~asked, IGNORED))
    logits = answer.logits[asked]
    loss = torch.nn.functional.cross_entropy(logits, ids[asked])
    assert abs(float((loss - answer.loss).detach())) < 1e-5, "the loss is not the one that transformers computes"
    parameters = dict(model.named_parameters())
    matrices = [name for name, value in parameters.items() if value.dim() == 2 and ".layer." in name]
    heads = [name for name in parameters if name.startswith(("cls.", "lm_head.", "vocab_"))]
    wanted = [next(name for name in parameters if "word_embeddings" in name), matrices[0], matrices[-1], *heads]
    gradients = torch.autograd.grad(loss, [parameters[name] for name in wanted])
    return {
        "logits": logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "labels": ids[asked].tolist(),
        "gradients": {name: value.double().numpy() for name, value in zip(wanted, gradients)},
    }


def record(name):
    kind_of_config, kind, sizes = CASES[name]
    config = kind_of_config(attn_implementation="eager", **sizes)
    rows = [{**row, "asked": list(range(1, len(row["ids"]), 3))} for row in texts(config, False)]
    single, double = (build(kind, config, dtype) for dtype in (torch.float32, torch.float64))
    rough, exact = run(single, rows), run(double, rows)
    off = {key: deviation(rough["gradients"][key], value) for key, value in exact["gradients"].items()}
    off["logits"] = deviation(rough["logits"], exact["logits"])
    print(name, f"loss {exact['loss']:.4g}", {key: f"{value:.1e}" for key, value in off.items()}, flush=True)
    if off.pop("logits") > MOST_LOGIT_DEVIATION or max(off.values()) > MOST_GRADIENT_DEVIATION:
        raise SystemExit(f"{name} is ill-conditioned in f32, not written")
    mode = {
        "logits": [],
        "loss": rounded(exact["loss"]),
        "gradients": {key: summary(value) for key, value in exact["gradients"].items()},
    }
    keys = ["model_type", *sizes, "pad_token_id"]
    said = json.loads(config.to_json_string(use_diff=False))
    return {
        "architecture": name,
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, f64",
        "config": {key: said[key] for key in dict.fromkeys(keys)},
        "texts": rows,
        "classes": config.vocab_size,
        "labels": exact["labels"],
        **RULE,
        "hidden": [summary(exact["logits"])],
        "eval": mode,
        "train": mode,
        "entries": {key: list(value.shape) for key, value in double.named_parameters()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/parity"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in CASES:
        fixture = record(name)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
