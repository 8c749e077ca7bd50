"""``earwitness listen`` as a user runs it: from a pipe, from a microphone that ALSA makes up, and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_files import wav_bytes

from earwitness.audio import decode
from earwitness.detector import load_detector

COMMAND = [sys.executable, "-m", "earwitness", "listen"]
ALSA = Path("/usr/share/alsa/alsa.conf")


@pytest.fixture(scope="module")
def speech(root: Path) -> np.ndarray:
    """7 s of synthetic voices."""
    names = ("espeak.flac", "griffin-lim.opus")
    return np.concatenate([decode(root / "examples" / "clips" / n).samples for n in names])


def listen(*words: str, data: bytes = b"", **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [*COMMAND, *words, "--json"], input=data, capture_output=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


@pytest.mark.parametrize("kind", ["pcm16", "container"])
def test_a_pipe_ends_with_the_verdict_of_a_scan(speech: np.ndarray, tiny_detector: Path, kind: str) -> None:
    data = wav_bytes(speech)
    words = ["--format", "pcm16", "--rate", "16000"] if kind == "pcm16" else []
    code, found, errors = listen("-", *words, "--detector", str(tiny_detector), data=data[44:] if words else data)
    assert code == 0, errors
    expected = load_detector(tiny_detector).scan(data)
    assert found[-1]["type"] == "final"
    assert found[-1]["verdict"]["llr"] == pytest.approx(expected.llr, abs=1e-2)
    assert found[-1]["verdict"]["label"] == expected.label
    assert any(m["type"] == "running" for m in found)


def test_a_decision_can_stop_a_script(speech: np.ndarray, tiny_detector: Path) -> None:
    hiss = np.tile(speech, 2) + np.random.default_rng(0).normal(0, 0.05, 2 * speech.size)
    words = ("-", "--detector", str(tiny_detector), "--fail-on", "synthetic")
    code, found, _ = listen(*words, data=wav_bytes(np.clip(hiss, -1, 1)))
    assert code == 3
    assert next(m["label"] for m in found if m["type"] == "decision") == "likely synthetic"


def test_it_stops_after_the_seconds_that_were_asked_for(speech: np.ndarray, tiny_detector: Path) -> None:
    words = ("-", "--format", "pcm16", "--seconds", "5", "--detector", str(tiny_detector))
    code, found, _ = listen(*words, data=wav_bytes(speech)[44:])
    assert code == 0
    assert found[-1]["verdict"]["quality"]["seconds"] == pytest.approx(5.0)


def test_ctrl_c_ends_the_listening_not_the_judging(speech: np.ndarray, tiny_detector: Path) -> None:
    words = [*COMMAND, "-", "--json", "--format", "pcm16", "--detector", str(tiny_detector)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(wav_bytes(speech)[44:])
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["type"] == "running"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert json.loads(rest.splitlines()[-1])["type"] == "final"


def test_text_for_people(speech: np.ndarray, tiny_detector: Path) -> None:
    words = [*COMMAND, "-", "--detector", str(tiny_detector)]
    done = subprocess.run(words, input=wav_bytes(speech), capture_output=True, check=False)
    text = done.stdout.decode()
    assert done.returncode == 0
    for word in ("window", "so far", "LLR", "evidence, not proof"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "data", "code", "message"),
    [
        (["-"], b"", 1, "no bytes"),
        (["-"], b"<html>nothing to hear</html>" * 50, 1, "not a recording|not sound"),
        (["clip.wav"], b"", 2, "earwitness scan"),
        (["--format", "pcm16"], b"", 2, "standard input"),
        (["-", "--format", "pcm16", "--rate", "7"], b"", 1, "7 Hz"),
        (["-", "--prior", "2"], b"", 2, "prior"),
        (["--device", "no such device"], b"", 1, "arecord -L"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_what_goes_wrong_is_said(words: list[str], data: bytes, code: int, message: str) -> None:
    found, _, errors = listen(*words, data=data)
    assert found == code, errors
    import re

    assert re.search(message, errors), errors
    assert "Traceback" not in errors


@pytest.mark.skipif(not ALSA.is_file(), reason="ALSA has no settings here (Debian: libasound2-data)")
def test_a_microphone(speech: np.ndarray, tiny_detector: Path, tmp_path: Path) -> None:
    """ALSA's own file device plays the part of the microphone."""
    (tmp_path / "microphone.raw").write_bytes(wav_bytes(np.tile(speech, 3))[44:])
    settings = tmp_path / "asound.conf"
    settings.write_text(
        f'<{ALSA}>\npcm.desk {{ type file slave.pcm "null" file "/dev/null" '
        f'infile "{tmp_path / "microphone.raw"}" format "raw" }}\n',
        encoding="utf-8",
    )
    words = ("--device", "desk", "--seconds", "4.6", "--detector", str(tiny_detector))
    code, found, errors = listen(*words, ALSA_CONFIG_PATH=str(settings))
    assert code == 0, errors
    verdict = found[-1]["verdict"]
    assert verdict["path"] == "microphone"
    assert verdict["quality"]["speech_seconds"] > 2
    assert any(m["type"] == "running" for m in found)
