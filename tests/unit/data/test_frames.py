"""Streaming tables: the same answers as the manifest in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from earwitness.data.frames import check, filter_file, stats
from earwitness.data.manifest import Manifest, Row, read_manifest, write_manifest
from earwitness.errors import ManifestError

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def sample(folder: Path) -> Manifest:
    return Manifest(
        [
            Row(
                f"{i}.wav",
                "spoof" if i % 3 else "bonafide",
                split=("train", "dev")[i % 2],
                seconds=i / 2,
                speaker=f"p{i % 4}",
            )
            for i in range(24)
        ],
        root=folder,
    )


@pytest.mark.parametrize("into", FORMATS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_filter_equals_the_manifest(tmp_path: Path, suffix: str, into: str) -> None:
    manifest = sample(tmp_path)
    write_manifest(manifest, tmp_path / f"m{suffix}")
    out = tmp_path / "sub" / f"f{into}"
    count = filter_file(
        tmp_path / f"m{suffix}", out, where={"split": ["dev"], "label": ["spoof"]}, without={"speaker": ["p1"]}
    )
    expected = manifest.filter(lambda row: row.speaker != "p1", split="dev", label="spoof")
    read = read_manifest(out)
    assert count == len(read) == len(expected) > 0
    assert [(r.id, r.seconds, r.label, r.split) for r in read] == [
        (r.id, r.seconds, r.label, r.split) for r in expected
    ]
    assert [read.file(row) for row in read] == [manifest.file(row) for row in expected]


def test_stats_count_and_sum(tmp_path: Path) -> None:
    manifest = sample(tmp_path)
    write_manifest(manifest, tmp_path / "m.csv")
    table = stats(tmp_path / "m.csv")
    assert [(line["split"], line["label"], line["clips"]) for line in table] == [
        (split, label, len(manifest.filter(split=split, label=label)))
        for split in ("dev", "train")
        for label in ("bonafide", "spoof")
    ]
    own = manifest.filter(split="dev", label="spoof")
    assert table[1]["hours"] == pytest.approx(sum(row.seconds or 0 for row in own) / 3600)
    assert table[1]["speakers"] == len({row.speaker for row in own})
    with pytest.raises(ManifestError, match="no column 'colour'"):
        stats(tmp_path / "m.csv", by=["colour"])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_check_names_every_fault_with_its_line(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"m{suffix}"
    write_manifest(sample(tmp_path), file)
    assert check(file) == []
    text = file.read_text()
    first = text.splitlines()[0]
    if suffix == ".csv":
        assert first == "id,path,label,speaker,split,seconds"
        rows = ["a,a.wav,real,,,", "b,,spoof,,,", "c,c.wav,spoof,,,minus", "d,d.wav,spoof,,,-2", "0.wav,x.wav,spoof,,,"]
        lines = (26, 27, 28, 29, 30)
    else:
        rows = [
            '{"id":"a","path":"a.wav","label":"real"}',
            '{"id":"b","path":"","label":"spoof"}',
            '{"id":"c","path":"c.wav","label":"spoof","seconds":-1}',
            '{"id":"d","path":"d.wav","label":"spoof","seconds":-2}',
            '{"id":"0.wav","path":"x.wav","label":"spoof"}',
        ]
        lines = (25, 26, 27, 28, 29)
    file.write_text(text + "\n".join(rows) + "\n")
    problems = check(file)
    assert [problem.split(": ")[0].rsplit(":", 1)[1] for problem in problems] == [str(line) for line in lines]
    assert "unknown label 'real'" in problems[0]
    assert "the path is empty" in problems[1]
    assert "seconds is not" in problems[2]
    assert "id '0.wav' stands already in line" in problems[4]
    with pytest.raises(ManifestError):
        read_manifest(file)


def test_errors(tmp_path: Path) -> None:
    write_manifest(sample(tmp_path), tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="no row matches"):
        filter_file(tmp_path / "m.csv", tmp_path / "o.csv", where={"split": ["test"]})
    assert not (tmp_path / "o.csv").exists()
    with pytest.raises(ManifestError, match="no column 'mick'"):
        filter_file(tmp_path / "m.csv", tmp_path / "o.csv", where={"mick": ["1"]})
    (tmp_path / "n.csv").write_text("file,label\n")
    with pytest.raises(ManifestError, match="no column 'path'"):
        check(tmp_path / "n.csv")
    with pytest.raises(ManifestError, match="no such file"):
        check(tmp_path / "absent.csv")
