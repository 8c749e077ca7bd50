"""``earwitness keys``: keys that sign verdicts and records."""

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
