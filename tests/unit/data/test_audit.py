"""The audit: planted faults are found, a clean corpus has none, and what is written is whole and safe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from planted import RATE, Samples, corpus, utterance, with_copies

from earwitness.data.audit import LIMITS, Audit, audit, write_json
from earwitness.data.audit_page import page, write_page
from earwitness.data.manifest import Manifest, Row
from earwitness.errors import ManifestError


def codes(result: Audit, severity: str | None = None) -> set[str]:
    return {f.code for f in result.findings if severity in (None, f.severity)}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpus(tmp_path_factory.mktemp("clean"))


def look(manifest: Manifest) -> Audit:
    """The audit, with what was measured in other tests of the same files."""
    return audit(manifest, cache=manifest.root / "cache.jsonl")


@pytest.fixture(scope="module")
def clean_audit(clean: Manifest) -> Audit:
    return look(clean)


def test_a_clean_corpus_has_no_errors_and_no_shortcuts(clean_audit: Audit) -> None:
    assert codes(clean_audit, "error") == set()
    assert codes(clean_audit, "warning") == set()
    assert not any(code.startswith(("shortcut", "trivial")) for code in codes(clean_audit))
    assert clean_audit.probe.auc is not None
    assert clean_audit.probe.auc < 0.7
    assert set(clean_audit.probe.splits) == {"test"}
    assert clean_audit.rows == clean_audit.measured == 80
    assert not clean_audit.fails("warning")


def another_rate(row: Row, samples: Samples) -> tuple[Samples, int]:
    """Every generated clip at 22,050 Hz."""
    import soxr

    return (soxr.resample(samples, RATE, 22_050), 22_050) if row.spoof else (samples, RATE)


def trimmed(row: Row, samples: Samples) -> tuple[Samples, int]:
    """Generated clips without the silence at both ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return (samples[loud[0] : loud[-1]], RATE) if row.spoof else (samples, RATE)


def quieter(row: Row, samples: Samples) -> tuple[Samples, int]:
    """Generated clips at a quarter of the level."""
    return samples * (0.25 if row.spoof else 1), RATE


def narrower(row: Row, samples: Samples) -> tuple[Samples, int]:
    """Generated clips without anything above 3.4 kHz, with noise in both so that there is a band."""
    noisy = samples * 0.5 + 0.02 * np.random.default_rng(len(row.id)).standard_normal(len(samples))
    spectrum = np.fft.rfft(noisy)
    if row.spoof:
        spectrum[int(len(spectrum) * 3_400 / 8_000) :] = 0
    return np.fft.irfft(spectrum, len(samples)), RATE


def without_noise(row: Row, samples: Samples) -> tuple[Samples, int]:
    """Generated clips with digital silence in their pauses."""
    return (np.where(np.abs(samples) < 0.01, 0, samples) if row.spoof else samples), RATE


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (another_rate, "shortcut-rate"),
        (trimmed, "shortcut-lead-seconds"),
        (quieter, "shortcut-rms-db"),
        (narrower, "shortcut-bandwidth-hz"),
        (without_noise, "shortcut-zero-share"),
    ],
)
def test_planted_shortcuts_are_errors(
    tmp_path: Path, change: Callable[[Row, Samples], tuple[Samples, int]], expected: str
) -> None:
    result = audit(corpus(tmp_path, change=change))
    assert expected in codes(result, "error") | codes(result, "warning")
    assert "trivial-baseline" in codes(result, "error")
    assert result.fails("error")
    assert "proves nothing" in result.verdict()
    finding = next(f for f in result.findings if f.code == expected)
    assert finding.advice
    assert finding.effect
    assert "AUC" in finding.title


@pytest.mark.parametrize("kind", ["opus", "mp3"])
def test_copies_across_splits_are_found_and_named(clean: Manifest, kind: str) -> None:
    ids = ["c2", "c15", "c37"]
    result = look(with_copies(clean, kind, ids))
    finding = next(f for f in result.findings if f.code == "near-duplicate-across-splits")
    assert finding.severity == "error"
    assert finding.count == len(ids)
    assert {row.split(" ")[0] for row in finding.rows} == set(ids)
    assert all(f"{name}-copy" in " ".join(finding.rows) for name in ids)


def test_exact_copies_are_found_in_another_container(clean: Manifest) -> None:
    result = look(with_copies(clean, "flac", ["c4"], gain=1.0, cut=0))
    finding = next(f for f in result.findings if f.code == "duplicate-across-splits")
    assert finding.severity == "error"
    assert finding.rows == ("c4 (train) = c4-copy (test)",)
    assert "near-duplicate-across-splits" not in codes(result)


def test_opposite_labels(clean: Manifest) -> None:
    other = replace(clean[0], id="again", path=clean[0].path, label="spoof", system="s0")
    result = look(Manifest([*clean, other], root=clean.root))
    assert {"file-with-two-labels", "duplicate-with-opposite-labels"} <= codes(result, "error")


def test_declared_pairs_are_not_duplicates(clean: Manifest) -> None:
    copied = with_copies(clean, "opus", ["c2"])
    rows = [
        replace(row, pair="c2", label="spoof", system="codec", split="train") if row.id == "c2-copy" else row
        for row in copied
    ]
    assert not any("duplicate" in code for code in codes(look(Manifest(rows, root=clean.root))))
    apart = [replace(row, split="test") if row.id == "c2-copy" else row for row in rows]
    assert "pair-in-two-splits" in codes(look(Manifest(apart, root=clean.root)), "error")


def test_one_recording_under_two_speakers(clean: Manifest) -> None:
    copied = with_copies(clean, "mp3", ["c2"])
    renamed = copied.map(lambda row: replace(row, speaker="someone") if row.id == "c2-copy" else row)
    result = look(renamed)
    finding = next(f for f in result.findings if f.code == "recording-under-two-speakers")
    assert finding.rows == ("c2 (p1) = c2-copy (someone)",)
    assert "recording-under-two-speakers" not in codes(look(copied.map(lambda row: replace(row, speaker=""))))


def test_every_label_the_same_is_an_error(clean: Manifest) -> None:
    result = look(clean.map(lambda row: replace(row, label="spoof")))
    finding = next(f for f in result.findings if f.code == "one-class")
    assert finding.severity == "error"
    assert finding.count == 80
    assert "one class only" in result.verdict()


def test_a_few_swapped_labels_are_not_claimed(clean: Manifest, clean_audit: Audit) -> None:
    """Two labels in a hundred swapped at random: no rule can see it, and the audit says so instead of pretending."""
    swap = {"bonafide": "spoof", "spoof": "bonafide"}
    flipped = look(clean.map(lambda row: replace(row, label=swap[row.label]) if row.id in ("c10", "c51") else row))
    assert codes(flipped, "error") == codes(clean_audit, "error") == set()
    assert any("swapped at random" in text for text in LIMITS)


def test_leaks_and_imbalance(clean: Manifest) -> None:
    rows = [row for i, row in enumerate(clean) if not row.spoof or i % 10 == 1]
    leaky = [replace(row, split="test" if i % 4 == 0 else "train") for i, row in enumerate(rows)]
    result = look(Manifest(leaky, root=clean.root))
    assert {"speaker-in-several-splits", "source-in-several-splits"} <= codes(result, "warning")
    imbalance = next(f for f in result.findings if f.code == "imbalance")
    assert imbalance.severity == "note"
    assert "16.7%" in imbalance.title
    no_spoof = [replace(row, split="dev") if i == 0 else row for i, row in enumerate(leaky)]
    assert "split-with-one-class" in codes(look(Manifest(no_spoof, root=clean.root)), "error")


def test_odd_clips_are_named(tmp_path: Path) -> None:
    def change(row: Row, samples: Samples) -> tuple[Samples, int]:
        if row.id == "c3":
            return np.zeros(RATE), RATE
        if row.id == "c5":
            return np.clip(samples * 30, -1, 1), RATE
        if row.id == "c8":
            return samples * 0.5 + 0.3, RATE
        return (samples[:8_000], RATE) if row.id == "c9" else (samples, RATE)

    manifest = corpus(tmp_path, 60, change=change)
    (tmp_path / "7.wav").write_text("no sound")
    manifest = manifest.map(lambda row: replace(row, seconds=5.0) if row.id == "c11" else row)
    result = audit(manifest)
    rows = {f.code: f.rows for f in result.findings}
    assert rows["silent"] == ("c3",)
    assert rows["clipped"] == ("c5",)
    assert rows["dc-offset"] == ("c8",)
    assert rows["short"] == ("c9",)
    assert len(rows["other-length-than-stated"]) == 1
    assert rows["other-length-than-stated"][0].startswith("c11 (5 s stated, 2 s decoded)")
    assert {"c3", "c5", "c8"} <= set(rows["odd-amplitudes"])
    assert len(rows["unreadable"]) == 1
    assert "row 8" in rows["unreadable"][0]
    assert result.measured == 59


def test_what_is_written(clean_audit: Audit, tmp_path: Path) -> None:
    write_json(clean_audit, tmp_path / "a.json")
    read = json.loads((tmp_path / "a.json").read_text())
    baseline = read["trivial_baseline"]
    assert {"auc", "eer", "cues"} <= set(baseline)
    assert 0 <= baseline["auc"] <= 1
    assert 0 <= baseline["eer"] <= 1
    assert all(0.5 <= area <= 1 for area in baseline["cues"].values())
    assert read["limits"] == list(LIMITS)
    assert sum(line["rows"] for line in read["counts"]) == 80


class Tags(HTMLParser):
    """Counts tags, checks that they close, and keeps what would reach the network."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "line", "rect", "path", "br"):
            self.open.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag in ("script", "link", "img", "iframe"):
            self.outside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_escapes(clean_audit: Audit, tmp_path: Path) -> None:
    nasty = replace(clean_audit, where="<script>alert(1)</script>.csv")
    text = page(nasty, command="earwitness audit '<b>'")
    assert "<script" not in text
    assert "http" not in text
    parser = Tags()
    parser.feed(text.replace("/>", ">"))
    assert parser.outside == []
    assert parser.open == []
    write_page(clean_audit, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not one of 2 files can be read"):
        audit(Manifest([Row("a.wav", "spoof"), Row("b.wav", "bonafide")], root=tmp_path))


def test_few_clips_do_not_sound_like_proof(tmp_path: Path) -> None:
    result = audit(corpus(tmp_path, 8, first=500))
    assert result.probe.auc is None
    assert "fewer than 20 clips" in result.probe.reason
    assert not any(code.startswith("trivial") for code in codes(result))


def test_utterances_differ() -> None:
    assert not np.allclose(utterance(1)[:1_000], utterance(2)[:1_000])
