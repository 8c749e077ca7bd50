"""A batch on one machine: all rows whatever happens to processes, equal outputs, memory that does not grow."""

from __future__ import annotations

import json
import os
import signal
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from audio_files import voice, wav_bytes
from batch_faults import use_faults
from batch_files import BROKEN, write_folder, write_shards

from earwitness.batch import BACKENDS, run
from earwitness.batch.items import Item, Job
from earwitness.batch.journal import journal_path
from earwitness.batch.local import Pool
from earwitness.batch.output import OUTPUTS, kind_of
from earwitness.batch.rows import COLUMNS
from earwitness.batch.run import Crew, Progress, run_batch
from earwitness.batch.sources import Source, open_source
from earwitness.errors import ConfigError, EarwitnessError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("recordings"), 6)


@pytest.fixture(scope="module")
def job(tiny_detector: Path) -> Job:
    return Job(detector=str(tiny_detector))


def read(out: Path) -> list[dict[str, Any]]:
    return list(kind_of(out).read(out))


def test_every_output_says_what_a_scan_says(folder: Path, job: Job, tmp_path: Path) -> None:
    detector = job.load()
    outs = [tmp_path / f"rows{suffix}" for suffix in OUTPUTS]
    for out in outs:
        seen: list[Progress] = []
        summary = run_batch(open_source(str(folder)), out, job=job, crew=Crew(jobs=1), progress=seen.append)
        assert summary.rows == 9
        assert summary.fresh == 9
        assert summary.failed == len(BROKEN)
        assert seen[-1].done == 9
        assert seen[-1].total == 9
        assert not journal_path(out).exists()
    parquet, *others = (read(out) for out in outs)
    assert all(rows == parquet for rows in others)
    assert [r["path"] for r in parquet] == [i.path for i in open_source(str(folder))]
    for row in parquet:
        assert list(row) == list(COLUMNS)
        if row["error_code"]:
            assert os.path.basename(row["path"]) in BROKEN
            continue
        verdict = detector.scan(row["path"])
        assert (row["verdict"], row["llr"], row["reason"]) == (verdict.label, verdict.llr, verdict.reason)
        assert row["seconds"] == verdict.quality["seconds"]
        assert row["sha256"] == verdict.source["sha256"]


def test_shards_and_files_have_the_same_rows(folder: Path, job: Job, tmp_path: Path) -> None:
    write_shards(tmp_path, folder)
    outs = tmp_path / "files.jsonl", tmp_path / "shards.jsonl"
    run_batch(open_source(str(folder)), outs[0], job=job, crew=Crew(jobs=2))
    run_batch(open_source(f"{tmp_path}/part-{{00..01}}.tar"), outs[1], job=job, crew=Crew(jobs=2))

    def by_name(out: Path) -> dict[str, Any]:
        rows = {r["path"].replace("::", "/").rpartition("/")[2]: r for r in read(out)}
        return {k: {c: v for c, v in r.items() if c not in ("id", "path", "error")} for k, r in rows.items()}

    assert by_name(outs[0]) == by_name(outs[1])
    errors = [r["error"] for r in read(outs[1]) if r["error"]]
    assert all("part-0" in text and "<bytes>" not in text for text in errors)


def test_a_finished_output_is_added_to(folder: Path, job: Job, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        mine = write_folder(tmp_path / f"in{suffix}", 3)
        out = tmp_path / f"rows{suffix}"
        first = run_batch(open_source(str(mine)), out, job=job, crew=Crew(jobs=1))
        before = read(out)
        assert run_batch(open_source(str(mine)), out, job=job, crew=Crew(jobs=1)).fresh == 0
        assert read(out) == before
        (mine / "a" / "text.mp3").write_bytes(wav_bytes(voice(1.2)))
        (mine / "a" / "new.wav").write_bytes(wav_bytes(voice(1.2, seed=9)))
        again = run_batch(open_source(str(mine)), out, job=job, crew=Crew(jobs=1), retry=True)
        assert (again.fresh, again.rows, again.failed) == (4, first.rows + 1, first.failed - 1)
        assert [r["path"] for r in read(out)] == [i.path for i in open_source(str(mine))]
    with pytest.raises(ConfigError, match="another prior"):
        run_batch(open_source(str(mine)), out, job=Job(detector=job.detector, prior=0.2))
    assert run_batch(open_source(str(mine)), out, job=job, crew=Crew(jobs=1), overwrite=True).fresh == again.rows
    foreign = tmp_path / "mine.csv"
    foreign.write_text("a,b\n")
    with pytest.raises(ConfigError, match="does not say how it was made"):
        run_batch(open_source(str(folder)), foreign, job=job)
    assert foreign.read_text() == "a,b\n"
    with pytest.raises(ConfigError, match="unknown kind of output"):
        run_batch(open_source(str(folder)), tmp_path / "rows.xlsx", job=job)


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recordings two of which crash or hang the process that reads them."""
    use_faults(tmp_path / "site", monkeypatch)
    mine = tmp_path / "in"
    mine.mkdir()
    for number, name in enumerate(("a", "b-crash", "c", "d", "e-hang", "f", "g")):
        (mine / f"{name}.wav").write_bytes(wav_bytes(voice(1.2, seed=number)))
    return mine


def test_a_crash_and_a_hang_cost_one_row_each(faulty: Path, tiny_detector: Path, tmp_path: Path) -> None:
    job, out = Job(detector=str(tiny_detector), timeout=2.0), tmp_path / "rows.csv"
    summary = run_batch(open_source(str(faulty)), out, job=job, crew=Crew(jobs=2))
    assert summary.errors == {"crashed": 1, "timeout": 1}
    rows = read(out)
    assert [os.path.basename(r["path"])[0] for r in rows] == list("abcdefg")
    assert {r["path"][-10:]: r["error_code"] for r in rows if r["error_code"]} == {
        "-crash.wav"[-10:]: "crashed",
        "e-hang.wav"[-10:]: "timeout",
    }
    assert "SIGSEGV" in rows[1]["error"]


def test_a_process_that_is_killed_costs_nothing(tmp_path: Path, tiny_detector: Path, monkeypatch: Any) -> None:
    use_faults(tmp_path / "site", monkeypatch)
    for number in range(8):
        (tmp_path / f"slow-{number}.wav").write_bytes(wav_bytes(voice(1.2, seed=number)))
    pool = Pool(Job(detector=str(tiny_detector)), 2)
    try:
        names = []
        for row in pool.run(iter(open_source(str(tmp_path)))):
            names.append(os.path.basename(row["path"]))
            assert row["error_code"] is None
            if len(names) in (1, 4):
                os.kill(pool.pids[0], signal.SIGKILL)
        assert sorted(names) == [f"slow-{n}.wav" for n in range(8)]
        pids = pool.pids
    finally:
        pool.close()
    time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_detector_that_does_not_load_ends_the_batch(tmp_path: Path) -> None:
    with pytest.raises(EarwitnessError, match="no such detector folder"):
        list(Pool(Job(detector=str(tmp_path / "none")), 1).run(iter([Item("a", "a")])))


def test_memory_does_not_grow(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    import batch_instant

    monkeypatch.setitem(BACKENDS, "instant", f"{batch_instant.__name__}:instant")

    def peak(count: int) -> int:
        source = Source("many", lambda: (Item(f"{n:060d}", f"{n:060d}") for n in range(count)))
        tracemalloc.start()
        run_batch(source, tmp_path / f"{count}.csv", job=job, crew=Crew("instant"), progress=lambda _: None)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = peak(500), peak(4000)
    # what stays of a recording is its digest, its place and where its row lies: some tens of bytes
    assert (many - few) / 3500 < 120
    assert json.loads(run.facts_path(tmp_path / "4000.csv").read_text())["summary"]["rows"] == 4000
