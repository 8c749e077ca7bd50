"""``earwitness export``: run folders in, a detector folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earwitness.cli.common import say


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders that earwitness train wrote; several are fused. Or one detector folder.",
            show_default=False,
        ),
    ],
    manifest: Annotated[
        Path,
        typer.Option("--manifest", "-m", help="The manifest it was trained on; dev calibrates.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Detector folder to write.", show_default=False)],
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that hear dev.", min=1)] = 1,
    name: Annotated[str, typer.Option(help="Name of the detector; else that of the first run's recipe.")] = "",
    card: Annotated[Path | None, typer.Option(help="Text of MODEL_CARD.md.", show_default=False)] = None,
    half: Annotated[bool, typer.Option("--half", help="Round weights to half precision, for a smaller file.")] = False,
) -> None:
    """Write the best weights of one run, or of several fused into one graph, as a detector folder.

    The ONNX file must give what the network gives; calibration and thresholds come from dev. Of a detector folder the
    ONNX file is kept, and only what comes from dev is fitted anew.
    """
    from earwitness.cli.progress import Bar
    from earwitness.data.manifest import read_manifest
    from earwitness.detector_folder import INFO
    from earwitness.train.history import revision
    from earwitness.train.publish import publish, refit

    text = card.read_text(encoding="utf-8") if card else ""
    rows = read_manifest(manifest, root=root)
    dev = len(rows.filter(split="dev"))
    with Bar("dev", dev) as bar:
        if len(runs) == 1 and (runs[0] / INFO).exists():
            if half or name:
                raise typer.BadParameter("--half and --name are for run folders, and this is a detector folder")
            refit(runs[0], rows, out, card=text, jobs=jobs, report=lambda done: bar(done, dev))
        else:
            publish(
                runs,
                rows,
                out,
                name=name,
                card=text,
                commit=revision(),
                jobs=jobs,
                half=half,
                report=lambda done: bar(done, dev),
            )
    say(str(out))
