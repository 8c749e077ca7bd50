"""How much a machine gets through: batch on one core and two, and the layouts that were weighed against each other.

The recordings are 240 clips of 4 s and 24 of 60 s (mp3). What is timed begins when every process has heard two of them,
so that starting up is no part of it.
"""

from __future__ import annotations

import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scan import ROOT, Row, speech

RUNS = 3
SIZES = (("4 s", 4.0, 240), ("60 s", 60.0, 24))


def clips(folder: Path, seconds: float, count: int) -> list[str]:
    """``count`` different recordings of ``seconds``, mp3."""
    sys.path.insert(0, str(ROOT / "examples"))
    from make_clips import write as encode

    voice = speech()
    rng = np.random.default_rng(2)
    out = []
    for number in range(count):
        path = folder / f"{seconds:.0f}-{number:04d}.mp3"
        start = int(rng.integers(voice.size))
        samples = np.resize(np.roll(voice, -start), round(seconds * 16_000)) * np.float32(rng.uniform(0.3, 1.0))
        encode(iter([samples]), path, "libmp3lame", 64_000)
        out.append(str(path))
    return out


def processes(paths: list[str], cores: int) -> float:
    """Recordings a second by a process per core, as ``earwitness batch`` works."""
    from earwitness.batch.items import Item, Job
    from earwitness.batch.local import Pool

    pool, warm, start = Pool(Job(), cores), 2 * cores, 0.0
    try:
        for number, _ in enumerate(pool.run(Item(p, p) for p in paths), 1):
            if number == warm:
                start = time.perf_counter()
        return (len(paths) - warm) / (time.perf_counter() - start)
    finally:
        pool.close()


def threads(paths: list[str], cores: int) -> float:
    """A thread per core, all with the same session of one thread, as ``earwitness scan`` of several files works."""
    from earwitness.detector import load_detector

    detector = load_detector(threads=1)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(detector.scan, paths[: 2 * cores]))
        start = time.perf_counter()
        list(pool.map(detector.scan, paths[2 * cores :]))
        return (len(paths) - 2 * cores) / (time.perf_counter() - start)


def inside(paths: list[str], cores: int) -> float:
    """One recording at a time, the session spreading every batch of windows over the cores."""
    from earwitness.detector import load_detector

    detector = load_detector(threads=cores)
    for path in paths[:2]:
        detector.scan(path)
    start = time.perf_counter()
    for path in paths[2:]:
        detector.scan(path)
    return (len(paths) - 2) / (time.perf_counter() - start)


def pooled(paths: list[str], cores: int) -> float:
    """Threads decode and gate, and one session scores the windows of all recordings in batches of 16 on all cores."""
    from earwitness.detector import load_detector

    detector = load_detector(threads=cores)
    asked: queue.Queue[tuple[Any, Any, Any] | None] = queue.Queue()
    network = detector.logits

    def later(x: Any) -> Any:
        done, box = threading.Event(), []
        asked.put((x, box, done))
        done.wait()
        return box[0]

    def serve() -> None:
        while (first := asked.get()) is not None:
            group = [first]
            while sum(len(g[0]) for g in group) < 16 and not asked.empty() and (more := asked.get_nowait()) is not None:
                group.append(more)
            for length in {g[0].shape[1] for g in group}:
                same = [g for g in group if g[0].shape[1] == length]
                out, at = network(np.concatenate([x for x, _, _ in same])), 0
                for x, box, done in same:
                    box.append(out[at : at + len(x)])
                    at += len(x)
                    done.set()

    detector.logits = later  # type: ignore[method-assign]
    server = threading.Thread(target=serve)
    server.start()
    try:
        with ThreadPoolExecutor(2 * cores) as pool:
            list(pool.map(detector.scan, paths[:4]))
            start = time.perf_counter()
            list(pool.map(detector.scan, paths[4:]))
            return (len(paths) - 4) / (time.perf_counter() - start)
    finally:
        asked.put(None)
        server.join()


LAYOUTS: dict[str, Callable[[list[str], int], float]] = {
    "a process per core": processes,
    "a thread per core, one session": threads,
    "one session over all cores": inside,
    "one session for windows of many files": pooled,
}


def throughput(folder: Path) -> Iterator[Row]:
    """Recordings a second for each layout on one core and on two, and the efficiency of the second core."""
    if os.cpu_count() == 1:
        return
    for name, seconds, count in SIZES:
        clips(folder, seconds, count)
        for layout in LAYOUTS:
            found: dict[int, list[float]] = {}
            for cores in (1, 2):
                found[cores] = [_apart(folder, seconds, layout, cores) for _ in range(RUNS)]
                value = statistics.median(found[cores])
                what = f"{name} mp3, {layout}, {cores} core{'s' if cores > 1 else ''}"
                yield "files_per_second", what, value, min(found[cores]), max(found[cores])
            gains = [two / one for one, two in zip(sorted(found[1]), sorted(found[2]), strict=True)]
            yield "speed_of_two_cores", f"{name} mp3, {layout}", statistics.median(gains), min(gains), max(gains)


def _apart(folder: Path, seconds: float, layout: str, cores: int) -> float:
    words = [sys.executable, __file__, str(folder), f"{seconds:.0f}", layout, str(cores)]
    env = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    return float(subprocess.run(words, check=True, capture_output=True, text=True, env=env).stdout)


if __name__ == "__main__":
    place, length, kind, number = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(number)])
    print(LAYOUTS[kind](sorted(map(str, Path(place).glob(f"{length}-*.mp3"))), int(number)))
