"""Result rows: the one table shape of ``results/``, written by whoever measures.

Columns: ``recipe, commit, dataset, split, chosen_on, metric, value, low, high, seconds, machine``. Values are fractions
(or bits, or seconds, as the metric says), ``low`` and ``high`` the interval, ``chosen_on`` the split that chose the
threshold or the epoch, ``seconds`` what the measurement took.
"""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from earwitness.data.files import replacing
from earwitness.errors import ManifestError
from earwitness.evaluate.report import Report

COLUMNS = (
    "recipe", "commit", "dataset", "split", "chosen_on", "metric", "value", "low", "high", "seconds", "machine"
)  # fmt: skip
_KEY = COLUMNS[:6]


@dataclass(frozen=True)
class ResultRow:
    """One figure. ``value`` is None where it is not defined."""

    recipe: str
    commit: str
    dataset: str
    split: str
    chosen_on: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    machine: str = ""

    def cells(self) -> dict[str, str]:
        """As text; numbers with six digits after the point, undefined ones empty."""
        return {k: _cell(v) for k, v in asdict(self).items()}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


def machine_name() -> str:
    """Processor and cores of this machine, in words.

    Examples
    --------
    >>> "core" in machine_name()
    True
    """
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    cores = os.cpu_count() or 1
    return f"{' '.join(name.split())}, {cores} core{'s' if cores > 1 else ''}"


def result_rows(
    report: Report, *, recipe: str = "", commit: str = "", seconds: float | None = None, machine: str | None = None
) -> list[ResultRow]:
    """The rows of a report: every figure, the EER of every group that has one, and false alarms of human groups.

    Group figures are named ``eer[system=vits]``, ``false_alarm[language=de]``.
    """
    settings = report.settings
    place = machine_name() if machine is None else machine
    fixed = (recipe or report.name, commit, settings.dataset, settings.split, settings.chosen.chosen_on)
    rows = []
    for metric, value in report.points.items():
        interval = report.intervals.get(metric)
        low, high = (interval.low, interval.high) if interval else (None, None)
        rows.append(ResultRow(*fixed, metric, value, low, high, seconds, place))
    for by, interval in report.other_intervals.items():
        rows.append(ResultRow(*fixed, f"eer (by {by})", interval.value, interval.low, interval.high, seconds, place))
    for table in report.tables:
        for group in table.groups:
            for metric in ("eer", "false_alarm"):
                found = getattr(group, metric)
                if found is not None:
                    name = f"{metric}[{table.by}={group.name}]"
                    rows.append(ResultRow(*fixed, name, found.value, found.low, found.high, seconds, place))
    return rows


def append_rows(path: Path | str, rows: Iterable[ResultRow]) -> int:
    """Add rows to a results file and return how many it holds then.

    A row with the same recipe, commit, dataset, split, chosen_on and metric is replaced, so that measuring again does
    not leave two truths. The file is made if it does not exist.

    Raises
    ------
    ManifestError
        If the file has other columns.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "rows.csv"
    >>> row = ResultRow("lcnn", "abc", "corpus", "eval", "dev", "eer", 0.25)
    >>> append_rows(file, [row]), append_rows(file, [row])
    (1, 1)
    """
    path = Path(path)
    table = {tuple(cells[c] for c in _KEY): cells for cells in read_rows(path)} if path.exists() else {}
    for row in rows:
        cells = row.cells()
        table[tuple(cells[c] for c in _KEY)] = cells
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.values())
    return len(table)


def read_rows(path: Path | str) -> list[dict[str, str]]:
    """The rows of a results file as text.

    Raises
    ------
    ManifestError
        If the columns are not those of :data:`COLUMNS`.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        found: Sequence[str] = reader.fieldnames or ()
        if tuple(found) != COLUMNS:
            raise ManifestError(f"{path}: columns {', '.join(found) or 'none'}", hint="expected: " + ", ".join(COLUMNS))
        return list(reader)
