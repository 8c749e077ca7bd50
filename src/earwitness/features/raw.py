"""The waveform itself, for networks that learn their own front end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from earwitness.errors import ConfigError


@dataclass(frozen=True)
class RawSettings:
    """How the waveform is handed on.

    Parameters
    ----------
    samples:
        Fixed length in samples at 16 kHz: longer clips are cut at the end, shorter ones repeated from their start, as
        the raw-waveform systems of ASVspoof do with 64,600. 0 leaves the length as it is.
    normalize:
        ``"none"`` hands the samples on as they are; ``"level"`` divides a clip by its root mean square; ``"standard"``
        also takes its mean away, as wav2vec 2.0 and its kin expect.
    """

    samples: int = 0
    normalize: Literal["none", "level", "standard"] = "none"

    @property
    def bins(self) -> int:
        """Rows of the picture: 1."""
        return 1


class Raw(nn.Module):
    """Waveform ``(batch, samples)`` to ``(batch, 1, 1, samples)``: one channel, one bin, a frame per sample.

    Examples
    --------
    >>> import torch
    >>> Raw(RawSettings(samples=64600))(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 1, 64600])
    """

    Settings = RawSettings

    def __init__(self, settings: RawSettings) -> None:
        super().__init__()
        if settings.samples < 0:
            raise ConfigError(f"frontend.samples: {settings.samples} is negative", hint="0 leaves the length as it is")
        self.settings = settings
        self.channels = 1

    def forward(self, waveform: Tensor) -> Tensor:
        s = self.settings
        waveform = waveform.float()
        if s.samples:
            # as often as needed, and cut; an index modulo the length would be shorter, but is not exported
            times = (s.samples - 1) // waveform.shape[1] + 1
            waveform = waveform.repeat(1, times)[:, : s.samples]
        if s.normalize == "standard":
            waveform = waveform - waveform.mean(dim=1, keepdim=True)
        if s.normalize != "none":
            # 1e-7 is the guard of the feature extractors of wav2vec 2.0 and its kin
            waveform = waveform / waveform.square().mean(dim=1, keepdim=True).add(1e-7).sqrt()
        return waveform[:, None, None, :]
