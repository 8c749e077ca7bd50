"""What someone who can write to the database does to it, and what the check finds, with and without an anchor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text

from earwitness.errors import RecordError
from earwitness.serve.records import Entry, RecordStore, ScanRecord
from earwitness.serve.records.canonical import canonical
from earwitness.serve.records.checking import Outcome, check
from earwitness.serve.records.engine import writing
from earwitness.serve.records.entry import GENESIS, SCAN
from earwitness.serve.records.heads import Head, sign_head
from earwitness.serve.records.signing import PublicKey, SigningKey
from earwitness.serve.records.tables import entries, heads, records

Make = Callable[..., ScanRecord]


def meddle(url: str, change: Callable[[Connection], Any]) -> None:
    """What an intruder does, past the store."""
    with RecordStore.open(url) as store, writing(store.engine) as connection:
        change(connection)


def sql(statement: str, **values: object) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(text(statement), values)


def looked(url: str, **settings: Any) -> Outcome:
    with RecordStore.open(url) as store:
        return check(store.engine, **settings)


def codes(outcome: Outcome) -> set[str]:
    return {fault.code for fault in outcome.faults}


@pytest.fixture
def anchor(filled: str, key_file: Path) -> Head:
    """The newest entry, signed; what one keeps elsewhere."""
    with RecordStore.open(filled, signing_key=key_file) as store:
        head = store.sign()
    assert head is not None
    return head


def test_untouched(filled: str, anchor: Head, public: PublicKey) -> None:
    outcome = looked(filled, anchors=[anchor], keys=[public])
    assert (outcome.holds, outcome.faults) == (True, [])
    assert (outcome.entries, outcome.records, outcome.deleted) == (13, 11, 1)
    assert (outcome.signed, outcome.anchored, outcome.head) == (13, 13, anchor.hash)


def test_nothing_yet(url: str) -> None:
    outcome = looked(url)
    assert (outcome.holds, outcome.entries, outcome.head) == (True, 0, "")


EDITS = {
    "a verdict": (
        "UPDATE records SET body = replace(body, 'likely human', 'likely synthetic') WHERE seq = 6",
        {"record-changed"},
    ),
    "one space": ("UPDATE records SET body = body || ' ' WHERE seq = 6", {"record-changed"}),
    "the caller that is searched for": ("UPDATE records SET caller = 'other' WHERE seq = 6", {"column-changed"}),
    "the hash that is searched for": ("UPDATE records SET sha256 = 'f' WHERE seq = 6", {"column-changed"}),
    "the time that is searched for": ("UPDATE records SET created = '2020' WHERE seq = 6", {"column-changed"}),
    "the order that is listed": ("UPDATE records SET seq = 60 WHERE seq = 6", {"column-changed"}),
    "the time of an entry": (
        "UPDATE entries SET time = '2020-01-01T00:00:00.000000Z' WHERE seq = 6",
        {"entry-changed"},
    ),
    "who deleted": ("UPDATE entries SET actor = 'other' WHERE seq = 13", {"entry-changed"}),
    "a hash": ("UPDATE entries SET hash = 'f' WHERE seq = 6", {"entry-changed", "broken"}),
    "a link": ("UPDATE entries SET previous = 'f' WHERE seq = 6", {"entry-changed", "broken"}),
    "a kind": ("UPDATE entries SET kind = 'note' WHERE seq = 6", {"entry-changed", "unknown-kind", "inserted"}),
    "a signed head": ("UPDATE heads SET hash = 'f' WHERE seq = 5", {"head-differs"}),
}


@pytest.mark.parametrize(("statement", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_is_found(filled_file: str, statement: str, expected: set[str]) -> None:
    assert looked(filled_file).holds
    meddle(filled_file, sql(statement))
    assert codes(looked(filled_file)) == expected


REMOVALS = {
    "a record": (["DELETE FROM records WHERE seq = 6"], {"removed"}),
    "a record and its entry": (["DELETE FROM records WHERE seq = 6", "DELETE FROM entries WHERE seq = 6"], {"gap"}),
    "an entry": (["DELETE FROM entries WHERE seq = 6"], {"gap", "inserted"}),
    "the first": (["DELETE FROM records WHERE seq = 1", "DELETE FROM entries WHERE seq = 1"], {"gap"}),
    "a tombstone at the end": (["DELETE FROM entries WHERE kind = 'deleted'"], {"removed"}),
}


@pytest.mark.parametrize(("statements", "expected"), REMOVALS.values(), ids=REMOVALS)
def test_a_removal_is_found(filled_file: str, statements: list[str], expected: set[str]) -> None:
    for statement in statements:
        meddle(filled_file, sql(statement))
    assert codes(looked(filled_file)) == expected


def test_a_removal_with_the_numbers_closed_up_is_found(filled_file: str) -> None:
    meddle(filled_file, sql("DELETE FROM records WHERE seq = 6"))
    meddle(filled_file, sql("DELETE FROM entries WHERE seq = 6"))
    for seq in range(7, 14):
        meddle(filled_file, sql("UPDATE entries SET seq = :to WHERE seq = :at", at=seq, to=seq - 1))
        meddle(filled_file, sql("UPDATE records SET seq = :to WHERE seq = :at", at=seq, to=seq - 1))
    assert {"broken", "entry-changed"} <= codes(looked(filled_file))


def test_two_entries_swapped(filled: str) -> None:
    for at, to in ((6, 100), (7, 6), (100, 7)):
        meddle(filled, sql("UPDATE entries SET seq = :to WHERE seq = :at", at=at, to=to))
        meddle(filled, sql("UPDATE records SET seq = :to WHERE seq = :at", at=at, to=to))
    outcome = looked(filled)
    assert codes(outcome) == {"broken", "entry-changed"}
    assert {fault.seq for fault in outcome.faults} == {6, 7, 8}


def test_two_verdicts_swapped(filled_file: str) -> None:
    def swap(connection: Connection) -> None:
        bodies = dict(connection.execute(select(records.c.seq, records.c.body).where(records.c.seq.in_([6, 7]))).all())
        for seq in bodies:
            connection.execute(records.update().where(records.c.seq == seq).values(body=bodies[13 - seq]))

    meddle(filled_file, swap)
    outcome = looked(filled_file)
    assert [(f.code, f.seq) for f in outcome.faults] == [("record-changed", 6), ("record-changed", 7)]


def test_a_record_put_in_or_back(filled: str) -> None:
    row = {"created": "2026", "caller": "desk", "sha256": "", "body": "{}"}
    meddle(filled, lambda connection: connection.execute(insert(records).values(id="e" * 32, seq=50, **row)))
    assert codes(looked(filled)) == {"inserted"}

    def undelete(connection: Connection) -> None:
        connection.execute(delete(records).where(records.c.id == "e" * 32))
        gone = connection.scalar(select(entries.c.id).where(entries.c.kind == "deleted"))
        connection.execute(insert(records).values(id=gone, seq=4, **row))

    meddle(filled, undelete)
    assert codes(looked(filled)) == {"undeleted", "record-changed"}


def cut(url: str, last: int, *, heads_too: bool) -> None:
    meddle(url, sql("DELETE FROM records WHERE seq > :last", last=last))
    meddle(url, sql("DELETE FROM entries WHERE seq > :last", last=last))
    if heads_too:
        meddle(url, sql("DELETE FROM heads WHERE seq > :last", last=last))


def test_the_end_cut_off(filled: str, anchor: Head) -> None:
    """Entry 13 deleted record 4, so the cut is made behind it."""
    with RecordStore.open(filled) as store:
        for i in range(4):
            store.add(ScanRecord(caller=f"late {i}"))
    # behind the last signed head a cut cannot be seen, as the docs say
    cut(filled, 15, heads_too=False)
    assert looked(filled, anchors=[anchor]).holds
    cut(filled, 12, heads_too=False)
    assert codes(looked(filled)) == {"cut", "removed"}
    meddle(filled, lambda c: c.execute(delete(heads).where(heads.c.seq > 12)))
    # the deletion is undone by the cut, and its record is gone
    assert codes(looked(filled)) == {"removed"}
    assert codes(looked(filled, anchors=[anchor])) == {"cut", "removed"}
    cut(filled, 3, heads_too=True)
    assert looked(filled).holds
    assert codes(looked(filled, anchors=[anchor])) == {"cut"}


def rewrite(connection: Connection) -> None:
    """The whole past made anew around one changed verdict: every hash is right again."""
    bodies = {row.id: row.body for row in connection.execute(select(records))}
    old = [Entry(**row._mapping) for row in connection.execute(select(entries).order_by(entries.c.seq))]
    connection.execute(delete(entries))
    previous, contents = GENESIS, {}
    for entry in old:
        content = entry.content
        if entry.kind == SCAN and entry.id in bodies:
            body = bodies[entry.id].replace("likely human", "likely synthetic")
            content = hashlib.sha256(body.encode()).hexdigest()
            connection.execute(records.update().where(records.c.id == entry.id).values(body=body))
        contents[entry.id] = content
        made = replace(entry, content=contents[entry.id], previous=previous).sealed()
        connection.execute(insert(entries).values(**asdict(made)))
        previous = made.hash


def test_everything_rewritten(filled: str, anchor: Head, public: PublicKey, tmp_path: Path) -> None:
    meddle(filled, rewrite)
    # the signed heads in the database give it away, until the intruder takes them away
    assert codes(looked(filled)) == {"head-differs"}
    meddle(filled, lambda connection: connection.execute(delete(heads)))
    assert looked(filled).holds
    assert codes(looked(filled, keys=[public])) == {"no-signed-head"}
    assert codes(looked(filled, anchors=[anchor])) == {"anchor-differs"}
    # or signs with a key of their own
    own = SigningKey.create(tmp_path / "intruder.pem")
    meddle(filled, lambda connection: sign_head(connection, own))
    assert looked(filled).holds
    assert codes(looked(filled, keys=[public])) == {"bad-signature"}
    assert codes(looked(filled, anchors=[anchor], keys=[public])) == {"bad-signature", "anchor-differs"}


def test_an_anchor_by_someone_else_is_not_believed(
    filled: str, anchor: Head, public: PublicKey, tmp_path: Path
) -> None:
    other = SigningKey.create(tmp_path / "other.pem")
    facts = {"seq": anchor.seq, "hash": "f" * 64, "time": anchor.time}
    forged = Head(**facts, **other.sign("earwitness head 1", facts))  # type: ignore[arg-type]
    assert codes(looked(filled, anchors=[forged])) == {"anchor-differs"}
    for false in (forged, replace(forged, key_id=public.id), replace(anchor, seq=12)):
        assert codes(looked(filled, anchors=[false], keys=[public])) == {"bad-anchor"}


def test_heads_are_signed_every_so_many(filled_file: str, public: PublicKey) -> None:
    with RecordStore.open(filled_file) as store, store.engine.connect() as connection:
        found = [Head(**row._mapping) for row in connection.execute(select(heads).order_by(heads.c.seq))]
    assert [head.seq for head in found] == [5, 10]
    assert all(head.signed_by(public) for head in found)
    assert not replace(found[0], time=found[1].time).signed_by(public)


def test_an_anchor_comes_back(anchor: Head, tmp_path: Path) -> None:
    (tmp_path / "anchor.json").write_text(anchor.to_json())
    assert Head.read(tmp_path / "anchor.json") == anchor


@pytest.mark.parametrize(
    "wrong",
    ["", "[]", "{}", '{"format": "earwitness anchor 1"}', "[" * 100_000, "\x00"],
    ids=["empty", "list", "object", "members", "deep", "bytes"],
)
def test_what_is_no_anchor(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "anchor.json").write_text(wrong)
    with pytest.raises(RecordError) as error:
        Head.read(tmp_path / "anchor.json")
    assert error.value.code == "anchor"


def test_a_changed_record_is_not_given_out(filled: str) -> None:
    meddle(filled, sql("UPDATE records SET body = replace(body, 'likely human', 'likely synthetic') WHERE seq = 6"))
    with RecordStore.open(filled) as store, store.engine.connect() as connection:
        id = connection.scalar(select(records.c.id).where(records.c.seq == 6))
        for use in (lambda: store.get(str(id)), lambda: store.list(), lambda: list(store.all())):
            with pytest.raises(RecordError) as error:
                use()
            assert error.value.code == "record-changed"


def test_values_of_another_type_are_faults(tmp_path: Path, make: Make) -> None:
    """SQLite keeps a text where a number should be; the check must say so and go on."""
    url = f"{tmp_path}/r.sqlite"
    with RecordStore.open(url) as store:
        for i in range(5):
            store.add(make(i))
    meddle(url, sql("UPDATE entries SET time = x'00ff' WHERE seq = 2"))
    meddle(url, sql("UPDATE records SET body = x'00ff' WHERE seq = 3"))
    meddle(url, sql("UPDATE entries SET seq = 'four' WHERE seq = 4"))
    outcome = looked(url)
    assert {"entry-changed", "record-changed", "gap"} <= codes(outcome)
    assert outcome.entries == 4


def test_many_faults_are_counted(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earwitness.serve.records.checking.MOST_FAULTS", 3)
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        for i in range(9):
            store.add(make(i))
    meddle(f"{tmp_path}/r.sqlite", sql("DELETE FROM records"))
    outcome = looked(f"{tmp_path}/r.sqlite")
    assert (outcome.count, len(outcome.faults), outcome.holds) == (9, 3, False)


def test_kept_recordings(tmp_path: Path, make: Make) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        ids = [store.add(make(sha256=hashlib.sha256(bytes([i])).hexdigest())).id for i in range(3)]
        for i, id in enumerate(ids):
            (folder / id).write_bytes(bytes([i]))
        assert check(store.engine, audio=folder).holds
        (folder / ids[1]).write_bytes(b"another")
        (folder / ("e" * 32)).write_bytes(b"whose?")
        outcome = check(store.engine, audio=folder)
        assert {(f.code, f.id) for f in outcome.faults} == {("recording-changed", ids[1]), ("stray-recording", None)}
        with pytest.raises(RecordError):
            check(store.engine, audio=tmp_path / "none")


def test_the_hash_can_be_made_by_hand(tmp_path: Path, make: Make) -> None:
    """As docs/records.md tells others to: the bytes of the record, then those of the entry."""
    with RecordStore.open(f"{tmp_path}/r.sqlite") as store:
        kept = store.add(make())
        [(entry, _)] = store.chain()
    plain = json.dumps(
        {k: v for k, v in kept.to_dict().items() if k not in ("previous", "hash")},
        sort_keys=True,
        separators=(",", ":"),
    )
    assert canonical(kept.content()).decode() == plain
    fields = {k: v for k, v in asdict(entry).items() if k != "hash"}
    fields["content"] = hashlib.sha256(plain.encode()).hexdigest()
    spelled = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(spelled.encode()).hexdigest() == kept.hash
