"""Mel-spectrogram images: what the image-based student systems look at, here as a front end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from earwitness.errors import ConfigError

RATE = 16_000


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
        if not 0 <= settings.low < settings.high <= RATE / 2:
            raise ConfigError(f"frontend.low, high: {settings.low:g} to {settings.high:g} Hz", hint="0 to 8000 Hz")
        if (
            min(settings.n_fft, settings.hop, settings.mels, settings.height, settings.width) < 1
            or settings.range_db <= 0
        ):
            raise ConfigError("frontend: sizes and range_db must be positive")
        self.settings = settings
        self.window: Tensor
        self.filters: Tensor
        self.register_buffer("window", torch.hann_window(settings.n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(settings), persistent=False)

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


def mel_filters(settings: MelImageSettings) -> Tensor:
    """Triangular filters ``(mels, n_fft // 2 + 1)``, Slaney's mel scale and area (Auditory Toolbox, 1998).

    Examples
    --------
    >>> mel_filters(MelImageSettings(mels=40)).shape
    torch.Size([40, 513])
    """
    edges = _hertz(torch.linspace(_mel(settings.low), _mel(settings.high), settings.mels + 2, dtype=torch.float64))
    bins = torch.linspace(0, RATE / 2, settings.n_fft // 2 + 1, dtype=torch.float64)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (torch.minimum(rise, fall).clamp_min(0) * area[:, None]).float()


# Linear up to 1 kHz (15 mel), logarithmic above: 27 mel per factor of 6.4.
_STEP, _BREAK = 200 / 3, 1000.0
_LOG = math.log(6.4) / 27


def _mel(hertz: float) -> float:
    return hertz / _STEP if hertz < _BREAK else _BREAK / _STEP + math.log(hertz / _BREAK) / _LOG


def _hertz(mel: Tensor) -> Tensor:
    knee = _BREAK / _STEP
    return torch.where(mel < knee, mel * _STEP, _BREAK * torch.exp((mel - knee).clamp_min(0) * _LOG))
