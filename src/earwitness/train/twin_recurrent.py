"""ONNX's GRU and LSTM with PyTorch's own, for :mod:`earwitness.train.twin`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from earwitness.errors import ExportError
from earwitness.models.recurrent import GATES


def recurrent(kind: str) -> Callable[..., tuple[Tensor, ...]]:
    """The operation ``kind``, ``"GRU"`` or ``"LSTM"``: attributes and inputs of the node to ``(Y, Y_h)`` (and ``Y_c``).

    The states start at zero, every sequence of the batch is as long as the tensor, and the activations are the
    standard ones; anything else is an :class:`~earwitness.errors.ExportError`.

    Examples
    --------
    >>> x, weight, inner = torch.randn(5, 2, 3), torch.randn(1, 12, 3), torch.randn(1, 12, 4)
    >>> sequence, last = recurrent("GRU")({"hidden_size": 4, "linear_before_reset": 1}, x, weight, inner)
    >>> sequence.shape, last.shape
    (torch.Size([5, 1, 2, 4]), torch.Size([1, 2, 4]))
    """

    def run(
        attributes: Mapping[str, Any],
        x: Tensor,
        weight: Tensor,
        inner: Tensor,
        bias: Tensor | None = None,
        *rest: Tensor | None,
    ) -> tuple[Tensor, ...]:
        ways, hidden = weight.shape[0], int(attributes["hidden_size"])
        _check(kind, attributes, ways, rest)
        flat = [_gates(kind, part) for way in range(ways) for part in _parts(weight, inner, bias, way)]
        start = x.new_zeros(ways, x.shape[1], hidden)
        settings = (bias is not None, 1, 0.0, False, ways == 2, False)
        if kind == "GRU":
            sequence, *last = torch.gru(x, start, flat, *settings)
        else:
            sequence, *last = torch.lstm(x, (start, start), flat, *settings)
        return sequence.reshape(*x.shape[:2], ways, hidden).transpose(1, 2), *last

    return run


def _check(kind: str, attributes: Mapping[str, Any], ways: int, rest: tuple[Tensor | None, ...]) -> None:
    """Only what :mod:`earwitness.models.recurrent` exports, and what gives the same in another exporter."""
    reset_after = kind != "GRU" or attributes.get("linear_before_reset", 0) == 1
    backwards = ways == 1 and attributes.get("direction", b"forward") == b"reverse"
    special = {"activations", "clip", "input_forget"} & set(attributes) or attributes.get("layout", 0)
    if not reset_after or backwards or special or any(part is not None for part in rest):
        raise ExportError(
            f"the graph holds a {kind} of a form that the twin does not know",
            hint="name the run folder, whose network is PyTorch already",
        )


def _parts(weight: Tensor, inner: Tensor, bias: Tensor | None, way: int) -> list[Tensor]:
    return [weight[way], inner[way], *(() if bias is None else bias[way].chunk(2))]


def _gates(kind: str, part: Tensor) -> Tensor:
    """The gates of one matrix in PyTorch's order."""
    gates = part.chunk(len(GATES[kind]))
    return torch.cat([gates[GATES[kind].index(i)] for i in range(len(gates))])
