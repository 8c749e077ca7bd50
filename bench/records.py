"""How fast are records written, read and checked?

    python bench/records.py --out results/records.csv

One store in a new SQLite file (on the disk of --folder, flushed after every record), records with a real verdict:
additions per second from one and from eight threads, one lookup, the first page, the check of the whole chain, bytes
per record. ``--records URL`` measures another database, such as PostgreSQL.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from earwitness import scan
from earwitness.serve.records import RecordStore, ScanRecord
from earwitness.serve.records.checking import check
from earwitness.serve.records.signing import SigningKey
from earwitness.train.history import revision

COLUMNS = ("recipe", "commit", "dataset", "split", "chosen_on", "metric", "value", "low", "high", "seconds", "machine")
CLIP = Path(__file__).resolve().parents[1] / "examples" / "clips" / "espeak.flac"


def template(windows: int) -> ScanRecord:
    """The record of a scan of an example clip, its windows repeated to ``windows``, as a long recording has them."""
    verdict = scan(CLIP).to_dict()
    one = verdict["windows"][0]
    verdict["windows"] = [{**one, "start": 2.0 * i, "end": 2.0 * i + 4} for i in range(windows)]
    facts = {name: verdict["detector"][name] for name in ("id", "version", "sha256")}
    return ScanRecord(
        caller="desk", filename=CLIP.name, sha256=verdict["source"]["sha256"], detector=facts, verdict=verdict
    )


def fresh(record: ScanRecord) -> ScanRecord:
    """The same under a new id."""
    return replace(record, id=uuid.uuid4().hex)


def rate(work: Callable[[int], Any], count: int) -> float:
    """Calls per second, one after the other."""
    start = time.perf_counter()
    for i in range(count):
        work(i)
    return count / (time.perf_counter() - start)


def measure(store: RecordStore, record: ScanRecord, count: int, rounds: int) -> dict[str, list[float]]:
    """Every figure, ``rounds`` times."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for _ in range(rounds):
        used = time.process_time()
        note("added_per_second", rate(lambda _: store.add(fresh(record)), count))
        # what stays comparable when the machine has other work
        note("cpu_ms_per_added_record", 1000 * (time.process_time() - used) / count)
        with ThreadPoolExecutor(8) as pool:
            start = time.perf_counter()
            list(pool.map(lambda _: store.add(fresh(record)), range(count)))
            note("added_per_second_8_threads", count / (time.perf_counter() - start))
        lookup = partial(store.get, store.list(limit=1)[0].id)
        note("lookups_per_second", rate(lambda _, lookup=lookup: lookup(), count))
        note("pages_of_50_per_second", rate(lambda _: store.list(limit=50), max(1, count // 20)))
        start = time.perf_counter()
        outcome = check(store.engine)
        note("entries_checked_per_second", outcome.entries / (time.perf_counter() - start))
        if not outcome.holds:
            raise SystemExit("the chain does not hold")
    return found


def main() -> None:
    """Measure, print, and write one row per figure."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--records", help="database in place of a new SQLite file")
    arguments.add_argument("--folder", type=Path, help="where the SQLite file is made")
    arguments.add_argument("--count", type=int, default=500)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--windows", type=int, default=2)
    arguments.add_argument("--note", default="", help="to be told of the database")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    record = template(options.windows)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        key = Path(folder, "key.pem")
        SigningKey.create(key)
        url = options.records or f"{folder}/records.sqlite"
        start = time.perf_counter()
        with RecordStore.open(url, signing_key=key) as store:
            found = measure(store, record, options.count, options.rounds)
            kind = store.engine.dialect.name
            count = store.count()
        if not options.records:
            found["bytes_per_record"] = [Path(url).stat().st_size / count]
        took = time.perf_counter() - start
    load = os.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, load {load:.1f}"
    what = (
        f"{kind}{options.note and f' ({options.note})'}, {options.windows} windows, {count} records, signed every 100"
    )
    lines = []
    for name, values in found.items():
        low, middle, high = (f"{v:.6g}" for v in (min(values), statistics.median(values), max(values)))
        print(f"{name}: {middle} ({low} to {high})")
        lines.append(["records", revision()[:7], what, "", "", name, middle, low, high, f"{took:.0f}", machine])
    if options.out:
        new = not options.out.exists()
        with options.out.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(COLUMNS)
            writer.writerows(lines)


if __name__ == "__main__":
    main()
