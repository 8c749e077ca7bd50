"""A small real detector for tests: waveform in, logit out, no training and no PyTorch.

Its score is the spectral tilt: ``8 + 2 log(mean((x[t] - x[t-1])²) / mean(x[t]²))``. Hiss scores high, a low hum low.
Being a mean over time, it hardly moves with a sample more or less, as a detector should.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earwitness.detector_folder import write_detector

INFO: dict[str, Any] = {
    "id": "tiny-tilt",
    "version": "0.0.1",
    "window": {"seconds": 4.0, "hop": 2.0, "min_seconds": 1.0},
    "pooling": "mean",
    "calibration": {
        "kind": "affine",
        "bands": [
            {"max_seconds": 2.0, "scale": 0.5, "offset": 0.1},
            {"max_seconds": 5.0, "scale": 0.75, "offset": -0.2},
            {"max_seconds": None, "scale": 1.0, "offset": 0.0},
        ],
        "fitted_on": "nothing: made for tests",
    },
    "thresholds": {"human": -1.0, "synthetic": 1.0, "rule": "made for tests", "chosen_on": "nothing"},
    "error_rates": [],
    "train_systems": [],
    "train": {},
    "licenses": {},
}


def tiny_model(*, slope: float = 2.0, offset: float = 8.0, output: str = "logit") -> bytes:
    """The ONNX file."""
    onnx = pytest.importorskip("onnx", reason="the test detector is written with onnx (extra [train])")
    from onnx import TensorProto, helper

    def ints(name: str, values: list[int]) -> Any:
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)

    def number(name: str, value: float) -> Any:
        return helper.make_tensor(name, TensorProto.FLOAT, [], [value])

    nodes = [
        helper.make_node("Slice", ["waveform", "one", "end", "axis"], ["later"]),
        helper.make_node("Slice", ["waveform", "zero", "minus_one", "axis"], ["earlier"]),
        helper.make_node("Sub", ["later", "earlier"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["fast"]),
        helper.make_node("Mul", ["waveform", "waveform"], ["all"]),
        helper.make_node("ReduceMean", ["fast", "axis"], ["fast_power"], keepdims=0),
        helper.make_node("ReduceMean", ["all", "axis"], ["power"], keepdims=0),
        helper.make_node("Add", ["fast_power", "tiny"], ["fast_some"]),
        helper.make_node("Add", ["power", "tiny"], ["some"]),
        helper.make_node("Div", ["fast_some", "some"], ["ratio"]),
        helper.make_node("Log", ["ratio"], ["tilt"]),
        helper.make_node("Mul", ["tilt", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], [output]),
    ]
    constants = [
        ints("zero", [0]),
        ints("one", [1]),
        ints("minus_one", [-1]),
        ints("end", [2**62]),
        ints("axis", [1]),
        number("tiny", 1e-10),
        number("slope", slope),
        number("offset", offset),
    ]
    graph = helper.make_graph(
        nodes,
        "tilt",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def write_tiny(folder: Path, **changes: Any) -> Path:
    """A detector folder with the tiny model; ``changes`` replace keys of ``detector.json``."""
    write_detector(folder, {**INFO, **changes}, tiny_model(), "# A detector for tests\n")
    return folder
