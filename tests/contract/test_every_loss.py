"""What every loss must keep: a finite scalar with a gradient, lower for right scores than for wrong ones."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses belong to the lab half")

from earwitness.registry import find
from earwitness.train.losses import LOSSES

TARGETS = torch.tensor([0.0, 0.0, 1.0, 1.0])
GROUPS = torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_right_is_cheaper_than_wrong(name: str) -> None:
    loss = find(LOSSES, name)(find(LOSSES, name).Settings())
    right = torch.tensor([[-2.0], [-2.0], [2.0], [2.0]], requires_grad=True)
    low = loss(right, TARGETS, GROUPS)
    high = loss(-right.detach(), TARGETS, GROUPS)
    assert torch.isfinite(low)
    assert low.ndim == 0
    assert low < high
    low.backward()
    assert right.grad is not None
    assert right.grad.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_one_label_only_is_finite(name: str) -> None:
    loss = find(LOSSES, name)(find(LOSSES, name).Settings())
    assert torch.isfinite(loss(torch.zeros(4, 1), torch.zeros(4), GROUPS))


def test_ranking_ignores_what_a_whole_group_shares() -> None:
    loss = find(LOSSES, "ranked")(find(LOSSES, "ranked").Settings(share=1.0))
    plain = find(LOSSES, "bce")(find(LOSSES, "bce").Settings(smoothing=0.05))
    outputs = torch.tensor([[0.3], [-0.2], [1.0], [0.5]])
    shifted = outputs + 3.0
    rank = loss(outputs, TARGETS, GROUPS) - plain(outputs, TARGETS, GROUPS)
    rank_shifted = loss(shifted, TARGETS, GROUPS) - plain(shifted, TARGETS, GROUPS)
    torch.testing.assert_close(rank, rank_shifted, rtol=0, atol=1e-5)
