"""The statistics vector of every clip, measured by the graph that will be exported, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from earwitness.audio.windows import WindowPlan, tile
from earwitness.data.manifest import Manifest
from earwitness.errors import ExportError
from earwitness.export import OPSET, stripped
from earwitness.train.cache import AudioCache

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Table:
    """Measurements: ``values`` (clips, columns), a row for each id, a name for each column."""

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: Matrix


def frontend_graph(frontend: nn.Module) -> bytes:
    """The front end as an ONNX file: ``waveform`` (batch, samples) to ``features`` (batch, columns).

    Raises
    ------
    ExportError
        If it cannot be written as ONNX.
    """

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frontend = frontend

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            picture: torch.Tensor = self.frontend(waveform)
            return picture.flatten(1)

    dynamic = {"waveform": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    try:
        quiet.setLevel(logging.ERROR)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Flat().eval(),
                (torch.randn(2, 64_000),),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=["waveform"],
                output_names=["features"],
                dynamic_shapes=dynamic,
            )
            if program is None:
                raise ExportError("torch gave no ONNX program")
            program.optimize()
            path = Path(folder) / "frontend.onnx"
            program.save(str(path), external_data=False)
            return stripped(path.read_bytes())
    except (RuntimeError, ValueError, torch.onnx.OnnxExporterError) as error:
        raise ExportError(f"the front end cannot be written as ONNX: {error}") from error
    finally:
        quiet.setLevel(level)


def session_of(graph: bytes, threads: int = 1) -> Any:
    """An onnxruntime session of a graph in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def measure(
    graph: bytes,
    columns: tuple[str, ...],
    rows: Manifest,
    cache: AudioCache,
    folder: Path,
    *,
    window: WindowPlan,
    report: Callable[[int], None] | None = None,
) -> Table:
    """The table of ``rows``, read from ``folder`` if the same graph measured the same clips already.

    Each clip is measured on its first window, made as long as a detector makes it: what is learned is what is served.

    Parameters
    ----------
    graph:
        See :func:`frontend_graph`.
    columns:
        Names of the graph's outputs.
    rows, cache:
        The clips and their decoded audio; clips that could not be decoded are left out.
    folder:
        Where tables lie, shared between runs.
    report:
        Called with the number of clips done.
    """
    ids = tuple(row.id for row in rows if row.id in cache)
    key = hashlib.sha256(json.dumps([cache.key, asdict(window), ids, columns]).encode() + graph).hexdigest()[:16]
    place = folder / f"{key}-features.npy"
    if place.exists():
        return Table(ids, columns, np.load(place, allow_pickle=False))
    session = session_of(graph)
    values = np.zeros((len(ids), len(columns)), dtype=np.float32)
    for number, clip in enumerate(ids):
        samples = cache.samples(clip)[: window.length]
        wave = tile(samples, window.scored_length(len(samples)))
        values[number] = session.run(["features"], {"waveform": wave[None]})[0][0]
        if report:
            report(number + 1)
    folder.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part.npy")
    np.save(part, values, allow_pickle=False)
    os.replace(part, place)
    return Table(ids, columns, values)
