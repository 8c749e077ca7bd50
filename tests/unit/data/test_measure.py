"""What the audit measures, against signals of which the answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from audio_files import wav_bytes
from planted import RATE, corpus, utterance

from earwitness.data.manifest import Manifest, Row
from earwitness.data.measure import Measured, measure
from earwitness.data.measuring import measure_all
from earwitness.errors import AudioError


def measured(tmp_path: Path, samples: np.ndarray, rate: int = RATE, form: str = "s16") -> Measured:
    (tmp_path / "x.wav").write_bytes(wav_bytes(samples, rate, form))
    return measure(tmp_path / "x.wav")


def test_levels_and_silence(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    clip = measured(tmp_path, np.concatenate([np.zeros(4_800), tone, np.zeros(8_000)]))
    assert clip.seconds == pytest.approx(1.8)
    assert clip.peak_db == pytest.approx(-6.02, abs=0.05)
    assert clip.rms_db == pytest.approx(-6.02 - 3.01 + 10 * np.log10(1 / 1.8), abs=0.1)
    assert clip.lead_seconds == pytest.approx(0.3, abs=0.011)
    assert clip.trail_seconds == pytest.approx(0.5, abs=0.011)
    assert clip.zero_share == pytest.approx(0.8 / 1.8, abs=0.02)
    assert clip.active_share == pytest.approx(1 / 1.8, abs=0.02)
    assert (clip.container, clip.codec, clip.rate, clip.channels, clip.bit_depth) == ("wav", "pcm_s16le", RATE, 1, 16)


def test_bandwidth_offset_and_grid(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE) * 0.1
    spectrum = np.fft.rfft(noise)
    spectrum[int(len(spectrum) * 3_000 / 8_000) :] = 0
    low = np.fft.irfft(spectrum)
    clip = measured(tmp_path, low, form="f32")
    assert 2_900 <= clip.bandwidth_hz <= 3_300
    assert measured(tmp_path, noise).bandwidth_hz == 8_000
    assert measured(tmp_path, noise * 0.5 + 0.05).dc == pytest.approx(0.05, abs=0.002)
    grid = np.round(utterance(1) * 128) / 128
    assert measured(tmp_path, grid).step_share > 0.95
    assert measured(tmp_path, utterance(1)).step_share < 0.2
    clipped = np.clip(utterance(1) * 20, -1, 1)
    assert measured(tmp_path, clipped).clipped_share > 0.05
    assert clip.tilt_db < measured(tmp_path, noise).tilt_db


def test_cells_that_a_codec_cut_out_are_holes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE) * 0.1
    blocks = np.fft.rfft(noise.reshape(-1, 1_600), axis=1)
    # Every second 100 ms, 3 to 5 kHz is taken out: one cell in six from 2 to 8 kHz, less what leaks in at the edges.
    blocks[::2, 300:500] = 0
    assert measured(tmp_path, noise, form="f32").hole_share < 0.001
    assert 0.05 < measured(tmp_path, np.fft.irfft(blocks, axis=1).reshape(-1), form="f32").hole_share < 1 / 6


def test_histogram_is_a_distribution(tmp_path: Path) -> None:
    clip = measured(tmp_path, utterance(4))
    assert len(clip.histogram) == 51
    assert sum(clip.histogram) == pytest.approx(1, abs=1e-3)
    assert max(clip.histogram) == clip.histogram[25]


def test_pcm_is_the_same_in_lossless_containers(tmp_path: Path) -> None:
    exact = np.round(utterance(2) * 32_768) / 32_768
    one = measured(tmp_path, exact, form="s16")
    two = measured(tmp_path, exact, form="f32")
    assert one.pcm == two.pcm
    assert one.pcm != measured(tmp_path, exact * 0.5, form="f32").pcm


def test_json_round_trip(tmp_path: Path) -> None:
    clip = measured(tmp_path, utterance(3))
    again = Measured.from_json(json.loads(json.dumps(clip.to_json())))
    assert again == clip
    assert (again.words == clip.words).all()


def test_silence_and_a_single_sample(tmp_path: Path) -> None:
    clip = measured(tmp_path, np.zeros(RATE))
    assert clip.rms_db == clip.peak_db == -120
    assert clip.zero_share == 1
    assert np.isfinite([getattr(clip, name) for name in ("tilt_db", "snr_db", "hole_share", "high_db")]).all()
    one = measured(tmp_path, np.array([0.5]))
    assert one.seconds < 0.001
    with pytest.raises(AudioError):
        measured(tmp_path, np.zeros(0))


def test_cache_goes_on_where_it_was(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "c", 12)
    cache = tmp_path / "cache.jsonl"
    seen: list[tuple[int, int]] = []
    first = measure_all(manifest[:8], cache=cache, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)
    cache.write_text(cache.read_text()[:-20])  # as if it was killed while writing the last line
    seen.clear()
    everything = measure_all(manifest, cache=cache, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (7, 12)
    assert everything[:8] == first
    assert measure_all(manifest, cache=cache) == everything
    changed = manifest.file(manifest[0])
    changed.write_bytes(wav_bytes(utterance(99)))
    seen.clear()
    again = measure_all(manifest, cache=cache, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (11, 12)
    assert again[0] != everything[0]


def test_processes_give_the_same(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "c", 20)
    (tmp_path / "c" / "broken.wav").write_bytes(b"RIFF not a wave")
    manifest = Manifest([*manifest, Row("broken.wav", "spoof"), Row("absent.wav", "spoof")], root=manifest.root)
    one, two = measure_all(manifest, jobs=1), measure_all(manifest, jobs=2)
    assert one == two
    assert isinstance(one[-1], str)
    assert "no such file" in one[-1]
    assert isinstance(one[-2], str)
