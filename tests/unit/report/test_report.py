"""The report as a document: complete, self-contained, safe against hostile names, honest about what it lacks."""

from __future__ import annotations

import hashlib
import math
import re
import wave
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from earwitness.calibrate import Thresholds
from earwitness.errors import AudioError, EarwitnessError
from earwitness.pooling import Stretch, spans
from earwitness.report import write_report
from earwitness.verdict import Verdict

LIMITS = Thresholds(-1.0, 1.5)
MADE = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
QUALITY = {
    "seconds": 4.0,
    "speech_seconds": 3.25,
    "level_db": -23.1,
    "peak_db": -2.0,
    "clipped_share": 0.0012,
    "snr_db": 31.0,
    "bandwidth_hz": 7600.0,
    "digital_silence_share": 0.02,
    "music_share": 0.01,
}
RATES = {
    "text": "Measured on 212 human and 198 generated clips.",
    "bonafide": 212,
    "spoof": 198,
    "false_alarm": 0.047,
    "miss": 0.31,
    "inconclusive_bonafide": 0.2,
    "inconclusive_spoof": 0.1,
    "intervals": {"false_alarm": [0.021, 0.081]},
    "differs": [],
}

Make = Callable[..., Verdict]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    t = np.arange(64_000) / 16_000
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes((8000 * np.sin(2 * np.pi * 3000 * t)).astype("<i2").tobytes())
    return path


@pytest.fixture
def make(recording: Path) -> Make:
    def build(
        label: str = "likely synthetic",
        llr: float | None = 2.3,
        windows: Sequence[Stretch] = (Stretch(0.0, 4.0, 2.3),),
        path: str | None = None,
        **more: Any,
    ) -> Verdict:
        data = recording.read_bytes()
        source = {
            "path": path or str(recording),
            "name": Path(path or recording).name,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "container": "wav",
            "codec": "pcm_s16le",
            "codec_long": "PCM signed 16-bit little-endian",
            "rate": 16_000,
            "channels": 1,
            "bit_depth": 16,
            "bit_rate": 256_000,
            "encoder": "",
            "video": False,
        }
        values: dict[str, Any] = {
            "path": path or str(recording),
            "label": label,
            "llr": llr,
            "probability": None if llr is None else 1 / (1 + math.exp(-llr)),
            "thresholds": LIMITS,
            "windows": tuple(windows),
            "spans": tuple(spans(windows, LIMITS.synthetic)),
            "source": source,
            "quality": QUALITY,
            "detector": {"id": "small", "version": "0.1.0", "sha256": "ab" * 32, "settings": "cd" * 32},
            "version": "0.1.0",
            "error_rates": RATES,
        }
        return Verdict(**{**values, **more})

    return build


def render(verdicts: Sequence[Verdict], folder: Path, command: str = "earwitness scan clip.wav") -> str:
    out = folder / "report.html"
    write_report(verdicts, out, command=command, made=MADE)
    return out.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Tags with attributes, and text; every opened element must be closed in order."""

    VOID = frozenset({"meta", "br", "hr", "col"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_it_says_what_a_report_must_carry(make: Make, tmp_path: Path, recording: Path) -> None:
    text = Reader(render([make(warnings=("the header states another length",))], tmp_path)).text
    digest = hashlib.sha256(recording.read_bytes()).hexdigest()
    for part in (
        "Likely synthetic",
        "evidence, not proof",
        "+2.30",
        "about 10 times better with a generated voice",
        "about 909 of 1,000",
        "4.7 in 100 (2.1 to 8.1)",
        "31 in 100",
        "212 human recordings 75 in 100 20 in 100 4.7 in 100",
        "198 generated recordings 59 in 100 10 in 100 31 in 100",
        "212 human recordings",
        digest,
        "PCM signed 16-bit little-endian",
        "256 kbit/s",
        "16,000 Hz",
        "7.6 kHz",
        "3.25 s",
        "31 dB",
        "0.12 %",
        "What was not tested",
        "the header states another length",
        "small",
        "ab" * 32,
        "earwitness scan clip.wav",
        "04 March 2026",
    ):
        assert part in text, part


def test_one_file_no_network_no_script(make: Make, tmp_path: Path) -> None:
    html = render([make(), make(label="likely human", llr=-3.0, windows=[Stretch(0.0, 4.0, -3.0)])], tmp_path)
    reader = Reader(html)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in reader.tags}
    for tag, attributes in reader.tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], tag
        for key in ("href", "src", "action", "srcset"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/png;base64,")), (tag, key)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "@import" not in style[1]
    assert "url(" not in style[1]
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"'sha256-{b64encode(hashlib.sha256(style[1].encode()).digest()).decode()}'" in policy


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>.wav", '"><img src=x onerror=alert(1)>.wav', "a\u202egpj.wav", "b\udcff\n.wav"]
)
def test_hostile_names_are_shown_and_do_nothing(make: Make, tmp_path: Path, name: str) -> None:
    bad = Verdict.failed(name, AudioError(f"{name}: 0 bytes", hint=f"see {name}"))
    html = render([make(path=name, source={"name": name, "encoder": name, "codec": name}), bad], tmp_path, name)
    tags = {tag for tag, _ in Reader(html).tags}
    assert not {"script", "img"} & tags
    assert "\u202e" not in html
    assert "\udcff" not in html


def test_svgs_are_well_formed_and_named(make: Make, tmp_path: Path) -> None:
    html = render([make()], tmp_path)
    found = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(found) == 2
    for svg in found:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.findtext("title")


def test_the_spectrogram_shows_the_tone(make: Make, tmp_path: Path) -> None:
    html = render([make()], tmp_path)
    address = re.search(r'href="data:image/png;base64,([^"]+)"', html)
    assert address is not None
    with av.open(BytesIO(b64decode(address[1]))) as container:
        alpha = next(container.decode(video=0)).to_ndarray(format="rgba")[..., 3]
    row = int(alpha.astype(float).sum(axis=1).argmax())
    hertz = 8000 * (1 - (row + 0.5) / alpha.shape[0])
    assert abs(hertz - 3000) < 8000 / alpha.shape[0]


@pytest.mark.parametrize("case", ["gone", "changed", "stdin"])
def test_no_spectrogram_says_why(make: Make, tmp_path: Path, recording: Path, case: str) -> None:
    verdict = make(path="-") if case == "stdin" else make()
    if case == "gone":
        recording.unlink()
    if case == "changed":
        recording.write_bytes(recording.read_bytes()[:-3200])
    html = render([verdict], tmp_path)
    assert "data:image/png" not in html
    expected = {"gone": "could not be read again", "changed": "has changed since", "stdin": "standard input"}[case]
    assert expected in html


def test_without_a_score(make: Make, tmp_path: Path) -> None:
    reason = "less than 0.3 s of audio"
    verdict = make("inconclusive", None, (), reason=reason, quality={}, source={}, error_rates={})
    text = Reader(render([verdict], tmp_path)).text
    assert reason in text
    assert "There is no score" in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_a_failed_quality_check_warns_about_the_score(make: Make, tmp_path: Path) -> None:
    gated = make("inconclusive", 0.2, reason="too little speech (0.4 s; at least 1 s is needed)")
    between = make("inconclusive", 0.2, reason="the score lies between the limits for human and synthetic")
    assert "Do not rely on the score" in render([gated], tmp_path)
    assert "Do not rely on the score" not in render([between], tmp_path)


def test_several_have_a_summary_with_errors(make: Make, tmp_path: Path) -> None:
    human = make("likely human", -2.0, [Stretch(0.0, 4.0, -2.0)])
    bad = Verdict.failed("x/broken.wav", AudioError("x/broken.wav: 0 bytes", hint="record it again", code="empty-file"))
    reader = Reader(render([make(), human, bad], tmp_path))
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert ids == [f"recording-{i}" for i in (1, 2, 3)]
    assert {a["href"] for t, a in reader.tags if t == "a"} == {f"#{i}" for i in ids}
    for part in ("3 recordings", "Likely human", "Not scanned", "record it again", "empty-file", "broken.wav: 0 bytes"):
        assert part in reader.text, part


def test_four_hours_stay_small(make: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    windows = [Stretch(2.0 * i, 2.0 * i + 4, float(rng.normal())) for i in range(7199)]
    verdict = make(windows=windows, path="-", quality={**QUALITY, "seconds": 14_400.0})
    html = render([verdict], tmp_path)
    assert len(html) < 120_000
    assert "4:00:00" in html
    assert "more stretches are in the JSON" in html


def test_the_same_verdict_gives_the_same_file(make: Make, tmp_path: Path) -> None:
    assert render([make()], tmp_path) == render([make()], tmp_path)


def test_a_folder_that_does_not_exist(make: Make, tmp_path: Path) -> None:
    with pytest.raises(EarwitnessError, match="cannot be written") as caught:
        write_report([make()], tmp_path / "no" / "report.html", command="x")
    assert caught.value.code == "report"


def test_a_missing_rate_is_said(make: Make, tmp_path: Path) -> None:
    html = render([make(error_rates={"text": "No measured rate for audio like this.", "cell": None})], tmp_path)
    assert "No measured rate for audio like this. Treat the verdict with more caution" in html
