"""AASIST and AASIST-L: graph attention over time and frequency on a residual encoder of the raw waveform.

Source: Jung et al. 2022 (arXiv 2110.01200). :func:`from_official` reads the authors' checkpoints
(github.com/clovaai/aasist, MIT), whose networks these are to the last parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.models.base import Classifier, Facts, last_layer, need_raw
from earwitness.models.graph import GraphSettings, SpectroTemporalGraph
from earwitness.models.sinc import SincFilters


@dataclass(frozen=True)
class AASISTSettings:
    """Size of the network; the defaults are AASIST's, 297,866 parameters.

    Parameters
    ----------
    filters, kernel:
        Fixed band-pass filters and their length in samples, made odd.
    most_masked:
        In training, up to this many neighbouring filters are set to zero.
    widths:
        Channels of the residual blocks, each of which takes a third of the frames.
    preactivation:
        Whether batch norm and SELU stand before each block but the first. The authors' code computes them and then
        does not use them, so their parameters exist but never change; False keeps it like that.
    graph:
        The graph half.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    filters: int = 70
    kernel: int = 128
    most_masked: int = 0
    widths: tuple[int, ...] = (32, 32, 64, 64, 64, 64)
    preactivation: bool = False
    graph: GraphSettings = field(default_factory=GraphSettings)
    outputs: int = 2


@dataclass(frozen=True)
class AASISTLSettings(AASISTSettings):
    """AASIST with the sizes of AASIST-L, 85,306 parameters."""

    widths: tuple[int, ...] = (32, 32, 24, 24, 24, 24)
    graph: GraphSettings = field(
        default_factory=lambda: GraphSettings(nodes=24, keep_spectral=0.4, keep_temporal=0.5, keep_joint=0.7)
    )


def _facts(name: str) -> Facts:
    about = f"{name}: graph attention on a residual encoder of the waveform"
    return Facts(about, "arXiv 2110.01200", (1, 1, 64_600), "raw", f"{name}.pth of github.com/clovaai/aasist", "MIT")


class RawBlock(nn.Module):
    """Two 2×3 convolutions with a way around them, then a third of the frames by their maximum, or all of them."""

    def __init__(self, inside: int, outside: int, *, first: bool, preactivation: bool, keep_frames: bool) -> None:
        super().__init__()
        self.keep_frames = keep_frames
        self.before = None if first else nn.BatchNorm2d(inside)
        self.preactivation = preactivation
        if self.before is not None and not preactivation:
            self.before.requires_grad_(False)
        self.one = nn.Conv2d(inside, outside, (2, 3), padding=(1, 1))
        self.norm = nn.BatchNorm2d(outside)
        self.two = nn.Conv2d(outside, outside, (2, 3), padding=(0, 1))
        self.around = nn.Conv2d(inside, outside, (1, 3), padding=(0, 1)) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.selu(self.before(x)) if self.before is not None and self.preactivation else x
        y = self.two(torch.selu(self.norm(self.one(y))))
        y = y + self.around(x)
        return y if self.keep_frames else F.max_pool2d(y, (1, 3))


class RawEncoder(nn.Module):
    """A one-channel map ``(batch, 1, rows, frames)`` to ``(batch, widths[-1], rows, frames // 3 ** len(widths))``.

    With ``keep_frames`` the number of frames stays.
    """

    def __init__(self, widths: tuple[int, ...], *, preactivation: bool, keep_frames: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        inside = (1, *widths[:-1])
        self.blocks = nn.Sequential(
            *(
                RawBlock(a, b, first=not number, preactivation=preactivation, keep_frames=keep_frames)
                for number, (a, b) in enumerate(zip(inside, widths, strict=True))
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.blocks(torch.selu(self.norm(x)))
        return result


class AASIST(Classifier):
    """AASIST; input ``(batch, 1, 1, samples)`` from the front end ``raw``, at least 2,500 samples.

    Examples
    --------
    >>> model = AASIST(AASISTSettings(), channels=1, bins=1).eval()
    >>> model(torch.randn(2, 1, 1, 16000)).shape
    torch.Size([2, 2])
    """

    Settings = AASISTSettings
    facts = _facts("AASIST")

    def __init__(self, settings: AASISTSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        need_raw("AASIST", channels, bins)
        s = self.settings = settings
        self.sinc = SincFilters(s.filters, s.kernel, s.most_masked)
        self.encoder = RawEncoder(s.widths, preactivation=s.preactivation)
        self.graph = SpectroTemporalGraph(s.graph, channels=s.widths[-1], rows=s.filters // 3)
        self.width = 5 * s.graph.joint
        self.last = last_layer(self.width, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The readout of the graphs, ``(batch, 5 * joint)``."""
        x = self.sinc(picture.flatten(1, 2)).unsqueeze(1).abs()
        result: Tensor = self.graph(self.encoder(F.max_pool2d(x, 3)))
        return result


class AASISTL(AASIST):
    """AASIST-L: AASIST with 85,306 parameters.

    Examples
    --------
    >>> sum(p.numel() for p in AASISTL(AASISTLSettings(), channels=1, bins=1).parameters())
    85306
    """

    Settings = AASISTLSettings
    facts = _facts("AASIST-L")


_NAMES = (
    ("first_bn.", "encoder.norm."),
    ("encoder.", "encoder.blocks."),
    (".bn1.", ".before."),
    (".bn2.", ".norm."),
    (".conv1.", ".one."),
    (".conv2.", ".two."),
    (".conv_downsample.", ".around."),
    ("pos_S", "graph.position"),
    ("GAT_layer_S.", "graph.spectral."),
    ("GAT_layer_T.", "graph.temporal."),
    ("pool_S.proj.", "graph.pool_spectral.gate."),
    ("pool_T.proj.", "graph.pool_temporal.gate."),
    *((f"master{i + 1}", f"graph.branches.{i}.master") for i in (0, 1)),
    *((f"pool_hS{i + 1}.proj.", f"graph.branches.{i}.pool_spectral.gate.") for i in (0, 1)),
    *((f"pool_hT{i + 1}.proj.", f"graph.branches.{i}.pool_temporal.gate.") for i in (0, 1)),
    *((f"HtrgGAT_layer_ST{i + 1}1.", f"graph.branches.{i}.one.") for i in (0, 1)),
    *((f"HtrgGAT_layer_ST{i + 1}2.", f"graph.branches.{i}.two.") for i in (0, 1)),
    ("proj_type1.", "first."),
    ("proj_type2.", "second."),
    ("att_projM.", "master_pair."),
    ("att_proj.", "pair."),
    ("att_weight11", "within_first"),
    ("att_weight22", "within_second"),
    ("att_weight12", "across"),
    ("att_weightM", "master_direction"),
    ("att_weight", "direction"),
    ("proj_with_attM.", "master_seen."),
    ("proj_without_attM.", "master_own."),
    ("proj_with_att.", "seen."),
    ("proj_without_att.", "own."),
    (".bn.", ".norm."),
    ("out_layer.", "last."),
)


def from_official(weights: Mapping[str, Tensor]) -> AASIST:
    """AASIST or AASIST-L with the weights of the authors' checkpoint, in evaluation mode.

    Parameters
    ----------
    weights:
        The authors' state dictionary, as ``torch.load(path, weights_only=True, map_location="cpu")`` gives it. Their
        first output speaks for spoof and their second for bonafide; here it is the other way round.

    Raises
    ------
    ConfigError
        If these are not the weights of one of the two networks.
    """
    mapped = {}
    for name, value in weights.items():
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours, 1) if theirs != "encoder." else _block(name)
        mapped[name] = value.flip(0) if name.startswith("last.") else value
    light = mapped.get("graph.position", torch.empty(0)).shape[-1:] == (24,)
    model = AASISTL(AASISTLSettings(), channels=1, bins=1) if light else AASIST(AASISTSettings(), channels=1, bins=1)
    try:
        model.load_state_dict(mapped)
    except RuntimeError as error:
        raise ConfigError(f"not a checkpoint of AASIST or AASIST-L: {error}") from None
    return model.eval()


def _block(name: str) -> str:
    """``encoder.3.0.conv1.weight`` to ``encoder.blocks.3.conv1.weight``."""
    parts = name.split(".")
    if parts[0] == "encoder" and parts[1].isdigit():
        return ".".join(["encoder", "blocks", parts[1], *parts[3:]])
    return name
