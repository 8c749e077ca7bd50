"""Quality facts against signals whose facts are known, and the sentences of the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earwitness.audio.gate import gate
from earwitness.audio.quality import Quality, QualityMeter, measure
from earwitness.audio.vad import FRAME, SpeechDetector

RATE = 16_000


def shaped(seconds: float, low: float, high: float, seed: int) -> np.ndarray:
    """Noise of unit power between two frequencies."""
    count = int(seconds * RATE)
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    sound = np.fft.irfft(spectrum * ((frequency >= low) & (frequency <= high)), count)
    return sound / np.sqrt(np.mean(sound**2))


def marks(pattern: list[tuple[int, float, float]]) -> np.ndarray:
    """``(frames, speech, music)`` one after another as probabilities."""
    return np.concatenate([np.tile([[speech, music]], (count, 1)) for count, speech, music in pattern]).astype(
        np.float32
    )


def talk(
    high: float = 8000.0, level: float = -20.0, noise: float = -50.0, seconds: float = 20.0
) -> tuple[np.ndarray, np.ndarray]:
    """Bursts (.5 s on, .5 s off) of band noise whose level swings as syllables do, over white noise; and their marks.

    ``level`` is the power of the bursts and ``noise`` that of the noise, dBFS.
    """
    count = int(seconds * RATE) // FRAME
    on = (np.arange(count) // 16) % 2 == 0
    swing = 1.0 + 0.95 * np.sin(2 * np.pi * 5 * np.arange(count * FRAME) / RATE)
    gate_ = np.repeat(on, FRAME)
    voice = shaped(count * FRAME / RATE, 100, high, 1) * swing * gate_
    voice *= 10 ** (level / 20) / np.sqrt(np.mean(voice[gate_] ** 2))
    samples = voice + 10 ** (noise / 20) * shaped(count * FRAME / RATE, 0, 8000, 2)
    return samples.astype(np.float32), np.stack([on * 0.98, np.zeros(count)], axis=1).astype(np.float32)


def meter(samples: np.ndarray, probabilities: np.ndarray) -> Quality:
    made = QualityMeter()
    made.push(samples, probabilities)
    return made.result()


@pytest.mark.parametrize("level", [-45.0, -20.0, -8.0])
def test_level_of_the_speech_within_half_a_decibel(level: float) -> None:
    found = meter(*talk(level=level, noise=level - 40))
    assert found.level_db == pytest.approx(level, abs=0.5)
    assert found.speech_seconds == pytest.approx(10.0, abs=0.5)
    assert found.seconds == pytest.approx(20.0, abs=0.05)


@pytest.mark.parametrize("snr", [0.0, 5.0, 10.0, 20.0, 30.0, 40.0])
def test_signal_to_noise_ratio_within_three_decibels(snr: float) -> None:
    found = meter(*talk(level=-20, noise=-20 - snr))
    assert found.snr_db == pytest.approx(snr, abs=3.0)
    assert found.noise_floor_db == pytest.approx(-20 - snr, abs=1.5)


def test_without_pauses_the_noise_is_that_under_the_speech() -> None:
    samples, probabilities = talk(level=-20, noise=-45)
    probabilities[:, 0] = 0.9
    assert meter(samples, probabilities).noise_floor_db == pytest.approx(-45, abs=2)


def test_a_ratio_that_cannot_be_known_is_none() -> None:
    samples, probabilities = talk()
    assert meter(samples, probabilities * 0).snr_db is None
    assert meter(samples, probabilities * 0).level_db is None
    assert meter(samples[: 3 * FRAME], probabilities[:3]).bandwidth_hz is None


@pytest.mark.parametrize("high", [3400.0, 4000.0, 5500.0, 7000.0, 8000.0])
@pytest.mark.parametrize("noise", [-50.0, -110.0])
def test_bandwidth_within_300_hertz(high: float, noise: float) -> None:
    assert meter(*talk(high=high, noise=noise)).bandwidth_hz == pytest.approx(high, abs=300)


def test_clipping_peak_and_offset() -> None:
    samples, probabilities = talk(level=-20)
    samples *= 0.5 / np.abs(samples).max()
    samples[1000:1200] = 1.0
    found = meter(samples, probabilities)
    assert found.clipped_share == pytest.approx(200 / len(samples), rel=0.01)
    assert found.peak_db == pytest.approx(0.0, abs=0.01)
    plain = meter(np.clip(talk()[0] * 0.5 + np.float32(0.05), -1, 1), probabilities)
    assert plain.dc == pytest.approx(0.05, abs=0.001)
    assert plain.clipped_share == 0.0


def test_levels_of_the_original_come_before_those_at_16_khz() -> None:
    from earwitness.audio import ChannelLevels

    made, (samples, probabilities) = QualityMeter(), talk()
    made.push(samples, probabilities)
    levels = ChannelLevels((-20.0, -26.0), -22.0, 0.9, 1.0, 0.125, 0.25)
    found = made.result(levels)
    assert (found.clipped_share, found.peak_db, found.dc) == (0.125, 0.0, 0.25)


def test_digital_silence_counts_equal_samples_only() -> None:
    samples, probabilities = talk(noise=-60)
    count = len(probabilities)
    samples[: count // 4 * FRAME] = 0.125
    assert meter(samples, probabilities).digital_silence_share == pytest.approx(0.25, abs=0.01)
    dithered = np.random.default_rng(0).integers(-1, 2, len(samples)).astype(np.float32) / 32768
    assert meter(dithered, probabilities).digital_silence_share == 0.0


def test_music_is_counted_alone_and_under_speech() -> None:
    samples, _ = talk(seconds=4)
    found = meter(samples, marks([(25, 0.0, 0.9), (25, 0.9, 0.9), (50, 0.9, 0.1), (25, 0.0, 0.0)]))
    assert found.music_share == pytest.approx(50 / 125)
    assert found.music_in_speech == pytest.approx(25 / 75)


@pytest.mark.parametrize("block", [100, 4_097, 200_000])
def test_blocks_and_late_probabilities_change_nothing(block: int) -> None:
    samples, probabilities = talk(seconds=10)
    samples = np.concatenate([samples, samples[:200]])
    probabilities = np.concatenate([probabilities, probabilities[:1]])
    whole, made, given = meter(samples, probabilities), QualityMeter(), 0
    for at in range(0, len(samples), block):
        known = max(given, min(at // FRAME - 16, len(probabilities)))
        made.push(samples[at : at + block], probabilities[given:known])
        given = known
    made.push(samples[:0], probabilities[given:])
    assert made.result().to_dict() == pytest.approx(whole.to_dict(), abs=1e-3)


def test_memory_does_not_grow() -> None:
    made, (samples, probabilities) = QualityMeter(), talk()
    sizes = []
    for _ in range(6):
        made.push(samples, probabilities)
        sizes.append(sum(v.nbytes for v in vars(made).values() if isinstance(v, np.ndarray)))
    assert max(sizes[1:]) == sizes[1]


def test_nothing_and_almost_nothing() -> None:
    empty = QualityMeter().result()
    assert (empty.seconds, empty.speech_seconds, empty.snr_db, empty.bandwidth_hz) == (0.0, 0.0, None, None)
    assert gate(empty)[0] == "no audio: the recording holds no samples"
    assert measure(np.array([0.5], dtype=np.float32)).seconds == pytest.approx(1 / RATE)
    broken = measure(np.full(20_000, np.nan, dtype=np.float32))
    assert all(value is None or np.isfinite(value) for value in broken.to_dict().values())


GOOD = Quality(
    seconds=10.0,
    speech_seconds=7.5,
    level_db=-24.0,
    peak_db=-3.0,
    clipped_share=0.0,
    noise_floor_db=-60.0,
    snr_db=36.0,
    bandwidth_hz=8000.0,
    dc=0.0,
    digital_silence_share=0.0,
    music_share=0.0,
    music_in_speech=0.0,
)


def test_a_good_recording_passes_without_a_word() -> None:
    assert gate(GOOD) == (None, [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"speech_seconds": 0.4}, "too little speech (0.4 s; at least 1 s is needed)"),
        ({"speech_seconds": 0.0}, "no speech found (at least 1 s is needed)"),
        (
            {"speech_seconds": 0.2, "music_share": 0.9},
            "music without enough speech (0.2 s of speech; at least 1 s is needed)",
        ),
        ({"speech_seconds": 0.0, "digital_silence_share": 1.0}, "digital silence: nothing was recorded"),
        (
            {"speech_seconds": 0.0, "digital_silence_share": 1.0, "dc": 0.25},
            "a constant value only (+0.250 of full scale): nothing was recorded",
        ),
        (
            {"speech_seconds": 2.0, "music_share": 0.9, "music_in_speech": 0.8},
            "music: the 2.0 s that seem to be speech may be part of it",
        ),
        ({"level_db": -75.0}, "far too quiet: the speech lies at -75 dBFS"),
    ],
)
def test_reasons_for_no_verdict(change: dict[str, float], reason: str) -> None:
    assert gate(replace(GOOD, **change))[0] == reason


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"clipped_share": 0.03}, "clipped: 3.0 % of the samples stand at full scale"),
        ({"bandwidth_hz": 3875.0}, "only 3.9 kHz of bandwidth: telephone, or a strong codec?"),
        ({"bandwidth_hz": 5500.0}, "narrowed bandwidth: nothing above 5.5 kHz"),
        ({"bandwidth_hz": 3000.0, "snr_db": 15.0}, "the speech stands above the noise only up to 3.0 kHz"),
        ({"snr_db": 6.0}, "noisy: about 6 dB between speech and noise"),
        ({"level_db": -50.0}, "very quiet: the speech lies at -50 dBFS"),
        ({"music_in_speech": 0.8}, "music under the speech (80 % of it)"),
        ({"digital_silence_share": 0.3}, "30 % digital silence: cut, gated or generated"),
        ({"dc": 0.05}, "a constant offset of +0.050 of full scale"),
        ({"speech_seconds": 1.5}, "only 1.5 s of speech: the verdict is less certain"),
    ],
)
def test_warnings(change: dict[str, float], warning: str) -> None:
    assert gate(replace(GOOD, **change)) == (None, [warning])


@pytest.mark.corpus
def test_real_speech_with_known_noise_band_and_level(shared: Path, corpus_root: Path) -> None:
    """30 clips of eval: median errors of the estimates on speech that was degraded by a known amount."""
    from earwitness.audio import decode
    from earwitness.data.manifest import read_manifest

    rows = read_manifest(shared / "corpus" / "manifest.csv", root=corpus_root)
    part = [row for row in rows if row.split == "eval" and (row.seconds or 0) >= 4][::20][:30]
    detector, rng = SpeechDetector(), np.random.default_rng(0)
    snr: dict[float, list[float]] = {20.0: [], 10.0: []}
    band: list[float] = []
    for row in part:
        samples = decode(rows.file(row)).samples
        spectrum = np.fft.rfft(samples)
        narrow = np.fft.irfft(spectrum * (np.fft.rfftfreq(len(samples), 1 / RATE) < 4000), len(samples))
        band.append(measure(narrow.astype(np.float32), detector=detector).bandwidth_hz or 0.0)
        said = np.repeat(detector(samples)[:, 0] >= 0.5, FRAME)[: len(samples)]
        if said.sum() < RATE:
            continue
        for wanted, found in snr.items():
            noise = rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples[said] ** 2) * 10 ** (-wanted / 10))
            estimate = measure((samples + noise).astype(np.float32), detector=detector).snr_db
            found.append(np.inf if estimate is None else abs(estimate - wanted))
    assert len(band) == 30
    assert np.quantile(band, 0.9) <= 4300
    assert np.median(band) >= 3700
    assert len(snr[20.0]) >= 25
    assert np.median(snr[20.0]) <= 3.0
    assert np.median(snr[10.0]) <= 3.0
