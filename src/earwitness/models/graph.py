"""Graph attention over spectral and temporal nodes: the second half of AASIST, also a head for other encoders.

Source: Jung et al. 2022, "AASIST: audio anti-spoofing using integrated spectro-temporal graph attention networks"
(arXiv 2110.01200); layers and their order after the authors' code (github.com/clovaai/aasist, MIT).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GraphSettings:
    """Sizes of the graph half.

    Parameters
    ----------
    nodes:
        Width of a node in the two first graphs.
    joint:
        Width of a node in the joined graphs; the embedding has five times as many numbers.
    keep_spectral, keep_temporal, keep_joint:
        Share of the nodes that pooling keeps: in the spectral, the temporal and the joined graphs.
    temperatures:
        What attention is divided by before the softmax: spectral, temporal, joined.
    """

    nodes: int = 64
    joint: int = 32
    keep_spectral: float = 0.5
    keep_temporal: float = 0.7
    keep_joint: float = 0.5
    temperatures: tuple[float, float, float] = (2.0, 2.0, 100.0)


def _direction(width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(width, 1)))


def _pairs(x: Tensor) -> Tensor:
    """Products of all pairs of nodes, ``(batch, nodes, nodes, width)``."""
    return x.unsqueeze(2) * x.unsqueeze(1)


def _normed(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch norm over all nodes of a batch, then SELU."""
    normed: Tensor = norm(x.transpose(1, 2)).transpose(1, 2)
    return torch.selu(normed)


class GraphAttention(nn.Module):
    """Every node sees every other: ``(batch, nodes, inside)`` to ``(batch, nodes, outside)``."""

    def __init__(self, inside: int, outside: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.drop = nn.Dropout(0.2)
        self.pair = nn.Linear(inside, outside)
        self.direction = _direction(outside)
        self.seen = nn.Linear(inside, outside)
        self.own = nn.Linear(inside, outside)
        self.norm = nn.BatchNorm1d(outside)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(x)
        attention = torch.tanh(self.pair(_pairs(x))) @ self.direction
        attention = (attention.squeeze(-1) / self.temperature).softmax(dim=-1)
        return _normed(self.norm, self.seen(attention @ x) + self.own(x))


class JointAttention(nn.Module):
    """Nodes of two kinds in one graph, with a master node that gathers from all of them.

    Takes ``(batch, nodes, inside)`` of each kind and the master ``(batch or 1, 1, inside)``; gives the three back with
    ``outside`` numbers a node. Attention between kinds has a direction vector of its own.
    """

    def __init__(self, inside: int, outside: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.first, self.second = nn.Linear(inside, inside), nn.Linear(inside, inside)
        self.drop = nn.Dropout(0.2)
        self.pair, self.master_pair = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.within_first, self.within_second = _direction(outside), _direction(outside)
        self.across, self.master_direction = _direction(outside), _direction(outside)
        self.seen, self.own = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.master_seen, self.master_own = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.norm = nn.BatchNorm1d(outside)

    def forward(self, a: Tensor, b: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = a.shape[1]
        x = self.drop(torch.cat([self.first(a), self.second(b)], dim=1))
        pair = torch.tanh(self.pair(_pairs(x)))
        above = torch.cat([pair[:, :count, :count] @ self.within_first, pair[:, :count, count:] @ self.across], dim=2)
        below = torch.cat([pair[:, count:, :count] @ self.across, pair[:, count:, count:] @ self.within_second], dim=2)
        attention = (torch.cat([above, below], dim=1).squeeze(-1) / self.temperature).softmax(dim=-1)
        to_master = torch.tanh(self.master_pair(x * master)) @ self.master_direction
        gathered = (to_master / self.temperature).softmax(dim=1).transpose(1, 2) @ x
        master = self.master_seen(gathered) + self.master_own(master)
        x = _normed(self.norm, self.seen(attention @ x) + self.own(x))
        return x[:, :count], x[:, count:], master


class GraphPool(nn.Module):
    """Keep the nodes with the highest gate, in the order of their gates, each multiplied by it."""

    def __init__(self, width: int, keep: float) -> None:
        super().__init__()
        # whole thousandths, so that the number of nodes kept stays a whole number while a graph is exported
        self.thousandths = round(1000 * keep)
        self.drop = nn.Dropout(0.3)
        self.gate = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(self.drop(x)))
        count = torch.sym_max(1, x.shape[1] * self.thousandths // 1000)  # type: ignore[no-untyped-call]
        index = gate.squeeze(-1).topk(count, dim=1).indices
        return (x * gate).gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[2]))


class JointBranch(nn.Module):
    """Two joined graphs with pooling between them; the second adds to the first."""

    def __init__(self, s: GraphSettings) -> None:
        super().__init__()
        self.master = nn.Parameter(torch.randn(1, 1, s.nodes))
        self.one = JointAttention(s.nodes, s.joint, s.temperatures[2])
        self.two = JointAttention(s.joint, s.joint, s.temperatures[2])
        self.pool_spectral, self.pool_temporal = GraphPool(s.joint, s.keep_joint), GraphPool(s.joint, s.keep_joint)

    def forward(self, temporal: Tensor, spectral: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        temporal, spectral, master = self.one(temporal, spectral, self.master)
        temporal, spectral = self.pool_temporal(temporal), self.pool_spectral(spectral)
        more = self.two(temporal, spectral, master)
        return temporal + more[0], spectral + more[1], master + more[2]


class SpectroTemporalGraph(nn.Module):
    """A map ``(batch, channels, rows, frames)`` to an embedding ``(batch, 5 * joint)``.

    Rows and frames become nodes by the largest magnitude along the other axis; two branches of joined graphs compete by
    an element-wise maximum; the readout is the maximum and the mean over each kind of node, and the master node.

    Examples
    --------
    >>> SpectroTemporalGraph(GraphSettings(), channels=64, rows=23).eval()(torch.randn(2, 64, 23, 29)).shape
    torch.Size([2, 160])
    """

    def __init__(self, settings: GraphSettings, *, channels: int, rows: int) -> None:
        super().__init__()
        s = settings
        self.position = nn.Parameter(torch.randn(1, rows, channels))
        self.spectral = GraphAttention(channels, s.nodes, s.temperatures[0])
        self.temporal = GraphAttention(channels, s.nodes, s.temperatures[1])
        self.pool_spectral, self.pool_temporal = (
            GraphPool(s.nodes, s.keep_spectral),
            GraphPool(s.nodes, s.keep_temporal),
        )
        self.branches = nn.ModuleList([JointBranch(s), JointBranch(s)])
        self.drop_branch, self.drop = nn.Dropout(0.2), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        size = x.abs()
        spectral = self.pool_spectral(self.spectral(size.amax(dim=3).transpose(1, 2) + self.position))
        temporal = self.pool_temporal(self.temporal(size.amax(dim=2).transpose(1, 2)))
        results = [[self.drop_branch(part) for part in branch(temporal, spectral)] for branch in self.branches]
        temporal, spectral, master = (torch.maximum(first, second) for first, second in zip(*results, strict=True))
        readout = [temporal.abs().amax(dim=1), temporal.mean(dim=1), spectral.abs().amax(dim=1), spectral.mean(dim=1)]
        embedded: Tensor = self.drop(torch.cat([*readout, master.squeeze(1)], dim=1))
        return embedded
