"""The network of the speech and music detector: front end, convolutions, and how it is written as ONNX."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from earwitness import __version__
from earwitness.errors import ExportError
from earwitness.export import stripped
from earwitness.train.speech_examples import HOP

FLOOR = 1e-6
"""Added to the power of a band before its logarithm: about the power of 16-bit rounding noise."""
DILATIONS = ((1, 1), (1, 1), (2, 2), (4, 4), (8, 8), (32, 0), (64, 0))
"""Frames before and after the middle tap that each convolution reaches back and ahead: (32, 0) looks back only."""
PAST = sum(back for back, _ in DILATIONS)
AHEAD = sum(ahead for _, ahead in DILATIONS)


class FrontEnd(nn.Module):
    """Frames of 512 samples to log band powers ``(frames, bands)``: a Hann-windowed Fourier transform as two products.

    The frame is folded about its middle first, so that the cosine and the sine part need half of the
    multiplications. Every bin is kept up to 2.6 kHz, every second up to 4 kHz, every fourth above. Single bins up to
    1 kHz (harmonics show), then triangles a ninth of an octave apart.
    """

    cosine: Tensor
    sine: Tensor
    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        bins = np.concatenate([np.arange(2, 83), np.arange(84, 129, 2), np.arange(132, 253, 4)])
        time_ = np.arange(1, 257)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * time_ / HOP)
        window[-1] *= 0.5
        angle = 2 * np.pi * np.outer(time_, bins) / HOP
        scale = 2.0 / (HOP / 2)
        self.register_buffer("cosine", torch.tensor(np.cos(angle) * window[:, None] * scale, dtype=torch.float32))
        self.register_buffer("sine", torch.tensor(np.sin(angle) * window[:, None] * scale, dtype=torch.float32))
        self.register_buffer("bank", torch.tensor(_bands(bins), dtype=torch.float32))

    def forward(self, frames: Tensor) -> Tensor:
        left, right = frames[:, 1:257], torch.flip(frames[:, 256:512], dims=(1,))
        real = (left + right) @ self.cosine
        imaginary = (left - right) @ self.sine
        power = (real * real + imaginary * imaginary) @ self.bank
        return torch.log(power + FLOOR)


def _bands(bins: np.ndarray) -> np.ndarray:
    """Weights ``(bins, bands)``; each band's weights sum to 1, so that a band is a mean power."""
    singles = [float(b) for b in range(2, 33)]
    above = list(32 * 2 ** (np.arange(1, 28) / 9))
    centres = np.array([1.0, *singles, *above])
    columns = []
    for before, centre, after in zip(centres[:-2], centres[1:-1], centres[2:], strict=True):
        rise = (bins - before) / (centre - before)
        fall = (after - bins) / (after - centre)
        column = np.clip(np.minimum(rise, fall), 0, None)
        if column.sum() == 0:
            column[np.argmin(np.abs(bins - centre))] = 1.0
        columns.append(column / column.sum())
    return np.stack(columns, axis=1)


def normalise(features: Tensor) -> Tensor:
    """Log powers at about zero mean and unit spread for speech at an ordinary level."""
    return (features + 9.0) * 0.25


class SpeechNetwork(nn.Module):
    """Log band powers to two logits a frame: speech and music.

    Residual convolutions over time of three taps each, without padding: the output for a frame needs
    :data:`PAST` frames before it and :data:`AHEAD` after it.
    """

    def __init__(self, channels: int = 40) -> None:
        super().__init__()
        self.front = FrontEnd()
        bands = int(self.front.bank.shape[1])
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for index, (back, ahead) in enumerate(DILATIONS):
            step = ahead or back // 2
            self.convolutions.append(nn.Conv1d(bands if index == 0 else channels, channels, 3, dilation=step))
            self.norms.append(nn.BatchNorm1d(channels))
        self.head = nn.Conv1d(channels, 2, 1)

    def heads(self, features: Tensor) -> Tensor:
        """``(batch, bands, PAST + frames + AHEAD)`` normalised log powers to logits ``(batch, 2, frames)``."""
        x = functional.relu(self.norms[0](self.convolutions[0](features)))
        for (back, ahead), convolution, norm in zip(
            DILATIONS[1:], list(self.convolutions)[1:], list(self.norms)[1:], strict=True
        ):
            x = x[:, :, back : x.shape[2] - ahead] + functional.relu(norm(convolution(x)))
        logits: Tensor = self.head(x)
        return logits

    def forward(self, frames: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``frames`` (n, 512) and the last ``PAST + AHEAD`` features to probabilities (n, 2) and the new last features.

        Row 0 belongs to the frame ``AHEAD`` frames before the first of ``frames``.
        """
        features = torch.cat([past, self.front(frames)], dim=0)
        logits = self.heads(normalise(features).t()[None])
        return torch.sigmoid(logits[0].t()), features[frames.shape[0] :]


def fused(network: SpeechNetwork) -> SpeechNetwork:
    """The same network with its batch norms folded into the convolutions."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    out = SpeechNetwork(network.head.in_channels)
    out.load_state_dict(network.state_dict())
    out.eval()
    pairs = list(zip(out.convolutions, out.norms, strict=True))
    out.convolutions = nn.ModuleList([fuse_conv_bn_eval(c, n) for c, n in pairs])  # type: ignore[arg-type,type-var]
    out.norms = nn.ModuleList([nn.Identity() for _ in pairs])
    return out


def export(network: SpeechNetwork, out: Path, facts: dict[str, Any]) -> None:
    """Write ``speech.onnx`` and ``speech.json`` into ``out`` and check the graph against torch to 1e-4.

    Raises
    ------
    ExportError
        If onnxruntime and torch disagree.
    """
    import onnxruntime

    out.mkdir(parents=True, exist_ok=True)
    folded, bands = fused(network), int(network.front.bank.shape[1])
    past = torch.full((PAST + AHEAD, bands), float(np.log(FLOOR)))
    frames = torch.randn(20, HOP) * 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            folded,
            (frames, past),
            dynamo=True,
            opset_version=18,
            input_names=["frames", "past"],
            output_names=["probabilities", "last"],
            dynamic_shapes=({0: torch.export.Dim("count", min=1)}, None),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export gave nothing for the speech detector")
    file = out / "speech.onnx"
    program.save(str(file), external_data=False)
    body = stripped(file.read_bytes())
    file.write_bytes(body)
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    longer = torch.randn(50, HOP) * 0.1
    with torch.no_grad():
        wanted = folded(longer, past)[0].numpy()
    gap = float(np.abs(session.run(None, {"frames": longer.numpy(), "past": past.numpy()})[0] - wanted).max())
    if gap > 1e-4:
        raise ExportError(f"speech.onnx differs from torch by {gap:.2g}")
    described = {
        "format": 1,
        "version": __version__,
        "sample_rate": 16_000,
        "frame": HOP,
        "past": PAST,
        "ahead": AHEAD,
        "bands": bands,
        "silence": float(np.log(FLOOR)),
        "outputs": ["speech", "music"],
        "threshold": 0.5,
        "files": {"speech.onnx": {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}},
        **facts,
    }
    (out / "speech.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
