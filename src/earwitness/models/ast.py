"""The Audio Spectrogram Transformer: patches of a filter-bank picture through a vision transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from earwitness.errors import ConfigError
from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.frozen import Frozen
from earwitness.models.heads import fixed_frames
from earwitness.models.pretrained import KNOWN, backbone

USUAL = "MIT/ast-finetuned-audioset-10-10-0.4593"


@dataclass(frozen=True)
class ASTSettings:
    """Which weights, how long the picture is, and how it is trained.

    Parameters
    ----------
    pretrained:
        Name on the hub, or a folder; empty begins from random weights.
    architecture:
        With random weights: settings of the ``transformers`` configuration that differ from the usual.
    frames:
        Frames of 10 ms that the transformer sees; other pictures are cut or repeated. Of pretrained positions, which
        were learned for 1,024, the middle ones are kept, as the authors do.
    frozen:
        Whether the transformer is never trained.
    frozen_steps:
        Training steps before it is trained too.
    dropout:
        Share of the embedding that is dropped.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    pretrained: str = USUAL
    architecture: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 398
    frozen: bool = False
    frozen_steps: int = 0
    dropout: float = 0.1
    outputs: int = 2


class AST(Classifier):
    """AST; input ``(batch, 1, 128, frames)`` from the front end ``ast_fbank``.

    Source: Gong et al. 2021 (arXiv 2104.01778).
    """

    Settings = ASTSettings
    inherited = ("backbone",)
    facts = Facts(
        "Audio Spectrogram Transformer", "arXiv 2104.01778", (1, 128, 398), "ast_fbank", USUAL, KNOWN[USUAL].licence
    )

    def __init__(self, settings: ASTSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        network: Any = backbone(("AST",), s.pretrained, USUAL, s.architecture)
        if (channels, bins) != (1, network.config.num_mel_bins):
            raise ConfigError(
                f"AST takes {network.config.num_mel_bins} bands, the front end gives {channels} x {bins}",
                hint='frontend.name = "ast_fbank"',
            )
        shorten(network, s.frames)
        self.backbone = Frozen(network, always=s.frozen, steps=s.frozen_steps)
        self.drop = nn.Dropout(s.dropout)
        self.width = network.config.hidden_size
        self.last = last_layer(self.width, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The mean of the two tokens that stand for the whole, ``(batch, width)``."""
        frames = fixed_frames(picture, self.settings.frames)
        result: Tensor = self.drop(self.backbone(frames[:, 0].transpose(1, 2)).pooler_output)
        return result


def shorten(network: Any, frames: int) -> None:
    """Keep the middle of the positions along time, so that the transformer takes ``frames`` frames.

    Raises
    ------
    ConfigError
        If there are fewer positions than that, or less than one patch.
    """
    config, place = network.config, network.embeddings
    rows, columns = place.get_shape(config)
    wanted = (frames - config.patch_size) // config.time_stride + 1
    if not 0 < wanted <= columns:
        raise ConfigError(f"model.frames: {frames}", hint=f"{config.patch_size} to {config.max_length}")
    first = columns // 2 - wanted // 2
    tokens, grid = place.position_embeddings.data.split([2, rows * columns], dim=1)
    kept = grid.reshape(1, rows, columns, -1)[:, :, first : first + wanted].reshape(1, rows * wanted, -1)
    place.position_embeddings = nn.Parameter(torch.cat([tokens, kept], dim=1))
    config.max_length = frames
