"""What front ends share: fixed lengths, level, power of frames, differences over time, means taken away."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError

RATE = 16_000

Normalize = Literal["none", "level", "mean", "standard"]
"""How a picture is freed of what is not the voice; see :func:`normalized`."""


def fixed_length(waveform: Tensor, samples: int) -> Tensor:
    """``(batch, n)`` cut at the end, or repeated from its start, to ``(batch, samples)``; 0 leaves it as it is.

    Examples
    --------
    >>> fixed_length(torch.tensor([[1.0, 2.0, 3.0]]), 5).tolist()
    [[1.0, 2.0, 3.0, 1.0, 2.0]]
    """
    if not samples:
        return waveform
    # an index modulo the length would be shorter, but is not exported
    times = (samples - 1) // waveform.shape[1] + 1
    return waveform.repeat(1, times)[:, :samples]


def windowed_basis(n_fft: int, window: Tensor, bins: int) -> Tensor:
    """Cosines, then sines, of the first ``bins`` frequencies under ``window``: ``(2 * bins, len(window))`` float64.

    Raises
    ------
    ConfigError
        If ``bins`` is more than the transform has.

    Examples
    --------
    >>> windowed_basis(256, torch.hann_window(200), 129).shape
    torch.Size([258, 200])
    """
    if bins > n_fft // 2 + 1:
        raise ConfigError(f"frontend.bins: {bins} is more than n_fft // 2 + 1 = {n_fft // 2 + 1}")
    # a whole number times a float is single precision, whose angles are off by 1e-4 at the far end
    angle = torch.outer(torch.arange(bins), torch.arange(len(window))).double() * (2 * math.pi / n_fft)
    return torch.cat([angle.cos(), angle.sin()]) * window.double()


def log_power(power: Tensor, unit: float, floor: float) -> Tensor:
    """Natural log of ``power / unit + floor``, scaled to about unit spread for speech of unit power.

    Examples
    --------
    >>> log_power(torch.tensor([2.0]), 2.0, 0.0).tolist()
    [1.0]
    """
    return (power / unit + floor).log() / 4.0 + 1.0


def levelled(waveform: Tensor) -> Tensor:
    """``(batch, samples)`` divided by its root mean square; what lies below -100 dB stays next to nothing.

    Examples
    --------
    >>> levelled(torch.tensor([[0.1, -0.1]])).tolist()
    [[1.0, -1.0]]
    """
    # a bound and not a term: the exporter drops additions of 1e-8 and less, and silence would be divided by 0
    return waveform / waveform.square().mean(dim=1, keepdim=True).clamp_min(1e-10).sqrt()


def normalized(picture: Tensor, how: Normalize) -> Tensor:
    """``(batch, bins, frames)`` with each bin's mean over time (``"mean"``) and spread (``"standard"``) taken away.

    ``"none"`` and ``"level"`` leave it: level is taken from the waveform, by :func:`levelled`.

    Examples
    --------
    >>> normalized(torch.tensor([[[1.0, 3.0]]]), "mean").tolist()
    [[[-1.0, 1.0]]]
    """
    if how in ("none", "level"):
        return picture
    picture = picture - picture.mean(dim=2, keepdim=True)
    if how == "standard":
        picture = picture / picture.square().mean(dim=2, keepdim=True).add(1e-5).sqrt()
    return picture


class PowerSpectrum(nn.Module):
    """Waveform ``(batch, samples)`` to power ``(batch, bins, frames)``, without an FFT node in the graph.

    The transform is a convolution with the windowed basis, which onnxruntime runs in half the time of its DFT. Frame
    ``k`` is centred on sample ``k * hop`` and the clip is padded with zeros: ``frames = 1 + samples // hop``, as in
    librosa and ``torch.stft``.

    Parameters
    ----------
    n_fft:
        Transform length in samples; bins are ``16000 / n_fft`` Hz apart.
    hop:
        Samples between frames.
    window:
        ``(length,)`` at most ``n_fft`` long; a shorter one stands in the middle of the transform.
    bins:
        How many bins are kept, from 0 Hz up; all ``n_fft // 2 + 1`` unless given.

    Examples
    --------
    >>> PowerSpectrum(512, 160, torch.hann_window(400))(torch.randn(2, 16000)).shape
    torch.Size([2, 257, 101])
    """

    def __init__(self, n_fft: int, hop: int, window: Tensor, bins: int | None = None) -> None:
        super().__init__()
        self.bins = n_fft // 2 + 1 if bins is None else bins
        length = len(window)
        if not (0 < length <= n_fft and hop > 0 and 0 < self.bins <= n_fft // 2 + 1):
            raise ConfigError(
                f"frontend: n_fft {n_fft}, window {length}, hop {hop}, {self.bins} bins",
                hint="0 < window <= n_fft, 0 < hop, 0 < bins <= n_fft // 2 + 1",
            )
        self.hop = hop
        left = n_fft // 2 - (n_fft - length) // 2
        self.padding = (left, length - left)
        basis = windowed_basis(n_fft, window, self.bins).float().unsqueeze(1)
        self.basis: Tensor
        self.register_buffer("basis", basis, persistent=False)
        # white noise of unit variance has this power in every bin
        self.unit = float(window.double().square().sum())

    def forward(self, waveform: Tensor) -> Tensor:
        spectrum = F.conv1d(F.pad(waveform, self.padding).unsqueeze(1), self.basis, stride=self.hop)
        return spectrum[:, : self.bins].square() + spectrum[:, self.bins :].square()


def decibels(power: Tensor, range_db: float = 80.0) -> Tensor:
    """Power in dB, at least -100 and at least ``range_db`` under the loudest of each clip (librosa's ``top_db``).

    Examples
    --------
    >>> decibels(torch.tensor([[[1.0, 0.1, 0.0]]])).tolist()
    [[[0.0, -10.0, -80.0]]]
    """
    level = 10.0 * power.clamp_min(1e-10).log10()
    return torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - range_db)


def slope_kernel(order: int = 1, width: int = 9) -> Tensor:
    """The filter ``(1, 1, width)`` that fits a polynomial of degree ``order`` and gives its ``order``-th derivative.

    Savitzky-Golay, as in ``librosa.feature.delta``.

    Examples
    --------
    >>> slope_kernel(1, 3).flatten().tolist()
    [-0.5, 0.0, 0.5]
    """
    half = width // 2
    place = torch.arange(-half, half + 1, dtype=torch.float64)
    powers = torch.stack([place**k for k in range(order + 1)])
    # row k of the least-squares solution is the coefficient of place**k; its k-th derivative is k! times that
    fit: Tensor = torch.linalg.solve(powers @ powers.T, powers)[order] * math.factorial(order)
    return fit.float()[None, None]


def slopes(picture: Tensor, kernel: Tensor) -> Tensor:
    """Derivative over time of ``(batch, bins, frames)`` by :func:`slope_kernel`; the nearest full window at the ends.

    Examples
    --------
    >>> slopes(torch.arange(12.0).reshape(1, 1, 12), slope_kernel(1, 3))[0, 0, ::4].tolist()
    [1.0, 1.0, 1.0]
    """
    half = kernel.shape[2] // 2
    batch, bins, frames = picture.shape
    sloped = F.conv1d(picture.reshape(batch * bins, 1, frames), kernel)
    return F.pad(sloped, (half, half), mode="replicate").reshape(batch, bins, frames)
