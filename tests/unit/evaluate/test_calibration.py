"""Calibration on a few clips: the published effect, the warnings, and profiles that scanning accepts."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from tiny_detector import write_tiny

from earwitness import metrics
from earwitness.calibrate import Affine, Thresholds
from earwitness.detector import Detector
from earwitness.detector_profile import Profile, read_profile, with_profile, write_profile
from earwitness.errors import ConfigError, DetectorError, MetricError
from earwitness.evaluate.calibration import calibrate_scores
from earwitness.evaluate.keys import read_key
from earwitness.evaluate.score_files import read_scores

PUBLISHED = {"xlsr-mamba": (1.02, 0.316), "xlsr-sls": (3.07, 0.305)}


@pytest.mark.corpus
@pytest.mark.parametrize("name", PUBLISHED)
def test_fifty_clips_repair_the_released_scores(shared, name):
    """Median over draws of 25 + 25 clips, on all the other clips of In-the-Wild."""
    folder = shared / "oracles" / "scores"
    scores = read_scores(folder / f"in-the-wild.{name}.txt.gz", direction="bonafide")
    scores = scores.keyed(read_key(folder / "in-the-wild.key.csv.gz"))
    before, after = PUBLISHED[name]
    assert round(metrics.cllr(scores.scores, scores.truth), 2) == before
    found, crossed = [], []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        chosen = np.zeros(len(scores), dtype=bool)
        for side in (scores.truth, ~scores.truth):
            chosen[rng.choice(np.flatnonzero(side), 25, replace=False)] = True
        result = calibrate_scores(scores.scores[chosen], scores.truth[chosen], repeats=3)
        held_out = result.map.apply(scores.scores[~chosen])
        found.append(metrics.cllr(held_out, scores.truth[~chosen]))
        crossed.append(result.cllr_after)
    assert np.median(found) == pytest.approx(after, abs=0.02)
    assert np.median(crossed) == pytest.approx(after, abs=0.05), "cross-validation foretells it"


def separated(shift, n=50, seed=0):
    rng = np.random.default_rng(seed)
    spoof = np.arange(n) % 2 == 1
    return rng.normal(size=n) + shift * spoof, spoof


def test_what_is_reported_does_not_come_from_the_fitted_clips():
    """Without any difference between the classes, cross-validation shows a Cllr of about 1 or more, not less."""
    after = [calibrate_scores(*separated(0.0, seed=s), repeats=2).cllr_after for s in range(20)]
    assert np.mean(after) > 1.0
    fitted = []
    for seed in range(20):
        scores, spoof = separated(0.0, seed=seed)
        fitted.append(metrics.cllr(calibrate_scores(scores, spoof, repeats=1).map.apply(scores), spoof))
    assert np.mean(fitted) < 1.0


def test_warnings():
    assert calibrate_scores(*separated(4.0)).warnings == ()
    assert "barely separate" in " ".join(calibrate_scores(*separated(0.3)).warnings)
    assert "only 10 human" in " ".join(calibrate_scores(*separated(4.0, n=20)).warnings)
    scores, spoof = separated(4.0)
    assert "misled" in " ".join(calibrate_scores(-scores, spoof).warnings)
    with pytest.raises(MetricError, match="2 human and 2 generated"):
        calibrate_scores(*separated(4.0, n=4))


def test_limits_lie_around_the_bayes_threshold():
    found = calibrate_scores(*separated(4.0), prior=0.1, cost_miss=2.0, max_wrong=0.05)
    middle = np.log(0.9 / 0.2)
    assert found.thresholds.human == pytest.approx(middle - np.log(19))
    assert found.thresholds.synthetic == pytest.approx(middle + np.log(19))
    assert sum(found.verdicts["bonafide"]) == 25
    with pytest.raises(ConfigError, match="max_wrong"):
        calibrate_scores(*separated(4.0), max_wrong=0.7)


def test_a_profile_changes_scale_limits_and_version(tmp_path):
    detector = Detector.load(write_tiny(tmp_path / "detector"))
    profile = Profile(
        "studio",
        detector.info.id,
        detector.info.sha256,
        detector.info.settings,
        Affine(0.5, -1.0),
        Thresholds(-2.0, 3.0),
        measured={"human": 25},
    )
    write_profile(profile, tmp_path / "p.json")
    assert read_profile(tmp_path / "p.json") == profile
    changed = with_profile(detector, tmp_path / "p.json")
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    plain, new = detector.score(samples), changed.score(samples)
    assert new.raw == plain.raw
    assert new.llr == pytest.approx(0.5 * plain.llr - 1.0)
    assert changed.thresholds() == Thresholds(-2.0, 3.0)
    assert changed.info.version.endswith("+studio")
    assert changed.info.error_rates == []
    assert detector.info.version == "0.0.1"
    assert pickle.loads(pickle.dumps(changed)).score(samples).llr == new.llr, "workers get the profile as well"


def test_profiles_are_checked(tmp_path):
    detector = Detector.load(write_tiny(tmp_path / "detector"))
    good = {
        "format": 1, "name": "x", "detector": {"id": "y", "sha256": "0" * 64, "settings": "1" * 64},
        "scale": 1, "offset": 0, "thresholds": {"human": -1, "synthetic": 1}, "prior": 0.5,
        "cost_miss": 1, "cost_false_alarm": 1,
    }  # fmt: skip
    file = tmp_path / "p.json"
    file.write_text(json.dumps(good))
    with pytest.raises(DetectorError, match="another model file"):
        with_profile(detector, file)
    file.write_text(json.dumps({**good, "detector": {**good["detector"], "sha256": detector.info.sha256}}))
    with pytest.raises(DetectorError, match="other settings"):
        with_profile(detector, file)
    for change in (
        {"format": 2},
        {"scale": -1},
        {"offset": "x"},
        {"thresholds": {"human": 2, "synthetic": 1}},
        {"name": None, "detector": 1},
    ):
        file.write_text(json.dumps({**good, **change}))
        with pytest.raises(DetectorError):
            read_profile(file)
    for text in ("{", "[]"):
        file.write_text(text)
        with pytest.raises(DetectorError):
            read_profile(file)
    with pytest.raises(DetectorError, match="no such profile"):
        read_profile(tmp_path / "none.json")
