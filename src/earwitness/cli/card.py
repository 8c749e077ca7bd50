"""``earwitness card``: the model card of a detector, from its facts and two evaluation reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earwitness.cli.common import say


def card(
    detector: Annotated[
        Path, typer.Argument(help="Detector folder; its MODEL_CARD.md is written.", show_default=False)
    ],
    manifest: Annotated[
        Path, typer.Option("--manifest", "-m", help="The manifest it was trained on.", show_default=False)
    ],
    dev: Annotated[Path, typer.Option(help="earwitness evaluate --json on dev.", show_default=False)],
    eval_: Annotated[Path, typer.Option("--eval", help="The same on eval.", show_default=False)],
    clean: Annotated[
        Path | None, typer.Option(help="The same on eval without recordings that training has too.", show_default=False)
    ] = None,
) -> None:
    """Write a detector's MODEL_CARD.md from what was measured; nothing in it is typed by hand."""
    import json

    from earwitness.data.manifest import read_manifest
    from earwitness.detector_folder import MODEL, read_detector, write_detector
    from earwitness.errors import ManifestError
    from earwitness.train.card import model_card

    info = read_detector(detector)
    reports = []
    for path in (dev, eval_, *([clean] if clean else [])):
        try:
            reports.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"{path}: no report: {error}", hint="write it with earwitness evaluate --json"
            ) from None
    text = model_card(info.data, read_manifest(manifest), *reports)
    write_detector(detector, info.data, (detector / MODEL).read_bytes(), text)
    say(str(detector / "MODEL_CARD.md"))
