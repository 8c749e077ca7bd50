"""An exported graph as a PyTorch module with gradients: the twin that attacks and explanations work on.

The shipped detector is one ONNX file and its training run may be far away. The graph has all that is needed: its nodes
are run one after another with PyTorch's own operations, and :func:`graph_twin` checks that both give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.errors import ExportError
from earwitness.export import check_parity
from earwitness.train.twin_recurrent import recurrent

TOLERANCE = 1e-3
Attributes = Mapping[str, Any]


def graph_twin(data: bytes, *, tolerance: float = TOLERANCE) -> GraphTwin:
    """The twin of an ONNX file, after its scores were compared with those of onnxruntime.

    Parameters
    ----------
    data:
        ``model.onnx`` of a detector folder.
    tolerance:
        Largest allowed difference, in logits.

    Raises
    ------
    ExportError
        For an operation that is not known here, or scores that differ.
    """
    twin = GraphTwin(data).eval()
    check_parity(twin, data, tolerance=tolerance)
    return twin


class GraphTwin(nn.Module):
    """Runs the nodes of an ONNX graph with PyTorch; :meth:`score` takes ``(batch, samples)`` and gives ``(batch,)``.

    Raises
    ------
    ExportError
        For an operation that is not in :data:`OPERATIONS`.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        import onnx
        from onnx import helper, numpy_helper

        graph = onnx.load_from_string(data).graph
        unknown = sorted({n.op_type for n in graph.node} - set(OPERATIONS) - {"Constant"})
        if unknown:
            raise ExportError(
                f"the graph uses {', '.join(unknown)}, which the twin does not know",
                hint="name the run folder, whose network is PyTorch already",
            )
        self._known: dict[str, Tensor] = {}
        for part in graph.initializer:
            self._known[part.name] = torch.from_numpy(numpy_helper.to_array(part).copy())
        self._nodes: list[tuple[str, Attributes, list[str], list[str]]] = []
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._known[node.output[0]] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
            else:
                self._nodes.append((node.op_type, attributes, list(node.input), list(node.output)))

    def score(self, waveform: Tensor) -> Tensor:
        """The logit ``(batch,)`` that the voice is generated."""
        values: dict[str, Any] = {**self._known, "waveform": waveform, "": None}
        for kind, attributes, inputs, outputs in self._nodes:
            result = OPERATIONS[kind](attributes, *(values[name] for name in inputs))
            several = result if isinstance(result, tuple | list) else (result,)
            values.update(zip(outputs, several, strict=False))
        logit: Tensor = values["logit"]
        return logit.reshape(-1)


def _axes(attributes: Attributes, given: Tensor | None) -> list[int] | None:
    if given is not None:
        return [int(a) for a in given.tolist()]
    axes = attributes.get("axes")
    return None if axes is None else list(axes)


def _padding(attributes: Attributes, dims: int) -> list[int]:
    """ONNX pads (all begins, then all ends) as those of :func:`torch.nn.functional.pad` (last axis first)."""
    pads = list(attributes.get("pads", [0] * 2 * dims))
    return [p for axis in reversed(range(dims)) for p in (pads[axis], pads[axis + dims])]


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    dims = weight.ndim - 2
    run: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dims]
    x = F.pad(x, _padding(attributes, dims))
    strides, dilations = attributes.get("strides", [1] * dims), attributes.get("dilations", [1] * dims)
    result: Tensor = run(x, weight, bias, tuple(strides), 0, tuple(dilations), attributes.get("group", 1))
    return result


def _pool(kind: str) -> Callable[..., Tensor]:
    def run(attributes: Attributes, x: Tensor) -> Tensor:
        size = attributes["kernel_shape"]
        dims, strides = len(size), attributes.get("strides", [1] * len(size))
        ceil = bool(attributes.get("ceil_mode", 0))
        padding = _padding(attributes, dims)
        if kind == "max":
            x = F.pad(x, padding, value=float("-inf"))
            chosen: Any = {1: F.max_pool1d, 2: F.max_pool2d}[dims]
            return chosen(x, tuple(size), tuple(strides), ceil_mode=ceil)  # type: ignore[no-any-return]
        if any(padding) and not attributes.get("count_include_pad", 0):
            raise ExportError("an average over padding that is left out is not known to the twin")
        average: Any = {1: F.avg_pool1d, 2: F.avg_pool2d}[dims]
        return average(F.pad(x, padding), tuple(size), tuple(strides), ceil_mode=ceil)  # type: ignore[no-any-return]

    return run


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    out: Tensor = attributes.get("alpha", 1.0) * (a @ b)
    if c is not None:
        out = out + attributes.get("beta", 1.0) * c
    return out


def _reduce(run: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    def reduced(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, axes)
        if chosen is None or not chosen:
            if attributes.get("noop_with_empty_axes", 0):
                return x
            chosen = list(range(x.ndim))
        return run(x, chosen, bool(attributes.get("keepdims", 1)))

    return reduced


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG001
    return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape.tolist())])


def _slice(
    attributes: Attributes,  # noqa: ARG001
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    count = len(starts)
    along = list(range(count)) if axes is None else axes.tolist()
    strides = [1] * count if steps is None else steps.tolist()
    index: list[slice] = [slice(None)] * x.ndim
    for axis, start, end, step in zip(along, starts.tolist(), ends.tolist(), strides, strict=True):
        # ONNX says "to the end" with the largest integer there is, which PyTorch cuts and warns of
        index[axis] = slice(*slice(start, end, step).indices(x.shape[axis]))
    return x[tuple(index)]


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(attributes, axes) or []
    for axis in sorted(a % (x.ndim + len(chosen)) for a in chosen):
        x = x.unsqueeze(axis)
    return x


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(attributes, axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(a % x.ndim for a in chosen))


def _gather(attributes: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = attributes.get("axis", 0) % x.ndim
    flat = index.reshape(-1) % x.shape[axis]
    return x.index_select(axis, flat).reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _normalized(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, attributes.get("epsilon", 1e-5))


def _layer_norm(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = attributes.get("axis", -1) % x.ndim
    return F.layer_norm(x, list(x.shape[axis:]), scale, bias, attributes.get("epsilon", 1e-5))


def _padded(
    attributes: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    count = len(pads) // 2
    full, along = [0] * 2 * x.ndim, list(range(count)) if axes is None else axes.tolist()
    for place, axis in enumerate(along):
        full[axis % x.ndim], full[axis % x.ndim + x.ndim] = int(pads[place]), int(pads[place + count])
    mode = attributes.get("mode", b"constant").decode()
    flat = _padding({"pads": full}, x.ndim)
    if mode == "constant":
        return F.pad(x, flat, value=0.0 if value is None else float(value))
    while flat and not any(flat[-2:]):
        flat = flat[:-2]
    return F.pad(x, flat, mode={"reflect": "reflect", "edge": "replicate"}[mode])


def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return torch.split(x, sizes.tolist(), dim=axis)
    return tuple(x.chunk(attributes["num_outputs"], dim=axis))


def _clip(attributes: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    return x if low is None and high is None else torch.clamp(x, low, high)


def _cumulative(attributes: Attributes, x: Tensor, axis: int) -> Tensor:
    if attributes.get("exclusive") or attributes.get("reverse"):
        raise ExportError("a cumulative sum from the end, or without its own number, is not known to the twin")
    return x.cumsum(axis)


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to({1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}[attributes["to"]])


def _plain(run: Callable[..., Any]) -> Callable[..., Any]:
    """An operation without attributes."""
    return lambda attributes, *inputs: run(*inputs)  # noqa: ARG005


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "AveragePool": _pool("average"),
    "BatchNormalization": _normalized,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda a, *xs: torch.cat(xs, dim=a["axis"]),
    "Conv": _conv,
    "Cos": _plain(torch.cos),
    "CumSum": lambda a, x, axis: _cumulative(a, x, int(axis)),
    "Div": _plain(lambda x, y: x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")),
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _plain(lambda x, shape: x * torch.ones(shape.tolist(), dtype=x.dtype)),
    "Flatten": lambda a, x: x.reshape(int(torch.tensor(x.shape[: a.get("axis", 1)]).prod()), -1),
    "Gather": _gather,
    "GRU": recurrent("GRU"),
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", b"none").decode()),
    "Gemm": _gemm,
    "GlobalAveragePool": _plain(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "HardSwish": _plain(F.hardswish),
    "Identity": _plain(lambda x: x),
    "LSTM": recurrent("LSTM"),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "Log": _plain(torch.log),
    "MatMul": _plain(torch.matmul),
    "Max": _plain(torch.maximum),
    "MaxPool": _pool("max"),
    "Min": _plain(torch.minimum),
    "Mod": _plain(torch.remainder),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Pad": _padded,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceL2": _reduce(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceMax": _reduce(lambda x, axes, keep: torch.amax(x, axes, keepdim=keep)),
    "ReduceMean": _reduce(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Selu": _plain(F.selu),
    "Shape": lambda a, x: torch.tensor(x.shape[a.get("start", 0) : a.get("end", None)], dtype=torch.int64),
    "Sigmoid": _plain(torch.sigmoid),
    "Sin": _plain(torch.sin),
    "Slice": _slice,
    "Softmax": lambda a, x: torch.softmax(x, dim=a.get("axis", -1)),
    "Softplus": _plain(F.softplus),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": lambda a, x: x.permute(*a["perm"]) if "perm" in a else x.permute(*reversed(range(x.ndim))),
    "Unsqueeze": _unsqueeze,
    "Where": _plain(torch.where),
}
"""ONNX operation → its function of attributes and inputs."""
