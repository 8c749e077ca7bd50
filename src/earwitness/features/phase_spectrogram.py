"""Phase spectrogram: log power with the two derivatives of the phase, which vocoders invent anew."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.features.frames import levelled, log_power, windowed_basis


@dataclass(frozen=True)
class PhaseSpectrogramSettings:
    """What the phase spectrogram looks like.

    Parameters
    ----------
    n_fft:
        Window and transform length in samples (16 kHz); bins are ``16000 / n_fft`` Hz apart.
    hop:
        Samples between frames.
    bins:
        How many bins are kept, from 0 Hz up; at most ``n_fft // 2 + 1``.
    shift:
        Samples between the two windows whose phases are compared; frequencies up to ``8000 / shift`` Hz beside the
        middle of a bin are told apart.
    floor_db:
        Power below this, relative to white noise of the clip's own mean power, counts as nothing.
    angle_floor_db:
        The same for the angles, whose cosine and sine fade out there. Far below -50 dB single precision turns them.
    """

    n_fft: int = 256
    hop: int = 160
    bins: int = 128
    shift: int = 16
    floor_db: float = -70.0
    angle_floor_db: float = -50.0


class PhaseSpectrogram(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 5, bins, frames)``: log power, and cosine and sine of two angles.

    The first angle is by how much the phase of a bin moved on in ``shift`` samples, less what the middle of the bin
    moves (the instantaneous frequency; its cosine is ``2 cos - 1``, its sine doubled, for it is seldom far from 0). The
    second is by how much the phase changes to the next bin (the group delay, from the middle of the window). Both are
    free of where the clip begins; both shrink where the two powers differ. After Wu, Chng and Li, "Detecting converted
    speech and natural speech", Interspeech 2012, who take the phase itself. Frames do not reach over the edges:
    ``frames = 1 + (samples - n_fft - shift) // hop``.

    Examples
    --------
    >>> front_end = PhaseSpectrogram(PhaseSpectrogramSettings())
    >>> front_end(torch.randn(2, 16000)).shape
    torch.Size([2, 5, 128, 99])
    """

    Settings = PhaseSpectrogramSettings
    channels = 5

    def __init__(self, settings: PhaseSpectrogramSettings) -> None:
        super().__init__()
        s = self.settings = settings
        if s.shift < 1:
            raise ConfigError(f"frontend.shift: {s.shift} is not at least 1")
        window = torch.hann_window(s.n_fft, dtype=torch.float64)
        one = windowed_basis(s.n_fft, window, s.bins)
        one[s.bins :].neg_()
        both = torch.cat([F.pad(one, (0, s.shift)), F.pad(one, (s.shift, 0))])
        turn = torch.arange(s.bins, dtype=torch.float64) * (2 * math.pi * s.shift / s.n_fft)
        self.basis: Tensor
        self.turn: Tensor
        self.register_buffer("basis", both.float().unsqueeze(1), persistent=False)
        self.register_buffer("turn", torch.stack([turn.cos(), turn.sin()]).float().unsqueeze(-1), persistent=False)
        # white noise of unit variance has this power in every bin
        self.unit = float(window.square().sum())
        self.floor = 10.0 ** (s.floor_db / 10.0)

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        spectrum = F.conv1d(levelled(waveform.float()).unsqueeze(1), self.basis, stride=s.hop)
        real, imag, real_next, imag_next = torch.split(spectrum, s.bins, dim=1)
        power = real.square() + imag.square()
        log = log_power(power, self.unit, self.floor)
        across, along = real_next * real + imag_next * imag, imag_next * real - real_next * imag
        least = self.unit * 10.0 ** (s.angle_floor_db / 10.0)
        # by the mean of the powers and not by their product, which is next to nothing where one of them is
        size = (power + real_next.square() + imag_next.square()) / 2 + least
        cosine = (across * self.turn[0] + along * self.turn[1]) / size
        sine = (along * self.turn[0] - across * self.turn[1]) / size
        real_up, imag_up, power_up = (F.pad(x[:, 1:], (0, 0, 0, 1)) for x in (real, imag, power))
        size_up = (power + power_up) / 2 + least
        # a delay of half a window turns the sign
        delay_cosine = -(real_up * real + imag_up * imag) / size_up
        delay_sine = -(imag_up * real - real_up * imag) / size_up
        return torch.stack([log, 2 * cosine - 1, 2 * sine, delay_cosine, delay_sine], dim=1)
