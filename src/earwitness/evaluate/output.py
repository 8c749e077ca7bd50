"""Reports as JSON text and as plot files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earwitness.evaluate import plots
from earwitness.evaluate.baseline import Baseline
from earwitness.evaluate.bootstrap import Difference
from earwitness.evaluate.figures import Drawing, save_figure
from earwitness.evaluate.report import Report


def to_json(
    reports: Sequence[Report], *, comparisons: Sequence[Difference] = (), baseline: Baseline | None = None
) -> str:
    """One report as an object; several as ``{"reports": […], "differences": […]}``. Rates are fractions."""
    beside: dict[str, Any] = {} if baseline is None else {"trivial_baseline": baseline.to_dict()}
    if len(reports) == 1:
        found: dict[str, Any] = {**reports[0].to_dict(), **beside}
    else:
        found = {
            "reports": [report.to_dict() for report in reports],
            "differences": [difference.to_dict() for difference in comparisons],
            **beside,
        }
    return json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False)


def file_name(name: str) -> str:
    """A detector's name as part of a file name.

    Examples
    --------
    >>> file_name("XLS-R + SLS (v2)")
    'XLS-R-SLS-v2'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.").replace("--", "-") or "detector"


def write_plots(reports: Sequence[Report], folder: Path, *, baseline: Baseline | None = None) -> list[Path]:
    """Every plot as SVG and PNG for a white page; returns the files.

    Curves of several detectors share one picture; histograms, confusion matrices, calibration and bars by system are
    one each.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    drawn: list[tuple[str, Drawing, tuple[float, float]]] = [
        ("roc", plots.roc(reports, baseline), (4.6, 4.2)),
        ("det", plots.det(reports, baseline), (4.6, 4.2)),
        ("pr", plots.pr(reports), (4.6, 4.2)),
    ]
    for report in reports:
        end = "" if len(reports) == 1 else f"-{file_name(report.name)}"
        drawn.append((f"histograms{end}", plots.histograms(report), (4.6, 4.2)))
        drawn.append((f"confusion{end}", plots.confusion(report), (4.6, 4.2)))
        drawn.append((f"calibration{end}", plots.calibration(report), (4.6, 4.2)))
        for table in report.tables:
            if table.by in ("system", "kind") and any(g.eer is not None for g in table.groups):
                drawn.append((f"by-{table.by}{end}", *plots.bars(table)))
    files = []
    for name, draw, size in drawn:
        for suffix in (".svg", ".png"):
            save_figure(draw, folder / f"{name}{suffix}", size=size)
            files.append(folder / f"{name}{suffix}")
    return files
