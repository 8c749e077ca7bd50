"""Long recordings: memory that does not grow and time that stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import KINDS, voice, wav_bytes, write

#: reads the file named, block by block, and prints seconds, CPU seconds, and peak MB above what the imports took
READ = """
import sys, time
import av, numpy, soxr
from earwitness.audio import open_audio
def peak():
    # Not ru_maxrss, which begins with what the parent process had.
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before, start = peak(), time.process_time()
with open_audio(sys.argv[1]) as stream:
    seconds = sum(len(block) for block in stream) / 16000
print(seconds, time.process_time() - start, peak() - before)
"""


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")


def read(path: Path) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    seconds, cpu, megabytes = map(float, done.stdout.split())
    assert megabytes > 1, "the measurement of memory does not work"
    return seconds, cpu, megabytes


def repeated_wav(path: Path, seconds: float, rate: int = 44_100) -> None:
    """A stereo wav of 10 s of a voice over and over, written piece by piece."""
    piece = wav_bytes(np.stack([voice(10.0, rate)] * 2), rate)
    times = round(seconds / 10)
    header = bytearray(piece[:44])
    header[40:44] = (times * (len(piece) - 44)).to_bytes(4, "little")
    with path.open("wb") as out:
        out.write(header)
        for _ in range(times):
            out.write(piece[44:])


def test_memory_does_not_grow_with_a_wav(tmp_path: Path) -> None:
    repeated_wav(tmp_path / "a.wav", 900)
    seconds, cpu, megabytes = read(tmp_path / "a.wav")
    assert seconds == 900
    assert cpu < 10
    assert megabytes < 60


@pytest.mark.parametrize("name", ["mp3-44100", "opus"])
def test_memory_does_not_grow_with_a_lossy_recording(name: str, tmp_path: Path) -> None:
    kind = next(k for k in KINDS if k.name == name)
    data = write(kind, np.stack([voice(10.0, kind.rate)] * 2))
    # Recordings of one kind behind one another are one recording.
    (tmp_path / "a").write_bytes(data * 40)
    seconds, cpu, megabytes = read(tmp_path / "a")
    assert seconds > 390
    assert cpu < 10
    assert megabytes < 60


def test_silence_unfolds_from_a_few_bytes_in_little_memory(tmp_path: Path) -> None:
    kind = next(k for k in KINDS if k.name == "flac")
    (tmp_path / "a.flac").write_bytes(write(kind, np.zeros((2, 16_000 * 600))))
    seconds, cpu, megabytes = read(tmp_path / "a.flac")
    assert seconds == 600
    assert cpu < 5
    assert megabytes < 60


@pytest.mark.slow
def test_four_hours_and_ten_hours(tmp_path: Path) -> None:
    repeated_wav(tmp_path / "four.wav", 4 * 3600)
    seconds, _, megabytes = read(tmp_path / "four.wav")
    assert (seconds, megabytes < 100) == (14_400, True)
    (tmp_path / "four.wav").unlink()
    silence = wav_bytes(np.zeros(16), claims={"data_size": 36_000 * 32_000})
    with (tmp_path / "ten.wav").open("wb") as out:
        out.write(silence[:44])
        out.truncate(44 + 36_000 * 32_000)
    seconds, cpu, megabytes = read(tmp_path / "ten.wav")
    assert (seconds, megabytes < 100) == (36_000, True)
    assert cpu < 60
