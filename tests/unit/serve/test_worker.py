"""The worker: what it holds before it forks, and what a child says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from audio_files import voice, wav_bytes

from earwitness.detector import Detector
from earwitness.errors import DetectorError
from earwitness.serve.worker import Task, work

PROGRAM = """
import json, sys
from earwitness.serve.worker import Setup, Task, load, work
detectors = load(Setup())
before = set(sys.modules)
for path in sys.argv[1:]:
    work(detectors, Task("t", path, "clip"), lambda message: None)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_child_finds_everything_imported(root: Path) -> None:
    """What a child imports is imported for every recording again."""
    clips = [str(root / "examples" / "clips" / name) for name in ("espeak.flac", "griffin-lim.opus", "lpc.mp3")]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *clips], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def said(detector: Any, path: Path, **more: Any) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    assert work({None: detector}, Task("t", str(path), "shown.wav", **more), out.append) == 0
    return out


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "0123"
    path.write_bytes(wav_bytes(voice(12.0)))
    return path


def test_what_a_child_says_is_json_in_order(clip: Path, tiny_detector: Path) -> None:
    messages = said(Detector(tiny_detector), clip)
    assert [next(iter(m)) for m in messages] == ["opened", "progress", "progress", "windows", "verdict"]
    assert json.loads(json.dumps(messages, allow_nan=False)) == messages
    verdict = messages[-1]["verdict"]
    assert verdict["path"] == verdict["source"]["name"] == "shown.wav"
    assert str(clip) not in json.dumps(messages)
    assert [[w["start"], w["end"], w["llr"]] for w in verdict["windows"]] == messages[-2]["windows"]


def test_what_plays_too_long_is_given_up(clip: Path, tiny_detector: Path) -> None:
    assert said(Detector(tiny_detector), clip, audio_seconds=5.0)[-1]["error"]["code"] == "too-long"


class Broken:
    """A detector that fails with what it was given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def scan(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DetectorError("broken"), "detector"),
        (MemoryError(), "memory"),
        (RuntimeError("Failed to allocate memory for requested buffer"), "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (RuntimeError("/secret/path"), "internal"),
    ],
)
def test_every_fault_is_an_error(error: BaseException, code: str, clip: Path) -> None:
    found = said(Broken(error), clip)[-1]["error"]
    assert found["code"] == code
    assert "secret" not in found["message"]
