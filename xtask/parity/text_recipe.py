"""Fine-tunes a text encoder on the split and by the recipe of a run of `tl finetune`, in plain PyTorch and transformers.

    python xtask/parity/text_recipe.py RUN --data tweets_GroundTruth.txt --model MiniLM [--threads 2] [--task tweets]

RUN is the folder of a finished run on `rated:DATA` with the recipe finetune; its run.json says epochs, rates, batch
and seed, its split.csv who is trained on; what `cargo xtask table texts` leaves in target/table/texts is enough. Prints one line of JSON: accuracy on the test part after the last epoch,
seconds, and beside it the run's own accuracy and how many texts the run answers otherwise; with --task it is a line of
docs/tables/texts_pytorch.jsonl. Two things differ from
transformers' defaults, as the product has them: attention has no dropout, and batches hold texts of like length.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

POOL = 50  # batches that are sorted together


def rated(path):
    """Line number to (text, class) of every sentence that is not neutral."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) > 0.5:
            found[str(number)] = (text, int(float(rating) > 0))
    return found


def batches(order, lengths, size):
    pools = [sorted(order[at : at + POOL * size], key=lengths.__getitem__) for at in range(0, len(order), POOL * size)]
    cut = [pool[at : at + size] for pool in pools for at in range(0, len(pool), size)]
    whole = [batch for batch in cut if len(batch) == size]
    return [whole[at] for at in torch.randperm(len(whole))] + [batch for batch in cut if len(batch) < size]


def groups(model, phase):
    """Head and body, each with and without decay (norms and biases are vectors)."""
    rates = phase["rates"]
    result = []
    for named, rate in [(True, rates["head"]), (False, rates["body"])]:
        parameters = [p for name, p in model.named_parameters() if name.startswith("classifier.") == named]
        result.append({"params": [p for p in parameters if p.ndim > 1], "lr": rate, "weight_decay": 0.01})
        result.append({"params": [p for p in parameters if p.ndim == 1], "lr": rate, "weight_decay": 0.0})
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--task", help="the task of the table whose run it is")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    run = json.loads((arguments.run / "run.json").read_text())
    [phase] = run["plan"]["phases"]
    assert phase["rates"]["layer_decay"] == 1.0 and not phase["rates"].get("stages")
    settings = run["options"]["settings"]
    torch.manual_seed(settings["seed"])
    rows = list(csv.DictReader((arguments.run / "split.csv").open(encoding="utf-8")))
    data = rated(arguments.data)
    part = {name: [data[row["name"]] for row in rows if row["part"] == name] for name in ("train", "test")}
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    encode = lambda texts: tokenizer(texts, truncation=True, max_length=run["preprocess"]["max_length"])["input_ids"]
    pad = lambda ids: tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    ids = {name: encode([text for text, _ in rows]) for name, rows in part.items()}
    labels = {name: torch.tensor([label for _, label in rows]) for name, rows in part.items()}
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.model, num_labels=2, attention_probs_dropout_prob=0.0, attn_implementation="sdpa"
    )
    size, epochs = settings["batch_size"], phase["epochs"]
    optimizer = torch.optim.AdamW(groups(model, phase))
    steps = epochs * -(-len(ids["train"]) // size)
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, cycle_momentum=False)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=phase["label_smoothing"])
    lengths = [len(text) for text in ids["train"]]
    model.train()
    started, tokens = time.time(), 0
    for _ in range(epochs):
        for batch in batches(torch.randperm(len(lengths)).tolist(), lengths, size):
            inputs = pad([ids["train"][at] for at in batch])
            loss = loss_of(model(**inputs).logits, labels["train"][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            tokens += sum(lengths[at] for at in batch)
            if schedule.last_epoch + 1 < steps:
                schedule.step()
    seconds = time.time() - started
    model.eval()
    with torch.inference_mode():
        answers = torch.cat([model(**pad(ids["test"][at : at + 64])).logits for at in range(0, len(ids["test"]), 64)])
    accuracy = (answers.argmax(1) == labels["test"]).double().mean().item()
    own = run["test"]["accuracy"]
    said = {row["file"]: row["predicted"] for row in csv.DictReader((arguments.run / "predictions.csv").open(encoding="utf-8"))}
    names = [row["name"] for row in rows if row["part"] == "test"]
    otherwise = sum(said[name] != run["labels"][answer] for name, answer in zip(names, answers.argmax(1).tolist()))
    cell = {"task": arguments.task, "way": "finetune", "shots": run["options"].get("shots") or 0, "value": accuracy} if arguments.task else {}
    print(json.dumps({
        **cell, "threads": arguments.threads, "seed": settings["seed"], "n": len(ids["test"]), "pytorch": accuracy, "tl": own, "otherwise": otherwise, "seconds": round(seconds, 1),
        "tl_seconds": round(run["seconds"], 1), "tokens_per_second": round(tokens / seconds), "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
