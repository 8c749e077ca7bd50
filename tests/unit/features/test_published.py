"""Front ends of published encoders against the feature extractors that ship with those encoders."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="front ends belong to the lab half")
transformers = pytest.importorskip("transformers", reason="the published extractors are in transformers")

from earwitness.features.ast_fbank import ASTFbank, ASTFbankSettings
from earwitness.features.raw import Raw, RawSettings
from earwitness.features.whisper_mel import WhisperMel, WhisperMelSettings

WAVE = (0.1 * np.random.default_rng(5).standard_normal(24_000)).astype(np.float32)
WAVE[:16_000] += np.sin(np.arange(16_000) / 7.0, dtype=np.float32) / 3


def test_whisper_mel() -> None:
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    expected = extractor(WAVE[:16_000], sampling_rate=16_000, return_tensors="np").input_features[0]
    ours = WhisperMel(WhisperMelSettings())(torch.from_numpy(WAVE[None, :16_000]))[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
def test_ast_fbank() -> None:
    extractor = transformers.ASTFeatureExtractor(max_length=148)
    expected = extractor(WAVE, sampling_rate=16_000, return_tensors="np").input_values[0].T
    ours = ASTFbank(ASTFbankSettings())(torch.from_numpy(WAVE[None]))[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-3)


def test_standardised_waveform() -> None:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    expected = extractor(WAVE + 0.2, sampling_rate=16_000, return_tensors="np").input_values[0]
    ours = Raw(RawSettings(normalize="standard"))(torch.from_numpy(WAVE[None] + 0.2))[0, 0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4)
