"""The store: what goes in comes out, in both databases, from many writers at once."""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from earwitness.errors import ConfigError, RecordError
from earwitness.serve.records import RecordStore, ScanRecord
from earwitness.serve.records.checking import check
from earwitness.serve.records.engine import address
from earwitness.serve.records.entry import GENESIS, stamp

Make = Callable[..., ScanRecord]


def test_a_record_comes_back_as_it_was(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        kept = store.add(make(7))
        assert store.get(kept.id) == kept
        assert (kept.previous, len(kept.hash)) == (GENESIS, 64)
    with RecordStore.open(url) as again:
        assert again.get(kept.id) == kept
        assert again.get("f" * 32) is None
        assert again.count() == 1


def test_each_carries_the_hash_of_the_one_before(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        kept = [store.add(make(i)) for i in range(4)]
    assert [r.previous for r in kept[1:]] == [r.hash for r in kept[:-1]]


def test_any_text_can_be_kept(url: str, make: Make) -> None:
    """Names that are not UTF-8, NUL, letters of all kinds: what a stranger's file may be called."""
    odd = "../\x00\udc80 \u202eλ🎧" + "a" * 300
    with RecordStore.open(url) as store:
        kept = store.add(make(filename=odd, caller=odd, verdict={"path": odd, "big": 1e300, "none": None}))
        found = store.get(kept.id)
    assert found == kept
    assert found is not None
    assert found.filename.startswith("\ufffd\ufffd \ufffdλ🎧")
    assert len(found.filename) == 255
    assert found.verdict is not None
    assert found.verdict["path"].startswith("../\x00\\udc80")


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "running"},
        {"id": "../../etc/passwd"},
        {"id": "A" * 32},
        {"sha256": "abc"},
        {"created": "yesterday"},
        {"verdict": {"llr": float("nan")}},
        {"verdict": {"bytes": 2**60}},
    ],
    ids=str,
)
def test_what_is_no_record_is_refused(tmp_path: Path, make: Make, fields: dict[str, object]) -> None:
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        with pytest.raises(RecordError):
            store.add(make(**fields))
        assert store.count() == 0


def test_an_id_is_used_once(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        kept = store.add(make())
        with pytest.raises(RecordError):
            store.add(dataclasses.replace(kept, caller="other"))
        store.delete(kept.id, "admin")
        with pytest.raises(RecordError):
            store.add(kept)
        assert check(store.engine).holds


def test_listing(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        kept = [store.add(make(i % 3, caller="ab"[i % 2])) for i in range(9)]
        newest = [r.id for r in reversed(kept)]
        assert [r.id for r in store.list()] == newest
        first = store.list(limit=4)
        assert [r.id for r in first] == newest[:4]
        # a page goes on where the last one ended, also if that record was deleted and others came since
        store.delete(first[-1].id, "admin")
        store.add(make(99))
        assert [r.id for r in store.list(limit=4, before=first[-1].id)] == newest[4:8]
        assert [r.id for r in store.list(sha256=f"{1:064x}")] == [r.id for r in reversed(kept) if r.filename == "1.wav"]
        assert {r.caller for r in store.list(caller="a")} == {"a"}
        assert store.list(before=newest[-1]) == []
        with pytest.raises(RecordError) as error:
            store.list(before="0" * 32)
        assert error.value.code == "no-record"
        with pytest.raises(ConfigError):
            store.list(limit=0)


def test_deleting_leaves_a_tombstone(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        kept = store.add(make(1))
        after = store.add(make(2))
        store.delete(kept.id, "admin\x1b")
        assert store.get(kept.id) is None
        left = store.tombstone(kept.id)
        assert left is not None
        assert (left.kind, left.actor, left.previous) == ("deleted", "admin\ufffd", after.hash)
        assert store.tombstone(after.id) is None
        for id in (kept.id, "f" * 32, "x"):
            with pytest.raises(RecordError) as error:
                store.delete(id, "admin")
            assert error.value.code == "no-record"
        assert [r.id for r in store.all()] == [after.id]
        assert check(store.engine).deleted == 1


def test_what_is_deleted_is_not_in_the_file(tmp_path: Path, make: Make) -> None:
    mark = "the-name-of-a-source"
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        kept = store.add(make(filename=mark))
        store.delete(kept.id, "admin")
    assert [p.name for p in tmp_path.iterdir() if mark.encode() in p.read_bytes()] == []


def test_retention(url: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earwitness.serve.records.store._BATCH", 3)
    now = datetime.now(UTC)
    with RecordStore.open(url) as store:
        old = [store.add(make(i, created=stamp(now - timedelta(days=31)))) for i in range(7)]
        young = store.add(make(9, created=stamp(now - timedelta(days=29))))
        assert store.expire() == 0
    with RecordStore.open(url, keep_days=30) as store:
        assert [r.id for r in store.all()] == [young.id]
        left = store.tombstone(old[0].id)
        assert left is not None
        assert (left.kind, left.actor) == ("expired", "")
        assert store.expire(now + timedelta(days=2)) == 1
        outcome = check(store.engine)
    assert (outcome.holds, outcome.records, outcome.deleted) == (True, 0, 8)


@pytest.mark.parametrize("days", [0, -1, float("nan"), 1e9])
def test_retention_must_make_sense(tmp_path: Path, days: float) -> None:
    with pytest.raises(ConfigError):
        RecordStore.open(f"{tmp_path}/r.sqlite", keep_days=days)


def test_threads_keep_one_chain(url: str, make: Make) -> None:
    errors: list[Exception] = []
    with RecordStore.open(url) as store:

        def work(number: int) -> None:
            try:
                for i in range(10):
                    kept = store.add(make(number * 100 + i))
                    if i % 5 == 0:
                        store.delete(kept.id, f"thread {number}")
                    store.list(limit=5)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome = check(store.engine)
    assert errors == []
    assert (outcome.holds, outcome.entries, outcome.records, outcome.deleted) == (True, 96, 64, 16)


_WRITER = """
import sys
from earwitness.serve.records import RecordStore, ScanRecord
with RecordStore.open(sys.argv[1]) as store:
    print("open", flush=True)
    sys.stdin.readline()
    for i in range(40):
        store.add(ScanRecord(caller=sys.argv[2]))
"""


def test_processes_keep_one_chain(url: str) -> None:
    """Two processes make the tables at the same moment, then write at the same moment."""
    command = [sys.executable, "-c", _WRITER, url]
    pipe = subprocess.PIPE
    writers = [subprocess.Popen([*command, name], stdin=pipe, stdout=pipe, text=True) for name in ("a", "b")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    with RecordStore.open(url) as store:
        outcome = check(store.engine)
        callers = [r.caller for r in store.all()]
    assert (outcome.holds, outcome.entries) == (True, 80)
    assert (callers.count("a"), callers.count("b")) == (40, 40)


def test_a_file_for_its_owner_alone(tmp_path: Path, make: Make) -> None:
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        store.add(make())
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert "r.sqlite" in modes
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    "bad", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "mysql://h/d", "a://b:c:d"]
)
def test_addresses_that_hold_no_records(bad: str) -> None:
    with pytest.raises(ConfigError):
        address(bad)


def test_errors_name_the_place_and_no_password(tmp_path: Path, make: Make) -> None:
    with pytest.raises(RecordError) as error:
        RecordStore.open(f"{tmp_path}/none/r.sqlite")
    assert "none/r.sqlite" in str(error.value)
    with pytest.raises(RecordError) as error:
        RecordStore.open(f"postgresql://user:geheim@/none?host={tmp_path}")
    assert str(tmp_path) in str(error.value)
    assert "geheim" not in str(error.value)
    (tmp_path / "text").write_text("this is no database, " * 100)
    with pytest.raises(RecordError, match="not a database"):
        RecordStore.open(f"{tmp_path}/text")
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        kept = store.add(make(caller="a-secret-source"))
        with pytest.raises(RecordError) as error:
            store.add(kept)
        assert "a-secret-source" not in str(error.value)


def test_a_full_disk_costs_the_one_record(tmp_path: Path, make: Make) -> None:
    room = 100
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:

        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {room}")

        event.listen(store.engine, "checkout", limit)
        kept = []

        def fill() -> None:
            for i in itertools.count():
                kept.append(store.add(make(i, verdict={"text": "x" * 4096})))

        with pytest.raises(RecordError, match="full"):
            fill()
        assert 5 < len(kept) < room
        room = 10_000
        kept.append(store.add(make()))
        assert list(store.all()) == kept
        assert check(store.engine).holds
