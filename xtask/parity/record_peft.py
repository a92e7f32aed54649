"""Records PEFT's adapters on small formula-filled text encoders and GPT-2, in f64, for the tests of tl-peft.

    python xtask/parity/record_peft.py --out crates/tl-peft/tests/fixtures
    python xtask/parity/record_peft.py --check FOLDER

Needs transformers and peft. One JSON file a case: the adapter's configuration as PEFT writes it, the names and shapes of
its tensors (their values are the formula's), texts as numbers of pieces, logits, and of every trained tensor norm and eight
projections of its gradient. Of a language model the logits are those of every piece but a text's last. GPT-2's texts run one
by one: behind a prompt the origin's classifier does not know where padding begins. One case is kept as PEFT's older file as
well, `adapter_model.bin`. With --check the script opens adapters that a test of tl-peft wrote, one folder a case, on the
same base, compares the keys with PEFT's own, and says how far the logits are from the recorded ones.
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
SIZES["gpt2"] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64, "bos_token_id": 59, "eos_token_id": 59, "pad_token_id": 0}
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
    "gpt2_lora": ("gpt2", peft.LoraConfig, {**LORA, "fan_in_fan_out": True}),
    "gpt2_dora": (
        "gpt2",
        peft.LoraConfig,
        {**LORA, "fan_in_fan_out": True, "use_dora": True, "target_modules": ["c_attn", "mlp.c_proj"]},
    ),
    "gpt2_ia3": ("gpt2", peft.IA3Config, {"fan_in_fan_out": True}),
    "gpt2_prompt": ("gpt2", peft.PromptTuningConfig, {"num_virtual_tokens": 3}),
    "gpt2_language_lora": (
        "gpt2",
        peft.LoraConfig,
        {**LORA, "fan_in_fan_out": True, "target_modules": ["c_attn", "c_proj", "c_fc"], "lora_dropout": 0.1},
    ),
    "gpt2_language_prompt": ("gpt2", peft.PromptTuningConfig, {"num_virtual_tokens": 3}),
}
OLD_FILE = "gpt2_lora"


def is_language(name):
    return "_language_" in name


def base(family, language):
    sizes = {"vocab_size": 60, "max_position_embeddings": 30, "num_labels": CLASSES, "attn_implementation": "eager"}
    config = transformers.AutoConfig.for_model(family, **sizes, **SIZES[family])
    kind = transformers.AutoModelForCausalLM if language else transformers.AutoModelForSequenceClassification
    model = kind.from_config(config).double().eval()
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


def run(model, rows, language):
    if model.config.model_type == "gpt2":
        alone = [model(input_ids=torch.tensor([row])).logits for row in rows]
        # Behind a prompt its own places come first.
        return torch.cat([logits[0, -len(row) : -1] if language else logits for row, logits in zip(rows, alone)])
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


def record(name, out):
    family, kind, said = CASES[name]
    language = is_language(name)
    task = "CAUSAL_LM" if language else "SEQ_CLS"
    model = peft.get_peft_model(base(family, language), kind(task_type=task, **said)).double().eval()
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
    labels = [piece for row in rows for piece in row[1:]] if language else LABELS
    logits = run(model, rows, language)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    gradients = dict(zip(trained, torch.autograd.grad(loss, list(trained.values()))))
    if name == OLD_FILE:
        old = {key: value.float().contiguous() for key, value in values.items()}
        torch.save(old, out / f"{name}.bin")
    print(name, f"loss {loss.item():.4g}, {len(shapes)} tensors", flush=True)
    # PEFT writes sets in any order.
    config = {key: sorted(value) if key.endswith("_modules") and value else value for key, value in config.items()}
    config.pop("peft_version", None)
    return {
        "family": family,
        "recorded_with": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, f64",
        "base": json.loads(base(family, language).config.to_json_string(use_diff=False)),
        "config": config,
        "entries": shapes,
        "texts": rows,
        "labels": labels,
        "logits": [[rounded(value, 9) for value in row] for row in logits.tolist()],
        "gradients": {key: summary(value.numpy()) for key, value in gradients.items()},
    }


def check(folder):
    """Opens each adapter in `folder` with PEFT and compares its logits with the recorded ones."""
    worst = 0.0
    for path in sorted(folder.iterdir()):
        fixture = json.loads((Path("crates/tl-peft/tests/fixtures") / f"{path.name}.json").read_text())
        language = is_language(path.name)
        model = peft.PeftModel.from_pretrained(base(fixture["family"], language), path).double().eval()
        odd = set(peft.get_peft_model_state_dict(model)) ^ set(load_file(path / "adapter_model.safetensors"))
        if odd:
            raise SystemExit(f"{path.name}: PEFT has other keys: {sorted(odd)}")
        with torch.no_grad():
            logits = run(model, fixture["texts"], language).numpy()
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
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in record(name, arguments.out).items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
