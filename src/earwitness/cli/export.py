"""``earwitness export``: a run folder in, a detector folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earwitness.cli.common import say


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders that earwitness train wrote; several are fused.", show_default=False),
    ],
    manifest: Annotated[
        Path,
        typer.Option("--manifest", "-m", help="The manifest it was trained on; dev calibrates.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Detector folder to write.", show_default=False)],
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that hear dev.", min=1)] = 1,
    card: Annotated[Path | None, typer.Option(help="Text of MODEL_CARD.md.", show_default=False)] = None,
) -> None:
    """Write the best weights of one run, or of several fused into one graph, as a detector folder.

    The ONNX file must give what the network gives; calibration and thresholds come from dev.
    """
    from earwitness.data.manifest import read_manifest
    from earwitness.train.history import revision
    from earwitness.train.publish import publish

    text = card.read_text(encoding="utf-8") if card else ""
    publish(runs, read_manifest(manifest, root=root), out, card=text, commit=revision(), jobs=jobs)
    say(str(out))
