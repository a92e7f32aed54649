"""Records transformers' text encoders on formula-filled weights, in f64, for the parity tests.

    python xtask/parity/record_encoders.py --out crates/tl-models/tests/fixtures/parity

Needs transformers. One JSON file a case, in the form of `record_models`, with the texts as numbers of pieces
(padded on the right, as ours are), the config.json, and of every hidden state norm and eight projections of the
values at pieces, without padding. The cases are BERT, RoBERTa and DistilBERT in their base sizes, the size of
MiniLM, and a small network on pairs with GELU by tanh.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import transformers

from formula import fill, projections, signed
from record_models import MOST_GRADIENT_DEVIATION, MOST_LOGIT_DEVIATION, deviation, rounded

CLASSES, LABELS, LENGTHS = 5, [3, 1, 4], [9, 4, 13]
RULE = {"gain": 1.0, "bias_offset": 0.0, "scales": []}
SMALL = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 200}

CASES = {
    "bert": (transformers.BertConfig, transformers.BertForSequenceClassification, {}),
    "bert_minilm": (
        transformers.BertConfig,
        transformers.BertForSequenceClassification,
        {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    ),
    "bert_pairs": (
        transformers.BertConfig,
        transformers.BertForSequenceClassification,
        {**SMALL, "hidden_act": "gelu_new", "max_position_embeddings": 40},
    ),
    "roberta": (
        transformers.RobertaConfig,
        transformers.RobertaForSequenceClassification,
        {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "distilbert": (transformers.DistilBertConfig, transformers.DistilBertForSequenceClassification, {}),
}


def texts(config, pairs):
    """Numbers of pieces, none of them the padding's, and segments."""
    rows = []
    for row, length in enumerate(LENGTHS):
        ids = [int((s + 1) / 2 * (config.vocab_size - 10)) + 5 for s in signed(f"text.{row}", length)]
        first = length // 2 if pairs else length
        rows.append({"ids": ids, "segments": [int(place >= first) for place in range(length)]})
    return rows


def build(kind, config, dtype):
    model = kind(config).to(dtype).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(fill(name, tuple(value.shape), RULE["gain"])))
    return model


def run(model, rows, pairs):
    longest = max(LENGTHS)
    padding = model.config.pad_token_id or 0
    padded = lambda key, filler: torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in rows])
    mask = torch.tensor([[int(place < length) for place in range(longest)] for length in LENGTHS])
    more = {"token_type_ids": padded("segments", 0)} if pairs else {}
    answer = model(input_ids=padded("ids", padding), attention_mask=mask, output_hidden_states=True, **more)
    loss = torch.nn.functional.cross_entropy(answer.logits, torch.tensor(LABELS))
    parameters = dict(model.named_parameters())
    matrices = [name for name, value in parameters.items() if value.dim() == 2 and ".layer." in name]
    wanted = [next(name for name in parameters if "word_embeddings" in name), matrices[0], matrices[-1]]
    wanted += [name for name in parameters if "pooler" in name or "classifier" in name]
    wanted += [name for name in parameters if "position_embeddings" in name or name.endswith("layer.0.attention.self.key.weight")]
    gradients = torch.autograd.grad(loss, [parameters[name] for name in wanted])
    seen = mask.bool()
    return {
        "logits": answer.logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "gradients": {name: value.double().numpy() for name, value in zip(wanted, gradients)},
        "hidden": [state.detach().double()[seen].numpy() for state in answer.hidden_states],
    }


def summary(value):
    return {
        "norm": rounded(float((value**2).sum() ** 0.5)),
        "projections": [rounded(p) for p in projections(value, 8)],
    }


def record(name):
    kind_of_config, kind, sizes = CASES[name]
    config = kind_of_config(num_labels=CLASSES, attn_implementation="eager", **sizes)
    pairs = name.endswith("pairs")
    rows = texts(config, pairs)
    single, double = (build(kind, config, dtype) for dtype in (torch.float32, torch.float64))
    rough, exact = run(single, rows, pairs), run(double, rows, pairs)
    off = {key: deviation(rough["gradients"][key], value) for key, value in exact["gradients"].items()}
    off["logits"] = deviation(rough["logits"], exact["logits"])
    print(name, f"loss {exact['loss']:.4g}", {key: f"{value:.1e}" for key, value in off.items()}, flush=True)
    if off.pop("logits") > MOST_LOGIT_DEVIATION or max(off.values()) > MOST_GRADIENT_DEVIATION:
        raise SystemExit(f"{name} is ill-conditioned in f32, not written")
    mode = {
        "logits": [[rounded(value, 7) for value in row] for row in exact["logits"].tolist()],
        "loss": rounded(exact["loss"]),
        "gradients": {key: summary(value) for key, value in exact["gradients"].items()},
    }
    keys = ["model_type", *kind_of_config.attribute_map.values(), "vocab_size", "max_position_embeddings", "pad_token_id"]
    keys += ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"]
    keys += ["type_vocab_size", "layer_norm_eps"]
    said = json.loads(config.to_json_string(use_diff=False))
    return {
        "architecture": name,
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, f64",
        "config": {key: said[key] for key in dict.fromkeys(keys) if key in said},
        "texts": rows,
        "classes": CLASSES,
        "labels": LABELS,
        **RULE,
        "hidden": [summary(value) for value in exact["hidden"]],
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
