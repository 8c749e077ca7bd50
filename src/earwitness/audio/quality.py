"""What a recording is like, measured before any verdict: seconds of speech, level, noise, bandwidth, music.

Levels are in dBFS: 0 dB is the power of a square wave at full scale. A frame is 32 ms (512 samples at 16 kHz); it is
speech when the speech detector gives it at least .5, noise when that is under .2 and no music is found in it. A frame
is *digital silence* when its samples differ by no more than 1e-6, which no microphone does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earwitness.audio.vad import FRAME, FRAME_SECONDS, THRESHOLD, SpeechDetector

if TYPE_CHECKING:
    from earwitness.audio import ChannelLevels

_Floats = NDArray[np.float32]
_NOISE_BELOW = 0.2
_FLOOR_DB = -140.0
_FULL_SCALE = 0.99
_BANDS = 64
_BAND_HZ = 8000.0 / _BANDS
_DEPTH_DB = 65.0
_EVERY_FRAME = round(30 / FRAME_SECONDS)
_ONE_IN = 8
_AT_ONCE = 256
_LEAST_NOISE = 6
_LEAST_SPEECH = 10
_WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


@dataclass(frozen=True)
class Quality:
    """Facts about one recording; ``None`` where a fact cannot be known."""

    seconds: float
    """Length, seconds."""
    speech_seconds: float
    """Frames of speech × .032 s."""
    level_db: float | None
    """Mean power of the speech frames, without their constant part, dBFS."""
    peak_db: float
    """Largest sample, dB of full scale; -140 for nothing at all."""
    clipped_share: float
    """Share of samples at full scale: of the original recording when its levels are given, else at 16 kHz."""
    noise_floor_db: float | None
    """Mean power of the middle noise frames (ranks 20 to 60 %), or of the quietest speech: see the meter."""
    snr_db: float | None
    """Speech power less noise floor, over the noise floor, dB, within -10 and 60."""
    bandwidth_hz: float | None
    """Upper edge of the highest 125 Hz band in which speech stands above the noise and the decoder's floor."""
    dc: float
    """Mean of all samples (of the original channel with the largest when its levels are given), full scale 1."""
    digital_silence_share: float
    """Share of frames that are digital silence."""
    music_share: float
    """Share of frames with music."""
    music_in_speech: float
    """Share of the speech frames with music."""

    def to_dict(self) -> dict[str, float | None]:
        """The facts by name, rounded for reading."""
        return {k: None if v is None else round(float(v), 4) for k, v in asdict(self).items()}


class QualityMeter:
    """Measures a recording that comes in blocks; memory does not grow with its length.

    Examples
    --------
    >>> from earwitness.audio.vad import SpeechDetector
    >>> stream, meter = SpeechDetector().stream(), QualityMeter()
    >>> block = np.zeros(32_000, dtype=np.float32)
    >>> meter.push(block, stream.push(block))
    >>> meter.push(block[:0], stream.flush())
    >>> meter.result().digital_silence_share
    1.0
    """

    def __init__(self) -> None:
        self._rest = np.zeros(0, dtype=np.float32)
        self._frames = np.zeros((0, FRAME), dtype=np.float32)
        self._probabilities = np.zeros((0, 2), dtype=np.float32)
        self._samples, self._seen = 0, 0
        self._sum, self._peak, self._full = 0.0, 0.0, 0
        self._still, self._music, self._both, self._speech = 0, 0, 0, 0
        self._power = 0.0
        self._levels = np.zeros((2, 2 * int(-_FLOOR_DB) + 1), dtype=np.int64)
        self._spectrum = np.zeros((2, _BANDS, int(-_FLOOR_DB) + 1), dtype=np.int64)

    def push(self, block: _Floats, speech_frames: _Floats) -> None:
        """Take the next samples, and the probabilities that the speech stream gave for them (they may lag behind)."""
        block = np.asarray(block, dtype=np.float32).reshape(-1)
        if len(block) and not np.isfinite(block.sum()):
            block = np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1e3, 1e3)
        self._samples += len(block)
        if len(self._rest):
            block = np.concatenate([self._rest, block])
        count = len(block) // FRAME
        self._rest = block[count * FRAME :].copy()
        frames = block[: count * FRAME].reshape(count, FRAME)
        self._frames = np.concatenate([self._frames, frames]) if len(self._frames) else frames
        speech_frames = np.asarray(speech_frames, dtype=np.float32).reshape(-1, 2)
        self._probabilities = np.concatenate([self._probabilities, speech_frames])
        self._settle()

    def result(self, levels: ChannelLevels | None = None) -> Quality:
        """The facts so far; clipping and peak are those of the original channels when ``levels`` is given."""
        self._settle()
        if len(self._rest) and not len(self._frames) and len(self._probabilities):
            self._measure(self._rest[None], self._probabilities[:1])
            self._rest, self._probabilities = self._rest[:0], self._probabilities[:0]
        seen = max(self._seen, 1)
        level = 10 * np.log10(self._power / self._speech) if self._speech else None
        noise = self._noise_power()
        peak = max(self._peak, levels.peak) if levels is not None else self._peak
        full = levels.clipped_share if levels is not None else self._full / max(self._samples, 1)
        return Quality(
            seconds=self._samples / 16_000,
            speech_seconds=self._speech * FRAME_SECONDS,
            level_db=None if level is None else float(level),
            peak_db=_decibels(peak * peak),
            clipped_share=float(full),
            noise_floor_db=None if noise is None else _decibels(noise),
            snr_db=self._snr(noise),
            bandwidth_hz=bandwidth(self._spectrum[0], self._spectrum[1]),
            dc=levels.dc if levels is not None else self._sum / max(self._samples, 1),
            digital_silence_share=self._still / seen,
            music_share=self._music / seen,
            music_in_speech=self._both / max(self._speech, 1),
        )

    def _settle(self) -> None:
        """Measure the frames whose probabilities are known."""
        ready = min(len(self._frames), len(self._probabilities))
        for start in range(0, ready, _AT_ONCE):
            end = min(start + _AT_ONCE, ready)
            self._measure(self._frames[start:end], self._probabilities[start:end])
        self._frames = self._frames[ready:].copy()
        self._probabilities = self._probabilities[ready:]

    def _measure(self, frames: _Floats, probabilities: _Floats) -> None:
        size = frames.shape[1]
        total, top, bottom = frames.sum(axis=1), frames.max(axis=1), frames.min(axis=1)
        power = np.einsum("ij,ij->i", frames, frames) / size - np.square(total / size)
        reach = np.maximum(top, -bottom)
        self._sum += float(total.sum(dtype=np.float64))
        self._peak = max(self._peak, float(reach.max(initial=0.0)))
        loud = reach >= _FULL_SCALE
        if loud.any():
            self._full += int((np.abs(frames[loud]) >= _FULL_SCALE).sum())
        still = top - bottom <= 1e-6
        music = probabilities[:, 1] >= THRESHOLD
        speech = (probabilities[:, 0] >= THRESHOLD) & ~still
        noise = (probabilities[:, 0] < _NOISE_BELOW) & ~still & ~music
        self._still += int(still.sum())
        self._music += int(music.sum())
        self._both += int((music & speech).sum())
        self._speech += int(speech.sum())
        self._power += float(np.maximum(power[speech], 1e-14).sum(dtype=np.float64))
        number = self._seen + np.arange(len(frames))
        self._seen += len(frames)
        looked_at = (number < _EVERY_FRAME) | (number % _ONE_IN == 0)
        for row, chosen in enumerate((speech, noise)):
            steps = np.clip((10 * np.log10(np.maximum(power[chosen], 1e-14)) - _FLOOR_DB) * 2, 0, -2 * _FLOOR_DB)
            self._levels[row] += np.bincount(steps.astype(np.int64), minlength=self._levels.shape[1])
            if size == FRAME:
                self._add_spectra(row, frames[chosen & looked_at])

    def _add_spectra(self, row: int, frames: _Floats) -> None:
        """Count the level of each 125 Hz band of each frame, in steps of 1 dB."""
        if not len(frames):
            return
        spectrum = np.fft.rfft(frames * _WINDOW)[:, 1:]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        bands = sum(power[:, part::4] for part in range(4)) * np.float32(16 / 3 / FRAME**2)
        levels = self._spectrum.shape[2]
        steps = np.clip(10 * np.log10(np.maximum(bands, 1e-14)) - _FLOOR_DB, 0, levels - 1).astype(np.int64)
        flat = np.bincount((steps + np.arange(_BANDS) * levels).reshape(-1), minlength=_BANDS * levels)
        self._spectrum[row] += flat.reshape(_BANDS, levels)

    def _noise_power(self) -> float | None:
        """Power of the noise: the middle of the noise frames, or the quietest twentieth of the speech frames.

        The latter counts where there are too few noise frames, or where it lies 6 dB lower: then what is between
        the words is louder than what is under them.
        """
        pauses = self._slice(1, 0.2, 0.6, _LEAST_NOISE)
        under = self._slice(0, 0.0, 0.05, _LEAST_SPEECH)
        if pauses is None or under is None:
            return under if pauses is None else pauses
        return under if under < pauses / 4 else pauses

    def _slice(self, row: int, low: float, high: float, least: int) -> float | None:
        """Mean power of the frames between two ranks of level, of all speech (0) or noise (1) frames."""
        counts = self._levels[row]
        total = int(counts.sum())
        if total < least:
            return None
        after = np.cumsum(counts)
        taken = np.clip(np.minimum(after, max(total * high, 1.0)) - np.maximum(after - counts, total * low), 0, None)
        powers = 10 ** ((np.arange(len(counts)) / 2 + 0.25 + _FLOOR_DB) / 10)
        return float((taken * powers).sum() / taken.sum())

    def _snr(self, noise: float | None) -> float | None:
        if noise is None or self._speech < _LEAST_SPEECH:
            return None
        ratio = self._power / self._speech / noise - 1.0
        return float(np.clip(10 * np.log10(max(ratio, 1e-3)), -10.0, 60.0))


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 10 ** (_FLOOR_DB / 10))))


def _quantile(counts: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Per band, the level (dB) under which ``share`` of the counted frames lie."""
    above = np.cumsum(counts, axis=1) >= np.ceil(share * counts.sum(axis=1, keepdims=True)).clip(min=1)
    return np.asarray(above.argmax(axis=1) + _FLOOR_DB, dtype=np.float64)


def bandwidth(speech: NDArray[np.int64], noise: NDArray[np.int64]) -> float | None:
    """Hz up to which speech stands above the noise and the decoder's floor; ``None`` under .3 s of speech.

    Parameters
    ----------
    speech, noise:
        ``(64, 141)`` counts of band levels (125 Hz bands, 1 dB steps from -140 dB) in speech and in noise frames.

    The loud frames of a band (95th percentile over the speech frames) must lie within 65 dB of the strongest band,
    4 dB above the loud frames of the noise in that band where there are 20 noise frames, and 12 dB above the quiet
    ones (5th percentile) of speech itself, which steady noise does not reach. Two bands in a row
    must do so. A top band 15 dB below the one under it is the skirt of a filter and is left out.
    """
    if speech[0].sum() < _LEAST_SPEECH:
        return None
    loud = _quantile(speech, 0.95)
    alive = loud > max(float(loud.max()) - _DEPTH_DB, -115.0)
    alive &= loud > _quantile(speech, 0.05) + 12.0
    if noise[0].sum() >= 20:
        alive &= loud > _quantile(noise, 0.95) + 4.0
    alive[:-1] &= alive[1:] | np.concatenate([[False], alive[:-2]])
    found = np.flatnonzero(alive)
    if not len(found):
        return None
    top = int(found[-1])
    while top > 0 and loud[top] < loud[top - 1] - 15.0:
        top -= 1
    return float((top + 1) * _BAND_HZ)


def measure(
    samples: _Floats, levels: ChannelLevels | None = None, *, detector: SpeechDetector | None = None
) -> Quality:
    """The quality of a whole clip in memory: float32 mono at 16 kHz.

    Examples
    --------
    >>> measure(np.zeros(16_000, dtype=np.float32)).speech_seconds
    0.0
    """
    meter = QualityMeter()
    meter.push(samples, (detector or SpeechDetector())(samples))
    return meter.result(levels)
