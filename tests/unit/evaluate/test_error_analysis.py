"""Errors and trivial cues: planted ones are found and named, absent ones are not."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the lab half is not installed")

from earwitness.data.manifest import Manifest, Row
from earwitness.data.measure import Measured
from earwitness.evaluate.error_analysis import TOLERATED, analyse, page, result_rows
from earwitness.evaluate.scores import Scores


def corpus(planted: bool, clips: int = 600) -> tuple[Scores, Manifest, list[Measured | str]]:
    """Human and generated clips of 12 sources; planted: quiet human clips are called generated."""
    rng = np.random.default_rng(5)
    rows, scores, measured = [], [], []
    for number in range(clips):
        spoof = number % 2 == 1
        level = rng.uniform(-40, -10)
        wrong = rng.random() < (0.9 if level < -32 else 0.02) if planted and not spoof else rng.random() < 0.2
        rows.append(
            Row(
                f"{number}.wav",
                "spoof" if spoof else "bonafide",
                id=f"c{number}",
                system=f"s{number % 7}" if spoof else "human",
                source=f"page{number // 2 % 12}",
            )
        )
        scores.append((1.0 if spoof != wrong else -1.0) * rng.uniform(0.5, 3))
        values = {f.name: (rng.random() if f.type == "float" else 0) for f in fields(Measured)}
        words = {"container": "wav", "codec": "pcm_s16le", "encoder": "", "pcm": ""}
        kept = {k: v for k, v in values.items() if k not in ("histogram", "words", "warnings")}
        measured.append(Measured(**{**kept, **words, "rms_db": level}))
    manifest = Manifest(rows)
    labels = ["spoof" if r.spoof else "bonafide" for r in rows]
    return Scores.of([r.id for r in rows], scores, labels), manifest, [*measured]


def test_a_planted_cue_is_found_and_named() -> None:
    alarms, misses = analyse(*corpus(planted=True))
    assert alarms.foretold.auc is not None
    assert alarms.foretold.auc > 0.85
    assert alarms.foretold.used[0][0] == "rms_db"
    assert alarms.foretold.cues[0][:1] == ("rms_db",)
    # quiet clips are the lower third
    assert alarms.thirds[0][1][0] > 0.6 > 0.1 > alarms.thirds[0][1][2]
    assert misses.foretold.auc is not None
    assert misses.foretold.auc < TOLERATED
    text = page([alarms, misses], name="ours", place="corpus eval", command="earwitness errors")
    assert "**above** 0.65" in text
    assert "mean level" in text


def test_without_a_cue_the_tree_knows_nothing() -> None:
    scores, manifest, measured = corpus(planted=False)
    measured[0] = "cannot be read"
    alarms, misses = analyse(scores, manifest, measured)
    assert alarms.foretold.clips == 299
    for side in (alarms, misses):
        assert side.foretold.auc is not None
        assert side.foretold.auc < TOLERATED
    rows = {r.metric: r.value for r in result_rows([alarms, misses], recipe="", commit="", dataset="", split="")}
    assert rows["AUC of trivial cues for miss"] == misses.foretold.auc
    assert rows["miss"] == pytest.approx(misses.foretold.yes / 300)


def test_too_few_errors_make_no_tree() -> None:
    scores, manifest, measured = corpus(planted=False, clips=40)
    side = analyse(scores, manifest, measured)[0]
    assert side.foretold.auc is None
    assert "fewer than" in side.foretold.reason
