"""Copy synthesis with neural vocoders and codecs of ``transformers``, from a local folder or by a hub name.

Known classes: SpeechT5 HiFi-GAN and UnivNet (from a mel spectrogram), EnCodec, DAC and Mimi (codecs). The class stands
in the model's ``config.json`` under ``architectures``; another one is an error, because its input is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import ConfigError, MissingExtraError

RATE = 16_000
Samples = NDArray[np.float32]
Copy = Callable[[Samples, np.random.Generator], Samples]

_LEAST = 8_000


def load(name: str) -> tuple[Copy, str]:
    """A function that copies a clip (mono, 16 kHz) through the model, and its kind: ``vocoder`` or ``codec``.

    Parameters
    ----------
    name:
        A folder with ``config.json`` and weights, or a name on the hub.

    Raises
    ------
    MissingExtraError
        Without PyTorch and transformers.
    ConfigError
        If the model cannot be had or its class is not known here. Random weights are never used in its place.
    """
    try:
        import torch
        import transformers
    except ImportError:
        raise MissingExtraError("neural copies need transformers", hint="pip install 'earwitness[train]'") from None
    hint = "a folder with config.json and weights, or the name of a model on a hub that can be reached"
    try:
        config = transformers.PretrainedConfig.get_config_dict(name)[0]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: no model there: {_first_line(error)}", hint=hint) from None
    if not config:
        raise ConfigError(f"{name}: no model there: no config.json", hint=hint)
    named = (config.get("architectures") or ["nothing"])[0]
    if named not in _MAKERS:
        raise ConfigError(f"{name}: a model of class {named}", hint="known: " + ", ".join(_MAKERS))
    kind, maker = _MAKERS[named]
    try:
        model, info = getattr(transformers, named).from_pretrained(name, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name}: the weights cannot be loaded: {_first_line(error)}") from None
    if info["missing_keys"]:
        lacking = sorted(info["missing_keys"])
        raise ConfigError(f"{name}: {len(lacking)} weights are missing, such as {lacking[0]}")
    rate, through = maker(transformers, model.eval())

    def copy(samples: Samples, rng: np.random.Generator) -> Samples:
        import soxr

        wave = soxr.resample(np.pad(samples, (0, max(0, _LEAST - len(samples)))), RATE, rate)
        with torch.no_grad():
            made = through(np.asarray(wave, np.float32), rng)
        back = soxr.resample(made.float().numpy(), rate, RATE)[: len(samples)]
        return np.pad(np.asarray(back, np.float32), (0, len(samples) - len(back)))

    return copy, kind


def _speecht5(transformers: Any, model: Any) -> tuple[int, Callable[..., Any]]:
    rate = int(model.config.sampling_rate)
    extractor = transformers.SpeechT5FeatureExtractor(sampling_rate=rate, num_mel_bins=model.config.model_in_dim)

    def through(wave: Samples, _: np.random.Generator) -> Any:
        return model(extractor(audio_target=wave, sampling_rate=rate, return_tensors="pt")["input_values"][0])

    return rate, through


def _univnet(transformers: Any, model: Any) -> tuple[int, Callable[..., Any]]:
    import torch

    extractor = transformers.UnivNetFeatureExtractor(num_mel_bins=model.config.num_mel_bins)
    rate = int(extractor.sampling_rate)

    def through(wave: Samples, rng: np.random.Generator) -> Any:
        made = extractor(wave, sampling_rate=rate, return_tensors="pt", return_noise=False, pad_end=True)
        mel = made["input_features"]
        noise = rng.standard_normal((1, mel.shape[1], model.config.model_in_channels)).astype(np.float32)
        return model(input_features=mel, noise_sequence=torch.from_numpy(noise)).waveforms[0]

    return rate, through


def _codec(_: Any, model: Any) -> tuple[int, Callable[..., Any]]:
    import torch

    channels = int(getattr(model.config, "audio_channels", 1))

    def through(wave: Samples, _: np.random.Generator) -> Any:
        values = model(torch.from_numpy(wave)[None, None].repeat(1, channels, 1)).audio_values
        return values.reshape(channels, -1).mean(0)

    return int(model.config.sampling_rate), through


_MAKERS: dict[str, tuple[str, Callable[[Any, Any], tuple[int, Callable[..., Any]]]]] = {
    "SpeechT5HifiGan": ("vocoder", _speecht5),
    "UnivNetModel": ("vocoder", _univnet),
    "EncodecModel": ("codec", _codec),
    "DacModel": ("codec", _codec),
    "MimiModel": ("codec", _codec),
}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
