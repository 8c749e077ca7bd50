"""How often a detector gives a confident verdict on what is not speech: music, noise, tones, environmental sound.

    python bench/not_speech.py [--detector default] [--out results/not_speech.csv]

A hundred of each. Music and recorded sounds come from Debian packages that were in no training (``apt-get download``,
kept under ``.cache``, never committed); noise, tones with DTMF, and more sounds from ``tests/data/not_speech.py``.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from earwitness.audio import decode
from earwitness.augment.codec import encoded
from earwitness.detector import Detector, load_detector
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.metrics.shares import wilson

ROOT = Path(__file__).resolve().parents[1]
MUSIC = ("extremetuxracer-data", "asc-music", "lincity-ng-data", "asterisk-moh-opsound-wav")
SOUNDS = ("sound-theme-freedesktop", "lincity-ng-data")
ENDINGS = {".ogg", ".oga", ".mp3", ".wav", ".flac"}
EACH = 100
SECONDS = 10.0
KINDS = ("music", "noise", "tones", "environment")


class Unreachable(Exception):
    """Debian's packages cannot be had here."""


def package(name: str, cache: Path) -> Path:
    """The unpacked contents of a Debian package, downloaded once."""
    folder = cache / name
    if not folder.is_dir():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise Unreachable("needs Debian's apt-get and dpkg-deb")
        cache.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(["apt-get", "download", name], cwd=cache, capture_output=True, text=True, check=False)
        files = sorted(cache.glob(f"{name}_*.deb"))
        if got.returncode or not files:
            raise Unreachable(f"{name}: {got.stderr.strip()[-300:]}")
        partial = cache / f".{name}"
        subprocess.run(["dpkg-deb", "-x", str(files[-1]), str(partial)], check=True)
        partial.rename(folder)
        files[-1].unlink()
    return folder


def recordings(folder: Path, *, effects: bool) -> list[Path]:
    """Sound files of a package: the long ones are music, the short ones effects; channel-test speech is left out."""
    files = sorted(f for f in folder.rglob("*") if f.suffix in ENDINGS and "audio-channel" not in f.name)
    if folder.name == "lincity-ng-data":
        return [f for f in files if ("music" in f.parts) != effects]
    return files


def excerpts(files: Sequence[Path], count: int, least: float = 0.5) -> list[np.ndarray]:
    """``count`` excerpts of at most :data:`SECONDS`, evenly spread over the files and over each file."""
    size, found = int(SECONDS * 16_000), []
    for file in files:
        samples = decode(file).samples
        # short tunes give few, so the long ones must be ready to give more than their share; at most half overlaps
        many = min(-(-3 * count // len(files)), 1 + 2 * max(0, len(samples) - size) // size)
        starts = np.linspace(0, max(0, len(samples) - size), many).astype(int)
        found.append([samples[at : at + size] for at in dict.fromkeys(starts.tolist())])
    taken = []
    # the first of each file, then the second: an even mix whatever the count
    for place in range(max(map(len, found), default=0)):
        taken += [parts[place] for parts in found if place < len(parts) and len(parts[place]) >= least * 16_000]
    return taken[:count]


def makers() -> ModuleType:
    """The test suite's generators of sounds."""
    spec = importlib.util.spec_from_file_location("not_speech_sounds", ROOT / "tests" / "data" / "not_speech.py")
    if spec is None or spec.loader is None:
        raise SystemExit("tests/data/not_speech.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sounds(kind: str, count: int, cache: Path) -> list[np.ndarray]:
    """``count`` sounds of a kind; music and half of the environment need the network once."""
    made = makers()
    if kind == "music":
        return excerpts([f for name in MUSIC for f in recordings(package(name, cache), effects=False)], count)
    if kind == "environment":
        real = excerpts([f for n in SOUNDS for f in recordings(package(n, cache), effects=True)], count // 2)
        return real + [made.environment(seed) for seed in range(count - len(real))]
    return [getattr(made, kind)(seed) for seed in range(count)]


def verdicts(detector: Detector, clips: Sequence[np.ndarray]) -> Counter[str]:
    """How many clips got each of the three verdicts."""
    return Counter(str(detector.scan(encoded(clip, "wav")).label) for clip in clips)


def main() -> int:
    """Measure; exit code 1 if more than one in a hundred of a kind ends in a confident verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="default")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--count", type=int, default=EACH)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "not-speech")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "not_speech.csv")
    given = parser.parse_args()
    detector = load_detector(None if given.detector == "default" else given.detector, threads=1)
    train, worst = detector.info.data.get("train") or {}, 0.0
    for kind in given.kind or KINDS:
        start = time.perf_counter()
        clips = sounds(kind, given.count, given.cache)
        counts = verdicts(detector, clips)
        confident = len(clips) - counts["inconclusive"]
        worst = max(worst, confident / len(clips))
        fixed = (str(train.get("recipe") or detector.info.id), str(train.get("commit") or ""), kind)
        place = machine_name()
        rows = [ResultRow(*fixed, "-", "dev", "clips", float(len(clips)), machine=place)]
        rows += [
            ResultRow(*fixed, "-", "dev", metric, n / len(clips), *wilson(n / len(clips), len(clips)), seconds, place)
            for metric, n in (
                ("confident verdict", confident),
                ("likely human", counts["likely human"]),
                ("likely synthetic", counts["likely synthetic"]),
            )
            for seconds in [time.perf_counter() - start]
        ]
        append_rows(given.out, rows)
        print(f"{kind}: {confident} of {len(clips)} end in a confident verdict ({dict(counts)})", flush=True)
    return int(worst > 0.01)


if __name__ == "__main__":
    sys.exit(main())
