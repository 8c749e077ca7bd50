"""Speech encoders of ``transformers`` – wav2vec 2.0, XLS-R, HuBERT, WavLM, Whisper – with three kinds of head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.models.aasist import RawEncoder
from earwitness.models.base import Classifier, Facts, last_layer, need_raw
from earwitness.models.frozen import Frozen
from earwitness.models.graph import GraphSettings, SpectroTemporalGraph
from earwitness.models.pretrained import KNOWN, backbone


@dataclass(frozen=True)
class SSLSettings:
    """Which encoder, how it begins, how it is trained, and the head.

    Parameters
    ----------
    pretrained:
        Name on the hub, or a folder; empty begins from random weights.
    architecture:
        With random weights: settings of the ``transformers`` configuration that differ from the usual.
    head:
        ``"linear"``: weighted layers, mean over time; ``"aasist"``: weighted layers, AASIST's residual encoder and
        graphs; ``"attentive"``: multi-head factorised attention, with one weighting of the layers for the keys and one
        for the values.
    frozen:
        Whether the encoder is never trained.
    frozen_steps:
        Training steps before it is trained too.
    frozen_layers:
        Lowest transformer layers that are never trained.
    frozen_convolutions:
        Whether the convolutions below the transformer are never trained, as is usual; random ones always are.
    width:
        Channels that the heads ``"aasist"`` and ``"attentive"`` reduce the encoder's to.
    heads:
        Attention maps of the head ``"attentive"``.
    graph:
        The graphs of the head ``"aasist"``.
    dropout:
        Share of the embedding that is dropped; the head ``"aasist"`` has its own.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    pretrained: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    head: Literal["linear", "aasist", "attentive"] = "linear"
    frozen: bool = False
    frozen_steps: int = 0
    frozen_layers: int = 0
    frozen_convolutions: bool = True
    width: int = 128
    heads: int = 8
    graph: GraphSettings = field(default_factory=GraphSettings)
    dropout: float = 0.1
    outputs: int = 2

    @property
    def keeps_convolutions(self) -> bool:
        """Whether the convolutions stay as they came: as asked for, and not random."""
        return self.frozen_convolutions and bool(self.pretrained)


class LayerWeights(nn.Module):
    """The weighted mean of the encoder's layers; the weights are learned and sum to 1."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))

    def forward(self, states: Tensor) -> Tensor:
        """``(layers, batch, frames, width)`` to ``(batch, frames, width)``."""
        return torch.einsum("l,lbfw->bfw", self.weights.softmax(dim=0), states)


class LinearHead(nn.Module):
    """Weighted layers and their mean over time."""

    def __init__(self, settings: SSLSettings, layers: int, width: int) -> None:
        super().__init__()
        self.layers = LayerWeights(layers)
        self.drop = nn.Dropout(settings.dropout)
        self.width = width

    def forward(self, states: Tensor) -> Tensor:
        result: Tensor = self.drop(self.layers(states).mean(dim=1))
        return result


class AttentiveHead(nn.Module):
    """Multi-head factorised attentive pooling. Source: Peng et al. 2022 (arXiv 2210.01273)."""

    def __init__(self, settings: SSLSettings, layers: int, width: int) -> None:
        super().__init__()
        self.key_layers, self.value_layers = LayerWeights(layers), LayerWeights(layers)
        self.key, self.value = nn.Linear(width, settings.width), nn.Linear(width, settings.width)
        self.attention = nn.Linear(settings.width, settings.heads)
        self.join = nn.Linear(settings.heads * settings.width, settings.width)
        self.drop = nn.Dropout(settings.dropout)
        self.width = settings.width

    def forward(self, states: Tensor) -> Tensor:
        weights = self.attention(self.key(self.key_layers(states))).softmax(dim=1)
        pooled = weights.transpose(1, 2) @ self.value(self.value_layers(states))
        result: Tensor = self.drop(self.join(pooled.flatten(1)))
        return result


class AASISTHead(nn.Module):
    """Weighted layers as a picture, AASIST's residual blocks and graphs. Source: Tak et al. 2022 (arXiv 2202.12233)."""

    def __init__(self, settings: SSLSettings, layers: int, width: int) -> None:
        super().__init__()
        self.layers = LayerWeights(layers)
        self.reduce = nn.Linear(width, settings.width)
        # frames of 20 ms are few, so the blocks leave their number alone, as in the source
        self.encoder = RawEncoder((32, 32, 64, 64, 64, 64), preactivation=True, keep_frames=True)
        self.graph = SpectroTemporalGraph(settings.graph, channels=64, rows=settings.width // 3)
        self.width = 5 * settings.graph.joint

    def forward(self, states: Tensor) -> Tensor:
        picture = self.reduce(self.layers(states)).transpose(1, 2).unsqueeze(1)
        result: Tensor = self.graph(self.encoder(F.max_pool2d(picture, 3)))
        return result


_HEADS = {"linear": LinearHead, "aasist": AASISTHead, "attentive": AttentiveHead}


class SpeechEncoder(Classifier):
    """A speech encoder, all of its layers' hidden states, and a head.

    Input ``(batch, 1, 1, samples)`` from the front end ``raw`` with ``normalize = "standard"``; Whisper takes
    ``(batch, 1, mels, frames)`` from ``whisper_mel``, at most 30 s.
    """

    inherited = ("backbone",)
    usual: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ("Wav2Vec2", "Hubert", "WavLM")
    Settings: ClassVar[type[SSLSettings]]

    def __init__(self, settings: SSLSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        network = backbone(self.kinds, s.pretrained, self.usual, s.architecture)
        self._check(network, channels, bins)
        config: Any = network.config
        for part in self._lower(network):
            part.requires_grad_(False)
        if hasattr(network, "masked_spec_embed"):
            # stands for masked frames, and nothing is masked here
            network.masked_spec_embed.requires_grad_(False)
        self.backbone = Frozen(network, always=s.frozen, steps=s.frozen_steps)
        head: Any = _HEADS[s.head](s, config.num_hidden_layers + 1, config.hidden_size)
        self.head = head
        self.width = head.width
        self.last = last_layer(self.width, s.outputs)

    def _check(self, network: nn.Module, channels: int, bins: int) -> None:  # noqa: ARG002
        need_raw(type(self).__name__, channels, bins)

    def _lower(self, network: Any) -> list[nn.Module]:
        """What is never trained."""
        s = self.settings
        lower = list(network.encoder.layers[: s.frozen_layers])
        if s.keeps_convolutions:
            network.feature_extractor._freeze_parameters()
        return lower

    def states(self, picture: Tensor) -> Tensor:
        """Hidden states ``(layers + 1, batch, frames, width)``, the transformer's input first."""
        result = self.backbone(picture[:, 0, 0], output_hidden_states=True)
        # XLS-R's last layer norm is in the encoder's result alone
        return torch.stack([*result.hidden_states[:-1], result.last_hidden_state])

    def embedding(self, picture: Tensor) -> Tensor:
        """What the last layer sees, ``(batch, width)``."""
        result: Tensor = self.head(self.states(picture))
        return result


class _Whisper(nn.Module):
    """Whisper's encoder for any length up to 30 s, which its own ``forward`` refuses: the first positions are used."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder: Any = encoder

    def forward(self, picture: Tensor) -> list[Tensor]:
        e = self.encoder
        x = F.gelu(e.conv2(F.gelu(e.conv1(picture)))).transpose(1, 2)
        states = [F.dropout(x + e.embed_positions.weight[: x.shape[1]], e.dropout, self.training)]
        for layer in e.layers:
            found = layer(states[-1], None)
            states.append(found[0] if isinstance(found, tuple) else found)
        states[-1] = e.layer_norm(states[-1])
        return states


@dataclass(frozen=True)
class Wav2Vec2Settings(SSLSettings):
    """wav2vec 2.0 base."""

    pretrained: str = "facebook/wav2vec2-base"


@dataclass(frozen=True)
class XLSRSettings(SSLSettings):
    """XLS-R with 300 M parameters."""

    pretrained: str = "facebook/wav2vec2-xls-r-300m"


@dataclass(frozen=True)
class HuBERTSettings(SSLSettings):
    """HuBERT base."""

    pretrained: str = "facebook/hubert-base-ls960"


@dataclass(frozen=True)
class WavLMSettings(SSLSettings):
    """WavLM base."""

    pretrained: str = "microsoft/wavlm-base"


@dataclass(frozen=True)
class WhisperSettings(SSLSettings):
    """The encoder of Whisper base."""

    pretrained: str = "openai/whisper-base"


def _facts(about: str, source: str, usual: str, shape: tuple[int, int, int] = (1, 1, 64_000)) -> Facts:
    frontend = "raw" if shape[1] == 1 else "whisper_mel"
    return Facts(about, source, shape, frontend, usual, KNOWN[usual].licence)


class Wav2Vec2(SpeechEncoder):
    """wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) with a head."""

    Settings = Wav2Vec2Settings
    usual = "facebook/wav2vec2-base"
    facts = _facts("wav2vec 2.0 with a linear, AASIST or attentive head", "arXiv 2006.11477", usual)


class XLSR(SpeechEncoder):
    """XLS-R (Babu et al. 2021, arXiv 2111.09296) with a head."""

    Settings = XLSRSettings
    usual = "facebook/wav2vec2-xls-r-300m"
    facts = _facts("XLS-R 300M with a linear, AASIST or attentive head", "arXiv 2111.09296", usual)


class HuBERT(SpeechEncoder):
    """HuBERT (Hsu et al. 2021, arXiv 2106.07447) with a head."""

    Settings = HuBERTSettings
    usual = "facebook/hubert-base-ls960"
    facts = _facts("HuBERT with a linear, AASIST or attentive head", "arXiv 2106.07447", usual)


class WavLM(SpeechEncoder):
    """WavLM (Chen et al. 2022, arXiv 2110.13900) with a head."""

    Settings = WavLMSettings
    usual = "microsoft/wavlm-base"
    facts = _facts("WavLM with a linear, AASIST or attentive head", "arXiv 2110.13900", usual)


class Whisper(SpeechEncoder):
    """Whisper's encoder (Radford et al. 2022, arXiv 2212.04356) with a head."""

    Settings = WhisperSettings
    usual = "openai/whisper-base"
    kinds = ("Whisper",)
    facts = _facts("Whisper's encoder with a linear, AASIST or attentive head", "arXiv 2212.04356", usual, (1, 80, 400))

    def __init__(self, settings: SSLSettings, *, channels: int, bins: int) -> None:
        super().__init__(settings, channels=channels, bins=bins)
        self.backbone.network = _Whisper(self.backbone.network)

    def _check(self, network: nn.Module, channels: int, bins: int) -> None:
        mels = network.config.num_mel_bins  # type: ignore[union-attr]
        if (channels, bins) != (1, mels):
            hint = f'frontend.name = "whisper_mel", frontend.settings.mels = {mels}'
            raise ConfigError(f"Whisper takes {mels} bands, the front end gives {channels} x {bins}", hint=hint)

    def _lower(self, network: Any) -> list[nn.Module]:
        s = self.settings
        convolutions = [network.conv1, network.conv2] if s.keeps_convolutions else []
        return [*network.layers[: s.frozen_layers], *convolutions]

    def states(self, picture: Tensor) -> Tensor:
        """Hidden states ``(layers + 1, batch, frames, width)``; what comes after 30 s is not heard."""
        longest = 2 * self.backbone.network.encoder.max_source_positions  # type: ignore[union-attr, operator]
        return torch.stack(self.backbone(picture[:, 0, :, :longest]))
