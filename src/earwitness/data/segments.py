"""Segment labels: which parts of a clip are generated. Reads PartialSpoof's ``.npy`` without running what is in it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.errors import ManifestError

Span = tuple[float, float]

# An .npy file of objects is a pickle, and a pickle can call anything. These are all that arrays of labels need.
_ALLOWED = {
    (module, name)
    for module in (
        "numpy",
        "numpy.core.multiarray",
        "numpy._core.multiarray",
        "numpy.core.numeric",
        "numpy._core.numeric",
    )
    for name in ("ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer")
} | {("_codecs", "encode")}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return super().find_class(module, name)


def read_segment_labels(path: Path) -> Mapping[str, np.ndarray[Any, np.dtype[Any]]]:
    """The labels per utterance of a ``.npy`` file that holds ``{utterance: per-segment labels}``.

    Parameters
    ----------
    path:
        Such as ``train_seglab_0.01.npy``. Only arrays, text and numbers are unpickled.

    Raises
    ------
    ManifestError
        If the file is not such a dictionary, or asks for any other object.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            content = file.read()
        if shape != () or not dtype.hasobject:
            raise ManifestError(f"{path}: expected a dictionary, found an array of {dtype} {shape}")
        value: Any = _ArraysOnly(io.BytesIO(content)).load()
        value = value.item() if isinstance(value, np.ndarray) else value
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file") from None
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise ManifestError(f"{path}: not segment labels: {error}", hint="such as train_seglab_0.01.npy") from None
    if not isinstance(value, dict):
        raise ManifestError(f"{path}: expected a dictionary, found {type(value).__name__}")
    return {str(name): np.asarray(labels) for name, labels in value.items()}


def spans_of(labels: Sequence[Any] | np.ndarray[Any, np.dtype[Any]], resolution: float) -> list[Span]:
    """The generated parts, in seconds, from labels per segment (1 bona fide, 0 spoof, 2 non-speech; text or numbers).

    Examples
    --------
    >>> spans_of(["1", "0", "0", "1", "0"], 0.25)
    [(0.25, 0.75), (1.0, 1.25)]
    """
    spoof = np.concatenate(([False], np.asarray(labels).astype(str) == "0", [False]))
    edges = np.flatnonzero(spoof[1:] != spoof[:-1])
    return [
        (round(int(a) * resolution, 6), round(int(b) * resolution, 6))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def spans_text(spans: Sequence[Span]) -> str:
    """Spans as they stand in a manifest cell: ``start-end;start-end``, seconds.

    Examples
    --------
    >>> spans_text([(0.25, 0.75), (1.0, 1.25)])
    '0.25-0.75;1-1.25'
    """
    return ";".join(f"{start:g}-{end:g}" for start, end in spans)


def read_spans(text: str, *, where: str = "spoof_spans") -> list[Span]:
    """The spans of a manifest cell, checked: in order, not overlapping, each with a length.

    Examples
    --------
    >>> read_spans("0.25-0.75;1-1.25")
    [(0.25, 0.75), (1.0, 1.25)]
    """
    spans: list[Span] = []
    for part in filter(None, text.split(";")):
        start, dash, end = part.partition("-")
        try:
            span = (float(start), float(end)) if dash else None
        except ValueError:
            span = None
        if span is None or not (spans[-1][1] if spans else 0) <= span[0] < span[1] < float("inf"):
            raise ManifestError(f"{where}: {part!r} is not a span after the one before it", hint="start-end;start-end")
        spans.append(span)
    return spans
