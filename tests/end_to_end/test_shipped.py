"""The detector in the wheel is the one that was measured, and behaves as the documents say."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import audio_files
import numpy as np
import pytest

import earwitness
from earwitness import metrics
from earwitness.audio import decode
from earwitness.data.manifest import read_manifest
from earwitness.detector import Detector, default_folder, load_detector

RATE = 16_000


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


def measured(root: Path, split: str, metric: str) -> dict[str, str]:
    """The row of ``results/default.csv``."""
    with (root / "results" / "default.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["dataset"] == "demo-pages"]
    found = [r for r in rows if r["split"] == split and r["metric"] == metric]
    assert len(found) == 1
    return found[0]


def test_small_enough_and_complete(detector: Detector) -> None:
    assert sum(f.stat().st_size for f in default_folder().iterdir()) < 12e6
    data = detector.info.data
    assert len(data["train_systems"]) > 300
    assert data["thresholds"]["chosen_on"] == "dev"
    assert any(min(r["bonafide"], r["spoof"]) >= 50 for r in data["error_rates"])


def test_no_path_of_the_machine_that_made_them() -> None:
    assets = default_folder().parent
    graphs = sorted(assets.rglob("*.onnx"))
    assert len(graphs) == 2
    for graph in graphs:
        assert b".py" not in graph.read_bytes(), graph.name


def test_card_says_what_stands_in_the_files(detector: Detector, root: Path) -> None:
    card = (default_folder() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert detector.info.sha256 in card
    for split in ("dev", "eval"):
        row = measured(root, split, "eer")
        words = (
            f"{100 * float(row['value']):.1f} % ({100 * float(row['low']):.1f} % to {100 * float(row['high']):.1f} %)"
        )
        assert words in card, split
    for kind in ("tts", "vc", "vocoder", "codec"):
        assert f"{100 * float(measured(root, 'eval', f'eer[kind={kind}]')['value']):.1f} %" in card
    assert "none stated" in card


def test_known_generated_clips_are_not_called_human(root: Path) -> None:
    clips = [root / "examples" / "clips" / name for name in ("espeak.flac", "griffin-lim.opus", "lpc.mp3")]
    verdicts = earwitness.scan(clips)
    assert [v.label for v in verdicts if v.label == "likely human"] == []
    assert all(v.llr is not None for v in verdicts)


def test_a_person_is_not_called_synthetic(human_clip: Path) -> None:
    assert earwitness.scan(human_clip).label != "likely synthetic"


def test_the_graph_is_the_network_to_the_fourth_digit(detector: Detector) -> None:
    """Exports of steep networks may differ by more; the one that ships must not."""
    assert detector.info.data["train"]["onnx_parity"] <= 1e-4
    # what half precision moves
    assert detector.info.data["train"]["half_parity"] <= 0.02


def test_digital_silence_has_a_score(detector: Detector) -> None:
    assert np.isfinite(detector.logits(np.zeros((2, 4 * RATE), dtype=np.float32))).all()


def test_a_sample_more_or_less_hardly_matters(detector: Detector, root: Path) -> None:
    for name in ("espeak.flac", "griffin-lim.opus", "lpc.mp3"):
        samples = np.tile(decode(root / "examples" / "clips" / name).samples, 2)
        scores = [detector.score(samples[: 4 * RATE + extra]).llr for extra in (-1, 0, 1)]
        assert max(scores) - min(scores) <= 0.05, name


def test_same_pcm_in_lossless_containers_has_the_same_score(root: Path, detector: Detector) -> None:
    samples = decode(root / "examples" / "clips" / "espeak.flac").samples
    kinds = [k for k in audio_files.KINDS if k.name in ("wav-16", "wav-24", "flac", "aiff", "alac", "mov")]
    scores = []
    for kind in kinds:
        stacked = np.stack([np.round(samples * 32767) / 32768] * kind.channels).astype(np.float32)
        scores.append(detector.scan(audio_files.write(kind, stacked)).llr)
    assert len(scores) == 6
    assert max(scores) - min(scores) <= 1e-5


@pytest.mark.corpus
def test_dev_error_is_the_published_one(corpus_root: Path, shared: Path, root: Path, detector: Detector) -> None:
    rows = list(read_manifest(shared / "corpus" / "manifest.csv", root=corpus_root).filter(split="dev"))
    chosen = random.Random(4).sample(rows, 240)
    scores = [detector.score_file(corpus_root / row.path).llr for row in chosen]
    found = metrics.eer(np.asarray(scores), np.asarray([row.spoof for row in chosen]))
    assert found == pytest.approx(float(measured(root, "dev", "eer")["value"]), abs=0.07)
