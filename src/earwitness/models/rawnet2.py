"""RawNet2 for spoofing detection: residual blocks on band-passed waveforms, then a GRU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.models.base import Classifier, Facts, last_layer, need_raw
from earwitness.models.recurrent import GRU
from earwitness.models.sinc import SincFilters


@dataclass(frozen=True)
class RawNet2Settings:
    """Size of the network; the defaults are those of the ASVspoof 2021 baseline.

    Parameters
    ----------
    filters, kernel:
        Fixed band-pass filters and their length in samples, made odd.
    most_masked:
        In training, up to this many neighbouring filters are set to zero.
    widths:
        Channels of the residual blocks, each of which takes a third of the frames.
    units, layers:
        Units and layers of the GRU.
    hidden:
        Width of the dense layer after it.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    filters: int = 20
    kernel: int = 1024
    most_masked: int = 0
    widths: tuple[int, ...] = (20, 20, 128, 128, 128, 128)
    units: int = 1024
    layers: int = 3
    hidden: int = 1024
    outputs: int = 2


class GatedBlock(nn.Module):
    """Two convolutions with a way around them, a third of the frames by the maximum, then ``x * gate + gate``."""

    def __init__(self, inside: int, outside: int, *, first: bool) -> None:
        super().__init__()
        self.before = nn.Identity() if first else nn.Sequential(nn.BatchNorm1d(inside), nn.LeakyReLU(0.3))
        self.body = nn.Sequential(
            nn.Conv1d(inside, outside, 3, padding=1),
            nn.BatchNorm1d(outside),
            nn.LeakyReLU(0.3),
            nn.Conv1d(outside, outside, 3, padding=1),
        )
        self.around = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()
        self.gate = nn.Linear(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(self.body(self.before(x)) + self.around(x), 3)
        gate = torch.sigmoid(self.gate(x.mean(dim=2))).unsqueeze(2)
        return x * gate + gate


class RawNet2(Classifier):
    """RawNet2; input ``(batch, 1, 1, samples)`` from the front end ``raw``, at least 3,300 samples.

    Source: Tak et al. 2021, "End-to-end anti-spoofing with RawNet2" (arXiv 2011.01108).

    Examples
    --------
    >>> settings = RawNet2Settings(units=32, layers=1, hidden=32)
    >>> RawNet2(settings, channels=1, bins=1)(torch.randn(2, 1, 1, 16000)).shape
    torch.Size([2, 2])
    """

    Settings = RawNet2Settings
    facts = Facts("RawNet2 with fixed band-pass filters and a GRU", "arXiv 2011.01108", (1, 1, 64_000), "raw")

    def __init__(self, settings: RawNet2Settings, *, channels: int, bins: int) -> None:
        super().__init__()
        need_raw("RawNet2", channels, bins)
        s = self.settings = settings
        self.sinc = SincFilters(s.filters, s.kernel, s.most_masked)
        self.norm = nn.BatchNorm1d(s.filters)
        inside = (s.filters, *s.widths[:-1])
        self.blocks = nn.Sequential(
            *(GatedBlock(a, b, first=not i) for i, (a, b) in enumerate(zip(inside, s.widths, strict=True)))
        )
        self.before = nn.BatchNorm1d(s.widths[-1])
        self.recurrent = GRU(s.widths[-1], s.units, s.layers, batch_first=True)
        self.dense = nn.Linear(s.units, s.hidden)
        self.width = s.hidden
        self.last = last_layer(s.hidden, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The dense layer after the GRU's last step, ``(batch, hidden)``."""
        x = F.max_pool1d(self.sinc(picture.flatten(1, 2)).abs(), 3)
        x = torch.selu(self.before(self.blocks(torch.selu(self.norm(x)))))
        sequence = self.recurrent(x.transpose(1, 2))
        result: Tensor = self.dense(sequence[:, -1])
        return result
