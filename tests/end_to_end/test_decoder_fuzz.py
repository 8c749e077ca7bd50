"""Several hundred damaged recordings of every kind: each gives samples or one AudioError, quickly, and no process dies.

The damage is drawn from a seed: cut off anywhere, bits turned over, stretches of noise or zeros, pieces taken out or
doubled, and headers alone. The decoding runs in processes of its own, so that a crash of FFmpeg or a hang is seen as
what it is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import KINDS, Kind, can_write, voice, write

EACH = 12
"""Damaged files of each kind."""

SECONDS_EACH = 10.0
"""The most CPU time that one damaged file of half a second may take."""

#: decodes every file named on standard input; prints one line each, flushed, so that the last line names a killer
WORKER = """
import sys, time
import numpy as np
from earwitness.audio import decode, open_audio
from earwitness.errors import EarwitnessError
for name in sys.stdin.read().split():
    print("start", name, flush=True)
    start = time.process_time()
    try:
        audio = decode(name)
        assert audio.samples.dtype == np.float32 and audio.samples.ndim == 1 and len(audio.samples)
        assert np.all(np.isfinite(audio.samples)), "samples are not finite"
        assert all(np.isfinite(audio.levels.rms_db)) and 0 <= audio.levels.clipped_share <= 1
        assert audio.source.duration is not None
        outcome = "samples"
    except EarwitnessError as error:
        assert error.hint or error.code == "unreadable", error.message
        outcome = error.code
    print("done", outcome, time.process_time() - start, flush=True)
status = open("/proc/self/status").read()
print("peak", int(status.split("VmHWM:")[1].split()[0]) / 1024, flush=True)
"""


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes with one kind of damage."""
    size = len(data)
    out = bytearray(data)
    kind = int(rng.integers(7))
    if kind == 0:
        return data[: int(rng.integers(1, size))]
    if kind == 1:
        for place in rng.integers(0, size, int(rng.integers(1, 30))):
            out[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:  # the header is where lengths and counts stand
        for place in rng.integers(0, min(size, 400), int(rng.integers(1, 6))):
            out[place] = int(rng.integers(256))
    elif kind == 3:
        start, length = int(rng.integers(size)), int(rng.integers(1, 3000))
        noise = rng.integers(0, 256, min(length, size - start), np.uint8)
        out[start : start + len(noise)] = noise.tobytes()
    elif kind == 4:
        start = int(rng.integers(size))
        out[start : start + 2000] = bytes(len(out[start : start + 2000]))
    elif kind == 5:
        start, length = int(rng.integers(size)), int(rng.integers(1, 2000))
        del out[start : start + length]
    else:
        start, length = int(rng.integers(size)), int(rng.integers(1, 2000))
        out[start:start] = out[start : start + length]
    return bytes(out) or b"\0"


def run(files: list[Path], limit: float) -> tuple[list[tuple[str, float]], float]:
    """What became of each file, and the peak memory of the process in MB; fails with the file that ended or hung it."""
    names = "\n".join(map(str, files))
    try:
        done = subprocess.run(
            [sys.executable, "-c", WORKER], input=names, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired as hang:
        told = (hang.stdout or b"").decode()
        pytest.fail(f"no end within {limit} s; the last was {told.splitlines()[-1:]}")
    lines = done.stdout.splitlines()
    if done.returncode:
        pytest.fail(f"ended with {done.returncode} at {lines[-1:]}: {done.stderr[-2000:]}")
    assert done.stderr == ""
    outcomes = [line.split()[1:] for line in lines if line.startswith("done")]
    return [(word, float(seconds)) for word, seconds in outcomes], float(lines[-1].split()[1])


def damaged_files(kinds: list[Kind], count: int, folder: Path, seed: int) -> list[Path]:
    rng = np.random.default_rng(seed)
    files = []
    for kind in kinds:
        whole = write(kind, np.stack([voice(0.5, kind.rate)] * kind.channels))
        for number in range(count):
            path = folder / f"{kind.name}-{number}"
            data = damage(whole, rng)
            path.write_bytes(damage(data, rng) if rng.random() < 0.3 else data)
            files.append(path)
    return files


def check(files: list[Path], limit: float) -> list[str]:
    outcomes, peak = run(files, limit)
    assert len(outcomes) == len(files)
    assert max(seconds for _, seconds in outcomes) < SECONDS_EACH
    assert peak < 400
    return [word for word, _ in outcomes]


def test_every_kind_damaged_in_every_way(tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if can_write(kind)]
    files = damaged_files(kinds, EACH, tmp_path, seed=20)
    outcomes = check(files, limit=200)
    assert len(outcomes) > 400
    # Most damage leaves something to hear; a fuzz that is always refused tests nothing behind the door.
    assert outcomes.count("samples") > len(outcomes) / 2
    assert len(set(outcomes)) > 3


def test_every_cut_of_a_header(tmp_path: Path) -> None:
    files = []
    for kind in [k for k in KINDS if k.name in ("wav-16", "flac", "mp3", "opus", "m4a", "webm", "amr", "aiff", "wma")]:
        whole = write(kind, np.stack([voice(0.5, kind.rate)] * kind.channels))
        for length in (1, 3, 4, 8, 12, 20, 36, 43, 44, 45, 60, 100, 200, 500, 1000):
            path = tmp_path / f"{kind.name}-{length}"
            path.write_bytes(whole[:length])
            files.append(path)
    assert "truncated" in check(files, limit=120)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_thousands_more(seed: int, tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if can_write(kind)]
    check(damaged_files(kinds, 40, tmp_path, seed=1000 + seed), limit=280)
