"""Networks of ``transformers`` with weights from a hub or a folder, or, where that is said, from random weights.

A model with such a network inside has ``pretrained`` in its settings: a name on the hub or a folder. Empty means
random weights, and :func:`model_settings` lets it through only where the caller says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import nn

from earwitness.config import build
from earwitness.errors import ConfigError

_SAY = "name a folder with model.settings.pretrained, or train from random weights with --no-pretrained"
_WEIGHTS: ContextVar[bool] = ContextVar("weights", default=True)

#: parameters that pretraining alone uses, or that are made anew, so that their absence is no fault
_UNUSED = ("masked_spec_embed", "num_batches_tracked", "pooler", "embed_positions")


@dataclass(frozen=True)
class Known:
    """An architecture on the hub: its class in ``transformers``, what differs from the defaults, and its licence."""

    kind: str
    licence: str
    differs: Mapping[str, Any] = field(default_factory=dict)


_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "conv_bias": True,
}
_BASIC = {"layer_type": "basic", "hidden_sizes": (64, 128, 256, 512)}
_APACHE = "Apache-2.0"

KNOWN: dict[str, Known] = {
    "microsoft/resnet-18": Known("ResNet", _APACHE, {**_BASIC, "depths": (2, 2, 2, 2)}),
    "microsoft/resnet-50": Known("ResNet", _APACHE, {"depths": (3, 4, 6, 3)}),
    "microsoft/resnet-101": Known("ResNet", _APACHE, {"depths": (3, 4, 23, 3)}),
    "google/efficientnet-b0": Known(
        "EfficientNet", _APACHE, {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280}
    ),
    "google/efficientnet-b4": Known(
        "EfficientNet", _APACHE, {"width_coefficient": 1.4, "depth_coefficient": 1.8, "hidden_dim": 1792}
    ),
    "facebook/wav2vec2-base": Known("Wav2Vec2", _APACHE),
    "facebook/wav2vec2-xls-r-300m": Known("Wav2Vec2", _APACHE, _LARGE),
    "facebook/hubert-base-ls960": Known("Hubert", _APACHE),
    "microsoft/wavlm-base": Known("WavLM", "CC BY-SA 3.0"),
    "openai/whisper-base": Known(
        "Whisper",
        _APACHE,
        {
            "d_model": 512,
            "encoder_layers": 6,
            "encoder_attention_heads": 8,
            "encoder_ffn_dim": 2048,
            "decoder_layers": 6,
            "decoder_attention_heads": 8,
            "decoder_ffn_dim": 2048,
        },
    ),
    "MIT/ast-finetuned-audioset-10-10-0.4593": Known("AST", "BSD-3-Clause"),
}
"""Architectures that can be built without the hub."""


@contextmanager
def without_weights() -> Iterator[None]:
    """Within this, networks are built without fetching weights: for those that get them from a checkpoint next.

    Examples
    --------
    >>> from earwitness.models.image import ResNet18
    >>> with without_weights():
    ...     network = ResNet18(ResNet18.Settings(), channels=1, bins=128)
    """
    token = _WEIGHTS.set(False)
    try:
        yield
    finally:
        _WEIGHTS.reset(token)


def model_settings(model: Any, values: Mapping[str, Any], *, no_pretrained: bool, where: str = "model.settings") -> Any:
    """The settings of ``model`` from a recipe's values.

    Parameters
    ----------
    model:
        A class of :data:`earwitness.models.MODELS`.
    values:
        As they stand in the recipe.
    no_pretrained:
        Whether random weights were asked for, in place of what ``pretrained`` names.

    Raises
    ------
    ConfigError
        If ``pretrained`` is empty and random weights were not asked for, or a setting is wrong.

    Examples
    --------
    >>> from earwitness.models.image import ResNet18
    >>> model_settings(ResNet18, {}, no_pretrained=True).pretrained
    ''
    """
    settings = build(model.Settings, values, where=where)
    if not any(f.name == "pretrained" for f in fields(settings)):
        return settings
    if no_pretrained:
        return build(model.Settings, {**values, "pretrained": ""}, where=where)
    if not settings.pretrained:
        raise ConfigError(f"{where}.pretrained is empty", hint=_SAY)
    return settings


def backbone(kinds: tuple[str, ...], pretrained: str, usual: str, architecture: Mapping[str, Any]) -> nn.Module:
    """A network of ``transformers`` with its weights, or from random weights where ``pretrained`` is empty.

    Parameters
    ----------
    kinds:
        Which networks it may be, such as ``("Wav2Vec2", "Hubert")``.
    pretrained:
        A name on the hub, or a folder that ``save_pretrained`` wrote. Weights in pickle files are read as data only.
    usual:
        The architecture of random weights, a name in :data:`KNOWN`.
    architecture:
        What differs from it; with random weights only.

    Raises
    ------
    ConfigError
        If the weights cannot be had, are not all there, or belong to another kind of network.
    """
    import transformers

    if pretrained and architecture:
        raise ConfigError("model.settings.architecture goes with random weights only", hint="remove it, or pretrained")
    if not pretrained or not _WEIGHTS.get():
        known = KNOWN.get(pretrained or usual)
        if known is None:
            config = _config(pretrained, kinds)
        else:
            config = getattr(transformers, f"{known.kind}Config")(**{**known.differs, **architecture})
        return _bare(_plain(config))
    config = _plain(_config(pretrained, kinds))
    kind = getattr(transformers, type(config).__name__.replace("Config", "Model"))
    try:
        with _quiet():
            network, report = kind.from_pretrained(pretrained, config=config, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the weights {pretrained!r} cannot be had: {_first_line(error)}", hint=_SAY) from None
    absent = [name for name in report["missing_keys"] if not any(part in name for part in _UNUSED)]
    if absent or report["mismatched_keys"]:
        wrong = absent or [str(key) for key in report["mismatched_keys"]]
        raise ConfigError(f"{pretrained!r}: {len(wrong)} weights are not there, such as {wrong[0]}", hint=_SAY)
    found: nn.Module = network.encoder if type(config).__name__ == "WhisperConfig" else network
    return found


def _config(pretrained: str, kinds: tuple[str, ...]) -> Any:
    from transformers import AutoConfig

    if (pretrained.startswith((".", "/", "~")) or pretrained.count("/") > 1) and not Path(pretrained).is_dir():
        raise ConfigError(f"the weights {pretrained!r} cannot be had: no such folder", hint=_SAY)
    try:
        config = AutoConfig.from_pretrained(pretrained)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the weights {pretrained!r} cannot be had: {_first_line(error)}", hint=_SAY) from None
    found = type(config).__name__.removesuffix("Config")
    if found not in kinds:
        raise ConfigError(f"{pretrained!r} is {found}", hint="this model takes " + ", ".join(kinds))
    return config


def _plain(config: Any) -> Any:
    """Without what is drawn at random outside our control while training: masks and layers left out."""
    for name, value in (("apply_spec_augment", False), ("layerdrop", 0.0), ("encoder_layerdrop", 0.0)):
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def _bare(config: Any) -> nn.Module:
    import transformers

    name = type(config).__name__.removesuffix("Config")
    if name == "Whisper":
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        encoder: nn.Module = WhisperEncoder(config)
        return encoder
    network: nn.Module = getattr(transformers, f"{name}Model")(config)
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or reports of unused weights: what matters is raised."""
    from logging import ERROR

    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity(ERROR)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
