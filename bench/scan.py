"""Measure what a user of ``earwitness scan`` feels: start, speed, memory, size on disk.

    python bench/scan.py --out results/performance.csv [--only cold_start ...]

Each figure is taken from whole processes, with the detector that ships. Speed is measured on one thread pinned to one
core, decoding included. The recordings are made here from the example clips, so that anyone can repeat it.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000

Row = tuple[str, str, float, float | None, float | None]

SCAN = """
import os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from earwitness.detector import load_detector
detector = load_detector(threads=1)
start, cpu = time.perf_counter(), time.process_time()
verdict = detector.scan(sys.argv[1])
print(time.perf_counter() - start, time.process_time() - cpu, verdict.source["duration"], len(verdict.windows))
"""


def speech() -> NDArray[np.float32]:
    """About 11 s: the voices of the example clips one after another."""
    from earwitness.audio import decode

    folder = ROOT / "examples" / "clips"
    return np.concatenate([decode(folder / n).samples for n in ("espeak.flac", "griffin-lim.opus", "lpc.mp3")])


def write(path: Path, seconds: float, codec: str, bit_rate: int | None) -> None:
    """A recording of ``seconds`` of the example voices, over and over, each time a little louder or softer."""
    sys.path.insert(0, str(ROOT / "examples"))
    from make_clips import write as encode

    def blocks() -> Iterator[NDArray[np.float32]]:
        voice, rng, left = speech(), np.random.default_rng(1), round(seconds * RATE)
        while left > 0:
            part = voice[:left] * np.float32(rng.uniform(0.3, 1.0))
            left -= part.size
            yield part

    encode(blocks(), path, codec, bit_rate)


def command() -> str:
    """The ``earwitness`` of this environment."""
    return shutil.which("earwitness", path=str(Path(sys.executable).parent)) or "earwitness"


def timed(*words: str) -> tuple[float, float]:
    """Wall and CPU seconds of a whole process, which must end well."""
    before = os.times()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return after.elapsed - before.elapsed, spent


def cold_start(folder: Path) -> Iterator[Row]:
    """Whole process on a 4 s clip: median, lowest and highest of nine, after one to warm the disk cache."""
    clip = folder / "clip.mp3"
    write(clip, 4.0, "libmp3lame", 48_000)
    timed(command(), "scan", str(clip))
    programs = (
        ("cold_start", "4 s mp3", [command(), "scan", str(clip)]),
        ("import", "import earwitness, whole process", [sys.executable, "-c", "import earwitness"]),
    )
    for metric, name, words in programs:
        walls, spent = zip(*(timed(*words) for _ in range(9)), strict=True)
        yield f"{metric}_seconds", name, statistics.median(walls), min(walls), max(walls)
        yield f"{metric}_cpu_seconds", name, statistics.median(spent), min(spent), max(spent)


def speed(folder: Path) -> Iterator[Row]:
    """Wall and CPU seconds per second of audio, one thread on one core, median of three."""
    for codec, suffix, rate in (("libmp3lame", "mp3", 64_000), ("aac", "m4a", 64_000), ("flac", "flac", None)):
        path = folder / f"ten-minutes.{suffix}"
        write(path, 600.0, codec, rate)
        walls, cpus = [], []
        for _ in range(3):
            out = subprocess.run([sys.executable, "-c", SCAN, str(path)], check=True, capture_output=True, text=True)
            wall, cpu, seconds, _windows = map(float, out.stdout.split())
            walls.append(wall / seconds)
            cpus.append(cpu / seconds)
        name = f"10 min {suffix}, one thread, decoding included"
        yield "realtime_factor", name, statistics.median(walls), min(walls), max(walls)
        yield "cpu_seconds_per_second", name, statistics.median(cpus), min(cpus), max(cpus)


def memory(folder: Path) -> Iterator[Row]:
    """Highest resident size of ``earwitness scan`` from 4 s to four hours."""
    for hours, name in ((4 / 3600, "4 s"), (1 / 6, "10 min"), (1.0, "1 h"), (4.0, "4 h")):
        path = folder / "long.mp3"
        write(path, 3600 * hours, "libmp3lame", 32_000)
        out = folder / "rss"
        peak = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL);"
            "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
        )
        subprocess.run([sys.executable, "-c", peak, str(out), command(), "scan", "--json", str(path)], check=True)
        # kilobytes on Linux, bytes on macOS
        size = float(out.read_text()) * (1 if sys.platform == "darwin" else 1024)
        yield "peak_memory_bytes", f"{name} mp3", size, None, None


def sizes(folder: Path) -> Iterator[Row]:
    """The wheel, and an environment that holds it and what it asks for."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    yield "wheel_bytes", wheel.name, float(wheel.stat().st_size), None, None
    environment = folder / "env"
    venv.create(environment, with_pip=True)
    before = used(environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, check=True)
    yield "base_environment_bytes", "base install without pip itself", float(used(environment) - before), None, None


def used(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


MEASURES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "cold_start": cold_start,
    "speed": speed,
    "memory": memory,
    "sizes": sizes,
}


def machine() -> str:
    """Processor and cores, system, and how busy it was."""
    from earwitness.evaluate.rows import machine_name

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{machine_name()}, {platform.system()}, Python {platform.python_version()}{load}"


def parser(parts: list[str]) -> argparse.ArgumentParser:
    """The options of a measuring script."""
    out = argparse.ArgumentParser(description="measure earwitness")
    out.add_argument("--out", type=Path, default=ROOT / "results" / "performance.csv")
    out.add_argument("--only", nargs="*", choices=parts, default=parts)
    return out


def measure(parts: dict[str, Callable[[Path], Iterator[Row]]], only: list[str], out: Path, *, note: str = "") -> int:
    """Take the named measures, and put their rows in the place of older ones of the same metric and data set."""
    from earwitness.evaluate.rows import COLUMNS
    from earwitness.train.history import revision

    commit = revision()[:7]
    rows: dict[tuple[str, str], dict[str, object]] = {}
    if out.exists():
        with out.open(newline="", encoding="utf-8") as file:
            rows = {(r["metric"], r["dataset"]): dict(r) for r in csv.DictReader(file)}
    for name in only:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for metric, dataset, value, low, high in parts[name](Path(folder)):
                took = time.perf_counter() - start
                numbers = [None if x is None else float(f"{x:.4g}") for x in (value, low, high)]
                where = f"{machine()}, {note}" if note else machine()
                values = ["default", commit, dataset, "", "", metric, *numbers, f"{took:.1f}", where]
                rows[(metric, dataset)] = dict(zip(COLUMNS, values, strict=True))
                print(f"{metric:30} {dataset:48} {value:.4g}", flush=True)
        # after every part, because a long run may be cut off
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows.values())
    return 0


def main() -> int:
    given = parser(list(MEASURES)).parse_args()
    return measure(MEASURES, given.only, given.out)


if __name__ == "__main__":
    raise SystemExit(main())
