"""From a folder of clips to a manifest, parts, an audit and images, by the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from planted import corpus, utterance
from typer.testing import CliRunner, Result

from earwitness.cli.audit import audit as audit_command
from earwitness.cli.data import app as data_app
from earwitness.data.manifest import read_manifest
from earwitness.errors import EarwitnessError

AUDIT = typer.Typer()
AUDIT.command()(audit_command)


def run(app: typer.Typer, *arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """real/ and fake/<system>/ with 60 clips, as a user would have them."""
    root = tmp_path_factory.mktemp("mine")
    made = corpus(root / "flat", 60)
    for row in made:
        folder = root / "mine" / ("real" if not row.spoof else f"fake/{row.system}")
        folder.mkdir(parents=True, exist_ok=True)
        made.file(row).rename(folder / row.path)
    return root / "mine"


def test_from_a_folder_to_an_audit(clips: Path, tmp_path: Path) -> None:
    manifest, parts = tmp_path / "m.csv", tmp_path / "parts.jsonl"
    said = run(data_app, "build", "folders", clips, "-o", manifest)
    assert "60 rows" in said.output
    run(data_app, "check", manifest)
    run(data_app, "split", manifest, "-o", parts, "--shares", "80/20", "--disjoint", "system", "--seed", "1")
    rows = read_manifest(parts)
    assert {row.split for row in rows} == {"train", "test"}
    assert not {r.system for r in rows.filter(split="train", label="spoof")} & {
        r.system for r in rows.filter(split="test", label="spoof")
    }
    table = json.loads(run(data_app, "stats", parts, "--json").output)
    assert sum(line["clips"] for line in table) == 60
    run(data_app, "filter", parts, "-o", tmp_path / "f.csv", "--where", "split=test")
    assert len(read_manifest(tmp_path / "f.csv")) == len(rows.filter(split="test"))
    result = run(AUDIT, parts, "--jobs", "1", "--fail-on", "error")
    assert "AUC" in result.output
    assert "--disjoint" not in result.output or "note" in result.output
    report = json.loads((tmp_path / "parts.jsonl.audit.json").read_text())
    assert report["rows"] == 60
    assert {"auc", "eer", "cues"} <= set(report["trivial_baseline"])
    assert (tmp_path / "parts.jsonl.audit.html").read_text().startswith("<!doctype html>")
    cache = tmp_path / "parts.jsonl.audit-cache.jsonl"
    size = cache.stat().st_size
    printed = json.loads(run(AUDIT, parts, "--jobs", "1", "--json").output)
    assert printed["trivial_baseline"] == report["trivial_baseline"]
    assert cache.stat().st_size == size, "nothing is measured twice"


def test_fail_on_error(clips: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    files = sorted(clips.rglob("*.wav"))
    lines = [f"{file},spoof" for file in files]
    manifest.write_text("path,label\n" + "\n".join(lines) + "\n")
    result = run(AUDIT, manifest, "--jobs", "1", "--fail-on", "error", code=1)
    assert "every one of the 60 rows is spoof" in " ".join(result.output.split())
    run(AUDIT, manifest, "--jobs", "1")
    with pytest.raises(EarwitnessError, match="fail-on"):
        run(AUDIT, manifest, "--fail-on", "panic")


def test_tables_merge_and_errors(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(
        "file\tkind_of\n" + "".join(f"{f}\thuman\n" for f in sorted(clips.glob("real/*"))[:3])
    )
    build = ("build", "table", tmp_path / "t.tsv", "-o", tmp_path / "t.csv")
    names = ("--column", "path=file", "--column", "label=kind_of")
    with pytest.raises(EarwitnessError, match=r"t\.tsv:2: unknown label 'human'"):
        run(data_app, *build, *names)
    run(data_app, *build, *names, "--word", "human=bonafide")
    (tmp_path / "u.csv").write_text(f"id,path,label\nx,{sorted(clips.glob('fake/*/*'))[0]},spoof\n")
    run(data_app, "merge", tmp_path / "t.csv", tmp_path / "u.csv", "-o", tmp_path / "all.parquet")
    assert len(read_manifest(tmp_path / "all.parquet")) == 4
    (tmp_path / "gone.csv").write_text("path,label\nnone.wav,spoof\n")
    assert "gone.csv:2: no such file" in run(data_app, "check", tmp_path / "gone.csv", code=1).output
    for shares in ("80", "a/b", "train=1"):
        with pytest.raises(EarwitnessError):
            run(data_app, "split", tmp_path / "all.parquet", "-o", tmp_path / "s.csv", "--shares", shares)


def test_images_and_synth(tmp_path: Path) -> None:
    from audio_files import wav_bytes
    from planted import RATE

    (tmp_path / "a.wav").write_bytes(wav_bytes(utterance(1), RATE))
    (tmp_path / "m.csv").write_text("path,label\na.wav,bonafide\n")
    said = run(
        data_app, "synth", tmp_path / "m.csv", "-o", tmp_path / "copies", "--method", "griffin-lim", "--method", "lpc"
    )
    assert "3 rows, 2 copies" in said.output
    made = tmp_path / "copies" / "manifest.csv"
    assert {row.pair for row in read_manifest(made)} == {"", "a.wav"}
    pytest.importorskip("torch")
    said = run(data_app, "images", made, "-o", tmp_path / "pictures", "--set", "mels=40", "--set", "width=64")
    assert "3 images" in said.output
    assert not read_manifest(tmp_path / "pictures" / "images.csv").missing()


def test_list_names_every_corpus() -> None:
    from earwitness.data import DATASETS

    output = run(data_app, "list").output
    assert all(name in output for name in DATASETS)
