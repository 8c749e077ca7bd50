"""What every model must keep: gradients everywhere, able to learn, deterministic, batch = single, ONNX parity."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")

from earwitness.models import MODELS
from earwitness.registry import find

CHANNELS, BINS = 1, 256

PARAMETERS = {"se_resnet": 987_909}
"""Declared number of parameters with default settings, one channel and 256 bins."""


def made(name: str, seed: int = 0) -> torch.nn.Module:
    kind = find(MODELS, name)
    torch.manual_seed(seed)
    return kind(kind.Settings(), channels=CHANNELS, bins=BINS)


def pictures(batch: int, frames: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, CHANNELS, BINS, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_declared_parameter_count(name: str) -> None:
    assert sum(p.numel() for p in made(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_output_and_score(name: str) -> None:
    model = made(name).eval()
    out = model(pictures(3))
    assert out.shape[0] == 3
    assert out.shape[1] in (1, 2)
    assert model.score(out).shape == (3,)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = made(name).train()
    out = model(pictures(4))
    (model.score(out) * torch.tensor([1.0, -1.0, 2.0, -0.5])).sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # a bias before a batch norm, or one that softmax cancels, has a gradient of zero by construction
    assert [n for n in without if not n.endswith("bias")] == []


@pytest.mark.parametrize("name", sorted(MODELS))
def test_learns_sixteen_clips(name: str) -> None:
    model = made(name).train()
    x, y = pictures(16), torch.arange(16) % 2.0
    x = x + 0.2 * torch.sin(torch.arange(BINS) / 5.0)[None, None, :, None] * (2 * y - 1)[:, None, None, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(25):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model.score(model(x)), y)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2


@pytest.mark.parametrize("name", sorted(MODELS))
def test_deterministic_and_batch_equals_single(name: str) -> None:
    first, second = made(name, 7).eval(), made(name, 7).eval()
    x = pictures(3, frames=51)
    with torch.inference_mode():
        together = first.score(first(x))
        torch.testing.assert_close(second.score(second(x)), together, rtol=0, atol=0)
        apart = torch.cat([first.score(first(x[i : i + 1])) for i in range(3)])
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-5)
