"""Log-mel spectrogram: the picture that most convolutional systems look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.features.filters import mel_filters
from earwitness.features.frames import Normalize, PowerSpectrum, fixed_length, levelled, normalized


@dataclass(frozen=True)
class LogMelSettings:
    """What the log-mel spectrogram looks like.

    Parameters
    ----------
    n_fft, window, hop:
        Transform, Hann window and step in samples at 16 kHz.
    mels:
        Bands on the Slaney scale, each a weighted mean of the bins below its triangle.
    low, high:
        Band edges in Hz; at most 8,000.
    floor_db:
        Power below this, relative to white noise of the clip's own mean power, counts as nothing.
    normalize:
        ``"level"``: of the clip's level only; ``"mean"``, ``"standard"``: also each band's mean over time, and its
        spread; ``"none"``: the waveform as it is.
    samples:
        Fixed length in samples, cut or repeated; 0 leaves it.
    """

    n_fft: int = 512
    window: int = 400
    hop: int = 160
    mels: int = 80
    low: float = 0.0
    high: float = 8000.0
    floor_db: float = -70.0
    normalize: Normalize = "level"
    samples: int = 0

    @property
    def bins(self) -> int:
        """Rows of the picture: the bands."""
        return self.mels


class LogMel(nn.Module):
    """Waveform ``(batch, samples)`` to log power ``(batch, 1, mels, 1 + samples // hop)``, scaled to about unit spread.

    Examples
    --------
    >>> LogMel(LogMelSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 80, 101])
    """

    Settings = LogMelSettings

    def __init__(self, settings: LogMelSettings) -> None:
        super().__init__()
        s = self.settings = settings
        self.channels = 1
        self.power = PowerSpectrum(s.n_fft, s.hop, torch.hann_window(s.window, dtype=torch.float64))
        self.filters: Tensor
        filters = mel_filters(s.n_fft, s.mels, s.low, s.high, norm="sum")
        self.register_buffer("filters", filters, persistent=False)
        self.floor = 10.0 ** (s.floor_db / 10.0)

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = fixed_length(waveform.float(), s.samples)
        if s.normalize != "none":
            waveform = levelled(waveform)
        bands = self.filters @ (self.power(waveform) / self.power.unit)
        return normalized((bands + self.floor).log() / 4.0 + 1.0, s.normalize).unsqueeze(1)
