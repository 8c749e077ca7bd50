"""The constant-Q transform against its definition and against librosa."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earwitness.errors import ConfigError
from earwitness.features.cqt import CQT, CQTSettings


def test_bins_against_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    s = CQTSettings()
    rng, notes = np.random.default_rng(0), (5, 20, 33, 45, 63, 76)
    time = np.arange(32_000) / 16_000
    samples = sum(np.sin(2 * np.pi * 62.5 * 2 ** (k / 12) * time) for k in notes)
    samples = (samples * 0.1 + 0.02 * rng.standard_normal(time.size)).astype(np.float32)
    theirs = np.abs(librosa.cqt(samples, sr=16_000, fmin=s.low, n_bins=s.bins, hop_length=s.hop, sparsity=0.0))
    # librosa divides by the root of the window's length, and the squared weights over the weights of Hann give 3/2
    ours = CQT(s).power(torch.from_numpy(samples)[None])[0].sqrt().numpy() * np.sqrt(1.5)
    difference = np.abs(20 * np.log10(ours[:, 15:-15] / theirs[:, 15:-15]))
    # on the tones and beside them; librosa halves the rate from octave to octave, and loses what lies across an edge
    assert max(difference[note + side].max() for note in notes for side in (-1, 0, 1)) < 0.4
    assert np.median(difference) < 0.5


def test_a_tone_peaks_in_its_bin_with_the_gain_of_the_definition() -> None:
    front_end = CQT(CQTSettings())
    time = np.arange(32_000) / 16_000
    for note in (0, 30, 83):
        frequency = 62.5 * 2 ** (note / 12)
        tone = torch.from_numpy(np.cos(2 * np.pi * frequency * time)[None]).float()
        power = front_end.power(tone)[0, :, 62]
        assert int(power.argmax()) == note
        length = front_end.quality * 16_000 / frequency
        # Hann weights w: half the amplitude times sum(w) over the root of sum(w**2), that is sqrt(length / 6)
        assert float(power[note]) == pytest.approx(length / 6, rel=0.02)


def test_white_noise_is_flat() -> None:
    noise = torch.randn(1, 320_000, generator=torch.Generator().manual_seed(1))
    mean = CQT(CQTSettings()).power(noise)[0, :, 20:-20].mean(dim=1)
    assert mean[24:].min() > 0.85
    assert mean[24:].max() < 1.15


@pytest.mark.parametrize("bad", [{"octaves": 8}, {"low": 0.0}, {"hop": 0}, {"per_octave": 0}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        CQT(CQTSettings(**bad))
