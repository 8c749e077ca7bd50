"""A manifest of a million rows: time and peak memory to check, filter and count it, and what reading it whole costs.

    python bench/manifest.py --rows 1000000 --out results/manifest.csv

Each step runs in its own process, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from earwitness.train.history import revision

STEPS = {
    "check": "from earwitness.data.frames import check; assert check(path) == []",
    "filter": "from earwitness.data.frames import filter_file; filter_file(path, out, where={'split': ['dev']})",
    "stats": "from earwitness.data.frames import stats; stats(path)",
    "read_manifest": "from earwitness.data.manifest import read_manifest; read_manifest(path)",
    "nothing": "pass",
}

UNITS = {"seconds": "seconds", "cpu": "CPU seconds", "peak": "peak MiB"}
COLUMNS = ("recipe", "commit", "dataset", "split", "chosen_on", "metric", "value", "low", "high", "seconds", "machine")

RUN = """
import json, sys, time
from pathlib import Path
path, out = Path(sys.argv[1]), Path(sys.argv[2])
import polars
start, before = time.perf_counter(), time.process_time()
{step}
# Not getrusage: its peak includes that of the process this one was forked from.
peak = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))) / 1024
print(json.dumps(dict(seconds=time.perf_counter() - start, cpu=time.process_time() - before, peak=peak)))
"""


def make(path: Path, rows: int) -> None:
    """Rows with all the usual columns and long paths, unique ids."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("id", "path", "label", "system", "kind", "speaker", "language", "split", "source", "pair", "seconds")
        writer.writerow(names)
        for i in range(rows):
            fake = i % 7 != 0
            row = [f"utt{i:09d}", f"corpus/part-{i % 997:03d}/speaker-{i % 4001:04d}/utt{i:09d}.flac"]
            row += [
                "spoof" if fake else "bonafide",
                f"system-{i % 300}" if fake else "human",
                "tts" if fake else "human",
            ]
            row += [f"p{i % 4001}", "en", ("train", "train", "train", "dev", "eval")[i % 5], f"source-{i % 150}", ""]
            writer.writerow([*row, f"{1 + i % 900 / 100:.2f}"])


def measure(step: str, path: Path) -> dict[str, float]:
    """Wall and CPU seconds, and peak resident memory in MiB, of one step in a process of its own."""
    out = path.with_name(f"out{path.suffix}")
    command = [sys.executable, "-c", RUN.format(step=STEPS[step]), str(path), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Run every step on CSV and Parquet, at a tenth of the rows and at all."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    import polars

    lines: list[list[object]] = []
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, polars {polars.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for rows in (options.rows // 10, options.rows):
            plain = Path(folder, f"m{rows}.csv")
            make(plain, rows)
            columnar = plain.with_suffix(".parquet")
            polars.scan_csv(plain, infer_schema=False).sink_parquet(columnar)
            for path in (plain, columnar):
                for step in STEPS:
                    figures = measure(step, path)
                    print(rows, path.suffix, step, {k: round(v, 2) for k, v in figures.items()}, flush=True)
                    for name in ("seconds", "cpu", "peak"):
                        metric = f"{step}, {path.suffix[1:]}, {UNITS[name]}"
                        lines.append(["earwitness", f"{rows:,} rows", metric, f"{figures[name]:.2f}", machine])
    if options.out:
        commit = revision()[:7]
        with options.out.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for recipe, dataset, metric, value, where in lines:
                writer.writerow([recipe, commit, dataset, "", "", metric, value, "", "", "", where])


if __name__ == "__main__":
    main()
