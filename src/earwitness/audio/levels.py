"""Levels of the channels, measured at the recording's own rate before anything is averaged or resampled."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = -120.0
"""The level that stands for silence: nothing lower is reported."""

SPLIT_LOSS_DB = 6.0
"""The average may lose this much against the loudest channel before the channels are scanned apart."""

SPLIT_CORRELATION = 0.5
"""Channels that correlate less than this are scanned apart."""

VOICE_RANGE_DB = 40.0
"""A channel this much below the loudest one carries no voice of its own (silence, hum, crosstalk)."""

CEILING = 0.999
"""Magnitudes from here up count as full scale."""

ABSURD_SAMPLE = 1e6
"""Floating-point samples beyond this many times full scale are no sound; they count as not finite."""

_RUN = 3


@dataclass(frozen=True)
class ChannelLevels:
    """What the channels of a recording hold.

    Attributes
    ----------
    rms_db:
        Level of each channel in dB re full scale (1.0): the root of the mean square about the mean, at least -120.
    average_rms_db:
        The same for the average of the channels.
    correlation:
        The lowest Pearson correlation of two channels that carry sound (see ``voices``), in [-1, 1]; 1.0 for fewer
        than two.
    peak:
        The largest magnitude of any sample, 1.0 = full scale; above 1 in floating-point and some lossy recordings.
    clipped_share:
        Fraction of all samples that stand in flat tops: runs of three or more consecutive samples of a channel that are
        all at or above .999 of full scale, or, in a recording that never gets there, all exactly at its own largest
        magnitude (clipped first and turned down afterwards). 0 for a constant recording.
    dc:
        The mean of the channel with the largest one in magnitude, 1.0 = full scale.

    Examples
    --------
    >>> one_side = ChannelLevels((-20.0, -120.0), -26.02, 1.0, 0.5, 0.0, 0.0)
    >>> one_side.split, one_side.voices
    (True, (0,))
    """

    rms_db: tuple[float, ...]
    average_rms_db: float
    correlation: float
    peak: float
    clipped_share: float
    dc: float

    @property
    def split(self) -> bool:
        """Whether the average hides a voice, so that the channels in ``voices`` are to be scanned apart.

        True when the average is more than 6 dB below the loudest channel or two sounding channels correlate less than
        .5. One silent channel of two costs 6.02 dB, hence it is true there as well, and ``voices`` names the sounding
        one alone.
        """
        if len(self.rms_db) < 2:
            return False
        return max(self.rms_db) - self.average_rms_db > SPLIT_LOSS_DB or self.correlation < SPLIT_CORRELATION

    @property
    def voices(self) -> tuple[int, ...]:
        """The channels, counted from 0, that can carry a voice: above -120 dB and within 40 dB of the loudest."""
        return _sounding(self.rms_db)

    def to_dict(self) -> dict[str, Any]:
        """The levels as plain values for JSON, with ``split`` and ``voices``."""
        return {**asdict(self), "rms_db": list(self.rms_db), "split": self.split, "voices": list(self.voices)}


def channel_name(index: int, channels: int) -> str:
    """The name of a channel counted from 0: ``left`` and ``right`` of two, else ``channel 1`` and so on.

    Examples
    --------
    >>> channel_name(1, 2), channel_name(1, 6)
    ('right', 'channel 2')
    """
    return ("left", "right")[index] if channels == 2 else f"channel {index + 1}"


class LevelMeter:
    """Sums over the blocks of one layout from which :class:`ChannelLevels` follow.

    Parameters
    ----------
    channels:
        Rows of every block.

    Examples
    --------
    >>> meter = LevelMeter(1)
    >>> meter.push(np.full((1, 100), 0.5, np.float32))
    >>> meter.levels().dc
    0.5
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.samples = 0
        self.unusable = 0
        """Values that were not finite, or absurdly large, and were set to zero."""
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._high, self._low = -math.inf, math.inf
        self._clipping = _Runs(channels)
        self._flat = _Runs(channels)
        self._flat_peak = 0.0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take in a block of shape ``(channels, n)``; values that are no sound are set to 0 in place and counted."""
        high, low = float(block.max()), float(block.min())
        if not (high < ABSURD_SAMPLE and low > -ABSURD_SAMPLE):
            bad = ~(np.abs(block) < ABSURD_SAMPLE)
            self.unusable += int(np.count_nonzero(bad))
            block[bad] = 0.0
            high, low = float(block.max()), float(block.min())
        self.samples += block.shape[1]
        self._sum += block.sum(axis=1)
        self._products += _products(block)
        self._high, self._low = max(self._high, high), min(self._low, low)
        self._count_flat_tops(block, max(high, -low))

    def _count_flat_tops(self, block: NDArray[np.float32], peak: float) -> None:
        self._clipping.push(block, lambda x: np.abs(x) >= CEILING, peak >= CEILING)
        if peak > self._flat_peak:
            self._flat_peak, self._flat.count = peak, 0
        top = self._flat_peak
        self._flat.push(block, lambda x: np.abs(x) == np.float32(top), 0.0 < peak == top < CEILING)

    def levels(self) -> ChannelLevels:
        """The levels of everything pushed so far; of silence when nothing was."""
        count = max(self.samples, 1)
        mean = self._sum / count
        covariance = self._products / count - np.outer(mean, mean)
        power = np.maximum(np.diag(covariance), 0.0)
        rms_db = tuple(_db(float(value)) for value in power)
        peak = max(self._high, -self._low) if self.samples else 0.0
        tops = self._clipping if peak >= CEILING else self._flat
        return ChannelLevels(
            rms_db=rms_db,
            average_rms_db=_db(float(covariance.sum()) / self.channels**2),
            correlation=_lowest_correlation(covariance, _sounding(rms_db)),
            peak=peak,
            clipped_share=tops.count / (count * self.channels) if self._high > self._low else 0.0,
            dc=float(mean[np.argmax(np.abs(mean))]),
        )


class _Runs:
    """Counts the samples in runs of at least three marked ones, across the borders of blocks."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self._before = np.zeros((channels, _RUN), np.float32)

    def push(self, block: NDArray[np.float32], mark: Any, worth_looking: bool) -> None:
        if worth_looking:
            marked = mark(np.concatenate([self._before, block], axis=1))
            triples = marked[:, :-2] & marked[:, 1:-1] & marked[:, 2:]
            new = triples[:, 1:]
            starts = new & ~triples[:, :-1]
            self.count += int(np.count_nonzero(new)) + (_RUN - 1) * int(np.count_nonzero(starts))
        self._before = np.concatenate([self._before, block[:, -_RUN:]], axis=1)[:, -_RUN:]


def _products(block: NDArray[np.float32]) -> NDArray[np.float64]:
    channels = len(block)
    if channels > 4:
        return (block @ block.T).astype(np.float64)
    out = np.empty((channels, channels))
    for row in range(channels):
        for column in range(row, channels):
            out[row, column] = out[column, row] = np.dot(block[row], block[column])
    return out


def _sounding(rms_db: tuple[float, ...]) -> tuple[int, ...]:
    lowest = max(max(rms_db, default=FLOOR_DB) - VOICE_RANGE_DB, FLOOR_DB)
    return tuple(index for index, level in enumerate(rms_db) if level > lowest)


def _lowest_correlation(covariance: NDArray[np.float64], voices: tuple[int, ...]) -> float:
    if len(voices) < 2:
        return 1.0
    part = covariance[np.ix_(voices, voices)]
    scale = np.sqrt(np.diag(part))
    return float(np.clip((part / np.outer(scale, scale)).min(), -1.0, 1.0))


def _db(power: float) -> float:
    return max(FLOOR_DB, 10.0 * math.log10(power)) if power > 0.0 else FLOOR_DB
