"""Acoustic fingerprints: the same recording is found again after re-encoding, another level, a cut or a shift.

After Haitsma & Kalker, "A highly robust audio fingerprinting system", ISMIR 2002: for each frame, 32 bits say whether
the energy difference of neighbouring bands (33 of them, 300–2,000 Hz, logarithmic) rose or fell since the frame
before. Level cancels out, and codecs keep the large differences. Two clips match when few bits differ over a common
stretch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
FRAME = 2_048
HOP = 256
BANDS = 33
LOWEST, HIGHEST = 300.0, 2_000.0

SAME = 0.28
"""At most this share of differing bits: the same recording. Measured on 100 clips: after two or three codecs at
12 to 24 kbit/s the median is .16 and nine in ten are under .22; unrelated clips differ in at least .43."""

SMOOTH = 8
"""Frames over which band energies are summed. Frames of 256 ms in all keep what codecs change from frame to frame out:
with 1 frame 32 of 100 such copies were found, with 8 frames 73."""
SHORT, STRICTER = 100, 0.08
"""Over fewer frames than this (1.6 s), chance comes nearer: the limit is that much lower."""

LEAST_FRAMES = 40
"""The common stretch must have this many frames (.64 s)."""
_MOST_ALIKE = 40
_LEAST_VOTES = 2
_PIECE = 1_024

Words = NDArray[np.uint32]


def fingerprint(samples: NDArray[np.float32]) -> Words:
    """One 32-bit word per 16 ms of a mono 16 kHz clip.

    Parameters
    ----------
    samples:
        Mono, 16 kHz, any level.

    Returns
    -------
    numpy.ndarray
        ``uint32 (frames,)``, ``frames = max(0, (n - 2048) // 256 - 7)``; words of silent frames are 0.

    Examples
    --------
    >>> clip = np.random.default_rng(0).standard_normal(16_000).astype("f4")
    >>> bool((fingerprint(clip) == fingerprint(clip * 0.5)).all())
    True
    """
    if len(samples) < FRAME + SMOOTH * HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    # In pieces, so that a long recording does not hold the spectrum of every frame at once.
    pieces = [_band_energies(frames[start : start + _PIECE]) for start in range(0, len(frames), _PIECE)]
    single = np.concatenate(pieces)
    bands = np.lib.stride_tricks.sliding_window_view(single, SMOOTH, axis=0).sum(-1, dtype=np.float64)
    across = np.diff(bands, axis=1)
    rise = np.diff(across, axis=0) < 0
    words: Words = (rise.astype(np.uint64) << np.arange(BANDS - 1, dtype=np.uint64)).sum(1).astype(np.uint32)
    # A silent frame's bits are chance, or those of the codec's own noise.
    loud = bands.sum(1)
    quiet = np.minimum(loud[1:], loud[:-1]) <= max(float(loud.max()) * 1e-5, 1e-12)
    words[quiet] = 0
    return words


def _band_energies(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)[:, : _EDGES[-1] + 1]) ** 2
    energies: NDArray[np.float32] = np.add.reduceat(power, _EDGES, axis=1)[:, :BANDS]
    return energies


def _band_edges() -> NDArray[np.intp]:
    hertz = np.geomspace(LOWEST, HIGHEST, BANDS + 1)
    return np.round(hertz * FRAME / RATE).astype(np.intp)


_EDGES = _band_edges()
_WINDOW = np.hanning(FRAME).astype(np.float32)


@dataclass(frozen=True)
class Match:
    """Two clips that share a stretch: their places in the list, differing bits (share), frames, shift in frames."""

    first: int
    second: int
    difference: float
    frames: int
    shift: int

    @property
    def seconds(self) -> float:
        """Length of the common stretch."""
        return self.frames * HOP / RATE


def difference(one: Words, other: Words, shift: int) -> tuple[float, int]:
    """Share of differing bits, and frames compared, when ``other`` starts ``shift`` frames into ``one``.

    Frames that are silent in both are left out.

    Examples
    --------
    >>> difference(np.array([7, 1, 3], "u4"), np.array([1, 3], "u4"), 1)
    (0.0, 2)
    """
    start, end = max(0, shift), min(len(one), shift + len(other))
    if end <= start:
        return 1.0, 0
    a, b = one[start:end], other[start - shift : end - shift]
    heard = (a != 0) | (b != 0)
    count = int(heard.sum())
    if not count:
        return 1.0, 0
    return float(np.bitwise_count(a[heard] ^ b[heard]).sum()) / (32 * count), count


def matches(prints: Sequence[Words], *, same: float = SAME, least: int = LEAST_FRAMES) -> list[Match]:
    """All pairs of clips that share a stretch, without comparing every pair.

    Words that are equal in two clips vote for a shift; shifts with two votes or more are compared bit by bit. A word
    that is in more than 40 clips says nothing and is left out.

    Parameters
    ----------
    prints:
        Fingerprints.
    same:
        The largest share of differing bits of a match; .08 less over fewer than 100 frames.
    least:
        The smallest number of frames of a match; of shorter clips, three quarters of the shorter one.

    Returns
    -------
    list of Match
        ``first < second``, sorted.
    """
    found = []
    for (first, second), shift in sorted(_candidates(prints).items()):
        best = min((difference(prints[first], prints[second], s), s) for s in (shift - 1, shift, shift + 1))
        (bits, frames), at = best
        needed = min(least, 3 * min(len(prints[first]), len(prints[second])) // 4)
        limit = same if frames >= SHORT else same - STRICTER
        if bits <= limit and frames >= max(8, needed):
            found.append(Match(first, second, round(bits, 4), frames, at))
    return found


def _candidates(prints: Sequence[Words]) -> dict[tuple[int, int], int]:
    """Pair -> the shift with most votes, where that is enough."""
    votes: dict[tuple[int, int], Counter[int]] = {}
    for clips, places in _equal_words(prints):
        for i in range(len(clips)):
            for j in range(i + 1, len(clips)):
                if clips[i] != clips[j]:
                    votes.setdefault((clips[i], clips[j]), Counter())[places[i] - places[j]] += 1
    chosen = {}
    for pair, counter in votes.items():
        # Neighbouring shifts belong together: a clip cut elsewhere falls between two frames.
        together = {s: n + counter[s - 1] + counter[s + 1] for s, n in counter.items()}
        shift = max(together, key=lambda s: (together[s], counter[s], -abs(s)))
        if together[shift] >= _LEAST_VOTES:
            chosen[pair] = shift
    return chosen


def _equal_words(prints: Sequence[Words]) -> Iterator[tuple[list[int], list[int]]]:
    lengths = [len(p) for p in prints]
    words = np.concatenate([*prints, np.zeros(0, np.uint32)])
    clips = np.repeat(np.arange(len(prints), dtype=np.int32), lengths)
    places = np.concatenate([np.arange(n, dtype=np.int32) for n in lengths] or [np.zeros(0, np.int32)])
    heard = words != 0
    words, clips, places = words[heard], clips[heard], places[heard]
    order: NDArray[Any] = np.lexsort((places, clips, words))
    words, clips, places = words[order], clips[order], places[order]
    if not len(words):
        return
    starts = np.flatnonzero(np.concatenate(([True], words[1:] != words[:-1])))
    ends = np.concatenate((starts[1:], [len(words)]))
    for start, end in zip(starts, ends, strict=True):
        # Words repeat in steady vowels; one clip alone, or half the corpus, tells nothing.
        if 1 < end - start <= _MOST_ALIKE:
            yield clips[start:end].tolist(), places[start:end].tolist()
