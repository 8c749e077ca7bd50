"""Mel-spectrogram images: what the image-based student systems look at, here as a front end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from earwitness.errors import ConfigError
from earwitness.features.filters import mel_filters


@dataclass(frozen=True)
class MelImageSettings:
    """What the image looks like.

    Parameters
    ----------
    n_fft, hop:
        Window (Hann) and step in samples at 16 kHz.
    mels:
        Bands, on the Slaney scale with equal-area filters, as librosa makes them by default.
    low, high:
        Band edges in Hz; at most 8,000.
    height, width:
        Size of the image in pixels.
    range_db:
        Depth under the loudest point of the clip: that point is white (1), this much below and deeper is black (0).
    """

    n_fft: int = 1024
    hop: int = 256
    mels: int = 128
    low: float = 0.0
    high: float = 8000.0
    height: int = 128
    width: int = 128
    range_db: float = 80.0

    @property
    def bins(self) -> int:
        """Rows of the image."""
        return self.height


class MelImage(nn.Module):
    """Waveform ``(batch, samples)`` to images ``(batch, 1, height, width)`` between 0 and 1.

    Rows are frequency on the mel scale, the highest at the top; columns are time, from left to right over the whole
    clip. Level is taken relative to the loudest point, so that a quieter copy gives the same image. A silent clip is
    black.

    Examples
    --------
    >>> images = MelImage(MelImageSettings())(torch.randn(2, 16000))
    >>> images.shape, bool(images.min() >= 0 and images.max() <= 1)
    (torch.Size([2, 1, 128, 128]), True)
    """

    Settings = MelImageSettings

    def __init__(self, settings: MelImageSettings) -> None:
        super().__init__()
        if (
            min(settings.n_fft, settings.hop, settings.mels, settings.height, settings.width) < 1
            or settings.range_db <= 0
        ):
            raise ConfigError("frontend: sizes and range_db must be positive")
        self.settings = settings
        self.window: Tensor
        self.filters: Tensor
        self.register_buffer("window", torch.hann_window(settings.n_fft), persistent=False)
        self.register_buffer(
            "filters", mel_filters(settings.n_fft, settings.mels, settings.low, settings.high), persistent=False
        )

    @property
    def channels(self) -> int:
        """Channels of the output: 1."""
        return 1

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        spectrum = torch.stft(
            waveform.float(), s.n_fft, s.hop, window=self.window, center=True, pad_mode="constant", return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        mel = self.filters @ power
        loudest = mel.amax(dim=(1, 2), keepdim=True)
        # 1e-10: a clip that never comes above -100 dB is silence and not a picture of its own rounding noise.
        level = 10.0 * (mel.clamp_min(1e-10).log10() - loudest.clamp_min(1e-10).log10())
        heard = (loudest > 1e-10).float()
        image = (1.0 + level / s.range_db).clamp(0.0, 1.0) * heard
        # Not antialiased, in the graph as in the files: the exporter has no antialiased form of a dynamic width.
        return F.interpolate(image.flip(1).unsqueeze(1), (s.height, s.width), mode="bilinear", align_corners=False)
