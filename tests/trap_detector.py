"""A detector with traps, for tests of the service: it behaves, unless the recording holds a steady offset.

An offset above 0.4 makes its network loop for hours, one below -0.4 makes it ask for 16 GB: what a hostile recording
would do to a decoder, done to real processes by real files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_files import wav_bytes
from tiny_detector import INFO

from earwitness.detector_folder import write_detector


def hang() -> bytes:
    """A recording that makes the network loop."""
    return wav_bytes(np.full(64_000, 0.7))


def glut() -> bytes:
    """A recording that makes the network ask for 16 GB."""
    return wav_bytes(np.full(64_000, -0.7))


def write_trap(folder: Path) -> Path:
    """The detector folder."""
    write_detector(folder, INFO, _model(), "# A detector with traps, for tests\n")
    return folder


def _model() -> bytes:
    onnx = pytest.importorskip("onnx", reason="the test detector is written with onnx (extra [train])")
    from onnx import TensorProto, helper

    def constant(name: str, kind: int, value: Any, shape: list[int]) -> Any:
        return helper.make_tensor(name, kind, shape, [value])

    node = helper.make_node
    body = helper.make_graph(
        [node("Identity", ["go"], ["going"]), node("Sin", ["sum"], ["more"])],
        "again",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        node("ReduceMean", ["waveform", "both"], ["offset"], keepdims=0),
        node("Greater", ["offset", "high"], ["is_high"]),
        node("Cast", ["is_high"], ["high_one"], to=TensorProto.INT64),
        node("Mul", ["high_one", "many"], ["turns"]),
        node("Loop", ["turns", "yes", "offset"], ["looped"], body=body),
        node("Less", ["offset", "low"], ["is_low"]),
        node("Cast", ["is_low"], ["low_one"], to=TensorProto.INT64),
        node("Mul", ["low_one", "huge"], ["extra"]),
        node("Add", ["extra", "one"], ["size"]),
        node("ConstantOfShape", ["size"], ["zeros"]),
        node("ReduceMax", ["zeros", "first"], ["zero"], keepdims=0),
        node("ReduceMean", ["waveform", "second"], ["means"], keepdims=0),
        node("Add", ["means", "zero"], ["some"]),
        node("Add", ["some", "looped"], ["logit"]),
    ]
    constants = [
        helper.make_tensor("both", TensorProto.INT64, [2], [0, 1]),
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("second", TensorProto.INT64, [1], [1]),
        constant("high", TensorProto.FLOAT, 0.4, []),
        constant("low", TensorProto.FLOAT, -0.4, []),
        constant("many", TensorProto.INT64, 10**15, []),
        constant("huge", TensorProto.INT64, 4 * 10**9, [1]),
        constant("one", TensorProto.INT64, 1, [1]),
        constant("yes", TensorProto.BOOL, True, []),
    ]
    graph = helper.make_graph(
        nodes,
        "trap",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
