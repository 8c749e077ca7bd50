"""How steady a voice is: pitch, jitter, shimmer and harmonics-to-noise ratio, without a loop over the voice's cycles.

Praat walks from one glottal pulse to the next. A graph of tensor operations cannot walk, so every measurement is made
at once, at anchors every 20 ms: the pitch is the best lag of the windowed autocorrelation there, the anchor moves to
the largest sample within half a period, and the periods to the next and from the previous cycle are the lags at which
one period of the waveform correlates best with what follows and what precedes. Sources: Boersma 1993 (pitch,
harmonicity), Praat's manual (jitter, shimmer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.features.frames import RATE, windowed_basis

HOP = 320
LOWEST, HIGHEST = 75.0, 500.0
WINDOW = 640
LONGEST = math.floor(RATE / LOWEST)
SHORTEST = math.ceil(RATE / HIGHEST)

#: what is voiced, how quiet a voiced frame may be, what an octave costs: Praat's, but for its cost of 0.01, as here
#: no path through neighbouring frames keeps the pitch from falling by an octave
VOICED, QUIET, OCTAVE_COST = 0.45, 0.03, 0.06
#: how much neighbouring cycles may differ to be compared: Praat's
MOST_PERIOD_RATIO, MOST_LEVEL_RATIO = 1.3, 1.6


@dataclass(frozen=True)
class Voice:
    """Tracks ``(batch, anchors)`` at 50 a second; all but ``voiced`` mean nothing where it is 0.

    Attributes
    ----------
    voiced:
        1 where the frame is voiced, else 0.
    pitch:
        Hz.
    harmonicity:
        Harmonics-to-noise ratio in dB.
    steady:
        1 where the cycles before and after are of about the same length and level, else 0.
    period, period_step:
        Mean length of the two cycles around the anchor, and their difference without sign, in samples.
    level, level_step:
        The same for the level around the anchor and one cycle later.
    """

    voiced: Tensor
    pitch: Tensor
    harmonicity: Tensor
    steady: Tensor
    period: Tensor
    period_step: Tensor
    level: Tensor
    level_step: Tensor


class VoiceTracks(nn.Module):
    """Waveform ``(batch, samples)`` to :class:`Voice`; ``anchors = 1 + (samples - 640) // 320``.

    Examples
    --------
    >>> time = torch.arange(16000) / 16000
    >>> buzz = sum(torch.sin(2 * torch.pi * 120 * k * time) / k for k in range(1, 20))
    >>> voice = VoiceTracks()(buzz[None])
    >>> float(voice.voiced.mean()), round(float(voice.pitch.median()))
    (1.0, 120)
    """

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(WINDOW, dtype=torch.float64)
        size = WINDOW + LONGEST + 2
        # the frame's mean is taken away inside the basis: a linear step before a linear step
        centre = torch.eye(WINDOW, dtype=torch.float64) - 1.0 / WINDOW
        basis = windowed_basis(size, window, size // 2 + 1) @ centre
        lags = torch.cat([torch.zeros(1), torch.arange(SHORTEST - 1, LONGEST + 2)])
        back = torch.cos(torch.outer(lags.double(), torch.arange(size // 2 + 1)) * (2 * math.pi / size))
        back[:, 1 : (size + 1) // 2] *= 2
        own = torch.stack([(window[: WINDOW - int(k)] * window[int(k) :]).sum() for k in lags])
        self.basis: Tensor
        self.back: Tensor
        self.lags: Tensor
        self.register_buffer("basis", basis.float().unsqueeze(1), persistent=False)
        # divided by the window's own autocorrelation, so that a steady tone has 1 at every whole period
        self.register_buffer("back", (back / size * (own[0] / own)[:, None]).float(), persistent=False)
        self.register_buffer("lags", lags[1:].float(), persistent=False)
        self.match = CycleMatch()

    def forward(self, waveform: Tensor) -> Voice:
        lag, strength = self._autocorrelation(waveform)
        # in two dimensions: pooling in one fixes the length of what is exported
        loud = F.max_pool2d(waveform.abs()[:, None, None], (1, WINDOW), (1, HOP))[:, 0, 0]
        near = loud / waveform.abs().amax(dim=1, keepdim=True).clamp_min(1e-6)
        voiced = ((strength > VOICED) & (near > QUIET)).float()
        share = strength.clamp(1e-4, 1 - 1e-4)
        return Voice(voiced, RATE / lag, 10.0 * (share / (1 - share)).log10(), *self.match(waveform, lag, voiced))

    def _autocorrelation(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Best lag in samples and the normalised autocorrelation there, both ``(batch, anchors)``."""
        size = self.basis.shape[0] // 2
        spectrum = F.conv1d(waveform.unsqueeze(1), self.basis, stride=HOP)
        power = spectrum[:, :size].square() + spectrum[:, size:].square()
        together = self.back @ power
        curve = together[:, 1:] / together[:, :1].clamp_min(1e-9)
        inner = curve[:, 1:-1]
        peak = (inner >= curve[:, :-2]) & (inner >= curve[:, 2:])
        cost = OCTAVE_COST * (self.lags[1:-1] / LONGEST).log2()
        value = torch.where(peak, inner - cost[None, :, None], -2.0)
        best = value.argmax(dim=1, keepdim=True)
        shift, height = parabola(*(curve.gather(1, best + k) for k in range(3)))
        return (self.lags[1:-1][best] + shift).squeeze(1), height.squeeze(1)


class CycleMatch(nn.Module):
    """Periods and levels of neighbouring cycles at anchors whose pitch is known; part of :class:`VoiceTracks`."""

    def __init__(self) -> None:
        super().__init__()
        self.radius = LONGEST // 2 + 1
        self.reach = math.ceil(1.25 * LONGEST) + 2
        side = self.radius + self.reach
        self.size = 2 * side + 1
        place = torch.arange(-side, side + 1, dtype=torch.float32)
        self.place: Tensor
        self.inner: Tensor
        self.register_buffer("place", place, persistent=False)
        inner = torch.arange(-self.radius, self.radius + 1, dtype=torch.float32)
        self.register_buffer("inner", inner, persistent=False)
        # correlation of a short piece with a long one through their spectra: no product of every lag with every sample
        count = self.size // 2 + 1
        angle = torch.outer(torch.arange(count), place.double()) * (2 * math.pi / self.size)
        lags = torch.arange(-self.reach, self.reach + 1)
        turn = torch.outer(torch.arange(count), lags.double()) * (2 * math.pi / self.size)
        weight = torch.full((count, 1), 2.0 / self.size, dtype=torch.float64)
        weight[0] /= 2
        self.cosines: Tensor
        self.sines: Tensor
        self.back: Tensor
        self.register_buffer("cosines", angle.cos().T.float(), persistent=False)
        self.register_buffer("sines", angle.sin().T.float(), persistent=False)
        both = torch.cat([turn.cos() * weight, turn.sin() * weight])
        self.register_buffer("back", both.float(), persistent=False)

    def forward(self, waveform: Tensor, lag: Tensor, voiced: Tensor) -> tuple[Tensor, ...]:
        """Steady, period, period step, level, level step; see :class:`Voice`."""
        side = self.radius + self.reach
        padded = F.pad(waveform, (side + self.radius, side + self.radius))
        centre = (torch.arange(lag.shape[1], device=lag.device) * HOP + WINDOW // 2 + side + self.radius)[None]
        anchor = centre + self._largest(padded, centre, lag)
        piece = take(padded, anchor, self.place)
        cycle = torch.where(self.inner.abs() <= (lag / 2)[..., None], 1.0, 0.0)
        curve = self._correlation(piece, cycle)
        after, before = self._best(curve, lag, 1), self._best(curve, lag, -1)
        level = [self._level(padded, anchor + shift, lag) for shift in (0, after.round().long())]
        ratio = torch.maximum(after, before) / torch.minimum(after, before).clamp_min(1.0)
        louder = torch.maximum(*level) / torch.minimum(*level).clamp_min(1e-6)
        steady = voiced * ((ratio <= MOST_PERIOD_RATIO) & (louder <= MOST_LEVEL_RATIO)).float()
        mean = (level[0] + level[1]) / 2
        return steady, (after + before) / 2, (after - before).abs(), mean, (level[0] - level[1]).abs()

    def _largest(self, padded: Tensor, centre: Tensor, lag: Tensor) -> Tensor:
        """Where, from each centre, the largest sample within half a period is."""
        around = take(padded, centre.expand(lag.shape[0], -1), self.inner).abs()
        inside = self.inner.abs() <= (lag / 2)[..., None]
        return torch.where(inside, around, -1.0).argmax(dim=2) - self.radius

    def _correlation(self, piece: Tensor, cycle: Tensor) -> Tensor:
        """Normalised correlation of the cycle around the anchor with the piece at every lag within reach."""
        middle = slice(self.reach, self.reach + 2 * self.radius + 1)
        short = piece[..., middle] * cycle
        product = self._correlate(short, piece, middle)
        energy = self._correlate(cycle, piece.square(), middle)
        own = short.square().sum(dim=2, keepdim=True)
        return product / (own * energy).clamp_min(1e-12).sqrt()

    def _correlate(self, short: Tensor, long: Tensor, middle: slice) -> Tensor:
        cosines, sines = self.cosines[middle], self.sines[middle]
        a, b = short @ cosines, short @ sines
        c, d = long @ self.cosines, long @ self.sines
        return torch.cat([a * c + b * d, a * d - b * c], dim=2) @ self.back

    def _best(self, curve: Tensor, lag: Tensor, side: int) -> Tensor:
        """Lag between 0.8 and 1.25 periods on one side at which the correlation is largest, between samples."""
        lags = torch.arange(-self.reach, self.reach + 1, device=lag.device) * float(side)
        share = lags / lag[..., None]
        inside = (share >= 0.8) & (share <= 1.25)
        best = torch.where(inside, curve, -2.0).argmax(dim=2, keepdim=True)
        shift, _ = parabola(*(curve.gather(2, (best + k).clamp(0, 2 * self.reach)) for k in (-1, 0, 1)))
        return ((best - self.reach + shift) * float(side)).squeeze(2)

    def _level(self, padded: Tensor, anchor: Tensor, lag: Tensor) -> Tensor:
        """Root mean square under a Hann window of a fifth of a period to either side."""
        around = take(padded, anchor, self.inner)
        share = self.inner / (0.2 * lag)[..., None]
        weight = torch.where(share.abs() < 1, 0.5 + 0.5 * torch.cos(math.pi * share), 0.0)
        return ((around.square() * weight).sum(dim=2) / weight.sum(dim=2)).clamp_min(1e-12).sqrt()


def take(waveform: Tensor, anchor: Tensor, place: Tensor) -> Tensor:
    """Samples at ``anchor + place``: ``(batch, n)``, ``(batch, anchors)`` and ``(k,)`` to ``(batch, anchors, k)``."""
    index = anchor[..., None] + place.long()
    return waveform.gather(1, index.flatten(1)).reshape(index.shape)


def parabola(left: Tensor, middle: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Top of the parabola through three neighbouring values: its place relative to the middle one, and its height.

    Examples
    --------
    >>> shift, height = parabola(torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([1.0]))
    >>> float(shift), float(height)
    (0.5, 1.125)
    """
    slope, bend = (right - left) / 2, left - 2 * middle + right
    shift = (-slope / torch.where(bend < -1e-9, bend, -1.0)).clamp(-1, 1)
    return shift, middle + slope * shift / 2
