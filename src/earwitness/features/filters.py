"""Filter banks and the cosine transform: fixed matrices that front ends apply to power spectra."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from earwitness.errors import ConfigError
from earwitness.features.frames import RATE


def mel_filters(
    n_fft: int, mels: int, low: float = 0.0, high: float = RATE / 2, norm: Literal["area", "sum"] = "area"
) -> Tensor:
    """Triangular filters ``(mels, n_fft // 2 + 1)`` on Slaney's mel scale (Auditory Toolbox, 1998).

    Parameters
    ----------
    n_fft:
        Transform length in samples at 16 kHz.
    mels:
        Bands.
    low, high:
        Band edges in Hz.
    norm:
        ``"area"``: triangles of equal area, librosa's default; ``"sum"``: the weights of a band add up to 1.

    Raises
    ------
    ConfigError
        If the edges are not ``0 <= low < high <= 8000`` or there is no band.

    Examples
    --------
    >>> mel_filters(1024, 40).shape
    torch.Size([40, 513])
    """
    if not 0 <= low < high <= RATE / 2:
        raise ConfigError(f"frontend.low, high: {low:g} to {high:g} Hz", hint="0 to 8000 Hz")
    if mels < 1:
        raise ConfigError(f"frontend.mels: {mels}", hint="at least 1")
    edges = _hertz(torch.linspace(_mel(low), _mel(high), mels + 2, dtype=torch.float64))
    bins = torch.linspace(0, RATE / 2, n_fft // 2 + 1, dtype=torch.float64)
    filters = triangles(edges, bins)
    if norm == "area":
        filters = filters * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    else:
        # a band narrower than the bins may hold none of them: it stays empty
        filters = filters / filters.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return filters.float()


def linear_filters(bins: int, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Triangular filters ``(count, bins)`` of equal width and height 1 over ``bins`` points from ``low`` to ``high``.

    Examples
    --------
    >>> linear_filters(5, 3).tolist()
    [[0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]
    """
    points = torch.linspace(low, high, bins, dtype=torch.float64)
    return triangles(torch.linspace(low, high, count + 2, dtype=torch.float64), points).float()


def triangles(edges: Tensor, points: Tensor) -> Tensor:
    """Triangles of height 1 between every three neighbouring ``edges``, at ``points``: ``(edges - 2, points)``."""
    rise = (points - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - points) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp_min(0)


def cosine_transform(count: int, inputs: int) -> Tensor:
    """The orthonormal DCT-II as a matrix ``(count, inputs)``: cepstral coefficients from log energies of bands.

    Examples
    --------
    >>> matrix = cosine_transform(4, 4)
    >>> bool(torch.allclose(matrix @ matrix.T, torch.eye(4), atol=1e-6))
    True
    """
    place = (torch.arange(inputs, dtype=torch.float64) + 0.5) * (math.pi / inputs)
    matrix = torch.cos(torch.outer(torch.arange(count, dtype=torch.float64), place)) * math.sqrt(2.0 / inputs)
    matrix[0] /= math.sqrt(2.0)
    return matrix.float()


# Linear up to 1 kHz (15 mel), logarithmic above: 27 mel per factor of 6.4.
_STEP, _BREAK = 200 / 3, 1000.0
_LOG = math.log(6.4) / 27


def _mel(hertz: float) -> float:
    return hertz / _STEP if hertz < _BREAK else _BREAK / _STEP + math.log(hertz / _BREAK) / _LOG


def _hertz(mel: Tensor) -> Tensor:
    knee = _BREAK / _STEP
    return torch.where(mel < knee, mel * _STEP, _BREAK * torch.exp((mel - knee).clamp_min(0) * _LOG))
