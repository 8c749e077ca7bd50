"""The journal: any point of interruption loses at most the row that was being written, and doubles none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.batch.items import Item, digest
from earwitness.batch.journal import Journal, journal_path
from earwitness.batch.rows import failed
from earwitness.batch.todo import is_in
from earwitness.errors import ConfigError

FACTS: dict[str, Any] = {"detector": {"id": "x", "sha256": "1"}, "settings": {"prior": 0.5}}


def row(name: str, code: str | None = None) -> dict[str, Any]:
    made = failed(Item(name, name), {"code": code or "", "message": "ä\n", "hint": ""})
    return {**made, "error_code": code, "llr": 1.5}


def written(out: Path, names: list[str]) -> bytes:
    journal = Journal(out, FACTS)
    for name in names:
        journal.append(row(name))
    journal.close()
    return journal_path(out).read_bytes()


def ids(journal: Journal, order: list[str] | None) -> list[str]:
    keys = None if order is None else np.array([digest(n) for n in order], dtype=np.uint64)
    return [json.loads(line)["id"] for line in journal.lines(keys)]


def test_cut_off_at_any_byte(tmp_path: Path) -> None:
    names = ["a", "b\udc80", "c"]
    whole = written(tmp_path / "whole.csv", names)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    out = tmp_path / "cut.csv"
    near = {end + shift for end in ends for shift in (-2, -1, 0, 1, 2)}
    for size in sorted({0, 1, *near, *range(0, len(whole), 97), len(whole)} - {len(whole) + 1, len(whole) + 2}):
        journal_path(out).write_bytes(whole[:size])
        journal = Journal(out, FACTS)
        # the first line says what the batch is
        assert journal.resumed == max(0, sum(end <= size for end in ends) - 1)
        for name in names:
            if not is_in(journal.done, digest(name)):
                journal.append(row(name))
        assert sorted(ids(journal, None)) == names
        journal.close(remove=True)
    assert not journal_path(out).exists()


def test_order_newest_and_what_is_gone_from_the_source(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    written(out, ["c", "a", "gone", "b"])
    journal = Journal(out, FACTS)
    journal.append({**row("a"), "llr": 2.5})
    assert ids(journal, None) == ["c", "gone", "b", "a"]
    assert ids(journal, ["a", "b", "b", "c", "not heard"]) == ["a", "b", "c", "gone"]
    assert json.loads(next(journal.lines(np.array([digest("a")], dtype=np.uint64))))["llr"] == 2.5
    journal.close()


def test_errors_may_be_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    journal = Journal(out, FACTS)
    journal.append(row("good"))
    journal.append(row("bad", "not-audio"))
    journal.close()
    for retry, known in ((False, {"good", "bad"}), (True, {"good"})):
        journal = Journal(out, FACTS, retry=retry)
        assert {n for n in ("good", "bad") if is_in(journal.done, digest(n))} == known
        journal.close()


def test_another_detector_or_setting_does_not_go_on(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    before = written(out, ["a"])
    with pytest.raises(ConfigError, match=r"another sha256 \(detector\)"):
        Journal(out, {**FACTS, "detector": {"id": "x", "sha256": "2"}})
    with pytest.raises(ConfigError, match=r"another prior \(settings\)"):
        Journal(out, {**FACTS, "settings": {"prior": 0.1}})
    assert journal_path(out).read_bytes() == before


def test_two_writers(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    journal = Journal(tmp_path / "o.csv", FACTS)
    with pytest.raises(ConfigError, match="another process"):
        Journal(tmp_path / "o.csv", FACTS)
    journal.close()
