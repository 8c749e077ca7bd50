"""Log-linear spectrogram: the front end that keeps every harmonic and the whole band up to 8 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.features.frames import levelled, log_power, windowed_basis


@dataclass(frozen=True)
class LogSpectrogramSettings:
    """What the log-linear spectrogram looks like.

    Parameters
    ----------
    n_fft:
        Window and transform length in samples (16 kHz); bins are ``16000 / n_fft`` Hz apart.
    hop:
        Samples between frames.
    bins:
        How many bins are kept, from 0 Hz up; at most ``n_fft // 2 + 1``.
    floor_db:
        Power below this, relative to white noise of the clip's own mean power, counts as nothing. It hides the digital
        noise floor, a cue of the recording and not of the voice.
    normalize:
        ``"level"`` takes only the clip's level away; ``"bins"`` takes each bin's mean over time away (mean
        normalisation in the log-spectral domain), and with it the channel; ``"both"`` gives the two as two channels.
    """

    n_fft: int = 512
    hop: int = 256
    bins: int = 256
    floor_db: float = -60.0
    normalize: Literal["level", "bins", "both"] = "level"


class LogSpectrogram(nn.Module):
    """Waveform ``(batch, samples)`` to log power ``(batch, channels, bins, frames)``, scaled to about unit spread.

    The clip is first divided by its root mean square, so that the level is no cue. Frames do not reach over the edges:
    ``frames = 1 + (samples - n_fft) // hop``.

    Examples
    --------
    >>> front_end = LogSpectrogram(LogSpectrogramSettings())
    >>> front_end(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 256, 61])
    """

    Settings = LogSpectrogramSettings

    def __init__(self, settings: LogSpectrogramSettings) -> None:
        super().__init__()
        self.settings = settings
        window = torch.hann_window(settings.n_fft, dtype=torch.float64)
        # a convolution with the windowed basis costs half of what an FFT node costs in onnxruntime
        basis = windowed_basis(settings.n_fft, window, settings.bins).float().unsqueeze(1)
        self.basis: Tensor
        self.register_buffer("basis", basis, persistent=False)
        # white noise of unit variance has this power in every bin
        self.unit = float(window.square().sum())
        self.floor = 10.0 ** (settings.floor_db / 10.0)

    @property
    def channels(self) -> int:
        """Channels of the output: 2 for ``normalize="both"``, else 1."""
        return 2 if self.settings.normalize == "both" else 1

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        spectrum = F.conv1d(levelled(waveform.float()).unsqueeze(1), self.basis, stride=s.hop)
        power = spectrum[:, : s.bins].square() + spectrum[:, s.bins :].square()
        log = log_power(power, self.unit, self.floor)
        if s.normalize == "level":
            return log.unsqueeze(1)
        centred = log - log.mean(dim=2, keepdim=True)
        if s.normalize == "bins":
            return centred.unsqueeze(1)
        return torch.stack([log, centred], dim=1)
