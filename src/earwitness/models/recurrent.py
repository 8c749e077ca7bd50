"""LSTM and GRU that are exported as one node each.

The exporter would take PyTorch's own apart, step by step, which fails for sequences of any length.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: where PyTorch's gates (GRU: reset, update, new; LSTM: input, forget, cell, output) stand in ONNX's order
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}


def _node(kind: str, network: nn.RNNBase, x: Tensor) -> Tensor:
    """``(batch, time, inside)`` to ``(batch, time, ways * hidden)`` as a chain of ONNX nodes, one a layer."""
    ways, hidden = (2 if network.bidirectional else 1), network.hidden_size
    attributes: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if network.bidirectional else "forward",
    }
    if kind == "GRU":
        # PyTorch multiplies the hidden state before it is reset
        attributes["linear_before_reset"] = 1

    def gates(name: str) -> Tensor:
        parts = getattr(network, name).chunk(len(GATES[kind]))
        return torch.cat([parts[i] for i in GATES[kind]])

    sequence = x.transpose(0, 1)
    for layer in range(network.num_layers):
        ends = [f"l{layer}", f"l{layer}_reverse"][:ways]
        weights = [torch.stack([gates(f"weight_{part}_{end}") for end in ends]) for part in ("ih", "hh")]
        biases = torch.stack([torch.cat([gates(f"bias_ih_{end}"), gates(f"bias_hh_{end}")]) for end in ends])
        shape = (sequence.shape[0], ways, sequence.shape[1], hidden)
        result = torch.onnx.ops.symbolic(
            kind, [sequence, *weights, biases], attributes, dtype=sequence.dtype, shape=shape
        )
        sequence = result.permute(0, 2, 1, 3).flatten(2)
    return sequence.transpose(0, 1)


class GRU(nn.GRU):
    """``torch.nn.GRU`` with the batch first; gives the sequence alone.

    Examples
    --------
    >>> GRU(4, 8, batch_first=True, bidirectional=True)(torch.randn(2, 10, 4)).shape
    torch.Size([2, 10, 16])
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if torch.compiler.is_exporting():
            return _node("GRU", self, x)
        sequence: Tensor = super().forward(x)[0]
        return sequence


class LSTM(nn.LSTM):
    """``torch.nn.LSTM`` with the batch first; gives the sequence alone.

    Examples
    --------
    >>> LSTM(4, 8, batch_first=True)(torch.randn(2, 10, 4)).shape
    torch.Size([2, 10, 8])
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if torch.compiler.is_exporting():
            return _node("LSTM", self, x)
        sequence: Tensor = super().forward(x)[0]
        return sequence
