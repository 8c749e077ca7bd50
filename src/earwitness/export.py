"""From a trained network to ``model.onnx``: waveform in, logit out, and proof that both say the same."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earwitness.errors import ExportError
from earwitness.export_size import halved, reckoned

if TYPE_CHECKING:
    from torch import nn

OPSET = 18
TOLERANCE = 1e-4
HALF_TOLERANCE = 0.02
"""Largest difference in logits that rounding weights to half precision may make."""


def export_onnx(network: nn.Module, *, tolerance: float = TOLERANCE, seed: int = 0) -> tuple[bytes, float]:
    """The network's ``score`` as an ONNX file that takes any batch and any number of samples.

    Parameters
    ----------
    network:
        A module with ``score(waveform) -> (batch,)``, in evaluation mode.
    tolerance:
        Largest allowed difference between the two, in logits.
    seed:
        Seed of the noise and tones that both are tried on.

    Returns
    -------
    bytes, float
        The file, and the largest difference seen.

    Raises
    ------
    ExportError
        If the file cannot be made, or differs from the network by more than ``tolerance``.
    """
    data = _written(network)
    return data, check_parity(network, data, tolerance=tolerance, seed=seed)


def half_onnx(network: nn.Module, data: bytes, *, seed: int = 0) -> tuple[bytes, float]:
    """The file of :func:`export_onnx` with weights in half precision and bases of front ends written as arithmetic.

    Parameters
    ----------
    network, data:
        What :func:`export_onnx` was given, and gave.
    seed:
        As there.

    Returns
    -------
    bytes, float
        The file, see :mod:`earwitness.export_size`, and the largest difference of logits to the network.

    Raises
    ------
    ExportError
        If that is more than :data:`HALF_TOLERANCE`.
    """
    small = halved(reckoned(data), keep=[f"network.{name}" for name, _ in network.named_buffers()])
    return small, check_parity(network, small, tolerance=HALF_TOLERANCE, seed=seed)


def _written(network: nn.Module) -> bytes:
    """The network's ``score`` by PyTorch's exporter, whose own words are kept quiet."""
    import torch

    class Scorer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            score: torch.Tensor = self.network.score(waveform)  # type: ignore[operator]
            return score

    dynamic = {"waveform": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Scorer().eval(),
                (torch.randn(2, 64_000),),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=["waveform"],
                output_names=["logit"],
                dynamic_shapes=dynamic,
            )
            if program is None:
                raise ExportError("torch gave no ONNX program")
            program.optimize()
            path = Path(folder) / "model.onnx"
            program.save(str(path), external_data=False)
            return stripped(path.read_bytes())
    except (RuntimeError, ValueError, torch.onnx.OnnxExporterError) as error:
        raise ExportError(f"the network cannot be written as ONNX: {error}") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def stripped(data: bytes) -> bytes:
    """The same graph without what the exporter notes beside it: source lines, and paths of the machine it was made on.

    Parameters
    ----------
    data:
        An ONNX file.
    """
    import onnx

    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.ClearField("doc_string")
    for part in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    written: bytes = model.SerializeToString()
    return written


def parity_signals(seed: int) -> list[np.ndarray]:
    """Batches of several sizes and lengths: noise, tones, clicks, near and full silence, one sample more or less."""
    rng = np.random.default_rng(seed)
    out = []
    for batch, length in ((1, 64_000), (3, 16_000), (2, 63_999), (2, 64_001), (1, 8_000), (1, 100_003)):
        time = np.arange(length) / 16_000
        noise = rng.standard_normal((batch, length)) * rng.uniform(1e-4, 0.3, (batch, 1))
        tones = sum(np.sin(2 * np.pi * f * time) / 8 for f in rng.uniform(80, 7000, 5))
        noise[0] += tones * (np.sin(2 * np.pi * 3 * time) > 0)
        out.append(noise.astype(np.float32))
    # the exporter drops added constants of 1e-8 and less, and silence would be divided by 0
    return [*out, np.zeros((1, 32_000), dtype=np.float32)]


def voiced_signals(seed: int) -> list[np.ndarray]:
    """Batches like voices: gliding harmonics below three formants, syllables and pauses, a little noise."""
    rng = np.random.default_rng(seed)
    out = []
    for batch, length in ((1, 64_000), (2, 80_000), (1, 40_001)):
        time = np.arange(length) / 16_000
        voices = []
        for pitch in rng.uniform(90, 230, batch):
            phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * time))) / 16_000
            formants = [rng.uniform(*each) for each in ((300, 800), (900, 2200), (2300, 3200))]
            partials = np.arange(1, int(7000 / (1.1 * pitch)))
            strength = sum(1 / (1 + ((pitch * partials - f) / 90) ** 2) for f in formants)
            sung = sum(a * np.sin(n * phase) for n, a in zip(partials, strength, strict=True))
            syllables = np.clip(np.sin(2 * np.pi * 2.5 * time + rng.uniform(0, 6)) + 0.4, 0, 1)
            voices.append(0.05 * sung * syllables + 0.001 * rng.standard_normal(length))
        out.append(np.stack(voices).astype(np.float32))
    return out


def check_parity(network: nn.Module, data: bytes, *, tolerance: float = TOLERANCE, seed: int = 0) -> float:
    """Largest difference in logits between the network and the ONNX file, over voices, noise, tones and silence.

    A network may be so steep, far from all that it learned from, that single precision itself moves its logit. So the
    difference may be ``tolerance`` and ten times the most by which a change in the last bit of its weights moves it,
    on signals of the same group: :func:`voiced_signals`, or :func:`parity_signals`.

    Raises
    ------
    ExportError
        If it is more, or not a number.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    worst = 0.0
    for signals in (voiced_signals(seed), parity_signals(seed)):
        ours = _scores(network, signals)
        found = _apart(ours, [session.run(["logit"], {"waveform": wave})[0] for wave in signals])
        allowed = tolerance
        if not max(found) <= tolerance:
            allowed += 10 * _rounding(network, signals, ours, seed)
        for difference, wave in zip(found, signals, strict=True):
            if not difference <= allowed:
                raise ExportError(
                    f"the ONNX file differs from the network by {difference:.2g} at shape {wave.shape}",
                    hint=f"at most {allowed:.2g} is allowed; do not ship it",
                )
        worst = max(worst, *found)
    return worst


def _scores(network: nn.Module, signals: list[np.ndarray]) -> list[np.ndarray]:
    import torch

    with torch.inference_mode():
        return [network.score(torch.from_numpy(wave)).double().numpy() for wave in signals]  # type: ignore[operator]


def _apart(ours: list[np.ndarray], theirs: list[np.ndarray]) -> list[float]:
    gaps = [np.abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    return [float(gap.max()) if np.isfinite(gap).all() else float("nan") for gap in gaps]


def _rounding(
    network: nn.Module, signals: list[np.ndarray], ours: list[np.ndarray], seed: int, draws: int = 3
) -> float:
    """By how much the last bit of every weight moves the logits: about what the order of additions may do."""
    import copy

    import torch

    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for _ in range(draws):
        other = copy.deepcopy(network)
        for tensor in (*other.parameters(), *other.buffers()):
            if tensor.is_floating_point():
                tensor.data.mul_(1 + (torch.rand(tensor.shape, generator=generator) - 0.5) * 2**-22)
        worst = max(worst, *_apart(ours, _scores(other, signals)))
    return worst
