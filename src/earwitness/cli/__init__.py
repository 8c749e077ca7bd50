"""The command ``earwitness``: a table of commands, each imported when it is used.

Exit codes: 0 done; 1 an input or the work failed; 2 wrong usage or settings; others are stated by the command.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from earwitness.errors import ConfigError, EarwitnessError

#: command -> (module:typer app or function, line in the help)
COMMANDS: dict[str, tuple[str, str]] = {
    "scan": ("earwitness.cli.scan:scan", "Scan recordings for generated voices."),
    "batch": ("earwitness.cli.batch:batch", "Score a folder, a bucket, a manifest or tar shards, also on Ray."),
    "serve": ("earwitness.cli.serve:serve", "Serve scanning over HTTP, with a page, on your own machines."),
    "listen": ("earwitness.cli.listen:listen", "Judge a voice while it speaks, from a microphone or a pipe."),
    "doctor": ("earwitness.cli.doctor:doctor", "Show what is installed, which detector is used, and whether it runs."),
    "score": ("earwitness.cli.score:score", "Write the score of every recording of a manifest."),
    "evaluate": ("earwitness.cli.evaluate:evaluate", "Measure a detector, or scores, against known labels."),
    "robustness": ("earwitness.cli.robustness:robustness", "Measure what noise, codecs, rooms and cuts cost."),
    "attack": ("earwitness.cli.attack:attack", "Fool a detector with noise made for it, and see how much it takes."),
    "errors": ("earwitness.cli.errors:errors", "Say what the clips that a detector gets wrong have in common."),
    "compare": ("earwitness.cli.compare:compare", "Compare the scores of detectors on the same recordings."),
    "calibrate": ("earwitness.cli.calibrate:calibrate", "Fit a detector's scale and limits to recordings like yours."),
    "train": ("earwitness.cli.train:train", "Train a detector from a recipe."),
    "tune": ("earwitness.cli.tune:tune", "Search the settings of a recipe."),
    "reproduce": ("earwitness.cli.reproduce:reproduce", "Train and measure a suite of recipes in one table."),
    "export": ("earwitness.cli.export:export", "Write a trained model as a detector folder."),
    "card": ("earwitness.cli.card:card", "Write the model card of a detector from what was measured."),
    "models": ("earwitness.cli.models:app", "List, draw and convert networks."),
    "verify": ("earwitness.cli.verify:verify", "Check the signature of verdicts."),
    "keys": ("earwitness.cli.keys:app", "Make and show the keys of the service."),
    "records": ("earwitness.cli.records:app", "Check, sign, export and expire the records of the service."),
    "data": ("earwitness.cli.data:app", "Make, check, split and convert manifests."),
    "audit": ("earwitness.cli.audit:audit", "Look for shortcuts and faults in a data set."),
}


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and help line, and imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (target, help_line) in COMMANDS.items():
            if _exists(target):
                self.add_command(TyperCommand(name=name, help=help_line), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, now imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if command is not None and name else command, rest


def load(name: str) -> Any:
    """The command ``name`` of :data:`COMMANDS`, imported, as a click command.

    Examples
    --------
    >>> load("doctor").name
    'doctor'
    """
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    parent = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        # under a parent, because a group by itself would offer shell completion a second time
        parent.add_typer(found, name=name)
        return typer.main.get_command(parent).commands[name]  # type: ignore[attr-defined]
    parent.command(name)(found)
    command = typer.main.get_command(parent)
    command.name = name
    return command


def _exists(target: str) -> bool:
    """Whether the module of a command is in this copy, found without importing it."""
    from importlib.util import find_spec

    return find_spec(target.partition(":")[0]) is not None


def _version(wanted: bool) -> None:
    if wanted:
        import earwitness

        typer.echo(f"earwitness {earwitness.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tell whether the voice in a recording was spoken by a person or generated by a machine.

    The answer is evidence, not proof.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        typer.main.get_command(app).main(args=args, prog_name="earwitness")
    except EarwitnessError as error:
        from earwitness.cli.common import complain

        complain(error.message, error.hint)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # whoever read the output has gone: no traceback, also not from the interpreter's last flush
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
