"""A smaller ``model.onnx``: weights in half precision, and Fourier bases written as arithmetic.

Both add nodes that onnxruntime runs once, when it loads the graph; afterwards it is the graph that it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
EXACT = 2.0**-21
"""Largest difference between a basis and its arithmetic, beside a window of height 1: about the last bit."""


def halved(data: bytes, *, keep: Collection[str] = (), least: int = 1024) -> bytes:
    """The same graph with its weights rounded to half precision, in half the bytes.

    Each gets a node that widens it again, which onnxruntime runs once, when it loads the graph: the network computes in
    single precision as before.

    Parameters
    ----------
    data:
        An ONNX file.
    keep:
        Names of constants that stay as they are, such as the basis of a front end.
    least:
        Fewest numbers in a constant that is worth it.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(data)
    wider = []
    for part in model.graph.initializer:
        name, values = part.name, numpy_helper.to_array(part)
        if (
            values.dtype != np.float32
            or values.size < least
            or name in keep
            or np.abs(values).max() > np.finfo(np.float16).max
        ):
            continue
        part.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        wider.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for number, node in enumerate(wider):
        model.graph.node.insert(number, node)
    written: bytes = model.SerializeToString()
    return written


def reckoned(data: bytes) -> bytes:
    """The same graph with each windowed Fourier basis written as a table of sines, where to look in it, and a window.

    A constant ``(2 * bins, 1, samples)`` that holds cosines, then sines, under one window, as
    :func:`earwitness.features.frames.windowed_basis` makes them, is found by its numbers. Others stay.

    Parameters
    ----------
    data:
        An ONNX file.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(data)
    first = 0
    for part in list(model.graph.initializer):
        values = numpy_helper.to_array(part)
        n_fft = _transform(values)
        if n_fft:
            model.graph.initializer.remove(part)
            constants, nodes = _arithmetic(part.name, values, n_fft)
            model.graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())
            for node in nodes:
                model.graph.node.insert(first, node)
                first += 1
    written: bytes = model.SerializeToString()
    return written


def _places(bins: int, samples: int, n_fft: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Frequencies and quarter turns, each ``(2 * bins, 1, 1)``, and times ``(samples,)``."""
    frequency = np.tile(np.arange(bins), 2).reshape(-1, 1, 1)
    quarter = np.repeat([n_fft // 4, 0], bins).reshape(-1, 1, 1)
    return frequency, quarter, np.arange(samples)


def _table(n_fft: int) -> Floats:
    return np.sin(2 * np.pi * np.arange(n_fft) / n_fft).astype(np.float32)


def _transform(values: NDArray[Any]) -> int:
    """The length of the transform whose windowed basis this is, or 0."""
    if values.dtype != np.float32 or values.ndim != 3 or values.shape[1] != 1 or values.shape[0] % 2:
        return 0
    bins, samples = values.shape[0] // 2, values.shape[2]
    # at frequency 0 the cosine is 1 and leaves the window
    window = values[0, 0]
    for n_fft in _lengths(bins, samples):
        frequency, quarter, time = _places(bins, samples, n_fft)
        made = _table(n_fft)[(frequency * time + quarter) % n_fft] * window
        if np.abs(made - values).max() <= EXACT * max(1.0, np.abs(window).max()):
            return n_fft
    return 0


def _lengths(bins: int, samples: int) -> Iterator[int]:
    """Lengths that a transform of this window may have: its own, and powers of two."""
    for n_fft in (samples, *(2**k for k in range(6, 13))):
        if n_fft % 4 == 0 and n_fft >= samples and 2 <= bins <= n_fft // 2 + 1:
            yield n_fft


def _arithmetic(name: str, values: Floats, n_fft: int) -> tuple[dict[str, NDArray[Any]], list[Any]]:
    """Constants by name, and the nodes that make of them what was under ``name``."""
    from onnx import helper

    frequency, quarter, time = _places(values.shape[0] // 2, values.shape[2], n_fft)
    own = {
        "frequency": frequency,
        "quarter": quarter,
        "time": time,
        "length": np.int64(n_fft),
        "sines": _table(n_fft),
        "window": values[0, 0],
    }
    steps = [
        ("Mul", ("frequency", "time"), "turns"),
        ("Add", ("turns", "quarter"), "shifted"),
        ("Mod", ("shifted", "length"), "place"),
        ("Gather", ("sines", "place"), "waves"),
        ("Mul", ("waves", "window"), ""),
    ]
    nodes = [
        helper.make_node(kind, [f"{name}.{each}" for each in inputs], [f"{name}.{out}" if out else name])
        for kind, inputs, out in steps
    ]
    return {f"{name}.{key}": np.asarray(value) for key, value in own.items()}, nodes
