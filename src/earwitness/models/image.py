"""Image networks of ``transformers`` on spectrogram pictures: ResNet-18, -50, -101, EfficientNet-B0 and -B4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from earwitness.errors import ConfigError
from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.frozen import Frozen
from earwitness.models.pretrained import KNOWN, backbone

#: mean and deviation of the colours of ImageNet, which the pretrained networks expect to be taken away
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageSettings:
    """Which network, how it begins, and the head on its global average.

    Parameters
    ----------
    pretrained:
        Name on the hub, or a folder; empty begins from random weights.
    architecture:
        With random weights: settings of the ``transformers`` configuration that differ from the usual.
    frozen:
        Whether the image network is never trained.
    frozen_steps:
        Training steps before it is trained too.
    hidden:
        Width of a dense layer with ReLU before the last one; 0 leaves it out.
    norm:
        Whether batch norm stands before the dropout.
    dropout:
        Share that is dropped before the last layer.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    pretrained: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False
    frozen_steps: int = 0
    hidden: int = 0
    norm: bool = False
    dropout: float = 0.0
    outputs: int = 1


class ImageNetwork(Classifier):
    """An image network, the mean over its last map, and a head.

    Input ``(batch, 1 or 3, height, width)`` between 0 and 1, from the front end ``mel_image``; one channel stands for
    all three colours. Batch norms move by a tenth a step: EfficientNet's configuration says .99, TensorFlow's way of
    writing .01, which PyTorch would read as "forget all but the last batch".
    """

    inherited = ("backbone",)
    usual: ClassVar[str]
    Settings: ClassVar[type[ImageSettings]]

    def __init__(self, settings: ImageSettings, *, channels: int, bins: int) -> None:  # noqa: ARG002
        super().__init__()
        if channels not in (1, 3):
            raise ConfigError(f"an image network takes 1 or 3 channels, the front end gives {channels}")
        s = self.settings = settings
        network: Any = backbone(("ResNet", "EfficientNet"), s.pretrained, self.usual, s.architecture)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1
        if not s.pretrained:
            _begin(network)
        config: Any = network.config
        resnet = config.model_type == "resnet"
        width: int = config.hidden_sizes[-1] if resnet else network.encoder.top_conv.out_channels
        self.backbone = Frozen(network, always=s.frozen, steps=s.frozen_steps, measure=not s.pretrained)
        head: list[nn.Module] = []
        if s.hidden:
            head += [nn.Linear(width, s.hidden), nn.ReLU(inplace=True)]
        self.width = s.hidden or width
        if s.norm:
            head += [nn.BatchNorm1d(self.width)]
        self.head = nn.Sequential(*head, nn.Dropout(s.dropout))
        self.last = last_layer(self.width, s.outputs)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[None, :, None, None], persistent=False)

    def embedding(self, picture: Tensor) -> Tensor:
        """What the last layer sees, ``(batch, width)``."""
        picture = (picture - self.mean) / self.deviation
        features: Tensor = self.backbone(picture).last_hidden_state
        result: Tensor = self.head(features.mean(dim=(2, 3)))
        return result


def _begin(network: nn.Module) -> None:
    """Random weights as in the papers' own code; EfficientNet's in ``transformers`` scale every batch norm by .02."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)


def _facts(about: str, source: str, usual: str) -> Facts:
    return Facts(about, source, (1, 128, 128), "mel_image", usual, KNOWN[usual].licence)


@dataclass(frozen=True)
class ResNet18Settings(ImageSettings):
    """ResNet-18 in place of the usual network."""

    pretrained: str = "microsoft/resnet-18"


@dataclass(frozen=True)
class ResNet50Settings(ImageSettings):
    """ResNet-50 in place of the usual network."""

    pretrained: str = "microsoft/resnet-50"


@dataclass(frozen=True)
class ResNet101Settings(ImageSettings):
    """ResNet-101 in place of the usual network."""

    pretrained: str = "microsoft/resnet-101"


@dataclass(frozen=True)
class EfficientNetB0Settings(ImageSettings):
    """EfficientNet-B0 in place of the usual network."""

    pretrained: str = "google/efficientnet-b0"


@dataclass(frozen=True)
class EfficientNetB4Settings(ImageSettings):
    """EfficientNet-B4 in place of the usual network."""

    pretrained: str = "google/efficientnet-b4"


class ResNet18(ImageNetwork):
    """ResNet-18 (He et al. 2016, arXiv 1512.03385)."""

    Settings = ResNet18Settings
    usual = "microsoft/resnet-18"
    facts = _facts("ResNet-18 for images", "arXiv 1512.03385", usual)


class ResNet50(ImageNetwork):
    """ResNet-50 (He et al. 2016, arXiv 1512.03385)."""

    Settings = ResNet50Settings
    usual = "microsoft/resnet-50"
    facts = _facts("ResNet-50 for images", "arXiv 1512.03385", usual)


class ResNet101(ImageNetwork):
    """ResNet-101 (He et al. 2016, arXiv 1512.03385)."""

    Settings = ResNet101Settings
    usual = "microsoft/resnet-101"
    facts = _facts("ResNet-101 for images", "arXiv 1512.03385", usual)


class EfficientNetB0(ImageNetwork):
    """EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946)."""

    Settings = EfficientNetB0Settings
    usual = "google/efficientnet-b0"
    facts = _facts("EfficientNet-B0 for images", "arXiv 1905.11946", usual)


class EfficientNetB4(ImageNetwork):
    """EfficientNet-B4 (Tan and Le 2019, arXiv 1905.11946)."""

    Settings = EfficientNetB4Settings
    usual = "google/efficientnet-b4"
    facts = _facts("EfficientNet-B4 for images", "arXiv 1905.11946", usual)
