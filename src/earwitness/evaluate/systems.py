"""The table of systems: each one's figures on one split, its rows, and the page that is made of them."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.data.families import UNSEEN_FAMILY, UNSEEN_NAME
from earwitness.data.manifest import Manifest
from earwitness.detector import Detector
from earwitness.evaluate.bench import ThresholdChoice, entry_of, measure, needed
from earwitness.evaluate.report import Report, ReportSettings
from earwitness.evaluate.scorers import DetectorScorer, score_manifest

COLUMNS = (
    "system",
    "recipe",
    "commit",
    "dataset",
    "split",
    "chosen_on",
    "pretrained",
    "params",
    "clips_seen",
    "epochs_done",
    "stopped_by",
    "minutes",
    "rtf",
    "eer",
    "eer_low",
    "eer_high",
    "eer_unseen_name",
    "eer_unseen_family",
    "auc",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "threshold_rule",
)
"""Of ``results/systems.csv``, the one wide table."""

RULE = "eer"
"""The threshold of accuracy, precision, recall and F1 is where both error rates are equal on dev."""


_HEAD = """# The systems, measured on the same data

Made from `results/systems.csv` by `earwitness reproduce`; do not edit by hand. One row a system, in the suite's order.
Weights and the threshold were chosen on dev; figures are for the reported split, which chose nothing. The threshold of
accuracy and F1 is that of equal error rates on dev. The interval of the EER is a bootstrap over sources, 95 %. *Unseen*
sets the generators that training had under no such name (but of a known family), or of no known family, against all
human clips. The budget counts training alone, in processor minutes of one core: steps and the preparing of their clips;
not looks at dev, decoding, making pictures, export or measuring. RTF is seconds of one core for a second of audio in
the exported graph. Where a pretrained network began from random weights, the row is not its author's system, and
says so. A system that dev finds no better than chance is calibrated to one constant: its EER is 50 %, without a width.
"""

_TABLE = (
    "| system | weights | parameters | clips seen (epochs) | stopped by | RTF | EER, % | unseen by name | by family "
    "| AUC | accuracy, % | F1, % |",
    "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
)


def system_figures(
    detector: Detector, manifest: Manifest, *, split: str, dev_split: str = "dev", dataset: str = ""
) -> dict[str, Any]:
    """What a detector does on ``split``, its threshold chosen on ``dev_split``; the columns from ``rtf`` on.

    Parameters
    ----------
    detector:
        A detector folder, loaded.
    manifest:
        Rows of both splits.
    split, dev_split:
        Which trials are reported, and which choose.
    dataset:
        Name of the data.
    """
    rows = needed(manifest, split, dev_split)
    scored = score_manifest(DetectorScorer(detector), rows)
    entry = entry_of(detector, scored.scores, scored.seconds)
    settings = ReportSettings(dataset=dataset, split=split, also=())
    report = measure(entry, settings, ThresholdChoice(rule=RULE, dev_split=dev_split))
    interval = report.intervals["eer"]
    figures = {name: report.points[name] for name in ("auc", "accuracy", "precision", "recall", "f1")}
    return {
        "rtf": real_time_factor(detector),
        "eer": report.points["eer"],
        "eer_low": interval.low,
        "eer_high": interval.high,
        "eer_unseen_name": _novelty(report, UNSEEN_NAME),
        "eer_unseen_family": _novelty(report, UNSEEN_FAMILY),
        **figures,
        "threshold_rule": f"{RULE} on {dev_split}",
    }


def _novelty(report: Report, name: str) -> float | str:
    for table in report.tables:
        for group in table.groups if table.by == "novelty" else ():
            if group.name == name and group.eer is not None:
                return group.eer.value
    return ""


def real_time_factor(detector: Detector, repeats: int = 5) -> float:
    """Processor seconds for a second of audio in the exported graph, one thread: the median of several windows."""
    plan = detector.info.window
    wave = np.random.default_rng(0).standard_normal((1, plan.length)).astype(np.float32) * np.float32(0.1)
    detector.logits(wave)
    times = []
    for _ in range(repeats):
        began = time.process_time()
        detector.logits(wave)
        times.append(time.process_time() - began)
    return float(np.median(times) / plan.seconds)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table, replaced as a whole; figures have six digits, those that are not defined are empty.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "systems.csv"
    >>> write_rows(file, [{"system": "x", "eer": 0.12345678}])
    >>> read_rows(file)[0]["eer"]
    '0.123457'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})
    os.replace(part, path)


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if np.isnan(value) else f"{value:.6g}"


def read_rows(path: Path) -> list[dict[str, str]]:
    """What :func:`write_rows` wrote; nothing if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def systems_page(rows: Sequence[Mapping[str, str]], *, command: str = "", notes: str = "") -> str:
    """The page of the table, in Markdown.

    Parameters
    ----------
    rows:
        Of :func:`read_rows`.
    command:
        What was called.
    notes:
        Text that stands after the table.
    """
    lines = [_HEAD, *_TABLE]
    lines += [_line(row) for row in rows]
    lines += ["", f"```\n{command}\n```"] if command else []
    lines += ["", notes.strip()] if notes.strip() else []
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, str]) -> str:
    def share(name: str) -> str:
        return f"{100 * float(row[name]):.1f}" if row.get(name) else "–"

    seen = f"{int(row['clips_seen']):,} ({float(row['epochs_done']):.1f})" if row.get("clips_seen") else "–"
    parameters = f"{int(row['params']):,}" if row.get("params") else "–"
    stopped = f"{row['stopped_by']}, {float(row['minutes']):.1f} min" if row.get("minutes") else row["stopped_by"]
    cells = [
        f"{row['system']} (`{row['recipe']}`)",
        row["pretrained"],
        parameters,
        seen,
        stopped,
        f"{float(row['rtf']):.4f}",
        f"{share('eer')} ({share('eer_low')} to {share('eer_high')})",
        share("eer_unseen_name"),
        share("eer_unseen_family"),
        f"{float(row['auc']):.3f}",
        share("accuracy"),
        share("f1"),
    ]
    return "| " + " | ".join(cells) + " |"
