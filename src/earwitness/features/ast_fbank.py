"""The filter bank that the Audio Spectrogram Transformer was trained on: Kaldi's, scaled by AudioSet's statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.features.filters import triangles
from earwitness.features.frames import RATE, windowed_basis

WINDOW, HOP, N_FFT, PREEMPHASIS = 400, 160, 512, 0.97


@dataclass(frozen=True)
class ASTFbankSettings:
    """What AST sees.

    Parameters
    ----------
    mels:
        Bands from 20 Hz to 8 kHz on Kaldi's mel scale.
    mean, deviation:
        The picture is shifted by the one and divided by twice the other; the defaults are AudioSet's.
    """

    mels: int = 128
    mean: float = -4.2677393
    deviation: float = 4.5689974

    @property
    def bins(self) -> int:
        """Rows of the picture: the bands."""
        return self.mels


def _basis() -> Tensor:
    """All that is linear in a frame as one matrix: mean taken away, pre-emphasis, Hann window, transform."""
    centred = torch.eye(WINDOW, dtype=torch.float64) - 1 / WINDOW
    emphasis = torch.eye(WINDOW, dtype=torch.float64) - PREEMPHASIS * torch.diag(torch.ones(WINDOW - 1), -1).double()
    emphasis[0, 0] = 1 - PREEMPHASIS
    window = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64)
    transform = windowed_basis(N_FFT, window, N_FFT // 2 + 1)
    return (transform @ emphasis @ centred).float().unsqueeze(1)


def _kaldi_mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)


class ASTFbank(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1, mels, 1 + (samples - 400) // 160)``.

    Source: Gong et al. 2021 (arXiv 2104.01778), features as in Kaldi.

    Examples
    --------
    >>> ASTFbank(ASTFbankSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 128, 98])
    """

    Settings = ASTFbankSettings

    def __init__(self, settings: ASTFbankSettings) -> None:
        super().__init__()
        self.settings = settings
        self.channels = 1
        points = 1127.0 * torch.log1p(torch.linspace(0, RATE / 2, N_FFT // 2 + 1, dtype=torch.float64) / 700.0)
        edges = torch.linspace(_kaldi_mel(20.0), _kaldi_mel(RATE / 2), settings.mels + 2, dtype=torch.float64)
        filters = triangles(edges, points)
        self.basis: Tensor
        self.filters: Tensor
        self.register_buffer("basis", _basis(), persistent=False)
        self.register_buffer("filters", filters.float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        s, rows = self.settings, N_FFT // 2 + 1
        spectrum = F.conv1d(waveform.float().unsqueeze(1), self.basis, stride=HOP)
        power = spectrum[:, :rows].square() + spectrum[:, rows:].square()
        # the smallest step of single precision at 1, as in Kaldi
        log = (self.filters @ power).clamp_min(torch.finfo(torch.float32).eps).log()
        return ((log - s.mean) / (2 * s.deviation)).unsqueeze(1)
