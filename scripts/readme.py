"""Fill the generated blocks of ``README.md``: measured results from ``results/``, and a real terminal excerpt.

python scripts/readme.py [--check]

``--check`` changes nothing and says whether the blocks are current: the tables must be equal, the excerpt must be what
the command prints here, with numbers within .05 or 1 %
(processors round differently).
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SHIPPED = ROOT / "src" / "earwitness" / "assets" / "default"
#: published networks that were measured with their authors' weights, and their parameters (a test counts them)
PUBLISHED = {"AASIST": 297_866, "AASIST-L": 85_306}
EXAMPLE = ("scan", "examples/clips/espeak.flac", "examples/clips/short.wav")
STUDENT = re.compile(r"S\d")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")

Row = Mapping[str, str]

#: detection metrics in the README, in order: name in the file -> what it says there
METRICS = {
    "eer": "equal error rate (EER)",
    "eer_mean_over_systems": "EER, every system alike",
    "auc": "area under the ROC curve",
    "accuracy": "accuracy",
    "cllr": "Cllr",
    "wrong_synthetic": "people called synthetic",
    "wrong_human": "generated voices called human",
    "inconclusive": "inconclusive",
}
#: EERs of groups in the README: "eer[novelty=unseen]" and the like
GROUP = re.compile(r"eer\[(novelty|kind)=(.+)\]")
#: performance metrics: name in the file -> (what it says there, unit, factor, digits)
PERFORMANCE = {
    "cold_start_seconds": ("whole `earwitness scan`", "s", 1.0, 2),
    "cold_start_cpu_seconds": ("CPU time of a whole `earwitness scan`", "s", 1.0, 2),
    "import_seconds": ("`import earwitness`, whole process", "s", 1.0, 2),
    "realtime_factor": ("seconds per second of audio", "", 1.0, 4),
    "cpu_seconds_per_second": ("CPU seconds per second of audio", "", 1.0, 4),
    "peak_memory_bytes": ("highest memory", "MB", 1e-6, 0),
    "wheel_bytes": ("wheel", "MB", 1e-6, 1),
    "base_environment_bytes": ("base environment", "MB", 1e-6, 0),
}


def rows() -> list[Row]:
    """Every row of every file in ``results/`` with the usual columns, with the file's name as ``file``."""
    out: list[Row] = []
    for path in sorted((ROOT / "results").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if {"recipe", "dataset", "split", "metric", "value"} <= set(reader.fieldnames or ()):
                out += [{**row, "file": path.name} for row in reader]
    return out


def detection(found: Iterable[Row]) -> list[str]:
    """The shipped detector's table on eval: one row a metric, with its interval; the last commit counts."""
    latest = {
        (r["dataset"], said): r
        for r in found
        if r["recipe"] in ("default", "earwitness-default")
        and r["split"] == "eval"
        and r["file"] in ("default.csv", "outside.csv")
        and r["value"]
        and (said := words(r["metric"]))
        and (r["dataset"] == "demo-pages" or said[1] == METRICS["eer"])
    }
    if not latest:
        return ["No detector has been measured yet.", ""]
    table = [
        [said[1] if dataset == "demo-pages" else f"{said[1]}, {dataset.partition(', ')[2]}", value(row)]
        for (dataset, said), row in sorted(latest.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    return markdown(["this detector on eval", "value (95 % interval)"], table)


def headline(found: Sequence[Row]) -> list[str]:
    """The shipped detector beside published weights and the student systems, all on the same split."""
    detector = json.loads((SHIPPED / "detector.json").read_text(encoding="utf-8"))
    table = [_measured("**the detector in this package**", "default", detector["train"]["parameters"], found)]
    table += [_measured(f"{name}, its authors' weights", name.lower(), n, found) for name, n in PUBLISHED.items()]
    path = ROOT / "results" / "systems.csv"
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            table += [_system(row) for row in csv.DictReader(file) if STUDENT.match(row["system"])]
    head = ["detector", "parameters", "RTF", "EER, %", "EER, unseen by name, %", "AUC"]
    return markdown(head, table)


def _measured(said: str, recipe: str, parameters: int, found: Sequence[Row]) -> list[str]:
    names = (recipe, f"earwitness-{recipe}")
    rows = {
        r["metric"]: r for r in found if r["recipe"] in names and r["split"] == "eval" and r["dataset"] == "demo-pages"
    }
    timed = ("component_cpu_seconds", "network_cpu_seconds")
    seconds = {r["dataset"]: float(r["value"]) for r in found if r["metric"] in timed}
    own = recipe == "default"
    spent = seconds.get("one window" if own else f"{recipe}: both in onnxruntime, 4 s")
    length = next((float(r["value"]) for r in found if own and r["metric"] == "window_seconds"), 4.0)
    eer, unseen = rows["eer"], rows.get("eer[novelty=unseen by name]")
    return [
        said,
        f"{parameters:,}",
        f"{spent / length:.4f}" if spent else "–",
        _percent(eer["value"], eer["low"], eer["high"]),
        _percent(unseen["value"]) if unseen else "–",
        f"{float(rows['auc']['value']):.3f}",
    ]


def _system(row: Row) -> list[str]:
    return [
        f"{row['system']}{', from random weights' if row['pretrained'].startswith('from random') else ''}",
        f"{int(row['params']):,}" if row["params"] else "–",
        f"{float(row['rtf']):.4f}",
        _percent(row["eer"], row["eer_low"], row["eer_high"]),
        _percent(row["eer_unseen_name"]) if row["eer_unseen_name"] else "–",
        f"{float(row['auc']):.3f}",
    ]


def _percent(value: str, low: str = "", high: str = "") -> str:
    text = f"{100 * float(value):.1f}"
    return f"{text} ({100 * float(low):.1f} to {100 * float(high):.1f})" if low and high else text


def words(metric: str) -> tuple[int, str] | None:
    """Place and words of a metric in the table; None for one that is not shown."""
    if metric in METRICS:
        return list(METRICS).index(metric), METRICS[metric]
    group = GROUP.fullmatch(metric)
    return (len(METRICS), f"EER, {group[1]}: {group[2]}") if group else None


def value(row: Row) -> str:
    """A rate as a fraction with its interval."""
    text = f"{float(row['value']):.3f}"
    return (
        f"{text} ({float(row['low']):.3f} to {float(row['high']):.3f})" if row.get("low") and row.get("high") else text
    )


def performance(found: Iterable[Row]) -> list[str]:
    """Start, speed, memory and sizes."""
    table, machines = [], []
    order = list(PERFORMANCE)
    for row in sorted(found, key=lambda r: order.index(r["metric"]) if r["metric"] in order else len(order)):
        if row["metric"] in PERFORMANCE and row["recipe"] == "default" and not row["split"]:
            words, unit, factor, digits = PERFORMANCE[row["metric"]]
            table.append([words, row["dataset"], f"{float(row['value']) * factor:.{digits}f} {unit}".strip()])
            machines.append(row.get("machine", ""))
    if not table:
        return []
    note = (
        "Machine: "
        + "; ".join(dict.fromkeys(m.partition(", load")[0] for m in machines))
        + ". `results/performance.csv`"
    )
    return [*markdown(["what", "on", "value"], table), note, ""]


def markdown(head: Sequence[str], table: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in table), ""]


def excerpt() -> str:
    """What the example command prints, as a terminal shows it."""
    command = shutil.which("earwitness", path=str(Path(sys.executable).parent)) or "earwitness"
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run([command, *EXAMPLE], cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the example command failed: {done.stderr.strip()}")
    return "\n".join(["```console", f"$ earwitness {' '.join(EXAMPLE)}", done.stdout.rstrip(), "```"])


def block(text: str, name: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers of a block."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, _, rest = text.partition(begin)
    inside, _, after = rest.partition(end)
    return before + begin, inside.rstrip("\n"), end + after


def same(one: str, other: str) -> bool:
    """Whether two excerpts say the same, but for the last digits of numbers that are not whole."""
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a == b or ("." in a and abs(float(a) - float(b)) <= max(0.051, 0.01 * abs(float(a)))) for a, b in pairs)


def main() -> int:
    found = rows()
    tables = [*headline(found), *detection(found), *performance(found)]
    made = {"results": "\n".join(tables).rstrip(), "excerpt": excerpt()}
    text = README.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        stale = [n for n, new in made.items() if not (same if n == "excerpt" else str.__eq__)(block(text, n)[1], new)]
        if stale:
            print(f"README.md: {', '.join(stale)} not current: run python scripts/readme.py", file=sys.stderr)
        return 1 if stale else 0
    for name, new in made.items():
        before, _, after = block(text, name)
        text = f"{before}{new}\n{after}"
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
