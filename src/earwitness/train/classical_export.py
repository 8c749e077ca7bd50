"""A fitted classical model as one graph with its front end, and proof that it scores as the library does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from earwitness.errors import ExportError
from earwitness.export import parity_signals, stripped
from earwitness.models.classical import INPUT, OUTPUT, Classical, Features, library
from earwitness.train.classical_features import session_of

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-3
"""Largest difference in logits between a library's model and its graph; kernels and trees add in single precision."""


def check_core(model: Classical, fitted: Any, features: Features) -> float:
    """Largest difference between the library's scores of ``features`` and those of the model's ONNX graph."""
    graph = model.graph(fitted, features.shape[1]).SerializeToString()
    theirs = session_of(graph).run([OUTPUT], {INPUT: features})[0]
    return float(np.abs(theirs - model.score(fitted, features)).max())


def joined(frontend: bytes, core: onnx.ModelProto) -> bytes:
    """One graph of two: ``waveform`` (batch, samples) to ``logit`` (batch,).

    Raises
    ------
    ExportError
        If the two do not fit together.
    """
    onnx_ = library("onnx")
    front = onnx_.load_from_string(frontend)
    front.ir_version = core.ir_version = max(front.ir_version, core.ir_version)
    opsets = {o.domain: o.version for o in (*front.opset_import, *core.opset_import)}
    del front.opset_import[:], core.opset_import[:]
    for part in (front, core):
        part.opset_import.extend(onnx_.helper.make_opsetid(d, v) for d, v in opsets.items())
    try:
        whole = onnx_.compose.merge_models(
            front, onnx_.compose.add_prefix(core, "model/"), io_map=[(INPUT, f"model/{INPUT}")]
        )
    except ValueError as error:
        raise ExportError(f"front end and model cannot be joined: {error}") from None
    # onnxruntime names a graph's output by the node that makes it
    for node in whole.graph.node:
        node.output[:] = [OUTPUT if name == f"model/{OUTPUT}" else name for name in node.output]
    whole.graph.output[0].name = OUTPUT
    return stripped(whole.SerializeToString())


def check_joined(model: Classical, fitted: Any, frontend: bytes, whole: bytes, *, seed: int = 0) -> float:
    """Largest difference between the library on the front end's vectors and the whole graph, over several signals.

    Raises
    ------
    ExportError
        If it is more than :data:`TOLERANCE`, or not a number.
    """
    front, together = session_of(frontend), session_of(whole)
    worst = 0.0
    for wave in (*parity_signals(seed), np.zeros((1, 16_000), dtype=np.float32)):
        features = front.run([INPUT], {"waveform": wave})[0]
        theirs = together.run([OUTPUT], {"waveform": wave})[0]
        difference = float(np.abs(theirs - model.score(fitted, features)).max())
        if not difference <= TOLERANCE:
            raise ExportError(
                f"the joined graph differs from the library by {difference:.2g} at shape {wave.shape}",
                hint=f"at most {TOLERANCE:.2g} is allowed; do not ship it",
            )
        worst = max(worst, difference)
    return worst


def numbers(core: onnx.ModelProto) -> int:
    """How many fitted numbers a model's graph holds: constants and the values of trees and kernels.

    Examples
    --------
    >>> from earwitness.models.classical import assembled, flattened
    >>> numbers(assembled(*flattened("features"), columns=1))
    2
    """
    count = sum(int(np.prod(i.dims)) for i in core.graph.initializer)
    return count + sum(len(a.floats) for node in core.graph.node for a in node.attribute)
