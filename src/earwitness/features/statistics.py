"""The statistics vector: hand-made measurements of a whole clip, one named column each, for classical models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.features.filters import cosine_transform, mel_filters
from earwitness.features.frames import RATE, PowerSpectrum, decibels, levelled
from earwitness.features.voice import VoiceTracks

MOMENTS = ("mean", "std", "min", "max", "skew", "kurtosis")
PERCENTILES = (5, 25, 50, 75, 95)
SHAPES = ("centroid", "bandwidth", "rolloff", "flatness", "zero_crossings")
VOICE = (
    "voiced_share",
    "pitch_mean",
    "pitch_std",
    "pitch_min",
    "pitch_max",
    "hnr_mean",
    "hnr_std",
    "jitter",
    "shimmer",
)
ROLLOFF = 0.85


@dataclass(frozen=True)
class StatisticsSettings:
    """What is measured.

    Parameters
    ----------
    n_fft, hop:
        Window (Hann) and step in samples of the spectral tracks.
    mels:
        Mel bands in dB (Slaney, librosa's default), each a track.
    coefficients:
        MFCC of those bands, each a track.
    range_db:
        Depth under the clip's loudest band; what is deeper counts as that deep.
    normalize:
        ``"level"`` divides the clip by its root mean square first; its spread is 1 then and no column. ``"none"``
        leaves the clip as it is, and its level is among the columns.
    """

    n_fft: int = 512
    hop: int = 160
    mels: int = 40
    coefficients: int = 20
    range_db: float = 80.0
    normalize: Literal["none", "level"] = "level"

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of what is measured frame by frame."""
        cepstra = (f"mfcc{k}" for k in range(self.coefficients))
        return (*SHAPES, *cepstra, *(f"mel{k}" for k in range(self.mels)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The name of every value, in order: ``signal_mean`` … ``mel39_p95`` … ``shimmer``.

        Examples
        --------
        >>> columns = StatisticsSettings().columns
        >>> len(columns), columns[0], columns[10], columns[-2]
        (734, 'signal_mean', 'centroid_mean', 'jitter')
        """
        kinds = (*MOMENTS, *(f"p{p}" for p in PERCENTILES))
        own = [f"signal_{kind}" for kind in kinds if kind != "std" or self.normalize == "none"]
        return (*own, *(f"{track}_{kind}" for track in self.tracks for kind in kinds), *VOICE)

    @property
    def bins(self) -> int:
        """Values in the vector."""
        return len(self.columns)


class Statistics(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1, columns, 1)``; see :attr:`StatisticsSettings.columns`.

    Of the signal and of every track: mean, standard deviation, least, greatest, skewness, excess kurtosis and
    percentiles. Centroid, bandwidth and roll-off are in Hz, bands in dB, pitch in Hz, harmonics-to-noise ratio in dB,
    jitter, shimmer and the voiced share are fractions. Tracks are those of librosa; for the voice see
    :mod:`earwitness.features.voice`.

    Examples
    --------
    >>> Statistics(StatisticsSettings())(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 734, 1])
    """

    Settings = StatisticsSettings

    def __init__(self, settings: StatisticsSettings) -> None:
        super().__init__()
        s = self.settings = settings
        self.channels = 1
        self.power = PowerSpectrum(s.n_fft, s.hop, torch.hann_window(s.n_fft, dtype=torch.float64))
        self.voice = VoiceTracks()
        self.filters: Tensor
        self.cosines: Tensor
        self.hertz: Tensor
        self.places: Tensor
        self.register_buffer("filters", mel_filters(s.n_fft, s.mels), persistent=False)
        self.register_buffer("cosines", cosine_transform(s.coefficients, s.mels), persistent=False)
        self.register_buffer("hertz", torch.arange(s.n_fft // 2 + 1) * (RATE / s.n_fft), persistent=False)
        self.register_buffer("places", torch.tensor(PERCENTILES) / 100.0, persistent=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The name of every value."""
        return self.settings.columns

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = waveform.float()
        if s.normalize == "level":
            waveform = levelled(waveform)
        own = summary(waveform, self.places)
        if s.normalize == "level":
            own = torch.cat([own[:, :1], own[:, 2:]], dim=1)
        tracks = self.tracks(waveform)
        return torch.cat([own, summary(tracks, self.places).flatten(1), self._voice(waveform)], dim=1)[:, None, :, None]

    def tracks(self, waveform: Tensor) -> Tensor:
        """``(batch, tracks, frames)``: :attr:`StatisticsSettings.tracks` of the (levelled) waveform."""
        s = self.settings
        power = self.power(waveform)
        size = power.sqrt()
        share = size / size.sum(dim=1, keepdim=True).clamp_min(1e-9)
        centroid = self.hertz @ share
        width = (share * (self.hertz[:, None] - centroid[:, None]).square()).sum(dim=1).sqrt()
        below = (share.cumsum(dim=1) < ROLLOFF).float().sum(dim=1) * (RATE / s.n_fft)
        bounded = power.clamp_min(1e-10)
        flatness = bounded.log().mean(dim=1).exp() / bounded.mean(dim=1)
        negative = (waveform < 0).float()
        crossed = F.pad((negative[:, 1:] - negative[:, :-1]).abs(), (s.n_fft // 2 + 1, s.n_fft // 2))
        crossings = F.avg_pool1d(crossed.unsqueeze(1), s.n_fft, s.hop).squeeze(1)
        bands = decibels(self.filters @ power, s.range_db)
        shapes = torch.stack([centroid, width, below, flatness, crossings], dim=1)
        return torch.cat([shapes, self.cosines @ bands, bands], dim=1)

    def _voice(self, waveform: Tensor) -> Tensor:
        """``(batch, columns)``, 0 where nothing is voiced."""
        v = self.voice(waveform)
        heard = (v.voiced.sum(dim=1) > 0).float()

        def mean(track: Tensor, weight: Tensor) -> Tensor:
            return (track * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)

        out = [v.voiced.mean(dim=1)]
        pitch, harmonicity = mean(v.pitch, v.voiced), mean(v.harmonicity, v.voiced)
        out += [pitch, mean((v.pitch - pitch[:, None]).square(), v.voiced).sqrt()]
        out += [torch.where(v.voiced > 0, v.pitch, 1e4).amin(dim=1) * heard, (v.pitch * v.voiced).amax(dim=1)]
        out += [harmonicity, mean((v.harmonicity - harmonicity[:, None]).square(), v.voiced).sqrt()]
        out += [mean(v.period_step, v.steady) / mean(v.period, v.steady).clamp_min(1.0)]
        out += [mean(v.level_step, v.steady) / mean(v.level, v.steady).clamp_min(1e-6)]
        return torch.stack(out, dim=1)


def summary(track: Tensor, places: Tensor) -> Tensor:
    """Moments, extremes and percentiles over the last axis: ``(..., n)`` to ``(..., 6 + len(places))``.

    Skewness and excess kurtosis are those of the population; a track that hardly moves has neither.

    Examples
    --------
    >>> summary(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.5])).tolist()
    [2.5, 1.1180340051651, 1.0, 4.0, 0.0, -1.3600000143051147, 2.5]
    """
    mean = track.mean(dim=-1, keepdim=True)
    apart = track - mean
    square = apart.square()
    variance = square.mean(dim=-1)
    bounded = variance.clamp_min(1e-8)
    moved = (variance > 1e-8).float()
    skew = (square * apart).mean(dim=-1) / (bounded * bounded.sqrt()) * moved
    kurtosis = (square.square().mean(dim=-1) / bounded.square() - 3.0) * moved
    ranked = track.sort(dim=-1).values
    place = places * (track.shape[-1] - 1)
    low = place.floor()
    first, second = ranked.index_select(-1, low.long()), ranked.index_select(-1, place.ceil().long())
    between = first + (second - first) * (place - low)
    moments = [mean.squeeze(-1), variance.sqrt(), ranked[..., 0], ranked[..., -1], skew, kurtosis]
    return torch.cat([torch.stack(moments, dim=-1), between], dim=-1)
