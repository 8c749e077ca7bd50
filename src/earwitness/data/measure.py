"""What the audit measures of one clip: facts of the file, level, silence, band, noise, codec traces, fingerprint.

Every number here is trivial on purpose: none of it looks at the voice. If such a number tells the labels apart, a model
will learn it instead of the voice.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.data.fingerprint import Words, fingerprint
from earwitness.errors import AudioError, EarwitnessError

VERSION = 2
"""Counts up when a measurement changes, so that cached ones are made again."""

RATE = 16_000
LONGEST = 600.0
"""Seconds of a recording that are measured; the rest of a longer one is not."""

HISTOGRAM_BINS = 51
_FRAME, _HOP = 512, 256
_FLOOR_DB = -120.0

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """One clip as the audit sees it. Levels are dB relative to full scale, times in seconds, shares between 0 and 1.

    Parameters
    ----------
    container, codec, rate, channels, bit_depth, bit_rate, encoder, bytes:
        As stated by the file (``rate`` in Hz, ``bit_rate`` in bit/s, 0 where unknown).
    seconds:
        Decoded duration.
    peak_db, rms_db, clipped_share, dc:
        Largest sample, mean power, share of samples at full scale, mean (absolute), at the file's own rate.
    lead_seconds, trail_seconds:
        Before the first and after the last 10 ms that are within 40 dB of the loudest.
    zero_share:
        Share of 10 ms frames that are digital silence (all samples 0).
    floor_db, snr_db:
        Level of the quietest tenth of the frames; the loudest tenth above it.
    active_share, speech_share:
        Frames within 30 dB of the loudest tenth; frames that the speech detector takes for speech (-1 where it is
        absent).
    bandwidth_hz:
        Frequency below which the long-term spectrum stays within 50 dB of its strongest band (at most 8 kHz).
    high_db, tilt_db:
        Power of 4–8 kHz relative to all; slope of the long-term spectrum over 0.3–6 kHz, dB per octave.
    hole_share:
        Time-frequency cells between 2 kHz and the bandwidth that are 60 dB under their frame: what lossy codecs cut
        out.
    step_share:
        How many of the samples lie on the grid of 8-bit audio: A-law, µ-law and old files.
    histogram:
        Share of samples in 51 equal bins from -1 to 1.
    pcm:
        Hash of the decoded samples: equal for exact duplicates in any lossless container.
    words:
        Acoustic fingerprint.
    warnings:
        What the decoder said.
    """

    container: str
    codec: str
    rate: int
    channels: int
    bit_depth: int
    bit_rate: int
    encoder: str
    bytes: int
    seconds: float
    peak_db: float
    rms_db: float
    clipped_share: float
    dc: float
    lead_seconds: float
    trail_seconds: float
    zero_share: float
    floor_db: float
    snr_db: float
    active_share: float
    speech_share: float
    bandwidth_hz: float
    high_db: float
    tilt_db: float
    hole_share: float
    step_share: float
    pcm: str
    histogram: tuple[float, ...] = ()
    words: Words = field(default_factory=lambda: np.zeros(0, np.uint32), compare=False, repr=False)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for the cache."""
        values = asdict(self)
        values["words"] = base64.b85encode(self.words.astype("<u4").tobytes()).decode()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measured:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        KeyError, ValueError, TypeError
            If the values are not what :meth:`to_json` wrote.
        """
        known = {f.name: values[f.name] for f in fields(cls)}
        known["words"] = np.frombuffer(base64.b85decode(values["words"]), "<u4").astype(np.uint32)
        known["histogram"] = tuple(values["histogram"])
        known["warnings"] = tuple(values["warnings"])
        return cls(**known)


@cache
def signature() -> str:
    """What made the measurements: this version, and the speech detector if there is one.

    A cache that something else made is not used.
    """
    detector = _speech_detector()
    if detector is None:
        return f"{VERSION}, no speech detector"
    files = sorted((name, facts["sha256"]) for name, facts in detector.info["files"].items())
    return f"{VERSION}, speech {files[0][1][:12]}"


def measure(path: Path) -> Measured:
    """Decode one file and measure it.

    Raises
    ------
    AudioError
        If it cannot be decoded or holds no sample.
    """
    from earwitness.audio import open_audio

    blocks: list[Samples] = []
    heard = 0
    with open_audio(path) as stream:
        for block in stream:
            blocks.append(block)
            heard += len(block)
            if heard >= LONGEST * RATE:
                break
        source, levels = stream.source, stream.levels
        warnings = list(stream.warnings)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples):
        raise AudioError(f"{path}: no samples", code="empty-audio")
    if heard >= LONGEST * RATE:
        warnings.append(f"only the first {LONGEST:g} s were measured")
    sound = _sound(samples)
    return Measured(
        container=source.container,
        codec=source.codec,
        rate=source.rate,
        channels=source.channels,
        bit_depth=source.bit_depth or 0,
        bit_rate=source.bit_rate or 0,
        encoder=source.encoder,
        bytes=source.size,
        seconds=round(len(samples) / RATE, 4),
        peak_db=_decibels(float(levels.peak) ** 2),
        clipped_share=round(float(levels.clipped_share), 6),
        dc=round(abs(float(np.max(np.abs(levels.dc)))), 6),
        speech_share=_speech_share(samples),
        warnings=tuple(warnings),
        **sound,
    )


def _sound(samples: Samples) -> dict[str, Any]:
    """All that is read from the samples alone."""
    spectra = _spectra(samples)
    long_term = spectra.mean(0)
    band = _bandwidth(long_term)
    return {
        "rms_db": _decibels(float(np.mean(samples.astype(np.float64) ** 2))),
        **_silences(samples),
        "bandwidth_hz": band,
        "high_db": _decibels(float(long_term[128:].sum() / max(long_term.sum(), 1e-30))),
        "tilt_db": _tilt(long_term),
        "hole_share": _holes(spectra, band),
        "step_share": round(float(np.mean(np.abs(samples * 128 - np.round(samples * 128)) < 1e-4)), 4),
        "pcm": _pcm_hash(samples),
        "histogram": _histogram(samples),
        "words": fingerprint(samples),
    }


def _pcm_hash(samples: Samples) -> str:
    # On the 16-bit grid, because a float container may round the last bits of the same recording differently.
    return hashlib.blake2b(np.round(samples * 32_768).astype("<i4").tobytes(), digest_size=12).hexdigest()


def _silences(samples: Samples) -> dict[str, float]:
    """Levels of 10 ms frames and what follows from them."""
    size = RATE // 100
    whole = len(samples) // size
    frames = samples[: whole * size].reshape(whole, size) if whole else samples[None]
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    level = 10 * np.log10(np.maximum(power, 1e-12))
    near = np.flatnonzero(level > level.max() - 40)
    low, high = np.percentile(level, (10, 90))
    return {
        "lead_seconds": round(int(near[0]) * 0.01, 3),
        "trail_seconds": round((len(level) - 1 - int(near[-1])) * 0.01, 3),
        "zero_share": round(float(np.mean(np.abs(frames).max(1) == 0)), 4),
        "floor_db": round(max(float(low), _FLOOR_DB), 2),
        "snr_db": round(float(high - low), 2),
        "active_share": round(float(np.mean(level > high - 30)), 4),
    }


def _spectra(samples: Samples) -> NDArray[np.float32]:
    """Power per frame (512 samples, Hann, half overlapping) and bin (31.25 Hz)."""
    if len(samples) < _FRAME:
        samples = np.pad(samples, (0, _FRAME - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    window = np.hanning(_FRAME).astype(np.float32)
    return (np.abs(np.fft.rfft(frames * window, axis=1)) ** 2).astype(np.float32)


def _bandwidth(long_term: NDArray[np.float32]) -> float:
    bands = long_term[:256].reshape(64, 4).mean(1)
    within = np.flatnonzero(bands > bands.max() * 1e-5)
    return float((within[-1] + 1) * 125) if bands.max() > 0 else 0.0


def _tilt(long_term: NDArray[np.float32]) -> float:
    bins = np.arange(10, 193)
    octaves = np.log2(bins * 31.25)
    level = 10 * np.log10(np.maximum(long_term[bins], 1e-12))
    # Each octave counts the same, though it has twice the bins of the one below.
    weight = 1 / np.sqrt(bins)
    return round(float(np.polyfit(octaves, level, 1, w=weight)[0]), 3)


def _holes(spectra: NDArray[np.float32], band: float) -> float:
    loud = spectra.sum(1)
    chosen = spectra[loud > loud.max() * 1e-3]
    cells = chosen[:, 64 : max(65, int(band / 31.25))]
    if not cells.size:
        return 0.0
    return round(float(np.mean(cells < chosen.sum(1, keepdims=True) * 1e-6)), 4)


def _histogram(samples: Samples) -> tuple[float, ...]:
    counts = np.histogram(np.clip(samples, -1, 1), HISTOGRAM_BINS, (-1, 1))[0]
    return tuple(round(float(c), 5) for c in counts / len(samples))


def _decibels(power: float) -> float:
    return round(max(10 * float(np.log10(max(power, 1e-12))), _FLOOR_DB), 2)


def _speech_share(samples: Samples) -> float:
    detector = _speech_detector()
    if detector is None:
        return -1.0
    return round(float(np.mean(detector(samples)[:, 0] >= 0.5)), 4)


@cache
def _speech_detector() -> Any:
    from earwitness.audio.vad import SpeechDetector

    try:
        return SpeechDetector()
    except EarwitnessError:
        return None
