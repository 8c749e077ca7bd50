"""Mel-frequency cepstral coefficients, with or without their slopes over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.errors import ConfigError
from earwitness.features.filters import cosine_transform, mel_filters
from earwitness.features.frames import (
    Normalize,
    PowerSpectrum,
    decibels,
    fixed_length,
    levelled,
    normalized,
    slope_kernel,
    slopes,
)


@dataclass(frozen=True)
class MFCCSettings:
    """Which coefficients. The defaults are those of a one-second clip of 20 by 101: window 512, step 160.

    Parameters
    ----------
    coefficients:
        Cepstral coefficients that are kept, from the 0th.
    n_fft, hop:
        Window (Hann) and step in samples at 16 kHz.
    mels:
        Bands of the mel spectrum before the cosine transform.
    low, high:
        Band edges in Hz; at most 8,000.
    range_db:
        Depth under the clip's loudest point; what is deeper counts as that deep.
    deltas:
        0: the coefficients alone; 1: with their slopes; 2: with slopes and curvatures, each as a channel.
    width:
        Frames over which slopes are fitted; odd.
    normalize:
        ``"level"``: of the clip's level; ``"mean"``, ``"standard"``: also each coefficient's mean over time, and its
        spread; ``"none"``: the waveform as it is, and with it its level in the 0th coefficient.
    samples:
        Fixed length in samples, cut or repeated; 0 leaves it.
    """

    coefficients: int = 20
    n_fft: int = 512
    hop: int = 160
    mels: int = 128
    low: float = 0.0
    high: float = 8000.0
    range_db: float = 80.0
    deltas: int = 0
    width: int = 9
    normalize: Normalize = "level"
    samples: int = 0

    @property
    def bins(self) -> int:
        """Rows of the picture: the coefficients."""
        return self.coefficients


class MFCC(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1 + deltas, coefficients, 1 + samples // hop)``.

    Values are those of ``librosa.feature.mfcc`` for the levelled clip: the orthonormal cosine transform of mel bands in
    dB. Slopes are those of ``librosa.feature.delta``. Source: Davis and Mermelstein 1980.

    Examples
    --------
    >>> MFCC(MFCCSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 20, 101])
    """

    Settings = MFCCSettings

    def __init__(self, settings: MFCCSettings) -> None:
        super().__init__()
        s = self.settings = settings
        if not 0 < s.coefficients <= s.mels:
            raise ConfigError(f"frontend.coefficients: {s.coefficients} of {s.mels} bands", hint="1 to mels")
        if s.deltas not in (0, 1, 2) or s.width < 3 or s.width % 2 == 0:
            raise ConfigError(
                f"frontend.deltas: {s.deltas}, width: {s.width}", hint="deltas 0, 1 or 2; width odd, at least 3"
            )
        self.power = PowerSpectrum(s.n_fft, s.hop, torch.hann_window(s.n_fft, dtype=torch.float64))
        self.filters: Tensor
        self.cosines: Tensor
        self.register_buffer("filters", mel_filters(s.n_fft, s.mels, s.low, s.high), persistent=False)
        self.register_buffer("cosines", cosine_transform(s.coefficients, s.mels), persistent=False)
        for order in range(1, s.deltas + 1):
            self.register_buffer(f"slope{order}", slope_kernel(order, s.width), persistent=False)

    @property
    def channels(self) -> int:
        """Channels of the output: the coefficients, and one for each order of slopes."""
        return 1 + self.settings.deltas

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = fixed_length(waveform.float(), s.samples)
        if s.normalize != "none":
            waveform = levelled(waveform)
        bands = decibels(self.filters @ self.power(waveform), s.range_db)
        plain = normalized(self.cosines @ bands, s.normalize)
        several = [plain, *(slopes(plain, getattr(self, f"slope{order}")) for order in range(1, s.deltas + 1))]
        return torch.stack(several, dim=1)
