"""Copy synthesis: paired, aligned, of the same level, repeatable; and what each vocoder keeps of a voice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import corpus, utterance

from earwitness.data.manifest import Manifest
from earwitness.data.measure import measure
from earwitness.data.neural_codecs import load
from earwitness.data.synth import codec_chain, synthesise
from earwitness.data.vocoders import VOCODERS, fitted, griffin_lim, linear_prediction
from earwitness.errors import ConfigError, ManifestError, UnknownNameError
from earwitness.registry import find


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Log power over time in 24 bands of about 330 Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(float), 1024)[::512] * np.hanning(1024)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, :504]) ** 2
    return np.log(power.reshape(len(frames), 24, 21).mean(2) + 1e-6)


def likeness(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.corrcoef(spectrum(one).ravel(), spectrum(two).ravel())[0, 1])


@pytest.mark.parametrize("name", [*VOCODERS, "codec-chain"])
def test_a_copy_sounds_alike_and_is_another(name: str) -> None:
    if name == "world":
        pytest.importorskip("pyworld", reason="needs the extra synth", exc_type=ImportError)
    maker = codec_chain if name == "codec-chain" else find(VOCODERS, name)
    original = utterance(5, 1.5).astype(np.float32)
    copy = maker(original, np.random.default_rng(0))
    assert copy.dtype == np.float32
    assert copy.shape == original.shape
    assert np.isfinite(copy).all()
    # Another utterance reaches about .2; the copy keeps envelope and pauses, and not the waveform.
    assert likeness(original, copy) > 0.6
    assert likeness(original, copy) > likeness(original, utterance(6, 1.5).astype(np.float32)) + 0.3
    assert not np.allclose(copy, original, atol=1e-3)
    assert np.array_equal(copy, maker(original, np.random.default_rng(0)))


@pytest.mark.parametrize("maker", [griffin_lim, linear_prediction])
def test_silence_and_short_clips(maker: Callable[..., np.ndarray]) -> None:
    for size in (1, 100, 4_000):
        copy = maker(np.zeros(size, np.float32), np.random.default_rng(0))
        assert copy.shape == (size,)
        assert np.abs(copy).max() < 1e-6


def test_level_and_length() -> None:
    original = utterance(1, 1.0).astype(np.float32)
    made = fitted(np.tile(original, 2) * 7, len(original))
    assert made.shape == original.shape
    assert 10 * np.log10(np.mean(made**2)) == pytest.approx(-26, abs=0.01)
    assert np.allclose(made, fitted(original, len(original)), atol=1e-6)
    assert fitted(np.zeros(5, np.float32), 9).tolist() == [0.0] * 9
    assert np.abs(fitted(np.eye(1, 90_000, dtype=np.float32)[0], 90_000)).max() == 1


def test_rows_are_paired_and_resumable(tmp_path: Path) -> None:
    humans = corpus(tmp_path / "c", 6)
    out = tmp_path / "out"
    made = synthesise(humans, out, ["griffin-lim", "codec-chain"], chain_label="bonafide", seed=3)
    assert len(made) == 9
    assert not made.missing()
    by_id = {row.id: row for row in made}
    for row in made:
        if row.pair:
            original = by_id[row.pair]
            assert original.system == "human"
            assert (row.speaker, row.source, row.split) == (original.speaker, original.source, original.split)
            assert row.label == ("spoof" if row.system == "griffin-lim" else "bonafide")
            one, two = measure(made.file(original)), measure(made.file(row))
            assert one.seconds == two.seconds
            assert abs(one.rms_db - two.rms_db) < 0.1
            assert (one.rate, one.codec) == (two.rate, two.codec)
    content = {file: file.read_bytes() for file in out.rglob("*.wav")}
    lost = made.file(by_id["c2-griffin-lim"])
    lost.unlink()
    kept = made.file(by_id["c0-griffin-lim"])
    before = kept.stat().st_mtime_ns
    synthesise(humans, out, ["griffin-lim", "codec-chain"], chain_label="bonafide", seed=3)
    assert lost.read_bytes() == content[lost]
    assert kept.stat().st_mtime_ns == before


def test_what_has_to_be_said(tmp_path: Path) -> None:
    humans = corpus(tmp_path / "c", 2)
    with pytest.raises(ConfigError, match="bonafide or spoof"):
        synthesise(humans, tmp_path / "o", ["codec-chain"])
    with pytest.raises(UnknownNameError, match="griffin-lim"):
        synthesise(humans, tmp_path / "o", ["griffinlim"])
    with pytest.raises(ManifestError, match="no bonafide row"):
        synthesise(humans.filter(label="spoof"), tmp_path / "o", ["lpc"])
    broken = Manifest(humans, root=tmp_path / "elsewhere", where="m.csv", lines=[2, 3])
    with pytest.raises(ManifestError, match=r"m\.csv:2: .*no such file"):
        synthesise(broken, tmp_path / "o", ["lpc"])


def tiny(name: str) -> Any:
    transformers = pytest.importorskip("transformers")
    if name == "SpeechT5HifiGan":
        return transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig(upsample_initial_channel=32))
    if name == "UnivNetModel":
        config = transformers.UnivNetConfig(
            model_hidden_channels=8,
            kernel_predictor_hidden_channels=8,
            model_in_channels=8,
            kernel_predictor_num_blocks=1,
        )
        return transformers.UnivNetModel(config)
    if name == "EncodecModel":
        config = transformers.EncodecConfig(num_filters=4, hidden_size=16, codebook_size=32, codebook_dim=16)
        return transformers.EncodecModel(config)
    if name == "DacModel":
        config = transformers.DacConfig(
            encoder_hidden_size=8, decoder_hidden_size=32, hidden_size=128, n_codebooks=2, codebook_size=16
        )
        return transformers.DacModel(config)
    config = transformers.MimiConfig(
        num_filters=4, hidden_size=32, codebook_size=16, codebook_dim=16, vector_quantization_hidden_dimension=16,
        num_quantizers=2, num_semantic_quantizers=1, num_hidden_layers=1, intermediate_size=32, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, upsample_groups=32,
    )  # fmt: skip
    return transformers.MimiModel(config)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["SpeechT5HifiGan", "UnivNetModel", "EncodecModel", "DacModel", "MimiModel"])
def test_neural_models_from_a_folder(tmp_path: Path, name: str) -> None:
    import torch

    torch.manual_seed(0)
    tiny(name).save_pretrained(tmp_path / "model")
    copy, kind = load(str(tmp_path / "model"))
    assert kind == ("codec" if name in ("EncodecModel", "DacModel", "MimiModel") else "vocoder")
    for seconds in (0.3, 1.0):
        original = utterance(1, 1.0)[: int(seconds * 16_000)].astype(np.float32)
        made = copy(original, np.random.default_rng(0))
        assert made.shape == original.shape
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert np.array_equal(made, copy(original, np.random.default_rng(0)))


def test_models_that_cannot_be_had(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match="no model there"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    with pytest.raises(ConfigError, match="class BertModel"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "encodec", "architectures": ["EncodecModel"]}')
    with pytest.raises(ConfigError, match="weights cannot be loaded"):
        load(str(tmp_path))
