"""Every metric against a slow, plain loop written from its definition, on random scores with and without ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from earwitness import metrics

SEEDS = range(6)


def trials(seed: int, *, n: int = 40, ties: bool = True):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0)
    scores = rng.normal(size=n) + labels
    return (np.round(scores * 2) / 2 if ties else scores), labels


def points(scores, labels):
    """(false alarm, miss) at every threshold and above all."""
    out = []
    for t in [*sorted(set(scores.tolist())), math.inf]:
        alarm = sum(1 for s, y in zip(scores, labels, strict=True) if not y and s >= t) / sum(~labels)
        miss = sum(1 for s, y in zip(scores, labels, strict=True) if y and s < t) / sum(labels)
        out.append((alarm, miss))
    return out


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_ranking(seed, ties):
    scores, labels = trials(seed, ties=ties)
    det = points(scores, labels)
    curve = metrics.det_curve(scores, labels)
    assert np.allclose(np.stack([curve.x, curve.y], 1), det)
    roc = metrics.roc_curve(scores, labels)
    assert np.allclose(np.stack([roc.x, 1 - roc.y], 1), det[::-1])

    wins = [(a > b) + 0.5 * (a == b) for a in scores[labels] for b in scores[~labels]]
    assert metrics.auc(scores, labels) == pytest.approx(np.mean(wins))

    for (a0, m0), (a1, m1) in itertools.pairwise(det):
        if m1 >= a1:
            step = (a0 - m0) / ((a0 - m0) + (m1 - a1))
            assert metrics.eer(scores, labels) == pytest.approx(m0 + step * (m1 - m0))
            break
    closest = min(abs(a - m) for a, m in det)
    means = {(a + m) / 2 for a, m in det if abs(a - m) == pytest.approx(closest, abs=1e-12)}
    assert any(metrics.eer(scores, labels, convention="asvspoof") == pytest.approx(v) for v in means)


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_recall(seed):
    scores, labels = trials(seed)
    area, before = 0.0, 0.0
    curve = metrics.pr_curve(scores, labels)
    for index, t in enumerate(sorted(set(scores.tolist()), reverse=True), start=1):
        called = scores >= t
        recall, precision = labels[called].sum() / labels.sum(), labels[called].mean()
        assert (curve.x[index], curve.y[index]) == (pytest.approx(recall), pytest.approx(precision))
        area, before = area + (recall - before) * precision, recall
    assert metrics.average_precision(scores, labels) == pytest.approx(area)


@pytest.mark.parametrize("seed", SEEDS)
def test_agrees_with_scikit_learn(seed):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scores, labels = trials(seed, n=200)
    called = scores >= 0.5
    assert metrics.auc(scores, labels) == pytest.approx(sklearn.roc_auc_score(labels, scores))
    assert metrics.average_precision(scores, labels) == pytest.approx(sklearn.average_precision_score(labels, scores))
    pairs = {
        "accuracy": sklearn.accuracy_score,
        "balanced_accuracy": sklearn.balanced_accuracy_score,
        "precision": sklearn.precision_score,
        "recall": sklearn.recall_score,
        "f1": sklearn.f1_score,
        "mcc": sklearn.matthews_corrcoef,
    }
    for name, theirs in pairs.items():
        assert getattr(metrics, name)(scores, labels, threshold=0.5) == pytest.approx(theirs(labels, called)), name
    ours = metrics.classification_report(scores, labels, threshold=0.5)
    table = sklearn.classification_report(labels, called, output_dict=True)
    theirs = {"bonafide": "False", "spoof": "True", "macro": "macro avg", "weighted": "weighted avg"}
    for mine, his in theirs.items():
        for key in ("precision", "recall", "f1", "support"):
            assert ours[mine][key] == pytest.approx(table[his]["f1-score" if key == "f1" else key])
    probability = 1 / (1 + np.exp(-scores))
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    assert metrics.brier(scores, labels) == pytest.approx(np.sum(weights * (probability - labels) ** 2))
    odds = scores + np.log(labels.mean() / (1 - labels.mean()))
    assert metrics.brier(scores, labels, prior=None) == pytest.approx(
        sklearn.brier_score_loss(labels, 1 / (1 + np.exp(-odds)))
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_costs(seed):
    scores, labels = trials(seed)
    det = points(scores, labels)
    costs = [(10 * 0.05 * m + 1 * 0.95 * a) / min(0.5, 0.95) for a, m in det]
    assert metrics.min_dcf(scores, labels) == pytest.approx(min(costs))
    at = math.log(0.95 / 0.5)
    alarm, miss = np.mean(scores[~labels] >= at), np.mean(scores[labels] < at)
    assert metrics.act_dcf(scores, labels) == pytest.approx((0.5 * miss + 0.95 * alarm) / 0.5)
    spoof = np.mean([math.log2(1 + math.exp(-s)) for s in scores[labels]])
    human = np.mean([math.log2(1 + math.exp(s)) for s in scores[~labels]])
    assert metrics.cllr(scores, labels) == pytest.approx((spoof + human) / 2)


def pool_adjacent_violators(scores, labels):
    """Best rising map of the scores to the share of spoof at even class weights, by repeated merging."""
    w = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    blocks = [[w[(scores == s) & labels].sum(), w[(scores == s) & ~labels].sum()] for s in sorted(set(scores.tolist()))]
    merged = True
    while merged:
        merged = False
        for i in range(len(blocks) - 1):
            if blocks[i][0] * blocks[i + 1][1] >= blocks[i + 1][0] * blocks[i][1]:
                blocks[i] = [a + b for a, b in zip(blocks[i], blocks.pop(i + 1), strict=True)]
                merged = True
                break
    return blocks


@pytest.mark.parametrize("seed", SEEDS)
def test_min_cllr(seed):
    scores, labels = trials(seed, n=60)
    bits = 0.0
    for spoof, human in pool_adjacent_violators(scores, labels):
        share = spoof / (spoof + human)
        bits += -spoof * math.log2(share) if spoof else 0.0
        bits += -human * math.log2(1 - share) if human else 0.0
    assert metrics.min_cllr(scores, labels) == pytest.approx(bits)
    assert metrics.min_cllr(scores, labels) <= metrics.cllr(scores, labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_expected_calibration_error(seed):
    scores, labels = trials(seed)
    prior, total = 0.2, 0.0
    p = 1 / (1 + np.exp(-(scores + math.log(prior / (1 - prior)))))
    w = np.where(labels, prior / labels.sum(), (1 - prior) / (~labels).sum())
    for b in range(10):
        here = (p >= b / 10) & (p < (b + 1) / 10)
        if here.any():
            total += w[here].sum() * abs(
                np.average(p[here], weights=w[here]) - np.average(labels[here], weights=w[here])
            )
    assert metrics.ece(scores, labels, prior=prior) == pytest.approx(total)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_act_like_repeated_trials(seed):
    scores, labels = trials(seed)
    times = np.random.default_rng(seed).integers(0, 4, len(scores))
    many, truth = np.repeat(scores, times), np.repeat(labels, times)
    for name in ("auc", "eer", "average_precision", "min_dcf", "act_dcf", "cllr", "min_cllr"):
        function = getattr(metrics, name)
        assert function(scores, labels, weights=times) == pytest.approx(function(many, truth)), name
    assert metrics.confusion_matrix(scores, labels, weights=times) == metrics.confusion_matrix(many, truth)


def tandem_trials(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(60) < 0.5
    scores = np.round(rng.normal(size=60) + 2 * labels, 1)
    return scores, labels, rng.normal(2.5, 1, 50), rng.normal(0, 1, 60), rng.normal(1.5, 1, 40)


@pytest.mark.parametrize("form", ["2019", "2021"])
@pytest.mark.parametrize("seed", SEEDS)
def test_tandem_cost(seed, form):
    scores, labels, *groups = tandem_trials(seed)
    asv = metrics.asv_rates(*groups, threshold=1.0)
    tar, non, fake = (float(np.mean(g >= 1.0)) for g in groups)
    assert (1 - asv.miss, asv.false_alarm, asv.spoof_accepted) == pytest.approx((tar, non, fake))
    target, other, spoof = 0.95 * 0.99, 0.95 * 0.01, 0.05
    costs = []
    for rejected, passed in points(scores, labels):
        if form == "2019":
            c1 = target * (1 - (1 - tar)) - other * 10 * non
            c2 = 10 * spoof * fake
            costs.append((c1 * rejected + c2 * passed) / min(c1, c2))
        else:  # from the events themselves: what happens to targets, others and spoofs in the tandem
            base = target * (1 - tar) + other * 10 * non
            alone = target * (rejected + (1 - rejected) * (1 - tar)) + other * 10 * non * (1 - rejected)
            c1, c2 = target - base, 10 * spoof * fake
            assert alone == pytest.approx(base + c1 * rejected)
            costs.append((alone + c2 * passed) / (base + min(c1, c2)))
    assert metrics.min_tdcf(scores, labels, asv, form=form) == pytest.approx(min(costs))


@pytest.mark.parametrize("seed", SEEDS)
def test_agnostic_cost_by_grid(seed):
    *_, target, other, spoof = tandem_trials(seed)
    costs = []
    for t in [*target, *other, *spoof, math.inf]:
        miss, accepted, fooled = np.mean(target < t), np.mean(other >= t), np.mean(spoof >= t)
        costs.append((0.9405 * miss + 10 * 0.0095 * accepted + 10 * 0.05 * fooled) / min(0.9405, 0.095 + 0.5))
    assert metrics.a_dcf(target, other, spoof) == pytest.approx(min(costs))
    assert metrics.a_dcf(target, other, spoof, threshold=float(target[0])) == pytest.approx(costs[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_tandem_equal_error_by_grid(seed):
    """Over all pairs of thresholds, the three errors are closest to equal at the concurrent t-EER."""
    rng = np.random.default_rng(seed)
    labels = rng.random(900) < 0.5
    scores = rng.normal(size=900) + 2 * labels
    groups = rng.normal(2.5, 1, 400), rng.normal(0, 1, 400), rng.normal(1.8, 1, 400)
    detector = np.array(points(scores, labels))
    best, value = math.inf, math.nan
    for t in np.concatenate(groups):
        m, f, g = (np.mean(groups[0] < t), np.mean(groups[1] >= t), np.mean(groups[2] >= t))
        r, p = detector.T
        three = np.stack([1 - (1 - m) * (1 - r), (1 - r) * f, p * g])
        spread = np.ptp(three, axis=0)
        if spread.min() < best:
            best, value = spread.min(), three[:, spread.argmin()].mean()
    assert metrics.t_eer(scores, labels, *groups).eer == pytest.approx(value, abs=0.004)


@pytest.mark.parametrize("seed", SEEDS)
def test_range_error_by_milliseconds(seed):
    """Cut into exact milliseconds, the range-based EER is the plain EER of the milliseconds."""
    rng = np.random.default_rng(seed)
    frames, spans = [], []
    fine_scores, fine_labels = [], []
    for _ in range(5):
        count = int(rng.integers(20, 40))
        start, end = np.sort(rng.choice(np.arange(1, count * 20), 2, replace=False))
        labels = np.zeros(count * 20, dtype=bool)
        labels[start:end] = True
        found = np.round(rng.normal(size=count) + 2 * (labels.reshape(count, 20).mean(1) > 0.5), 1)
        frames.append(found)
        spans.append([(start / 1000, end / 1000)])
        fine_scores.append(np.repeat(found, 20))
        fine_labels.append(labels)
    want = metrics.eer(np.concatenate(fine_scores), np.concatenate(fine_labels))
    assert metrics.range_eer(frames, spans, hop=0.02) == pytest.approx(want, abs=1e-9)
    assert metrics.segment_eer(fine_scores, fine_labels) == want


def test_overlap_by_milliseconds():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (np.sort(rng.choice(100, 4, replace=False)).reshape(2, 2) for _ in range(2))
        masks = []
        for spans in (a, b):
            mask = np.zeros(100, bool)
            for start, end in spans:
                mask[start:end] = True
            masks.append(mask)
        want = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        found = metrics.iou([(s / 10, e / 10) for s, e in a], [(s / 10, e / 10) for s, e in b])
        assert found == pytest.approx(want)
