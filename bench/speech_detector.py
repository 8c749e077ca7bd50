"""Misses, false speech and cost of the quality gate's speech detector, side by side with Silero VAD and webrtcvad.

``python bench/speech_detector.py MANIFEST --root CORPUS --silero FILE.onnx --music FOLDER … --sounds FOLDER …``

Speech frames are named by Silero VAD on the clean clips (its network agrees with itself there, so its own row on
clean speech says nothing); the misses are counted on the same frames after noise was added. Sounds without speech come
from ``tests/data/not_speech.py`` and from recordings in ``--music`` and ``--sounds`` that were in no training.
A comparison is left out when its package is not installed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from earwitness.audio import decode
from earwitness.audio.quality import QualityMeter
from earwitness.audio.vad import FRAME, SpeechDetector
from earwitness.data.manifest import read_manifest
from earwitness.train.speech_examples import Teacher

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ["recipe", "commit", "dataset", "split", "chosen_on", "metric", "value", "low", "high", "seconds", "machine"]
LEAST = 32
"""Frames in 1 s, rounded up: the least speech for a verdict."""
Decide = Callable[[np.ndarray], np.ndarray]
"""Samples to one boolean per frame of 512 samples: speech."""


def ours() -> Decide:
    detector = SpeechDetector()
    return lambda samples: detector(samples)[:, 0] >= 0.5


def silero(file: Path) -> Decide:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def decide(samples: np.ndarray) -> np.ndarray:
        count = -(-len(samples) // FRAME)
        frames = np.zeros((count, FRAME), dtype=np.float32)
        frames.reshape(-1)[: len(samples)] = samples
        context = np.zeros((count, 64), dtype=np.float32)
        context[1:] = frames[:-1, -64:]
        state = np.zeros((1, 1, 128), dtype=np.float32)
        feed = {"input": np.concatenate([context, frames], axis=1), "h": state, "c": state}
        return np.asarray(session.run(None, feed)[0]).reshape(-1) >= 0.5

    return decide


def webrtc(mode: int) -> Decide:
    import webrtcvad

    def decide(samples: np.ndarray) -> np.ndarray:
        vad, size = webrtcvad.Vad(mode), 320
        data = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        said = [vad.is_speech(data[i : i + size].tobytes(), 16_000) for i in range(0, len(data) - size + 1, size)]
        centres = (np.arange(-(-len(samples) // FRAME)) * FRAME + FRAME // 2) // size
        return np.asarray(said, dtype=bool)[np.minimum(centres, len(said) - 1)]

    return decide


def pink(length: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length)) / np.sqrt(np.maximum(np.arange(length // 2 + 1), 1.0))
    return np.asarray(np.fft.irfft(spectrum, length))


def with_noise(samples: np.ndarray, speech: np.ndarray, snr: float | None, seed: int) -> np.ndarray:
    """``samples`` with noise at ``snr`` dB under the mean power of the speech frames: white and pink by turns."""
    if snr is None:
        return samples
    rng = np.random.default_rng([5, seed])
    noise = rng.standard_normal(len(samples)) if seed % 2 else pink(len(samples), rng)
    power = np.mean(np.square(samples[np.repeat(speech, FRAME)[: len(samples)]]))
    return (samples + noise * np.sqrt(power * 10 ** (-snr / 10) / np.mean(noise**2))).astype(np.float32)


def interval(per_clip: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Weighted mean with a 95 % bootstrap interval over clips."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(per_clip), (500, len(per_clip)))
    means = (per_clip[draws] * weights[draws]).sum(1) / weights[draws].sum(1)
    value = float((per_clip * weights).sum() / weights.sum())
    return value, float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def share(hits: int, count: int) -> tuple[float, float, float]:
    """A share with its 95 % Wilson interval."""
    p, z = hits / count, 1.96
    middle, half = p + z * z / 2 / count, z * np.sqrt(p * (1 - p) / count + z * z / 4 / count**2)
    return p, max(0.0, (middle - half) / (1 + z * z / count)), min(1.0, (middle + half) / (1 + z * z / count))


def on_speech(clips: list[tuple[np.ndarray, np.ndarray]], decide: Decide) -> Iterator[tuple[str, Any]]:
    for name, snr in (("clean", None), ("20 dB", 20.0), ("10 dB", 10.0), ("5 dB", 5.0)):
        missed, false, counts, others, lost = [], [], [], [], []
        for index, (samples, marks) in enumerate(clips):
            said = decide(with_noise(samples, marks == 1, snr, index))
            missed.append(1 - said[marks == 1].mean())
            counts.append((marks == 1).sum())
            others.append((marks == 0).sum())
            false.append(said[marks == 0].mean() if others[-1] else 0.0)
            if counts[-1] >= LEAST:
                lost.append(said.sum() < LEAST)
        yield f"missed speech frames, {name}", interval(np.array(missed), np.array(counts))
        yield f"false speech frames in pauses, {name}", interval(np.array(false), np.array(others))
        yield f"clips of 1 s of speech or more that seem to hold less, {name}", share(sum(lost), len(lost))


def on_sounds(clips: list[np.ndarray], decide: Decide) -> Iterator[tuple[str, Any]]:
    said = [decide(samples) for samples in clips]
    long = sum(int(s.sum() >= LEAST) for s in said)
    yield "false speech frames", interval(np.array([s.mean() for s in said]), np.array([len(s) for s in said]))
    yield f"clips with 1 s of speech or more, of {len(clips)}", share(long, len(clips))


def cost(decide: Decide, samples: np.ndarray) -> float:
    begin = time.process_time()
    decide(samples)
    return (time.process_time() - begin) / (len(samples) / 16_000) * 3600


def gate_cost(samples: np.ndarray) -> float:
    """CPU seconds per hour of detector and meter together, streamed in blocks of 10 s."""
    begin = time.process_time()
    stream, meter = SpeechDetector().stream(), QualityMeter()
    for start in range(0, len(samples), 160_000):
        block = samples[start : start + 160_000]
        meter.push(block, stream.push(block))
    meter.push(samples[:0], stream.flush())
    meter.result()
    return (time.process_time() - begin) / (len(samples) / 16_000) * 3600


def not_speech() -> ModuleType:
    spec = importlib.util.spec_from_file_location("not_speech", ROOT / "tests" / "data" / "not_speech.py")
    if spec is None or spec.loader is None:
        raise SystemExit("tests/data/not_speech.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def excerpts(folder: Path, seconds: float = 10.0, most: int = 100) -> list[np.ndarray]:
    """Evenly spread excerpts of every recording under ``folder``; shorter recordings whole."""
    endings = {".ogg", ".oga", ".mp3", ".wav"}
    files = sorted(f for f in folder.rglob("*") if f.suffix in endings and "audio-channel" not in f.name)
    size, found = int(seconds * 16_000), []
    for file in files:
        samples = decode(file).samples
        step = max(size, len(samples) // max(1, most // len(files)))
        found += [samples[at : at + size] for at in range(0, max(1, len(samples) - size), step)]
    return [f for f in found if len(f) >= 8000][:most]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="eval")
    parser.add_argument("--silero", type=Path, required=True)
    parser.add_argument("--music", type=Path, nargs="*", default=[])
    parser.add_argument("--sounds", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "speech_detector.csv")
    given = parser.parse_args()
    rows, teacher = read_manifest(given.manifest, root=given.root), Teacher(given.silero)
    part = rows.filter(split=given.split)
    clips = [(s, teacher(s)) for s in (decode(part.file(row)).samples for row in part)]
    clips = [(s, m) for s, m in clips if (m == 1).sum() >= 10]
    makers = not_speech()
    sounds = {
        f"generated {kind}": [getattr(makers, kind)(seed) for seed in range(100)]
        for kind in ("noise", "tones", "environment", "song")
    }
    sounds |= {f"music: {f.name}": excerpts(f) for f in given.music} | {
        f"sounds: {f.name}": excerpts(f) for f in given.sounds
    }
    deciders: dict[str, Decide] = {"earwitness": ours(), "silero-vad": silero(given.silero)}
    if importlib.util.find_spec("webrtcvad"):
        deciders["webrtcvad mode 3"] = webrtc(3)
    long = np.concatenate([s for s, _ in clips])[: 16_000 * 900]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    machine = f"{platform.machine()} {platform.processor() or 'cpu'}, 1 thread"
    table: list[list[Any]] = []

    def add(recipe: str, dataset: str, metric: str, values: tuple[float, float, float], seconds: float) -> None:
        numbers = [f"{v:.4f}" for v in values]
        split, chosen = given.split if dataset == "corpus" else "-", "dev" if recipe == "earwitness" else "-"
        table.append([recipe, commit, dataset, split, chosen, metric, *numbers, f"{seconds:.1f}", machine])
        print(*table[-1], sep=", ", flush=True)

    for name, decide in deciders.items():
        begin = time.perf_counter()
        for metric, values in on_speech(clips, decide):
            add(name, "corpus", metric, values, time.perf_counter() - begin)
        for dataset, samples in sounds.items():
            for metric, values in on_sounds(samples, decide):
                add(name, dataset, metric, values, time.perf_counter() - begin)
        spent = sorted(cost(decide, long) for _ in range(3))
        add(name, "corpus", "CPU s per hour, detector", (spent[1], spent[0], spent[2]), 0.0)
    spent = sorted(gate_cost(long) for _ in range(3))
    add(
        "earwitness",
        "corpus",
        "CPU s per hour, detector and quality facts, 10 s blocks",
        (spent[1], spent[0], spent[2]),
        0.0,
    )
    given.out.parent.mkdir(exist_ok=True)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *table])


if __name__ == "__main__":
    main()
