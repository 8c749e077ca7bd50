"""Segment labels: read without running what is in the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.data.segments import read_segment_labels, read_spans, spans_of, spans_text
from earwitness.errors import ManifestError


def test_labels_as_text_and_as_numbers(tmp_path: Path) -> None:
    labels: Any = {"CON_T_1": np.array(["1", "0"]), "CON_T_2": np.array([1, 0, 0]), "CON_T_3": ["1", "1"]}
    np.save(tmp_path / "x.npy", labels, allow_pickle=True)
    read = read_segment_labels(tmp_path / "x.npy")
    assert [spans_of(read[name], 0.5) for name in labels] == [[(0.5, 1.0)], [(0.5, 1.5)], []]


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_what_a_pickle_asks_for_is_not_done(tmp_path: Path) -> None:
    bomb: Any = {"CON_T_1": Bomb(tmp_path / "exploded")}
    np.save(tmp_path / "x.npy", bomb, allow_pickle=True)
    with pytest.raises(ManifestError, match=r"asks for (posix|nt)\.mkdir"):
        read_segment_labels(tmp_path / "x.npy")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no numpy", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}"]
)
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ManifestError):
        read_segment_labels(tmp_path / "x.npy")


def test_plain_arrays_are_not_segment_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(ManifestError, match="expected a dictionary"):
        read_segment_labels(tmp_path / "x.npy")


@given(st.lists(st.sampled_from(["0", "1", "2"]), max_size=40), st.sampled_from([0.01, 0.16, 0.64]))
def test_spans_cover_exactly_the_generated_segments(labels: list[str], resolution: float) -> None:
    spans = read_spans(spans_text(spans_of(labels, resolution)))
    for i, label in enumerate(labels):
        middle = (i + 0.5) * resolution
        assert any(start < middle < end for start, end in spans) == (label == "0")


@pytest.mark.parametrize("text", ["1", "2-1", "a-b", "0-1;0.5-2", "0-inf", "1-1"])
def test_bad_spans(text: str) -> None:
    with pytest.raises(ManifestError, match="not a span"):
        read_spans(text)
