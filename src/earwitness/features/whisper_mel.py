"""The log-mel picture that Whisper's encoder was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.features.filters import mel_filters
from earwitness.features.frames import PowerSpectrum


@dataclass(frozen=True)
class WhisperMelSettings:
    """What Whisper hears.

    Parameters
    ----------
    mels:
        Bands: 80, or 128 for large-v3.
    """

    mels: int = 80

    @property
    def bins(self) -> int:
        """Rows of the picture: the bands."""
        return self.mels


class WhisperMel(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1, mels, samples // 160)``, as Whisper's own code makes it.

    Windows of 25 ms every 10 ms, the clip mirrored at its ends; the common logarithm, at most 8 under the clip's
    highest value, scaled by ``(x + 4) / 4``. Unlike Whisper's code it does not fill up to 30 s.

    Source: Radford et al. 2022 (arXiv 2212.04356).

    Examples
    --------
    >>> WhisperMel(WhisperMelSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 80, 100])
    """

    Settings = WhisperMelSettings

    def __init__(self, settings: WhisperMelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.channels = 1
        self.power = PowerSpectrum(400, 160, torch.hann_window(400, dtype=torch.float64))
        self.power.padding = (0, 0)
        self.filters: Tensor
        self.register_buffer("filters", mel_filters(400, settings.mels), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        mirrored = F.pad(waveform.float().unsqueeze(1), (200, 200), mode="reflect").squeeze(1)
        log = (self.filters @ self.power(mirrored)[:, :, :-1]).clamp_min(1e-10).log10()
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0)
        return ((log + 4.0) / 4.0).unsqueeze(1)
