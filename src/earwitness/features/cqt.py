"""Constant-Q transform: bins a musical step apart, with windows that are long for low notes and short for high ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.features.frames import RATE, Normalize, fixed_length, levelled, normalized


@dataclass(frozen=True)
class CQTSettings:
    """Which notes. The defaults are seven octaves of twelve from 62.5 Hz to 7.6 kHz.

    Parameters
    ----------
    low:
        Centre of the lowest bin in Hz.
    per_octave:
        Bins to a doubling of frequency.
    octaves:
        Octaves; the highest bin with its bandwidth must lie below 8,000 Hz.
    hop:
        Samples between frames.
    floor_db:
        Power below this, relative to white noise of the clip's own mean power, counts as nothing.
    normalize:
        ``"level"``: of the clip's level; ``"mean"``, ``"standard"``: also each bin's mean over time, and its spread;
        ``"none"``: the waveform as it is.
    samples:
        Fixed length in samples, cut or repeated; 0 leaves it.
    """

    low: float = 62.5
    per_octave: int = 12
    octaves: int = 7
    hop: int = 256
    floor_db: float = -60.0
    normalize: Normalize = "level"
    samples: int = 0

    @property
    def bins(self) -> int:
        """Rows of the picture."""
        return self.per_octave * self.octaves


class CQT(nn.Module):
    """Waveform ``(batch, samples)`` to log power ``(batch, 1, bins, 1 + samples // hop)``, scaled to about unit spread.

    Every bin is the direct correlation with its own Hann-windowed tone, an octave of bins in one convolution; frames
    are centred on multiples of ``hop`` and the clip is padded with zeros. Source: Brown 1991; bandwidths as in
    librosa.

    Examples
    --------
    >>> CQT(CQTSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 84, 63])
    """

    Settings = CQTSettings

    def __init__(self, settings: CQTSettings) -> None:
        super().__init__()
        s = self.settings = settings
        if min(s.per_octave, s.octaves, s.hop) < 1 or s.low <= 0:
            raise ConfigError("frontend: low, per_octave, octaves and hop must be positive")
        ratio = 2.0 ** (2.0 / s.per_octave)
        self.quality = (ratio + 1) / (ratio - 1)
        highest = s.low * 2.0 ** ((s.bins - 1) / s.per_octave)
        # 1.5 bins is the equivalent noise bandwidth of the Hann window
        if highest * (1 + 0.75 / self.quality) > RATE / 2:
            raise ConfigError(f"frontend: the highest bin is at {highest:.0f} Hz", hint="it must lie below 8000 Hz")
        self.channels = 1
        self.floor = 10.0 ** (s.floor_db / 10.0)
        for octave in range(s.octaves):
            self.register_buffer(f"octave{octave}", self._kernels(octave), persistent=False)

    def _kernels(self, octave: int) -> Tensor:
        """``(2 * per_octave, 1, length)``: cosines, then sines; unit white noise has power 1 in each bin."""
        s = self.settings
        notes = torch.arange(octave * s.per_octave, (octave + 1) * s.per_octave, dtype=torch.float64)
        frequency = s.low * 2.0 ** (notes / s.per_octave)
        length = self.quality * RATE / frequency
        half = math.ceil(float(length[0]) / 2)
        time = torch.arange(-half, half + 1, dtype=torch.float64)
        share = time / length[:, None]
        window = torch.where(share.abs() < 0.5, 0.5 + 0.5 * torch.cos(2 * math.pi * share), 0.0)
        window = window / window.square().sum(dim=1, keepdim=True).sqrt()
        angle = 2 * math.pi * frequency[:, None] / RATE * time
        return torch.cat([angle.cos() * window, angle.sin() * window]).float().unsqueeze(1)

    def power(self, waveform: Tensor) -> Tensor:
        """``(batch, samples)`` to power ``(batch, bins, frames)``."""
        parts = []
        for octave in range(self.settings.octaves):
            kernels: Tensor = getattr(self, f"octave{octave}")
            half = (kernels.shape[2] - 1) // 2
            both = F.conv1d(F.pad(waveform, (half, half + 1)).unsqueeze(1), kernels, stride=self.settings.hop)
            real, imaginary = both.chunk(2, dim=1)
            parts.append(real.square() + imaginary.square())
        return torch.cat(parts, dim=1)

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = fixed_length(waveform.float(), s.samples)
        if s.normalize != "none":
            waveform = levelled(waveform)
        log = (self.power(waveform) + self.floor).log() / 4.0 + 1.0
        return normalized(log, s.normalize).unsqueeze(1)
