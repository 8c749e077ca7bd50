"""``earwitness batch`` as users call it: killed at random points and called again; exit codes; on a Ray cluster."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from audio_files import voice, wav_bytes
from batch_faults import use_faults
from batch_files import write_folder, write_shards

from earwitness.batch.items import Job
from earwitness.batch.journal import journal_path
from earwitness.batch.run import Crew, run_batch
from earwitness.batch.sources import open_source
from earwitness.cli import main


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "earwitness", "batch", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_killed_at_random_points(tmp_path: Path, tiny_detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three kills; the output is that of a run without any, and nothing that stood in the journal is heard again."""
    use_faults(tmp_path / "site", monkeypatch)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(14):
        slow = "-slow" if number % 2 else ""
        (folder / f"{number:02d}{slow}.wav").write_bytes(wav_bytes(voice(1.2, seed=number)))
    (folder / "broken.wav").write_bytes(b"RIFF")
    out, calm = tmp_path / "killed.jsonl", tmp_path / "calm.jsonl"
    words = (str(folder), "-o", str(out), "--detector", str(tiny_detector), "--jobs", "2")
    rng = random.Random(4)
    for _ in range(3):
        known = len(lines(journal_path(out)))
        process = start(*words)
        wanted, limit = known + rng.randrange(1, 4), time.monotonic() + 60
        while len(lines(journal_path(out))) < wanted and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.2)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not out.exists()
    before = [json.loads(line)["id"] for line in lines(journal_path(out))[1:] if line.endswith("}")]
    last = start(*words)
    stdout, stderr = last.communicate(timeout=120)
    assert last.returncode == 1, stderr
    assert "1 error (1 truncated)" in stdout
    assert f"{15 - len(before)} heard" in stdout
    summary = run_batch(open_source(str(folder)), calm, job=Job(detector=str(tiny_detector)), crew=Crew(jobs=2))
    assert summary.rows == 15
    assert lines(out) == lines(calm)
    assert not journal_path(out).exists()


def test_exit_codes_and_messages(tmp_path: Path, tiny_detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.wav").write_bytes(wav_bytes(voice(1.2)))
    words = (str(folder), "--detector", str(tiny_detector), "--jobs", "1", "-o")
    out = str(tmp_path / "o.csv")
    for given, code, text in (
        ((*words, out), 0, "1 rows"),
        ((*words, out), 0, "nothing was left to do"),
        ((*words, out, "--prior", "0.2"), 2, "another prior"),
        ((*words, str(tmp_path / "o.xlsx")), 2, "unknown kind of output"),
        ((*words, out, "--device", "cuda"), 1, "cannot use cuda"),
        ((*words, out, "--backend", "abacus"), 2, "abacus"),
        ((str(tmp_path / "none"), "-o", out), 1, "no such file or folder"),
        ((str(folder), "-o", out, "--detector", str(tmp_path)), 1, "no detector folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["batch", *given])
        said = capsys.readouterr()
        assert (ended.value.code or 0) == code, said
        assert text in said.out + said.err


@pytest.fixture
def cluster() -> Any:
    """A Ray cluster of a head without cores and two nodes with one each, every one with processes of its own."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_rows_though_a_worker_is_killed(
    cluster: Any, tmp_path: Path, tiny_detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One actor is killed on the way, one recording crashes its reader, some are broken: nothing is lost or doubled."""
    import ray

    psutil = pytest.importorskip("psutil")
    site = tmp_path / "site"
    use_faults(site, monkeypatch)
    folder = write_folder(tmp_path / "in", 24)
    (folder / "a" / "zz-crash.wav").write_bytes(wav_bytes(voice(1.2)))
    for file in sorted(folder.rglob("voice-*.wav"))[::3]:
        shutil.move(file, file.with_name(f"slow-{file.name}"))
    job = Job(detector=str(tiny_detector))
    local, far = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    expected = run_batch(open_source(str(folder)), local, job=job, crew=Crew(jobs=2))
    assert expected.errors["crashed"] == 1

    killed: list[int] = []

    def kill(state: Any) -> None:
        if killed or state.done < 3:
            return
        # the nodes are children of this process, and the actors theirs
        for process in psutil.Process().children(recursive=True):
            if any("ray::MapWorker" in word for word in process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return

    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": str(site)}})
    try:
        crew = Crew("ray", jobs=2, ray_address=cluster.address)
        summary = run_batch(open_source(str(folder)), far, job=job, crew=crew, progress=kill)
        assert killed
        assert lines(far) == lines(local)
        assert (summary.rows, summary.errors) == (expected.rows, expected.errors)
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_ray_reads_shards_where_the_actors_are(cluster: Any, tmp_path: Path, tiny_detector: Path) -> None:
    """The same rows in the same order as on one machine, also when half of them were there before."""
    shards = write_shards(tmp_path, write_folder(tmp_path / "in", 10))
    job, pattern = Job(detector=str(tiny_detector)), str(tmp_path / "part-{00..01}.tar")
    local, far = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    run_batch(open_source(pattern), local, job=job, crew=Crew(jobs=2))
    run_batch(open_source(str(shards[1])), far, job=job, crew=Crew(jobs=2))
    summary = run_batch(open_source(pattern), far, job=job, crew=Crew("ray", jobs=2, ray_address=cluster.address))
    assert (summary.rows, summary.fresh) == (13, 7)
    assert lines(far) == lines(local)
