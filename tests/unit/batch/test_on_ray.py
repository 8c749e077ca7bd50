"""What runs inside Ray's actors, without Ray: shards, what was done before, and a detector that travels along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_files import write_folder, write_shards

from earwitness.batch.items import Job, digest
from earwitness.batch.on_ray import Actor, packed, unpacked
from earwitness.batch.run import Crew, score_many
from earwitness.batch.sources import open_source
from earwitness.batch.todo import Todo

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def called(actor: Actor, tasks: list[dict[str, Any]], data: list[bytes]) -> list[tuple[int, Any]]:
    batch = pyarrow.table({"task": [json.dumps(t) for t in tasks], "data": pyarrow.array(data, pyarrow.binary())})
    return [(line["place"][0], json.loads(line["row"][0])) for line in actor(batch)]


def test_an_actor_gives_the_rows_of_one_machine(tmp_path: Path, tiny_detector: Path) -> None:
    folder = write_folder(tmp_path / "in", 4, seconds=0.6)
    shards = write_shards(tmp_path, folder, 2)
    job = Job(detector=str(tiny_detector))
    source = open_source(str(tmp_path / "part-{00..01}.tar"))
    expected = {row["id"]: row for row in score_many(source, job, Crew(jobs=1))}
    old = sorted(expected)[0]
    actor = Actor(job, packed(job), np.array([digest(old)], dtype=np.uint64))
    found = called(actor, [{"shard": str(s), "number": n} for n, s in enumerate(shards)], [b"", b""])
    assert {f["row"]["id"]: f["row"] for _, f in found if f["row"]} == {k: v for k, v in expected.items() if k != old}
    todo = Todo([])
    for place, line in found:
        todo.note(line["key"], place)
    assert todo.order().tolist() == [digest(item.id) for item in source]

    # contents that only the caller can read travel with the name
    files = sorted(folder.rglob("voice-*.wav"))
    tasks = [
        {"id": p.name, "path": f"memory://{p.name}", "label": "spoof", "spooled": "", "error": None} for p in files
    ]
    rows = [row for _, row in called(actor, tasks, [p.read_bytes() for p in files])]
    assert [r["id"] for r in rows] == [p.name for p in files]
    assert all(r["label"] == "spoof" and r["llr"] is not None for r in rows)
    actor.close()


def test_a_detector_travels_whole(tmp_path: Path, tiny_detector: Path) -> None:
    profile = tmp_path / "own.json"
    profile.write_text("{}")
    job = Job(detector=str(tiny_detector), profile=str(profile), prior=0.2)
    (tmp_path / "there").mkdir()
    far = unpacked(job, packed(job), tmp_path / "there")
    assert far.prior == 0.2
    assert Path(str(far.profile)).read_text() == "{}"
    there = Job(detector=far.detector).load()
    assert there.info.sha256 == Job(detector=job.detector).load().info.sha256
    assert packed(Job()) == {}
