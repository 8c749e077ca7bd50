"""Linear-frequency cepstral coefficients, as the LFCC baselines of ASVspoof compute them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.features.filters import cosine_transform, linear_filters
from earwitness.features.frames import RATE, Normalize, PowerSpectrum, fixed_length, levelled, normalized

# the guard of the reference under its logarithms: the machine epsilon of single precision
EPSILON = 1.1920929e-07


@dataclass(frozen=True)
class LFCCSettings:
    """Which coefficients. The defaults are those of ASVspoof 2021's LFCC-LCNN: 3 × 20 from 0 to 4 kHz.

    Parameters
    ----------
    coefficients:
        Triangular filters of equal width, and coefficients that are kept of them.
    n_fft, window, hop:
        Transform, Hamming window and step in samples at 16 kHz.
    high:
        Upper edge in Hz; at most 8,000.
    emphasis:
        Share of the sample before that is taken away from each sample (pre-emphasis); 0 turns it off.
    energy:
        Whether log energy stands in place of the 0th coefficient.
    deltas:
        0: the coefficients alone; 1: with differences; 2: with differences of differences; as further rows.
    normalize:
        ``"level"``: of the clip's level; ``"mean"``, ``"standard"``: also each row's mean over time, and its spread;
        ``"none"``: the waveform as it is, as the reference does.
    samples:
        Fixed length in samples, cut or repeated; 0 leaves it.
    """

    coefficients: int = 20
    n_fft: int = 1024
    window: int = 320
    hop: int = 160
    high: float = 4000.0
    emphasis: float = 0.97
    energy: bool = True
    deltas: int = 2
    normalize: Normalize = "level"
    samples: int = 0

    @property
    def bins(self) -> int:
        """Rows of the picture: coefficients and their differences."""
        return self.coefficients * (1 + self.deltas)


class LFCC(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1, coefficients * (1 + deltas), 1 + samples // hop)``.

    Source: Sahidullah et al. 2015; settings and arithmetic of Wang and Yamagishi 2021 (arXiv 2103.11326).

    Examples
    --------
    >>> LFCC(LFCCSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 60, 101])
    """

    Settings = LFCCSettings

    def __init__(self, settings: LFCCSettings) -> None:
        super().__init__()
        s = self.settings = settings
        if s.deltas not in (0, 1, 2):
            raise ConfigError(f"frontend.deltas: {s.deltas}", hint="0, 1 or 2")
        if not 0 < s.high <= RATE / 2:
            raise ConfigError(f"frontend.high: {s.high:g} Hz", hint="above 0 and at most 8000 Hz")
        self.channels = 1
        # the reference keeps this many bins and lays its filters over them, the last one at the upper edge
        bins = int(s.high / (RATE / 2) * (s.n_fft // 2 + 1))
        self.power = PowerSpectrum(s.n_fft, s.hop, torch.hamming_window(s.window, dtype=torch.float64), bins)
        self.filters: Tensor
        self.cosines: Tensor
        self.register_buffer("filters", linear_filters(bins, s.coefficients), persistent=False)
        self.register_buffer("cosines", cosine_transform(s.coefficients, s.coefficients), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = fixed_length(waveform.float(), s.samples)
        if s.normalize != "none":
            waveform = levelled(waveform)
        if s.emphasis:
            waveform = waveform - s.emphasis * F.pad(waveform[:, :-1], (1, 0))
        power = self.power(waveform)
        rows = self.cosines @ (self.filters @ power + EPSILON).log10()
        if s.energy:
            energy = (power.sum(dim=1, keepdim=True) / s.n_fft + EPSILON).log10()
            rows = torch.cat([energy, rows[:, 1:]], dim=1)
        several = [normalized(rows, s.normalize)]
        for _ in range(s.deltas):
            padded = F.pad(several[-1], (1, 1), mode="replicate")
            several.append(padded[:, :, 2:] - padded[:, :, :-2])
        return torch.cat(several, dim=1).unsqueeze(1)
