"""Records PEFT's adapters on small formula-filled text encoders, in f64, for the tests of tl-peft.

    python xtask/parity/record_peft.py --out crates/tl-peft/tests/fixtures
    python xtask/parity/record_peft.py --check FOLDER

Needs transformers and peft. One JSON file a case: the adapter's configuration as PEFT writes it, the names and shapes of
its tensors (their values are the formula's), texts as numbers of pieces, logits, and of every trained tensor norm and eight
projections of its gradient. With --check the script opens adapters that a test of tl-peft wrote, one folder a case, on the
same base and says how far the logits are from the recorded ones.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy
import peft
import torch
import transformers
from safetensors.torch import load_file

from formula import fill, signed
from record_encoders import LABELS, LENGTHS, summary
from record_models import deviation, rounded

CLASSES = 5
SIZES = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
}
SIZES["roberta"] = {**SIZES["bert"], "type_vocab_size": 1, "layer_norm_eps": 1e-5}
LORA = {"r": 4, "lora_alpha": 8, "init_lora_weights": True}
CASES = {
    "bert_lora": ("bert", peft.LoraConfig, {**LORA, "lora_dropout": 0.1}),
    "bert_lora_pooler": ("bert", peft.LoraConfig, {**LORA, "modules_to_save": ["bert.pooler", "classifier"]}),
    "bert_dora": ("bert", peft.LoraConfig, {**LORA, "use_dora": True, "target_modules": ["query", "key", "output.dense"]}),
    "bert_ia3": ("bert", peft.IA3Config, {}),
    "bert_prompt": ("bert", peft.PromptTuningConfig, {"num_virtual_tokens": 3}),
    "roberta_lora": (
        "roberta",
        peft.LoraConfig,
        {**LORA, "use_rslora": True, "rank_pattern": {"layer.1.attention.self.query": 2}, "alpha_pattern": {"value": 3}},
    ),
    "distilbert_lora": ("distilbert", peft.LoraConfig, {**LORA, "target_modules": ["q_lin", "v_lin", "ffn.lin1"]}),
}


def base(family):
    sizes = {"vocab_size": 60, "max_position_embeddings": 30, "num_labels": CLASSES, "attn_implementation": "eager"}
    config = transformers.AutoConfig.for_model(family, **sizes, **SIZES[family])
    model = transformers.AutoModelForSequenceClassification.from_config(config).double().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(fill(name, tuple(value.shape), 1.0)))
    return model


def filled(name, shape):
    """Vectors are near 1, as a norm's scale; PEFT's own shapes of them may have an axis of 1."""
    if name.endswith(("ia3_l", "lora_magnitude_vector")):
        count = max(shape)
        return fill(f"{name}.weight", (count,), 1.0).reshape(shape)
    return fill(name, shape, 1.0)


def run(model, rows):
    longest = max(LENGTHS)
    padding = model.config.pad_token_id or 0
    ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[int(place < length) for place in range(longest)] for length in LENGTHS])
    return model(input_ids=ids, attention_mask=mask).logits


def texts():
    return [[int((s + 1) / 2 * 50) + 5 for s in signed(f"text.{row}", length)] for row, length in enumerate(LENGTHS)]


def saved_name(name):
    name = name.replace("modules_to_save.default.", "").replace(".default", "")
    name = name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
    return "prompt_embeddings" if name.startswith("prompt_encoder") else name


def record(name):
    family, kind, said = CASES[name]
    model = peft.get_peft_model(base(family), kind(task_type="SEQ_CLS", **said)).double().eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((Path(folder) / "adapter_config.json").read_text())
        shapes = {key: list(value.shape) for key, value in load_file(Path(folder) / "adapter_model.safetensors").items()}
    values = {key: torch.from_numpy(filled(key, tuple(shape))).double() for key, shape in shapes.items()}
    trained = {saved_name(key): value for key, value in model.named_parameters() if value.requires_grad}
    assert set(trained) == set(shapes), set(trained) ^ set(shapes)
    with torch.no_grad():
        for key, value in trained.items():
            value.copy_(values[key].reshape(value.shape))
    rows = texts()
    logits = run(model, rows)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    gradients = dict(zip(trained, torch.autograd.grad(loss, list(trained.values()))))
    print(name, f"loss {float(loss):.4g}, {len(shapes)} tensors", flush=True)
    config = {key: value for key, value in config.items() if key != "peft_version"}
    return {
        "family": family,
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, f64",
        "base": json.loads(base(family).config.to_json_string(use_diff=False)),
        "config": config,
        "entries": shapes,
        "texts": rows,
        "labels": LABELS,
        "logits": [[rounded(value, 9) for value in row] for row in logits.tolist()],
        "gradients": {key: summary(value.numpy()) for key, value in gradients.items()},
    }


def check(folder):
    """Opens each adapter in `folder` with PEFT and compares its logits with the recorded ones."""
    worst = 0.0
    for path in sorted(folder.iterdir()):
        fixture = json.loads((Path("crates/tl-peft/tests/fixtures") / f"{path.name}.json").read_text())
        model = peft.PeftModel.from_pretrained(base(fixture["family"]), path).double().eval()
        with torch.no_grad():
            logits = run(model, fixture["texts"]).numpy()
        off = deviation(logits, numpy.array(fixture["logits"]))
        worst = max(worst, off)
        print(f"{path.name:18} logits off by {off:.1e}", flush=True)
    if worst > 1e-6:
        raise SystemExit("the logits differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-peft/tests/fixtures"))
    parser.add_argument("--check", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.check:
        return check(arguments.check)
    for name in CASES:
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in record(name).items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
