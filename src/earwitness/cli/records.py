"""``earwitness records``: check, sign, export and thin out what the service has recorded."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from earwitness.serve.records.checking import Outcome

app = typer.Typer(help="Check, sign, export and expire the records of the service.", no_args_is_help=True)

DEFAULT = "sqlite:///earwitness-records.sqlite"
MOST_SHOWN = 20


class Format(StrEnum):
    """What ``records export`` writes."""

    csv = "csv"
    jsonl = "jsonl"


Records = Annotated[
    str,
    typer.Option("--records", help="Database: a path, sqlite:///PATH or postgresql://…", envvar="EARWITNESS_RECORDS"),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="File to write; standard output without.", dir_okay=False)
]


@app.command("verify")
def verify_command(
    records: Records = DEFAULT,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="A signed head that was kept elsewhere; may be given several times.")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option(help="Public key (PEM) whose signatures count; may be given several times.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Folder of kept recordings, to check them too.", file_okay=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for records that were edited, removed, inserted or reordered.

    Without an anchor that was kept elsewhere, a chain that was cut short or rewritten as a whole cannot be told from a
    good one; the page docs/records.md says what can be found with what.

    Exit codes: 0 nothing was found, 1 something was, or the records cannot be read, 2 wrong usage.
    """
    from json import dumps

    from earwitness.cli.common import say
    from earwitness.serve.records import RecordStore
    from earwitness.serve.records.checking import check
    from earwitness.serve.records.heads import Head
    from earwitness.serve.records.signing import PublicKey

    anchors = [Head.read(path) for path in anchor or ()]
    keys = [PublicKey.read(path) for path in key or ()]
    with RecordStore.open(records, migrate=False) as store:
        outcome = check(store.engine, anchors=anchors, keys=keys, audio=audio)
    if json:
        say(dumps(outcome.to_dict(), indent=1))
    else:
        _describe(outcome)
    if not outcome.holds:
        raise typer.Exit(1)


@app.command("anchor")
def anchor_command(
    records: Records = DEFAULT,
    out: Out = None,
    signing_key: Annotated[
        Path | None, typer.Option(help="Sign the newest entry first, with this private key.", dir_okay=False)
    ] = None,
) -> None:
    """Write the newest signed head of the chain, to be kept where nobody who can change the records can change it."""
    from earwitness.errors import RecordError
    from earwitness.serve.records import RecordStore

    with RecordStore.open(records, migrate=False, signing_key=signing_key) as store:
        head = store.head() if signing_key is None else store.sign()
    if head is None:
        raise RecordError("no head of the chain is signed yet", hint="name the key with --signing-key", code="anchor")
    _write(head.to_json(), out)


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", dir_okay=False, show_default=False)],
    records: Records = DEFAULT,
    format: Annotated[Format, typer.Option(help="csv: records as a table; jsonl: the whole chain.")] = Format.jsonl,
) -> None:
    """Write all records, oldest first."""
    from earwitness.cli.common import say
    from earwitness.serve.records import RecordStore
    from earwitness.serve.records.export import write_csv, write_jsonl

    write = write_csv if format is Format.csv else write_jsonl
    with RecordStore.open(records, migrate=False) as store:
        try:
            with out.open("w", encoding="utf-8", newline="" if format is Format.csv else None) as file:
                count = write(store, file)
        except OSError as error:
            raise _unwritable(out, error) from None
    say(f"{out}: {count} lines", sys.stderr)


@app.command("expire")
def expire_command(
    keep_days: Annotated[float, typer.Option(help="Delete what is older than so many days.", show_default=False)],
    records: Records = DEFAULT,
    signing_key: Annotated[
        Path | None, typer.Option(help="Private key that signs the head when it is due.", dir_okay=False)
    ] = None,
) -> None:
    """Delete old records; each leaves its tombstone in the chain. Kept recordings are the service's to delete."""
    from earwitness.cli.common import say
    from earwitness.serve.records import RecordStore

    with RecordStore.open(records, migrate=False, signing_key=signing_key, keep_days=keep_days) as store:
        say(f"{store.expire()} records deleted")


def _describe(outcome: Outcome) -> None:
    from earwitness.cli.common import complain, say

    for fault in outcome.faults[:MOST_SHOWN]:
        place = [f"entry {fault.seq}"] if fault.seq is not None else []
        place += [f"record {fault.id}"] if fault.id else []
        complain(f"{', '.join(place) or 'records'}: {fault.message} ({fault.code})")
    if outcome.count > MOST_SHOWN:
        complain(f"and {outcome.count - MOST_SHOWN} more; --json lists the first {len(outcome.faults)}")
    say(f"{outcome.entries} entries, {outcome.records} records, {outcome.deleted} tombstones")
    say(f"head: {outcome.head or 'none'}")
    reach = max(outcome.signed, outcome.anchored)
    if not outcome.holds:
        say("The records were changed, or are damaged.")
    elif outcome.anchored:
        say(f"The chain holds. The anchor vouches for it up to entry {outcome.anchored} of {outcome.entries}.")
    elif reach:
        say(f"The chain holds. A signed head in the same database covers it up to entry {reach} of {outcome.entries}.")
    else:
        say("The chain holds in itself. Without a key or an anchor from elsewhere, a whole rewriting would too.")


def _write(text: str, out: Path | None) -> None:
    from earwitness.cli.common import say

    if out is None:
        say(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(out, error) from None
    say(str(out), sys.stderr)


def _unwritable(out: Path, error: OSError) -> Exception:
    from earwitness.errors import RecordError

    return RecordError(f"{out}: cannot be written: {error.strerror}")
