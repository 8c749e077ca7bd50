"""The image front end against librosa, and its contract."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earwitness.errors import ConfigError
from earwitness.features.filters import mel_filters
from earwitness.features.mel_image import MelImage, MelImageSettings


def test_values_against_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    samples = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * 0.1
    filters = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=128)
    assert np.abs(mel_filters(1024, 128).numpy() - filters).max() < 1e-6
    power = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=1024, hop_length=256, pad_mode="constant")
    expected = np.clip(librosa.power_to_db(power, ref=np.max, top_db=80) / 80 + 1, 0, 1)[::-1].copy()
    same_size = MelImage(MelImageSettings(width=power.shape[1]))
    image = same_size(torch.from_numpy(samples)[None])[0, 0].numpy()
    assert np.abs(image - expected).max() < 1e-4


def test_axes_level_and_silence() -> None:
    front_end = MelImage(MelImageSettings())
    time = torch.arange(32_000) / 16_000
    tone = torch.sin(2 * torch.pi * 300 * time) * (time < 1)
    image = front_end(tone[None])[0, 0]
    assert image[-20:, :50].max() == pytest.approx(1, abs=0.1)
    assert image[:40].max() < 0.3, "a low tone is dark at the top"
    assert image[:, -40:].max() < 0.1, "nothing in the second half"
    assert torch.allclose(front_end(tone[None] * 0.01), front_end(tone[None]), atol=1e-3)
    assert front_end(torch.zeros(1, 16_000)).abs().max() == 0


def test_one_and_many_and_any_length() -> None:
    front_end = MelImage(MelImageSettings(height=32, width=40))
    batch = torch.randn(3, 9_001)
    together = front_end(batch)
    assert together.shape == (3, 1, 32, 40)
    assert torch.allclose(together[1:2], front_end(batch[1:2]), atol=1e-5)
    assert front_end(torch.randn(1, 200_000)).shape == (1, 1, 32, 40)


@pytest.mark.parametrize("bad", [{"high": 9_000.0}, {"low": -1.0}, {"mels": 0}, {"range_db": 0.0}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        MelImage(MelImageSettings(**bad))  # type: ignore[arg-type]
