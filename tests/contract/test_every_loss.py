"""What every loss must keep: a finite scalar with a gradient, right below wrong, the value of a slow reference."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="losses belong to the lab half")

from earwitness.registry import find
from earwitness.train.losses import LOSSES, Answers

TARGETS = torch.tensor([0.0, 0.0, 1.0, 1.0])
GROUPS = torch.zeros(4, dtype=torch.long)
TWO = {"am_softmax", "ce"}
"""Losses of two outputs."""


def made(name: str, **settings: object) -> torch.nn.Module:
    kind = find(LOSSES, name)
    return kind(kind.Settings(**settings))


def answers(name: str, logit: torch.Tensor, targets: torch.Tensor = TARGETS) -> Answers:
    """One number a clip as outputs of the right width, and as a direction on the circle."""
    outputs = torch.stack([-logit, logit], dim=1) if name in TWO else logit[:, None]
    embedding = torch.stack([torch.cos(logit), torch.sin(logit)], dim=1)
    return Answers(outputs, targets, GROUPS[: len(logit)], embedding)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_right_is_cheaper_than_wrong(name: str) -> None:
    loss = made(name)
    right = torch.tensor([-0.9, -0.8, 0.8, 0.9], requires_grad=True)
    low = loss(answers(name, right))
    mixed = right.detach()[[0, 2, 1, 3]]
    high = loss(answers(name, -right.detach() if name != "supcon" else mixed))
    assert torch.isfinite(low)
    assert low.ndim == 0
    assert low < high
    low.backward()
    assert right.grad is not None
    assert right.grad.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_or_one_clip_only_is_finite(name: str, label: float) -> None:
    for count in (4, 1):
        logit = torch.zeros(count, requires_grad=True)
        value = made(name)(answers(name, logit, torch.full((count,), label)))
        assert torch.isfinite(value)
        value.backward()
        assert torch.isfinite(logit.grad).all()


def slow_bce(logits: list[float], targets: list[float], smoothing: float, spoof_weight: float) -> float:
    total = 0.0
    for logit, target in zip(logits, targets, strict=True):
        wanted = (1 - smoothing) if target else smoothing
        p = 1 / (1 + math.exp(-logit))
        total -= (spoof_weight if target else 1.0) * (wanted * math.log(p) + (1 - wanted) * math.log(1 - p))
    return total / len(logits)


def slow_softmax(rows: list[list[float]], targets: list[int], weights: tuple[float, float], smoothing: float) -> float:
    total = 0.0
    for row, target in zip(rows, targets, strict=True):
        logs = [x - math.log(sum(math.exp(y) for y in row)) for x in row]
        for place, log in enumerate(logs):
            total -= weights[place] * ((1 - smoothing) * (place == target) + smoothing / 2) * log
    return total / sum(weights[t] for t in targets)


def slow_contrast(points: list[list[float]], targets: list[int], allowed: list[list[bool]], t: float) -> float:
    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    out, count = 0.0, 0
    for i, anchor in enumerate(points):
        others = [j for j in range(len(points)) if j != i and allowed[i][j]]
        same = [j for j in others if targets[j] == targets[i]]
        if same:
            below = sum(math.exp(cosine(anchor, points[j]) / t) for j in others)
            out -= sum(math.log(math.exp(cosine(anchor, points[j]) / t) / below) for j in same) / len(same)
            count += 1
    return out / count


LOGITS = [-1.3, 0.4, 0.9, -0.2]


def test_cross_entropies_against_the_slow_reference() -> None:
    targets, plain = TARGETS.tolist(), torch.tensor(LOGITS)
    for smoothing, weight in ((0.0, 1.0), (0.05, 3.0)):
        found = made("bce", smoothing=smoothing, spoof_weight=weight)(answers("bce", plain))
        assert float(found) == pytest.approx(slow_bce(LOGITS, targets, smoothing, weight), rel=1e-5)
    rows = [[-x, x] for x in LOGITS]
    for weights, smoothing in (((1.0, 1.0), 0.0), ((0.1, 0.9), 0.0), ((0.9, 0.1), 0.2)):
        found = made("ce", weights=weights, smoothing=smoothing)(answers("ce", plain))
        assert float(found) == pytest.approx(slow_softmax(rows, [0, 0, 1, 1], weights, smoothing), rel=1e-5)
    one = made("ce")(Answers(plain[:, None], TARGETS, GROUPS, plain[:, None]))
    assert float(one) == pytest.approx(slow_bce(LOGITS, targets, 0.0, 1.0), rel=1e-5)


def test_focal_against_the_slow_reference() -> None:
    total = 0.0
    for logit, target in zip(LOGITS, TARGETS.tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit if target else logit))
        total -= (0.7 if target else 0.3) * (1 - p) ** 1.5 * math.log(p)
    found = made("focal", gamma=1.5, spoof_share=0.7)(answers("focal", torch.tensor(LOGITS)))
    assert float(found) == pytest.approx(total / 4, rel=1e-5)


def test_margins_against_the_slow_reference() -> None:
    cosines = [0.7, 0.95, 0.1, 0.5]
    total = 0.0
    for cosine, target in zip(cosines, TARGETS.tolist(), strict=True):
        # the paper's form: log(1 + exp(alpha (m_y - cos) (-1)^y)), y = 0 for human speech
        margin = 0.2 if target else 0.9
        total += math.log1p(math.exp(20 * (margin - cosine) * (-1) ** int(target)))
    outputs = -torch.tensor(cosines)[:, None]
    assert float(made("oc_softmax")(Answers(outputs, TARGETS, GROUPS, outputs))) == pytest.approx(total / 4, rel=1e-5)

    rows = [[0.8, -0.1], [0.2, 0.4], [0.3, 0.6], [0.9, -0.5]]
    moved = [
        [10 * (x - (0.35 if place == target else 0.0)) for place, x in enumerate(row)]
        for row, target in zip(rows, [0, 0, 1, 1], strict=True)
    ]
    found = made("am_softmax", scale=10.0, margin=0.35)(Answers(torch.tensor(rows), TARGETS, GROUPS, outputs))
    assert float(found) == pytest.approx(slow_softmax(moved, [0, 0, 1, 1], (1.0, 1.0), 0.0), rel=1e-5)


@pytest.mark.parametrize("within", ["batch", "group", "pairs"])
def test_contrast_against_the_slow_reference(within: str) -> None:
    points = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    targets, groups = torch.tensor([0.0, 0, 1, 1] * 3), torch.arange(12) // 4
    paired = groups != 1
    together = torch.ones(12, 12, dtype=torch.bool)
    if within == "group":
        together = groups[:, None] == groups[None, :]
    if within == "pairs":
        together = paired[:, None] & paired[None, :]
    found = made("supcon", temperature=0.3, within=within)(Answers(points[:, :1], targets, groups, points, paired))
    slow = slow_contrast(points.tolist(), targets.int().tolist(), together.tolist(), 0.3)
    assert float(found) == pytest.approx(slow, rel=1e-5)


def test_contrast_over_pairs_without_pairs_is_nothing() -> None:
    points = torch.randn(4, 5, requires_grad=True)
    value = made("supcon", within="pairs")(Answers(points[:, :1], TARGETS, GROUPS, points))
    value.backward()
    assert float(value.detach()) == 0.0
    assert float(points.grad.abs().sum()) == 0.0


def test_ranking_ignores_what_a_whole_group_shares() -> None:
    loss, plain = made("ranked", share=1.0), made("bce", smoothing=0.05)
    outputs = torch.tensor([0.3, -0.2, 1.0, 0.5])
    rank = loss(answers("ranked", outputs)) - plain(answers("bce", outputs))
    rank_shifted = loss(answers("ranked", outputs + 3.0)) - plain(answers("bce", outputs + 3.0))
    torch.testing.assert_close(rank, rank_shifted, rtol=0, atol=1e-5)
    slow = sum(math.log1p(math.exp(-(s - h))) for s in (1.0, 0.5) for h in (0.3, -0.2)) / 4
    assert float(rank) == pytest.approx(slow, rel=1e-5)
