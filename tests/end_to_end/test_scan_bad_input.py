"""Whatever is handed to ``scan`` ends in one clear error or an inconclusive verdict; no traceback, no claim."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_files import silent_video, tone, voice, wav_bytes

from earwitness.cli import main
from earwitness.verdict import schema

Outcome = tuple[int, dict[str, Any], float]


@pytest.fixture
def outcome(capsys: pytest.CaptureFixture[str], tiny_detector: Path) -> Callable[[Path], Outcome]:
    """Exit code, the one JSON object, and seconds."""

    def call(path: Path) -> Outcome:
        capsys.readouterr()
        start = time.monotonic()
        with pytest.raises(SystemExit) as left:
            main(["scan", "--json", "--detector", str(tiny_detector), str(path)])
        out = capsys.readouterr()
        assert "Traceback" not in out.out + out.err
        return int(left.value.code or 0), json.loads(out.out), time.monotonic() - start

    return call


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(round(seconds * 16_000))


ERRORS = {
    "empty.wav": b"",
    "text.wav": b"This is no recording, whatever its name says.\n" * 50,
    "zero-samples.wav": wav_bytes(np.zeros(0)),
    "header-only.wav": wav_bytes(voice(1.0))[:30],
    "rate-1.wav": wav_bytes(voice(1.0), claims={"rate": 1}),
    "rate-10-million.wav": wav_bytes(voice(1.0), claims={"rate": 10_000_000}),
    "300-channels.wav": wav_bytes(voice(1.0), claims={"channels": 300}),
    "nothing-finite.wav": wav_bytes(np.full(32_000, math.nan), form="f32"),
    "video-without-sound.mp4": silent_video(),
    "random.mp3": np.random.default_rng(1).bytes(20_000),
}
INCONCLUSIVE = {
    "silence.wav": wav_bytes(np.zeros(64_000)),
    "one-sample.wav": wav_bytes(np.ones(1) * 0.5),
    "constant.wav": wav_bytes(np.full(64_000, 0.25)),
    "noise.wav": wav_bytes(noise(6.0)),
    "tone.wav": wav_bytes(tone(6.0)),
    "loud-noise.wav": wav_bytes(np.clip(noise(6.0, 3.0), -1, 1)),
    "clicks.wav": wav_bytes((np.arange(64_000) % 8000 == 0) * 0.9),
    "short-voice.wav": wav_bytes(voice(0.5)),
    "some-not-finite.wav": wav_bytes(np.where(np.arange(64_000) % 7 == 0, math.inf, 0.0), form="f32"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_no_recording_is_an_error(name: str, outcome: Callable[[Path], Outcome], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ERRORS[name])
    code, found, seconds = outcome(tmp_path / name)
    assert code == 1
    assert set(found) == {"path", "error"}
    assert name in found["error"]["message"]
    assert found["error"]["code"] != "internal"
    assert seconds < 10


@pytest.mark.parametrize("name", INCONCLUSIVE)
def test_what_holds_no_speech_is_inconclusive(name: str, outcome: Callable[[Path], Outcome], tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks the schema (extra [dev])")
    (tmp_path / name).write_bytes(INCONCLUSIVE[name])
    code, found, seconds = outcome(tmp_path / name)
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert (code, found["label"]) == (0, "inconclusive")
    assert found["reason"]
    assert found["spans"] == []
    assert (found["llr"] is None) == (found["source"]["duration"] < 0.3)
    assert seconds < 10


def test_a_recording_that_is_cut_off_is_scanned_as_far_as_it_goes(
    outcome: Callable[[Path], Outcome], spoof_clip: Path, tmp_path: Path
) -> None:
    body = spoof_clip.read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(body[: len(body) * 3 // 4 + 1])
    code, found, _ = outcome(cut)
    assert code == 0
    assert found["llr"] is not None
    assert 0 < found["source"]["duration"] < 2.9
    assert any("cut off" in w or "damaged" in w or "could not be decoded" in w for w in found["warnings"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_directory_a_device_and_a_missing_file(outcome: Callable[[Path], Outcome], tmp_path: Path) -> None:
    for path in (tmp_path, Path(os.devnull), tmp_path / "none.wav"):
        code, entry, _ = outcome(path)
        found = entry[0] if isinstance(entry, list) else entry
        assert code == 1
        assert str(path) in found["error"]["message"]


@pytest.mark.slow
def test_ten_hours_of_silence_in_flat_memory(outcome: Callable[[Path], Outcome], tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs Unix to measure memory")
    path = tmp_path / "silence.wav"
    with path.open("wb") as file:
        file.write(wav_bytes(np.zeros(0), rate=8000, form="u8", claims={"data_size": 10 * 3600 * 8000}))
        for _ in range(10):
            file.write(b"\x80" * (3600 * 8000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, found, _ = outcome(path)
    assert (code, found["label"]) == (0, "inconclusive")
    assert found["source"]["duration"] == pytest.approx(36_000)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 200
