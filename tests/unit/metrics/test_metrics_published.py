"""Figures that others published or a naive loop gave, to the stated digits."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from earwitness import metrics

pytestmark = pytest.mark.corpus

LA = {  # name: sign to the house direction, EER by the challenge, EER interpolated, min t-DCF (2019)
    "rawgat-st-mul": (-1, 1.060, 1.0605, 0.0335),
    "rawgat-st-add": (-1, 1.159, 1.1615, 0.0374),
    "rawgat-st-cat": (-1, 1.235, 1.2335, 0.0388),
    "air-ocsoftmax": (1, 2.178, 2.1806, 0.0558),
    "air-amsoftmax": (-1, 3.165, 3.1621, 0.0771),
    "air-softmax": (-1, 5.058, 5.0578, 0.1208),
}
WILD = {  # EER by the challenge, EER interpolated, minDCF, Cllr as released
    "xlsr-sls": (7.464, 7.4645, 0.202, 3.07),
    "xlsr-mamba": (6.709, 6.7074, 0.173, 1.02),
}


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.split() for line in file]


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "oracles" / "scores"


@pytest.fixture(scope="module")
def verifier(folder):
    rows = lines(folder / "asvspoof2019-la-eval.asv.txt.gz")
    return metrics.asv_rates(
        *([float(r[2]) for r in rows if r[1] == role] for role in ("target", "nontarget", "spoof"))
    )


@pytest.mark.parametrize("name", LA)
def test_asvspoof_2019(folder, verifier, name):
    sign, challenge, interpolated, tandem = LA[name]
    rows = lines(folder / f"asvspoof2019-la-eval.{name}.txt.gz")
    labels = np.array([r[2] == "spoof" for r in rows])
    scores = sign * np.array([float(r[3]) for r in rows])
    assert ((~labels).sum(), labels.sum()) == (7355, 63882)
    assert 100 * metrics.eer(scores, labels, convention="asvspoof") == pytest.approx(challenge, abs=0.0005)
    assert 100 * metrics.eer(scores, labels) == pytest.approx(interpolated, abs=0.0005)
    assert round(metrics.min_tdcf(scores, labels, verifier), 4) == tandem


def test_verifier_of_asvspoof_2019(verifier):
    assert 50 * (verifier.miss + verifier.false_alarm) == pytest.approx(2.458, abs=0.0005)


@pytest.mark.parametrize("name", WILD)
def test_in_the_wild(folder, name):
    challenge, interpolated, cost, bits = WILD[name]
    with gzip.open(folder / "in-the-wild.key.csv.gz", "rt", encoding="utf-8") as file:
        key = {row["file_name"]: row["label"] == "spoof" for row in csv.DictReader(file)}
    rows = lines(folder / f"in-the-wild.{name}.txt.gz")
    labels = np.array([key[r[0]] for r in rows])
    scores = -np.array([float(r[1]) for r in rows])
    assert ((~labels).sum(), labels.sum()) == (19963, 11816)
    assert 100 * metrics.eer(scores, labels, convention="asvspoof") == pytest.approx(challenge, abs=0.0005)
    assert 100 * metrics.eer(scores, labels) == pytest.approx(interpolated, abs=0.0005)
    assert round(metrics.min_dcf(scores, labels), 3) == cost
    assert round(metrics.cllr(scores, labels), 2) == bits


def test_asvspoof_5_fusion(folder):
    with gzip.open(folder / "asvspoof5-dev-fusion.csv.gz", "rt", encoding="utf-8") as file:
        rows = np.array([[float(v) for v in row.values()] for row in csv.DictReader(file)])
    asv, cm, role = rows.T
    target, other, spoof = (asv[role == r] for r in (1, 2, 0))
    assert (len(target), len(other), len(spoof)) == (1484, 5768, 22296)
    wanted = {
        "cm": (-cm, role == 0, 0.6197, 0.6205),
        "other": (-np.append(target, other), np.arange(7252) >= 1484, 1.8709, 1.8551),
        "spoof": (-np.append(target, spoof), np.arange(23780) >= 1484, 20.2823, 20.2830),
    }
    for scores, labels, challenge, interpolated in wanted.values():
        assert round(100 * metrics.eer(scores, labels, convention="asvspoof"), 4) == challenge
        assert round(100 * metrics.eer(scores, labels), 4) == interpolated
    assert round(metrics.min_dcf(-cm, role == 0), 5) == 0.01632

    grid = np.sort(asv)
    miss, accepted, fooled = (np.searchsorted(np.sort(g), grid) / len(g) for g in (target, other, spoof))
    brute = (0.9405 * miss + 0.095 * (1 - accepted) + 0.5 * (1 - fooled)) / min(0.9405, 0.595)
    assert metrics.a_dcf(target, other, spoof) == pytest.approx(brute.min())

    human, fake = np.sort(cm[role != 0]), np.sort(cm[role == 0])
    best, value = np.inf, np.nan
    for t in np.unique(cm)[::5]:
        r, p = np.searchsorted(human, t) / len(human), 1 - np.searchsorted(fake, t) / len(fake)
        three = np.stack([1 - (1 - miss) * (1 - r), (1 - r) * (1 - accepted), p * (1 - fooled)])
        spread = np.ptp(three, axis=0)
        if spread.min() < best:
            best, value = spread.min(), three[:, spread.argmin()].mean()
    assert metrics.t_eer(-cm, role == 0, target, other, spoof).eer == pytest.approx(value, abs=5e-4)
