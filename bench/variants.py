"""Smaller forms of a detector: int8, and each network of a fused one. Speed, and what they do to the scores on dev.

    python bench/variants.py MANIFEST --root CORPUS [--detector FOLDER] [--every 1] --out results/variants.csv

int8 is onnxruntime's static quantisation (QDQ, a scale per channel), calibrated on windows of the split ``train``; the
Fourier transforms stay in single precision. Of linear layers alone it is dynamic quantisation. A part is the graph of
one of the networks whose logits a fused detector averages. ``--single FOLDER`` is the export of the same runs without
``--half``, against which it is held. EERs have intervals clustered by source; the difference of EER to the detector as
it ships is paired over the same draws.
Nothing is shipped here: the figures are for deciding.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inner
import numpy as np
import onnx
from numpy.typing import NDArray

from earwitness import metrics
from earwitness.audio import decode
from earwitness.audio.windows import WindowPlan, tile
from earwitness.data.manifest import Manifest, read_manifest
from earwitness.detector import load_detector
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.pooling import pool
from earwitness.train.history import revision

Floats = NDArray[np.float64]
CALIBRATION = 96
DRAWS = 1000
WIDE = 128
"""Inputs that a linear layer has at least, for :func:`int8_linear`."""


def windows(rows: Manifest, plan: WindowPlan) -> Iterator[tuple[NDArray[np.float32], list[int]]]:
    """The windows of each recording, (n, samples), and what each weighs."""
    for row in rows:
        x = decode(rows.file(row)).samples
        parts = [tile(x[a:b], plan.scored_length(b - a)) for a, b in plan.bounds(x.size)]
        yield np.stack(parts), plan.fresh(x.size)


def parts(model: Any) -> Iterator[tuple[str, bytes]]:
    """The graphs whose outputs the last mean of a fused detector takes."""
    made = {name: node for node in model.graph.node for name in node.output}
    name, found = "logit", []
    while name in made and made[name].op_type in ("ReduceMean", "Squeeze", "Div", "Mul", "Identity", "Reshape"):
        name = made[name].input[0]
    if name in made and made[name].op_type in ("Concat", "Add"):
        found = list(made[name].input)
    for number, branch in enumerate(found, 1):
        extractor = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
        part = extractor.extract_model(["waveform"], [branch])
        yield f"part {number} of {len(found)}", part.SerializeToString()


class _Reader:
    """Windows of training clips, as onnxruntime's quantiser asks for them."""

    def __init__(self, batches: list[NDArray[np.float32]]) -> None:
        self._left = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """The next batch."""
        batch = next(self._left, None)
        return None if batch is None else {"waveform": batch}

    def rewind(self) -> None:
        """Not asked for here."""


def folded(model: Any) -> Any:
    """The graph with its constants folded, as the quantisers want it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        whole, out = (str(Path(folder, n)) for n in ("whole.onnx", "folded.onnx"))
        onnx.save(model, whole)
        quant_pre_process(whole, out, skip_symbolic_shape=True)
        return onnx.load(out)


def shapes(model: Any) -> dict[str, list[int]]:
    """The shape of each weight."""
    return {i.name: list(i.dims) for i in model.graph.initializer}


def int8(model: Any, batches: list[NDArray[np.float32]]) -> bytes:
    """The folded graph with its convolutions and products in int8."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    known = shapes(model)
    front = [n.name for n in model.graph.node if n.op_type == "Conv" and len(known.get(n.input[1], [])) == 3]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "int8.onnx"))
        quantize_static(
            model,
            out,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            nodes_to_exclude=front,
        )
        return Path(out).read_bytes()


def int8_linear(model: Any) -> bytes:
    """The folded graph with 8-bit weights in its linear layers alone, activations measured as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    known, bare = shapes(model), onnx.ModelProto()
    wide = [n.name for n in model.graph.node if n.op_type == "MatMul" and known.get(n.input[1], [0])[0] >= WIDE]
    bare.CopyFrom(model)
    # this quantiser infers shapes itself, and refuses those of a Gemm whose weight was turned around
    del bare.graph.value_info[:]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "int8.onnx"))
        quantize_dynamic(
            bare,
            out,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=wide,
        )
        return Path(out).read_bytes()


def draws(spoof: NDArray[np.bool_], sources: list[str]) -> list[NDArray[np.intp]]:
    """Indices of resampled sources."""
    rng = np.random.default_rng(0)
    names = sorted(set(sources))
    places = [np.flatnonzero(np.array(sources) == name) for name in names]
    found: list[NDArray[np.intp]] = []
    while len(found) < DRAWS:
        chosen = np.concatenate([places[i] for i in rng.integers(0, len(names), len(names))])
        if 0 < spoof[chosen].sum() < chosen.size:
            found.append(chosen)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="int8 and parts of a detector")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--every", type=int, default=1, help="hear only one clip in so many")
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--single", type=Path, help="the same runs, exported in single precision")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--note", default="", help="words for the column machine, such as: machine shared")
    given = parser.parse_args()
    detector = load_detector(given.detector, threads=1)
    plan, pooling = detector.info.window, detector.info.pooling
    rows = read_manifest(given.manifest, root=given.root)
    train, heard = rows.filter(split="train"), rows.filter(split=given.split)
    heard = heard.keeping(range(0, len(heard), given.every))
    train = train.keeping(range(0, len(train), max(1, len(train) // CALIBRATION)))
    spoof, sources = np.array([r.spoof for r in heard]), [r.source for r in heard]
    whole = onnx.load(str(detector.folder / "model.onnx"))
    forms: dict[str, bytes] = {"as it ships": whole.SerializeToString(), **dict(parts(whole))}
    if given.single:
        forms["single precision"] = (given.single / "model.onnx").read_bytes()
    ready = folded(whole)
    forms["int8, linear layers"] = int8_linear(ready)
    forms["int8"] = int8(ready, [x for x, _ in windows(train, plan)])
    sessions = {name: inner.session(data) for name, data in forms.items()}
    scores: dict[str, list[float]] = {name: [] for name in forms}
    for x, weights in windows(heard, plan):
        for name, session in sessions.items():
            scores[name].append(pool(session.run(None, {"waveform": x})[0].reshape(-1), weights, pooling))
    place = ", ".join(filter(None, (machine_name(), given.note)))
    chosen = draws(spoof, sources)
    first = np.array(scores["as it ships"])
    eers = np.array([metrics.eer(first[i], spoof[i]) for i in chosen])
    clip = np.random.default_rng(0).standard_normal((1, plan.length)).astype(np.float32) / 10
    out = []
    for name, session in sessions.items():
        mine = np.array(scores[name])
        each = np.array([metrics.eer(mine[i], spoof[i]) for i in chosen])
        gap = each - eers
        spent = inner.costs(lambda s=session: s.run(None, {"waveform": clip}), 12)
        figures: list[tuple[str, float, float | None, float | None]] = [
            ("eer", metrics.eer(mine, spoof), *np.quantile(each, (0.025, 0.975)).tolist()),
            (
                "eer_minus_as_it_ships",
                metrics.eer(mine, spoof) - metrics.eer(first, spoof),
                *np.quantile(gap, (0.025, 0.975)).tolist(),
            ),
            ("largest_logit_change", float(np.abs(mine - first).max()), None, None),
            ("logit_change_99th_percentile", float(np.quantile(np.abs(mine - first), 0.99)), None, None),
            ("mean_logit_change", float(np.abs(mine - first).mean()), None, None),
            ("cpu_seconds_per_window", statistics.median(spent), spent[0], spent[-1]),
            ("model_bytes", float(len(forms[name])), None, None),
        ]
        fixed = (f"{detector.info.id}, {name}", revision()[:7], f"{len(heard)} clips", given.split, "")
        for metric, value, low, high in figures:
            out.append(ResultRow(*fixed, metric, value, low, high, None, place))
            print(f"{name:20} {metric:28} {value:.5g} {low} {high}", flush=True)
    append_rows(given.out, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
