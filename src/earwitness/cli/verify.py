"""``earwitness verify``: is a signed verdict the one that was signed?

Exit codes: 0 every verdict is signed by a key that was given and unchanged; 1 one is not, or cannot be read; 2 wrong
usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earwitness.serve.records.signing import PublicKey


def verify(
    report: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Signed verdicts: JSON, a list of them, or JSONL; - for standard input.",
            show_default=False,
        ),
    ],
    key: Annotated[
        list[Path],
        typer.Option(
            help="Public key (PEM) of a signer that you trust; may be given several times.",
            envvar="EARWITNESS_VERIFY_KEY",
            show_default=False,
        ),
    ],
    recording: Annotated[
        Path | None, typer.Option(help="Also check that the one verdict is about this file.", dir_okay=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the signature of verdicts that were written with a signing key.

    A good signature says that the holder of the key signed exactly this verdict, not that the verdict is right.

    Exit codes: 0 all good, 1 a verdict is unsigned, changed, signed by another key or unreadable, 2 wrong usage.
    """
    from json import dumps

    from earwitness.cli.common import complain, printable, say
    from earwitness.serve.records.signing import PublicKey

    keys = [PublicKey.read(path) for path in key]
    documents = _documents(report)
    if recording is not None and len(documents) != 1:
        raise typer.BadParameter(f"--recording goes with one verdict, and there are {len(documents)}")
    results = [_checked(document, keys, recording) for document in documents]
    if json:
        say(dumps(results, indent=1))
    for result in results if not json else ():
        if result["ok"]:
            say(f"{printable(result['path'])}: signed by {result['key_id']}, unchanged")
        else:
            complain(f"{result['path']}: {result['message']}", result["hint"])
    if not results:
        complain(f"{report}: no verdict in it")
    if not results or not all(result["ok"] for result in results):
        raise typer.Exit(1)


def _checked(document: Any, keys: Sequence[PublicKey], recording: Path | None) -> dict[str, Any]:
    from earwitness.errors import EarwitnessError
    from earwitness.serve.records.signing import check_verdict

    path = document.get("path") if isinstance(document, dict) else None
    named = {"path": path if isinstance(path, str) else "(no path)"}
    try:
        id = check_verdict(document, keys)
        if recording is not None:
            _same(document, recording)
    except EarwitnessError as error:
        return {"ok": False, **named, **error.to_dict()}
    return {"ok": True, **named, "label": document.get("label"), "key_id": id}


def _same(document: dict[str, Any], recording: Path) -> None:
    import hashlib

    from earwitness.errors import AudioError, SignatureError

    source = document.get("source")
    try:
        with recording.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{recording}: cannot be read: {error.strerror}") from None
    if not isinstance(source, dict) or source.get("sha256") != found:
        raise SignatureError(
            f"not about {recording}, whose SHA-256 is {found}",
            hint="the file must be the very one",
            code="other-recording",
        )


def _documents(name: str) -> list[Any]:
    """The JSON values in a file: one, a list of them, or one per line."""
    from earwitness.errors import SignatureError

    try:
        text = sys.stdin.buffer.read().decode() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SignatureError(f"{name}: cannot be read: {error}") from None
    try:
        whole = _parsed(text)
        return whole if isinstance(whole, list) else [whole]
    except ValueError as error:
        fault = SignatureError(f"{name}: not JSON: {error}", hint="give what scan --json --sign wrote")
    try:
        return [_parsed(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise fault from None


def _parsed(text: str) -> Any:
    """JSON in which no name stands twice: readers differ in which of the two they take."""
    import json

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise json.JSONDecodeError("a name stands twice in one object", text, 0)
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None
