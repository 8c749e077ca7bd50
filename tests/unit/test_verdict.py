"""The verdict: its labels, its JSON, its schema."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.calibrate import Thresholds
from earwitness.errors import AudioError, EarwitnessError
from earwitness.pooling import Stretch
from earwitness.verdict import Verdict, decide, plain, schema

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks the schema (extra [dev])")


def valid(data: Any) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(data)


def verdict(**change: Any) -> Verdict:
    made = Verdict(
        path="a.wav",
        label="likely synthetic",
        llr=2.5,
        probability=0.92,
        prior=0.5,
        costs={"miss": 1.0, "false_alarm": 1.0},
        thresholds=Thresholds(-1.0, 1.0),
        windows=(Stretch(0.0, 4.0, 2.5),),
        spans=(Stretch(0.0, 4.0, 2.5),),
        source={"sha256": "0" * 64, "codec": "mp3", "container": "mp3", "duration": 4.0, "tags": {"encoder": "LAME"}},
        quality={"speech_seconds": 3.2, "snr_db": None},
        warnings=("clipped",),
        detector={"id": "x", "version": "1", "sha256": "a" * 64, "settings": "b" * 64},
        version="0.1.0",
        error_rates={"text": "No measured rate for audio like this.", "cell": None},
    )
    return replace(made, **change)


CASES = [
    verdict(),
    verdict(label="likely human", llr=-3.0, probability=0.05, channel=1),
    verdict(label="inconclusive", reason="too little speech", warnings=()),
    verdict(label="inconclusive", reason="only 0.1 s", llr=None, probability=None, windows=(), spans=()),
    Verdict.failed("b.wav", AudioError("b.wav: no such file", hint="check the name", code="missing-file")),
]


@pytest.mark.parametrize("made", CASES)
def test_to_json_and_back(made: Verdict) -> None:
    assert Verdict.from_json(made.to_json()) == made
    assert Verdict.from_dict(made.to_dict()) == made
    assert json.loads(made.to_json(indent=1)) == made.to_dict()
    assert "\n" not in made.to_json()


@pytest.mark.parametrize("made", CASES)
def test_the_schema_accepts_every_verdict(made: Verdict) -> None:
    jsonschema.Draft202012Validator(schema()).validate(made.to_dict())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("key", list(CASES[0].to_dict()))
def test_the_schema_misses_every_key(key: str) -> None:
    data = CASES[0].to_dict()
    del data[key]
    assert not valid(data)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "fake"},
        {"label": None},
        {"llr": None},
        {"llr": "2.5"},
        {"probability": 1.5},
        {"probability": None},
        {"prior": 0.0},
        {"label": "inconclusive"},
        {"reason": "because"},
        {"thresholds": None},
        {"windows": [{"start": 0.0, "end": 1.0}]},
        {"detector": {"id": "x", "version": "1", "sha256": "short"}},
        {"error": {"code": "a", "message": "b", "hint": ""}},
        {"more": 1},
    ],
)
def test_the_schema_refuses_what_no_verdict_is(change: dict[str, Any]) -> None:
    assert not valid({**CASES[0].to_dict(), **change})


def test_the_schema_keeps_error_and_verdict_apart() -> None:
    failed = CASES[-1].to_dict()
    assert set(failed) == {"path", "error"}
    assert not valid({**failed, "label": "inconclusive"})
    assert not valid({"path": "a"})


@given(
    st.recursive(
        st.floats(allow_nan=True, allow_infinity=True) | st.none() | st.text(), lambda x: st.lists(x), max_leaves=5
    )
)
def test_nothing_that_json_lacks_gets_into_json(value: Any) -> None:
    made = verdict(quality={"speech_seconds": 1.0, "x": value, "y": np.float32("nan"), "z": np.array([1.0, np.inf])})
    text = made.to_json()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))["quality"]["z"] == [1.0, None]


def test_numbers_of_numpy_become_plain() -> None:
    found = plain({"a": np.int64(3), "b": (np.float32(0.5), math.inf), 4: np.bool_(True)})
    assert found == {"a": 3, "b": [0.5, None], "4": True}
    assert type(found["a"]) is int


@pytest.mark.parametrize(
    ("llr", "reason", "label"),
    [
        (1.5, None, "likely synthetic"),
        (1.0, None, "inconclusive"),
        (0.0, None, "inconclusive"),
        (-1.0, None, "inconclusive"),
        (-1.1, None, "likely human"),
        (9.0, "too little speech", "inconclusive"),
        (None, None, "inconclusive"),
        (math.nan, None, "inconclusive"),
    ],
)
def test_labels(llr: float | None, reason: str | None, label: str) -> None:
    found, why = decide(llr, Thresholds(-1.0, 1.0), reason)
    assert found == label
    assert (why is None) == (label != "inconclusive")
    assert reason is None or why == reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"path": "a"}', '{"path": "a", "label": 1, "thresholds": 3}', "nan"])
def test_what_is_no_verdict_is_an_error(text: str) -> None:
    with pytest.raises(EarwitnessError, match="not a verdict"):
        Verdict.from_json(text)


def test_printed_it_says_the_label_and_the_prior() -> None:
    assert str(verdict()) == "a.wav: likely synthetic (llr +2.50, 92.0% at prior 0.5)"
    assert "no such file" in str(CASES[-1])
    assert "no score" in str(CASES[3])
