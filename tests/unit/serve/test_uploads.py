"""Names that a request gives to its recording, from headers of any shape."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("starlette", reason="the extra [serve] is not installed")

from earwitness.serve.uploads import _disposition


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", ""),
        ("attachment", ""),
        ('attachment; filename="a clip.wav"', "a clip.wav"),
        ("attachment; filename*=utf-8''k%C3%B6l.wav", "köl.wav"),
        ("attachment; filename*=nonsense''a.wav", "a.wav"),
        # the parser of the standard library cannot sort these parts
        ("attachment; filename*0=a; filename*=b; filename*1*=c", ""),
    ],
)
def test_names(header: str, name: str) -> None:
    assert _disposition(header) == name


def test_no_header_breaks_it() -> None:
    pieces = [
        "attachment",
        ";",
        " filename",
        "*",
        "*0",
        "*0*",
        "=",
        '"',
        "'",
        "''",
        "utf-8",
        "%ff",
        "%",
        "\\",
        ",",
        "é",
        "=?utf-8?b?AA?=",
    ]
    rng = random.Random(0)
    for _ in range(3000):
        header = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 14)))
        assert isinstance(_disposition(header), str), header
