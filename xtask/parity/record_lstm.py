"""Records torch.nn.LSTM on formula-filled weights and on Resemblyzer's, in f64, for the parity tests.

    python xtask/parity/record_lstm.py --out crates/tl-models/tests/fixtures/parity [--weights resemblyzer.pt --clip FILE.wav]

Needs torch. Three classifiers of texts of several lengths (packed), in the form of `record_encoders`: one direction, both
directions in two layers, three layers. With a file of Resemblyzer's weights and a clip (which needs librosa)
`resemblyzer.json`: 1.6 seconds of the clip's mel spectrogram and the embedding of its voice.
"""

import argparse
import json
from pathlib import Path

import torch

from formula import fill
from record_encoders import CLASSES, LABELS, LENGTHS, RULE, summary, texts
from record_models import deviation, rounded

MOST_DEVIATION = 2e-6  # in f32, of values and gradients: ours may be off by 1e-5
CASES = {
    "lstm": {"embedding_size": 24, "hidden_size": 33, "num_layers": 1, "bidirectional": False},
    "lstm_both": {"embedding_size": 40, "hidden_size": 32, "num_layers": 2, "bidirectional": True},
    "lstm_deep": {"embedding_size": 16, "hidden_size": 48, "num_layers": 3, "bidirectional": False},
}
VOCABULARY = 200
CLIP_FRAMES = 160


class Classifier(torch.nn.Module):
    def __init__(self, embedding_size, hidden_size, num_layers, bidirectional):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, embedding_size)
        self.lstm = torch.nn.LSTM(embedding_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        self.fc = torch.nn.Linear(hidden_size * (1 + bidirectional), CLASSES)

    def forward(self, ids):
        """The vectors and the outputs of each layer, without padding, and the logits of the mean output."""
        lengths = torch.tensor(LENGTHS)
        mask = torch.arange(max(LENGTHS)) < lengths[:, None]
        vectors = self.embedding(ids)
        packed = torch.nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return [vectors[mask], outputs[mask]], self.fc(outputs.sum(1) / lengths[:, None])


def run(sizes, rows, dtype):
    model = Classifier(**sizes).to(dtype)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(fill(name, tuple(value.shape), RULE["gain"])))
    ids = torch.tensor([row["ids"] + [0] * (max(LENGTHS) - len(row["ids"])) for row in rows])
    hidden, logits = model(ids)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    return {
        "logits": logits.detach().double().numpy(),
        "loss": float(loss.detach()),
        "gradients": {name: value.double().numpy() for name, value in zip(parameters, gradients)},
        "hidden": [value.detach().double().numpy() for value in hidden],
        "entries": {name: list(value.shape) for name, value in parameters.items()},
    }


def record(name):
    sizes = CASES[name]
    config = type("Config", (), {"vocab_size": VOCABULARY})
    rows = texts(config, False)
    rough, exact = (run(sizes, rows, dtype) for dtype in (torch.float32, torch.float64))
    off = {key: deviation(rough["gradients"][key], value) for key, value in exact["gradients"].items()}
    off["logits"] = deviation(rough["logits"], exact["logits"])
    print(name, f"loss {exact['loss']:.4g}", f"most off {max(off.values()):.1e}", flush=True)
    if max(off.values()) > MOST_DEVIATION:
        raise SystemExit(f"{name} is ill-conditioned in f32, not written")
    mode = {
        "logits": [[rounded(value, 9) for value in row] for row in exact["logits"].tolist()],
        "loss": rounded(exact["loss"], 9),
        "gradients": {key: summary(value) for key, value in exact["gradients"].items()},
    }
    return {
        "architecture": "lstm",
        "recorded_with": f"torch {torch.__version__}, f64",
        "config": {"model_type": "lstm", "vocab_size": VOCABULARY, "dropout": 0.0, **sizes},
        "texts": rows,
        "classes": CLASSES,
        "labels": LABELS,
        **RULE,
        "hidden": [summary(value) for value in exact["hidden"]],
        "eval": mode,
        "train": mode,
        "entries": exact["entries"],
    }


def record_resemblyzer(weights, clip):
    import librosa

    wav, rate = librosa.load(str(clip), sr=None)
    wav = librosa.resample(wav, orig_sr=rate, target_sr=16000)
    # Frames of 25 ms every 10 ms, as Resemblyzer makes them.
    mel = librosa.feature.melspectrogram(y=wav, sr=16000, n_fft=400, hop_length=160, n_mels=40).T
    mel = mel[100 : 100 + CLIP_FRAMES]
    assert len(mel) == CLIP_FRAMES, "the clip is too short"
    frames = [[float(f"{value:.5g}") for value in row] for row in mel.tolist()]
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    for part, module in [("lstm.", lstm), ("linear.", linear)]:
        module.load_state_dict({key.removeprefix(part): value for key, value in state.items() if key.startswith(part)})
        module.double()
    with torch.no_grad():
        _, (hidden, _) = lstm(torch.tensor([frames], dtype=torch.float64))
        raw = torch.relu(linear(hidden[-1]))[0]
    embedding = raw / raw.norm()
    print("resemblyzer", f"{int((embedding > 0).sum())} of {len(embedding)} values above 0")
    return {
        "recorded_with": f"torch {torch.__version__}, librosa {librosa.__version__}, f64",
        "clip": f"frames 100 to {100 + CLIP_FRAMES} of {clip.name} of asterisk-core-sounds-en-wav (Allison Smith, CC-BY-SA 3.0)",
        "mel": frames,
        "embedding": [rounded(value) for value in embedding.tolist()],
    }


def write(path, fixture):
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fixture.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/parity"))
    parser.add_argument("--weights", type=Path, help="Resemblyzer's pretrained.pt")
    parser.add_argument("--clip", type=Path, help="a clip of speech")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in CASES:
        write(arguments.out / f"{name}.json", record(name))
    if arguments.weights and arguments.clip:
        write(arguments.out / "resemblyzer.json", record_resemblyzer(arguments.weights, arguments.clip))


if __name__ == "__main__":
    main()
