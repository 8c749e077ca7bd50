"""Clusters, bootstrap, paired tests: against known answers, coverage, and the plain metrics."""

from __future__ import annotations

import time

import numpy as np
import pytest

from earwitness import metrics
from earwitness.errors import ConfigError, MetricError
from earwitness.evaluate.bootstrap import common, differences, draw_weights, holm, intervals, two_sided
from earwitness.evaluate.clusters import cluster_names, parse_clusters
from earwitness.evaluate.measures import ALL, Costs, Measures
from earwitness.evaluate.scores import Scores


def trials(n=400, *, seed=0, shift=1.5, sources=10, systems=5, name="d"):
    rng = np.random.default_rng(seed)
    spoof = rng.random(n) < 0.5
    scores = np.round(rng.normal(size=n) + shift * spoof, 2)
    meta = {
        "source": [f"page{i % sources}" for i in range(n)],
        "system": [f"sys{i % systems}" if y else "human" for i, y in enumerate(spoof)],
        "speaker": ["" if i % 3 else f"p{i % 7}" for i in range(n)],
    }
    words = ["spoof" if y else "bonafide" for y in spoof]
    return Scores.of([f"t{i}" for i in range(n)], scores, words, meta=meta, name=name)


def test_names_fall_back():
    s = Scores.of(
        "abcdefgh",
        range(8),
        ["bonafide", "spoof", "spoof", "spoof", "spoof", "bonafide", "spoof", "spoof"],
        meta={
            "source": ["page", "copy-synthesis", "classical-tts", "page", "", "", "copy-synthesis", "copy-synthesis"],
            "system": ["human", "hifigan", "espeak", "vits", "vits", "human", "hifigan", "hifigan"],
            "speaker": ["p1", "", "", "p1", "", "", "", ""],
            "pair": ["", "a", "", "", "", "", "elsewhere", ""],
        },
    )
    assert cluster_names(s, "source") == [
        "source=page",
        "source=page",
        "source=classical-tts espeak",
        "source=page",
        "trial=e",
        "trial=f",
        "source=pair of elsewhere",
        "trial=h",
    ]
    assert cluster_names(s, "speaker")[:5] == [
        "speaker=p1",
        "source=page",
        "source=classical-tts espeak",
        "speaker=p1",
        "trial=e",
    ]
    assert cluster_names(s, "system")[:6] == [
        "source=page",
        "system=hifigan",
        "system=espeak",
        "system=vits",
        "system=vits",
        "trial=f",
    ]
    assert len(set(cluster_names(s, "trial"))) == 8


def test_clusterings_are_parsed():
    assert parse_clusters("source") == ("source",)
    assert parse_clusters("source+system") == ("source", "system")
    for bad in ("sources", "source+source", "source+speaker+system", ""):
        with pytest.raises(ConfigError, match="clustering"):
            parse_clusters(bad)


def test_point_values_are_those_of_the_metrics():
    s = trials()
    measures = Measures(s, threshold=0.6, costs=Costs())
    found = measures.values(ALL)
    for name in ("eer", "auc", "average_precision", "min_dcf", "act_dcf", "cllr"):
        assert found[name] == pytest.approx(getattr(metrics, name)(s.scores, s.truth)), name
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc"):
        assert found[name] == pytest.approx(getattr(metrics, name)(s.scores, s.truth, threshold=0.6)), name
    assert found["miss"] == pytest.approx(1 - found["recall"])
    assert found["false_alarm"] == pytest.approx(1 - found["specificity"])
    weights = np.ones(len(s))
    system = np.array(s.column("system"))
    for name in set(system[s.truth]):
        weights[system == name] = 1 / (system == name).sum()
    assert found["eer_mean_over_systems"] == pytest.approx(metrics.eer(s.scores, s.truth, weights=weights))
    own = Measures(s, convention="asvspoof").values(["eer"])["eer"]
    assert own == pytest.approx(metrics.eer(s.scores, s.truth, convention="asvspoof"))


def test_weights_keep_clusters_whole_and_both_clusterings_multiply():
    s = trials(60, sources=4)
    block = next(draw_weights(s, ["source"], draws=50))
    for page in set(s.column("source")):
        members = [i for i, name in enumerate(s.column("source")) if name == page]
        assert (block[:, members] == block[:, members[:1]]).all()
    rng = np.random.default_rng(3)
    assert block[0].mean() == pytest.approx(1.0, abs=1.0)
    both = next(draw_weights(s, ["source", "trial"], draws=50, seed=int(rng.integers(9))))
    assert (both == both.astype(int)).all()
    assert not (both[:, 0] == both[:, 4]).all(), "trials of one page differ once trials are drawn as well"
    again = list(draw_weights(s, ["source"], draws=50))
    assert np.array_equal(np.concatenate(again), block), "the same seed draws the same"


def test_interval_of_a_mean_is_the_textbook_one():
    """False-alarm rate over independent trials: the percentile interval is close to the normal one."""
    s = trials(1000)
    found = intervals(Measures(s, threshold=1.0), ["false_alarm"], by=["trial"], draws=2000)["false_alarm"]
    n = int((~s.truth).sum())
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / n)
    assert found.low == pytest.approx(found.value - half, abs=0.006)
    assert found.high == pytest.approx(found.value + half, abs=0.006)
    assert (found.clusters, found.draws) == (1000, 2000)


def test_clusters_widen_the_interval_and_cover_the_truth():
    """Pages that shift all their spoofs: intervals over trials miss the truth far too often, over pages rarely."""
    truth = float(metrics.eer(*big_population()))
    hits = {"source": 0, "trial": 0}
    for seed in range(40):
        scores, labels, pages = shifted_pages(seed, pages=40, each=20)
        words = ["spoof" if y else "bonafide" for y in labels]
        s = Scores.of([str(i) for i in range(len(scores))], scores, words, meta={"source": pages})
        for by in hits:
            found = intervals(Measures(s), ["eer"], by=[by], draws=200, seed=seed)["eer"]
            hits[by] += found.low <= truth <= found.high
    assert hits["source"] >= 33
    assert hits["trial"] <= hits["source"] - 5


def shifted_pages(seed, *, pages, each):
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(each) % 2 == 0, pages)
    shift = np.repeat(rng.normal(0, 1, pages), each)
    names = np.repeat([f"p{i}" for i in range(pages)], each).tolist()
    return rng.normal(size=pages * each) + (2 + shift) * labels, labels, names


def big_population():
    scores, labels, _ = shifted_pages(99, pages=20_000, each=10)
    return scores, labels


def test_draws_without_a_class_do_not_count():
    s = Scores.of("abcd", [1, 2, 3, 4], ["bonafide", "bonafide", "spoof", "spoof"], meta={"source": list("xxyy")})
    found = intervals(Measures(s), ["eer"], draws=300)["eer"]
    assert 100 < found.draws < 200
    assert found.to_dict()["clusters"] == 2


def test_paired_differences_find_what_is_there_and_nothing_else():
    a, b = trials(600, shift=2.5, name="good"), trials(600, shift=1.0, name="bad")
    rng = np.random.default_rng(5)
    twin = Scores(a.ids, a.scores + rng.normal(0, 0.01, len(a)), a.labels, a.meta, "twin")
    found = differences({s.name: Measures(s) for s in (a, b, twin)}, ["eer", "auc"], draws=300)
    assert len(found) == 6
    by = {(d.first, d.second, d.metric): d for d in found}
    clear, none = by["good", "bad", "eer"], by["good", "twin", "eer"]
    assert clear.value == pytest.approx(metrics.eer(a.scores, a.truth) - metrics.eer(b.scores, b.truth))
    assert clear.high < 0
    assert clear.p == pytest.approx(2 / 301)
    assert clear.p < clear.p_adjusted <= 6 * clear.p
    assert none.low <= 0 <= none.high
    assert none.p > 0.05


def test_comparisons_need_the_same_trials():
    a, b = trials(50), trials(60)
    with pytest.raises(MetricError, match="same trials"):
        differences({"a": Measures(a), "b": Measures(b)})
    with pytest.raises(MetricError, match="1 detectors"):
        differences({"a": Measures(a)})
    (x, y), left_out = common([a, b])
    assert x.ids == y.ids
    assert left_out == 10
    with pytest.raises(MetricError, match="no trial in common"):
        common([a, Scores.of(["other"], [1.0])])
    with pytest.raises(MetricError, match="draws"):
        next(draw_weights(a, ["source"], draws=0))


def test_p_values():
    assert two_sided(np.array([1.0, 1.0, 1.0, -1.0])) == pytest.approx(2 * 2 / 5)
    assert np.isnan(two_sided(np.array([np.nan])))
    assert holm([0.04, float("nan"), 0.01])[0] == pytest.approx(0.04)
    assert np.isnan(holm([0.04, float("nan")])[1])
    rng = np.random.default_rng(0)
    p = rng.random(6).tolist()
    adjusted = holm(p)
    assert all(b >= a for a, b in zip(p, adjusted, strict=True))
    assert max(adjusted) <= 1.0
    assert min(adjusted) == pytest.approx(min(1.0, 6 * min(p)))


def test_a_thousand_draws_on_thirty_thousand_trials_take_seconds():
    s = trials(30_000, sources=60, systems=40)
    start = time.process_time()
    found = intervals(Measures(s), ["eer", "auc"], by=["source"], draws=1000)
    assert time.process_time() - start < 15
    assert found["eer"].low < found["eer"].value < found["eer"].high
