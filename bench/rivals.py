"""What a user would pick instead, on the same recording and the same core: speed only, all with random weights.

- AASIST of this package in PyTorch on crops of 64,600 samples (4.04 s), as its authors score; the same in onnxruntime.
- The usual script: librosa reads and makes log-mel pictures of 4 s, a small CNN in PyTorch scores them.
- A wav2vec 2.0 encoder of the base size in PyTorch, on crops of 4 s.

Each reads the whole mp3 with librosa, cuts it without overlap and scores crop by crop. Ours is ``Detector.scan`` with
its gate and its windows as they ship. One thread, one core, CPU seconds per hour of audio.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inner
import numpy as np
from scan import Row, write


def crops(path: str, size: int) -> list[Any]:
    """The recording as pieces of ``size`` samples, read as the usual script does."""
    import librosa

    samples, _ = librosa.load(path, sr=16_000)
    return [np.resize(samples[at : at + size], size) for at in range(0, len(samples) - size // 2, size)]


def ours(path: str) -> list[float]:
    """Ours, as it ships."""
    from earwitness.detector import load_detector

    detector = load_detector(threads=1)
    return inner.costs(lambda: detector.scan(path), 5, 1)


def _torch() -> Any:
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return torch


def _aasist() -> Any:
    from earwitness.train.recipe import Network, load_recipe

    return Network(load_recipe("aasist")).eval()


def aasist_torch(path: str) -> list[float]:
    """AASIST in PyTorch."""
    torch = _torch()
    network = _aasist()
    return inner.costs(lambda: [network.score(torch.from_numpy(x)[None]) for x in crops(path, 64_600)], 3, 1)


def aasist_onnx(path: str) -> list[float]:
    """AASIST in onnxruntime."""
    from earwitness.export import export_onnx

    exported = inner.session(export_onnx(_aasist())[0])
    return inner.costs(lambda: [exported.run(None, {"waveform": x[None]}) for x in crops(path, 64_600)], 3, 1)


def mel_cnn(path: str) -> list[float]:
    """librosa's log-mel pictures and a small CNN in PyTorch."""
    import librosa

    torch = _torch()
    nn = torch.nn

    def block(inside: int, outside: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)
        )

    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid())
    network = nn.Sequential(block(1, 32), block(32, 64), block(64, 128), *head).eval()

    def picture(x: Any) -> Any:
        mel = librosa.feature.melspectrogram(y=x, sr=16_000, n_mels=128)
        return torch.from_numpy(librosa.power_to_db(mel, ref=np.max)).float()[None, None]

    return inner.costs(lambda: [network(picture(x)) for x in crops(path, 64_000)], 5, 1)


def wav2vec(path: str) -> list[float]:
    """A wav2vec 2.0 encoder of the base size."""
    torch = _torch()
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    network = Wav2Vec2Model(Wav2Vec2Config()).eval()
    return inner.costs(lambda: [network(torch.from_numpy(x)[None]) for x in crops(path, 64_000)], 3, 1)


SECONDS = 20.0

SYSTEMS: dict[str, Callable[[str], list[float]]] = {
    "earwitness": ours,
    "AASIST in PyTorch": aasist_torch,
    "AASIST in onnxruntime": aasist_onnx,
    "librosa log-mel and a CNN in PyTorch": mel_cnn,
    "wav2vec 2.0 base in PyTorch": wav2vec,
}


def rivals(folder: Path) -> Iterator[Row]:
    """CPU seconds per hour of audio for each, and how many times ours they take."""
    path = folder / "20.mp3"
    write(path, SECONDS, "libmp3lame", 64_000)
    found: dict[str, list[float]] = {}
    for name, system in SYSTEMS.items():
        answer = inner.ask(system.__name__, str(path))
        if answer is not None:
            found[name] = sorted(x * 3600 / SECONDS for x in answer)
            value = statistics.median(found[name])
            yield "rival_cpu_seconds_per_hour", name, value, found[name][0], found[name][-1]
    mine = found.pop("earwitness")
    for name, theirs in found.items():
        ratio = statistics.median(theirs) / statistics.median(mine)
        yield "rival_times_ours", name, ratio, theirs[0] / mine[-1], theirs[-1] / mine[0]
