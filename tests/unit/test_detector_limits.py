"""Limits that widen by what the audio is like: which apply, what is refused, and what a verdict says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_detector import INFO, write_tiny

from earwitness.augment.codec import encoded
from earwitness.augment.signals import RATE, coloured_noise
from earwitness.calibrate import Thresholds
from earwitness.detector import Detector
from earwitness.detector_limits import Limits, Wider
from earwitness.errors import DetectorError
from earwitness.evaluate.measures import Measures
from earwitness.evaluate.scores import Scores

LIMITS = Limits(
    Thresholds(-2.0, 2.0),
    (
        Wider("speech_seconds", "<2", -3.0, 4.0),
        Wider("speech_seconds", "2-5", -2.0, 2.0),
        Wider("snr_db", "<10", -5.0, 3.0),
        Wider("snr_db", ">20", -2.0, 2.0),
        Wider("codec", "lossless", -2.0, 2.0),
        Wider("codec", "telephone", -2.5, 6.0),
    ),
)
CALM = {"speech_seconds": "2-5", "bandwidth_khz": "8", "snr_db": ">20", "codec": "lossless"}


@pytest.mark.parametrize(
    ("change", "human", "synthetic", "moved"),
    [
        ({}, -2.0, 2.0, ()),
        ({"speech_seconds": "<2"}, -3.0, 4.0, ("speech_seconds",)),
        # the outermost of both sides, each from where it comes
        ({"speech_seconds": "<2", "snr_db": "<10"}, -5.0, 4.0, ("speech_seconds", "snr_db")),
        # not measured: the nearest measured value of the axis; between two, both
        ({"speech_seconds": ">5"}, -2.0, 2.0, ()),
        ({"snr_db": "10-20"}, -5.0, 3.0, ("snr_db",)),
        # a family that was not measured, or none, gets the widest of all families
        ({"codec": "opus/vorbis"}, -2.5, 6.0, ("codec",)),
        ({"codec": None}, -2.5, 6.0, ("codec",)),
        ({"snr_db": None}, -5.0, 3.0, ("snr_db",)),
        # an axis without rows moves nothing
        ({"bandwidth_khz": "<=4"}, -2.0, 2.0, ()),
    ],
)
def test_the_outermost_limits_apply(change: dict[str, Any], human: float, synthetic: float, moved: tuple[str]) -> None:
    assert LIMITS.of({**CALM, **change}) == (Thresholds(human, synthetic), moved)


def test_without_rows_the_limits_are_the_same_everywhere() -> None:
    assert Limits(Thresholds(-1.0, 1.0)).of({"snr_db": "<10", "codec": None}) == (Thresholds(-1.0, 1.0), ())


def test_limits_are_read_back() -> None:
    assert Limits.from_dict(LIMITS.to_dict()) == LIMITS
    assert LIMITS.widest == Thresholds(-5.0, 6.0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"axis": "mood", "value": "<2", "human": -1, "synthetic": 1}, "no audio with mood"),
        ({"axis": "snr_db", "value": "12", "human": -1, "synthetic": 1}, "no audio with snr_db '12'"),
        ({"axis": "snr_db", "value": "<10", "human": 2, "synthetic": 1}, "not above synthetic"),
        ({"axis": "snr_db", "value": "<10", "human": float("nan"), "synthetic": 1}, "must be finite"),
        ({"axis": "snr_db", "value": "<10"}, "not as it should be"),
    ],
)
def test_rows_that_make_no_sense_are_refused(row: dict[str, Any], words: str) -> None:
    with pytest.raises(DetectorError, match=words):
        Limits.from_dict({"human": -1.0, "synthetic": 1.0, "wider": [row]})


def test_format_1_has_no_rows_and_is_still_read(tmp_path: Path) -> None:
    old = write_tiny(tmp_path / "old", format=1)
    assert Detector(old).info.limits == Limits(Thresholds(-1.0, 1.0))
    rows = LIMITS.to_dict()["wider"]
    with pytest.raises(DetectorError, match="format 1 has no wider limits"):
        write_tiny(tmp_path / "odd", format=1, thresholds={**INFO["thresholds"], "wider": rows})


def test_a_scan_uses_and_names_them(tmp_path: Path) -> None:
    rows = [{"axis": "codec", "value": "lossless", "human": -50.0, "synthetic": 50.0}]
    plain = Detector(write_tiny(tmp_path / "plain"))
    wide = Detector(write_tiny(tmp_path / "wide", thresholds={**INFO["thresholds"], "wider": rows}))
    hiss = coloured_noise(3 * RATE, -0.5, np.random.default_rng(0)) * np.float32(0.1)
    recording = encoded(hiss, "wav")
    before, after = plain.scan(recording), wide.scan(recording)
    assert before.llr == after.llr
    assert after.thresholds == Thresholds(-50.0, 50.0)
    # the test sound is no speech, so the gate speaks first; the limits alone are asked here
    assert plain.limits_for({}, "pcm_s16le") == (Thresholds(-1.0, 1.0), "")
    assert wide.limits_for({}, "pcm_s16le") == (Thresholds(-50.0, 50.0), "codec lossless")
    moved = wide.scan(recording, prior=0.1).thresholds
    assert moved is not None
    assert moved.synthetic == pytest.approx(50.0 + np.log(9))
    assert wide.scan(recording, threshold=0.5).thresholds == Thresholds(0.5, 0.5)


def test_measuring_judges_each_trial_by_its_own_limits() -> None:
    meta = {"human_limit": ["", "-3.0", "", ""], "synthetic_limit": ["", "3.0", "5.0", ""]}
    labels = ["bonafide", "bonafide", "spoof", "spoof"]
    scores = Scores.of("abcd", [-2.0, -2.0, 4.0, 4.0], labels, meta=meta)
    measures = Measures(scores, limits=Thresholds(-1.0, 1.0))
    assert measures.likely_human.tolist() == [True, False, False, False]
    assert measures.likely_synthetic.tolist() == [False, False, False, True]
    # without limits there are no verdicts, whatever the columns say
    assert not Measures(scores).likely_human.any()
