"""``earwitness keys``: keys that sign verdicts and records, and keys for callers of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make and show keys.", no_args_is_help=True)


@app.command("create")
def create_command(
    signing: Annotated[
        Path,
        typer.Option(
            help="File for the private key; the public half goes beside it, into FILE.pub.",
            metavar="FILE",
            show_default=False,
            dir_okay=False,
        ),
    ],
) -> None:
    """Make an Ed25519 key that signs verdicts and the records' chain.

    The private key is not encrypted: its file is readable for its owner alone, and whoever has it can sign in your
    name. An existing file is never replaced.
    """
    from earwitness.cli.common import say
    from earwitness.serve.records.signing import SigningKey, public_path

    made = SigningKey.create(signing)
    say(f"key id:  {made.public.id}")
    say(f"private: {signing} (keep it where only the service can read it)")
    say(f"public:  {public_path(signing)} (give it to whoever shall check signatures, by a way they trust)")


@app.command("show")
def show_command(
    file: Annotated[Path, typer.Argument(help="A private or a public key in PEM.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the id of a signing key and its public half; a private key is never printed."""
    from json import dumps

    from earwitness.cli.common import say
    from earwitness.serve.records.signing import PublicKey

    key = PublicKey.read(file)
    pem = key.pem().decode()
    say(
        dumps({"key_id": key.id, "public_key": pem}, indent=1) if json else f"key id: {key.id}\n{pem}",
        end="\n" if json else "",
    )


@app.command("api")
def api_command(
    name: Annotated[str, typer.Argument(help="Who will use it; it stands in the records.", show_default=False)],
    scope: Annotated[list[str] | None, typer.Option(help="scan, read or admin; may be given again.")] = None,
    rate: Annotated[int | None, typer.Option(min=0, help="Requests per minute, if not the service's.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File of keys to add it to; it is made if need be.", dir_okay=False),
    ] = None,
) -> None:
    """Make an API key for the service: scan and read unless scopes are given.

    The key is shown once. The file, and the service, hold its SHA-256 alone.
    """
    import os
    import sys

    from earwitness.cli.common import say
    from earwitness.errors import ConfigError
    from earwitness.serve.access import new_key, parse_keys

    secret, key = new_key(name, scope or ("scan", "read"), rate)
    if out is None:
        say(f"{key.line}")
    else:
        held = out.read_text(encoding="utf-8") if out.exists() else ""
        parse_keys(f"{held}\n{key.line}", where=str(out))
        try:
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
                file.write(("" if held.endswith("\n") or not held else "\n") + key.line + "\n")
        except OSError as error:
            raise ConfigError(f"{out}: cannot be written: {error.strerror}") from None
    say(f"the key of {name}, shown this once: {secret}", sys.stderr)
