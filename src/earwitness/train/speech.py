"""The speech and music detector of the quality gate: its network, its training and its export.

The trained network ships as ``assets/speech/speech.onnx`` and runs in :mod:`earwitness.audio.vad`. Train it again with

``python -m earwitness.train.speech MANIFEST OUT --teacher silero_vad_16k_sequence.onnx --music FOLDER --sounds FOLDER``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from earwitness.data.manifest import read_manifest
from earwitness.errors import TrainingError
from earwitness.train.speech_examples import HOP, IGNORE, Ingredients, Teacher, example, read_clips, read_sounds
from earwitness.train.speech_network import AHEAD, FLOOR, PAST, FrontEnd, SpeechNetwork, export, normalise


@dataclass(frozen=True)
class SpeechSettings:
    """Size of the network and length of its training."""

    channels: int = 40
    examples: int = 6000
    frames: int = 250
    steps: int = 3000
    batch: int = 48
    learning_rate: float = 3e-3
    dev_examples: int = 300


def make_examples(
    ingredients: Ingredients, count: int, seed: int, *, frames: int = 250
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` examples: log band powers float32 ``(count, frames, bands)``, marks int8 ``(count, frames, 2)``."""
    front = FrontEnd()
    features, marks = [], []
    for index in range(count):
        samples, mark = example(ingredients, np.random.default_rng([seed, index]), frames=frames)
        with torch.no_grad():
            features.append(front(torch.from_numpy(samples.reshape(frames, HOP))).numpy())
        marks.append(mark)
    return np.stack(features), np.stack(marks)


def _padded(features: Tensor) -> Tensor:
    """Silence before and after, as at the start and the end of a recording."""
    edge = float(np.log(FLOOR))
    return functional.pad(normalise(features).transpose(1, 2), (PAST, AHEAD), value=float((edge + 9.0) * 0.25))


def _loss(logits: Tensor, marks: Tensor) -> Tensor:
    """Cross-entropy of the known frames; music counts half, because only the gate's sentences rest on it."""
    known = marks != IGNORE
    each = functional.binary_cross_entropy_with_logits(logits, marks.clamp(min=0).float(), reduction="none")
    known = known * logits.new_tensor([1.0, 0.5])[:, None]
    return (each * known).sum() / known.sum().clamp(min=1)


def fit(
    train: tuple[np.ndarray, np.ndarray], dev: tuple[np.ndarray, np.ndarray], settings: SpeechSettings, seed: int
) -> tuple[SpeechNetwork, list[dict[str, float]]]:
    """A trained network (its best state on ``dev``) and the history of losses."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = SpeechNetwork(settings.channels)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    x, y = torch.from_numpy(train[0]), torch.from_numpy(train[1])
    history: list[dict[str, float]] = []
    best, kept = float("inf"), {k: v.clone() for k, v in network.state_dict().items()}
    for step in range(1, settings.steps + 1):
        network.train()
        index = torch.from_numpy(rng.choice(len(x), settings.batch, replace=len(x) < settings.batch))
        gain = torch.from_numpy(rng.uniform(-3.0, 1.0, (settings.batch, 1, 1)).astype(np.float32))
        features = torch.logaddexp(x[index] + gain, torch.full((), float(np.log(FLOOR))))
        start = int(rng.integers(0, settings.frames // 4)) if rng.random() < 0.5 else 0
        loss = _loss(network.heads(_padded(features[:, start:])), y[index, start:].transpose(1, 2))
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of the speech detector is {float(loss)} at step {step}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == settings.steps:
            held = _held_out(network, dev)
            history.append({"step": step, "train": float(loss.detach()), "dev": held})
            if held < best:
                best, kept = held, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    return network.eval(), history


def _held_out(network: SpeechNetwork, dev: tuple[np.ndarray, np.ndarray]) -> float:
    network.eval()
    with torch.no_grad():
        logits = network.heads(_padded(torch.from_numpy(dev[0])))
    return float(_loss(logits, torch.from_numpy(dev[1]).transpose(1, 2)))


def choose_offsets(network: SpeechNetwork, dev: tuple[np.ndarray, np.ndarray], false_share: float) -> list[float]:
    """Shift the two logits so that .5 is the wanted point on ``dev``; returns the shifts.

    Speech: at most ``false_share`` of the frames of examples without any speech lie above .5 (pauses between words do
    not count), but never a shift of more than 2. Music: equal error of both kinds.
    """
    with torch.no_grad():
        logits = network.heads(_padded(torch.from_numpy(dev[0]))).transpose(1, 2).numpy()
    shifts = []
    for column in range(2):
        marks, values = dev[1][..., column], logits[..., column]
        with_, without = np.sort(values[marks == 1]), np.sort(values[marks == 0])
        if column == 0:
            without = values[(marks != 1).all(axis=1)].reshape(-1)
            point = float(np.quantile(without, 1 - false_share))
        else:
            grid = np.linspace(-4, 4, 321)
            miss = np.searchsorted(with_, grid) / len(with_)
            false = 1 - np.searchsorted(without, grid) / len(without)
            point = float(grid[np.argmin(np.abs(miss - false))])
        shifts.append(float(np.clip(-point, -2.0, 2.0)))
    bias = network.head.bias
    if bias is not None:
        bias.data += torch.tensor(shifts)
    return shifts


def train_speech(
    manifest: Path,
    out: Path,
    *,
    seed: int = 0,
    root: Path | None = None,
    teacher: Path | None = None,
    music: Path | None = None,
    sounds: Path | None = None,
    sources: Sequence[str] = (),
    settings: SpeechSettings | None = None,
) -> dict[str, Any]:
    """Train the speech and music detector on the clips of ``manifest`` and write it into the folder ``out``.

    Parameters
    ----------
    manifest:
        Clips with a column ``split``: ``train`` trains, ``dev`` chooses the state and the thresholds.
    out:
        Folder for ``speech.onnx`` and ``speech.json``.
    root:
        Folder that the paths of the manifest are relative to; the manifest's own folder by default.
    teacher:
        Silero's ONNX file for the frame labels; by level without it.
    music, sounds:
        Folders of real music and real other sounds to train with; the last tenth of the music is kept for choosing.
    sources:
        What these folders hold, with licences, for the record in ``speech.json``.

    Returns
    -------
    dict
        What stands under ``train`` in ``speech.json``.
    """
    settings = settings or SpeechSettings()
    begin, rows, label = time.perf_counter(), read_manifest(manifest, root=root), Teacher(teacher)
    parts = {}
    tunes, noises = read_sounds(music), read_sounds(sounds)
    kept = len(tunes) // 10
    for split, songs in (("train", tunes[kept:]), ("dev", tunes[:kept])):
        part = rows.filter(split=split)
        clips = read_clips((part.file(row) for row in part), label)
        if not clips:
            raise TrainingError(f"{manifest}: no clip with speech in split {split!r}")
        parts[split] = Ingredients(clips, songs, noises if split == "train" else ())
    train = make_examples(parts["train"], settings.examples, seed, frames=settings.frames)
    dev = make_examples(parts["dev"], settings.dev_examples, seed + 1, frames=settings.frames)
    network, history = fit(train, dev, settings, seed)
    shifts = choose_offsets(network, dev, 0.01)
    facts = {
        "seed": seed,
        "settings": asdict(settings),
        "clips": {split: len(part.clips) for split, part in parts.items()},
        "labels": "Silero VAD (MIT), on clean clips" if teacher else "level, on clean clips",
        "sources": list(sources),
        "dev_loss": min(h["dev"] for h in history),
        "offsets": shifts,
        "seconds": round(time.perf_counter() - begin),
    }
    export(network, out, {"train": facts})
    return facts


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of :func:`train_speech`."""
    parser = argparse.ArgumentParser(prog="python -m earwitness.train.speech", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    for name in ("root", "teacher", "music", "sounds"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--source", action="append", default=[], help="what a folder holds, with its licence")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=SpeechSettings.examples)
    parser.add_argument("--steps", type=int, default=SpeechSettings.steps)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    facts = train_speech(
        given.manifest,
        given.out,
        seed=given.seed,
        root=given.root,
        teacher=given.teacher,
        music=given.music,
        sounds=given.sounds,
        sources=given.source,
        settings=SpeechSettings(examples=given.examples, steps=given.steps),
    )
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
