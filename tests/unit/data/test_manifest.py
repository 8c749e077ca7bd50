"""Rows, manifests, and the four formats: what is kept, and what is refused with file and line."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.data.manifest import Manifest, Row, read_manifest, write_manifest
from earwitness.errors import ManifestError, MissingExtraError

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def sample(root: Path) -> Manifest:
    return Manifest(
        [
            Row("a, b.wav", "bonafide", id="1", speaker='O"Neil', seconds=1.25, extra={"mic": "ümlaut"}),
            Row("sub/ c.wav", "spoof", id="2", system="hifigan", kind="vocoder", split="train", pair="1"),
            Row("/abs/d.wav", "spoof", id="3", source="line\nbreak", seconds=0.1),
        ],
        root=root,
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_every_cell(tmp_path: Path, suffix: str) -> None:
    made = sample(tmp_path)
    write_manifest(made, tmp_path / f"m{suffix}")
    read = read_manifest(tmp_path / f"m{suffix}")
    assert list(read) == list(made)
    assert read.root == tmp_path
    assert read.file(read[2]) == Path("/abs/d.wav")
    assert [p.name for p in tmp_path.iterdir()] == [f"m{suffix}"], "no temporary file is left"


CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, st.floats(0, 1e6)), min_size=1, max_size=5), st.sampled_from(FORMATS[:3]))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, cells: list[Any], suffix: str) -> None:
    folder = tmp_path_factory.mktemp("m")
    rows = [
        Row(f"{i}.wav", "spoof", id=f"{i}{speaker}", speaker=speaker, seconds=s, extra={"x": x} if x else {})
        for i, (speaker, x, s) in enumerate(cells)
    ]
    write_manifest(Manifest(rows, root=folder), folder / f"m{suffix}")
    assert list(read_manifest(folder / f"m{suffix}")) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.wav,real\n", r"m\.csv:2: unknown label 'real'"),
        ("path,label\na.wav,Bonafide\n", r"m\.csv:2: unknown label 'Bonafide'"),
        ("path,label\na.wav,spoof\nb.wav, spoof\n", r"m\.csv:3: unknown label ' spoof'"),
        ("path,label\n,spoof\n", r"m\.csv:2: the path is empty"),
        ("path,label,seconds\na.wav,spoof,two\n", r"m\.csv:2: seconds is 'two'"),
        ("path,label,seconds\na.wav,spoof,-1\n", r"m\.csv:2: seconds is -1\.0"),
        ("path,label,seconds\na.wav,spoof,nan\n", r"m\.csv:2: seconds is nan"),
        ("path,label,seconds\na.wav,spoof,inf\n", r"m\.csv:2: seconds is inf"),
        ("path,class\na.wav,spoof\n", r"m\.csv:1: no column 'label', found class, path"),
        ("id,path,label\n1,a.wav,spoof\n2,b.wav,spoof\n1,c.wav,spoof\n", r"m\.csv:4: id '1' .*/m\.csv:2 "),
        ("path,label\na.wav,spoof\na.wav,bonafide\n", r"m\.csv:3: id 'a\.wav' stands already"),
        ("path,label\na.wav\n", r"m\.csv:2: 1 cells, the header has 2"),
        ("path,path,label\n", r"m\.csv:1: column 'path' occurs twice"),
        ("path,label\n", r"no rows"),
        ("", r"the file is empty"),
        ('path,label\n"a.wav,spoof\n', r"m\.csv:\d: not valid CSV"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_several_problems_are_listed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\n" + "".join(f"{i}.wav,fake\n" for i in range(30)))
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path / "m.csv")
    assert "29 more rows are wrong" in caught.value.hint
    assert "m.csv:3" in caught.value.hint


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text('{"path": "a.wav", "label": "spoof", "n": 3}\n\n{"path": "b.wav"}\n')
    with pytest.raises(ManifestError, match=r"m\.jsonl:3: no column 'label'"):
        read_manifest(file)
    file.write_text('{"path": "a.wav", "label": "spoof"}\n{"path"\n')
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: not valid JSON"):
        read_manifest(file)
    file.write_text('["a.wav"]\n')
    with pytest.raises(ManifestError, match="expected an object, found list"):
        read_manifest(file)
    file.write_text('{"path": "a.wav", "label": "spoof", "deep": {"a": 1}}\n')
    with pytest.raises(ManifestError, match="a manifest is flat"):
        read_manifest(file)
    file.write_text('{"path": "a.wav", "label": "spoof", "n": 3}\n')
    assert read_manifest(file)[0].extra == {"n": "3"}


def test_byte_order_mark_and_encoding(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_bytes("\ufeffpath,label\na.wav,spoof\n".encode())
    assert read_manifest(file)[0].path == "a.wav"
    file.write_bytes(b"path,label\n\xff\xfe.wav,spoof\n")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(file)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="unknown kind of manifest"):
        read_manifest(tmp_path / "none.xlsx")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        read_manifest(tmp_path / "broken.parquet")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(ManifestError, match="a folder"):
        read_manifest(tmp_path / "d.csv")


def test_parquet_without_polars_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_manifest(sample(tmp_path), tmp_path / "m.parquet")
    genuine = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "polars":
            raise ImportError(name)
        return genuine(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"earwitness\[batch\]"):
        read_manifest(tmp_path / "m.parquet")


def test_filter_and_slices_keep_their_place(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,mic\na.wav,spoof,1\nb.wav,bonafide,2\nc.wav,spoof,2\n")
    manifest = read_manifest(tmp_path / "m.csv")
    spoofs = manifest.filter(label="spoof")
    assert [row.path for row in spoofs] == ["a.wav", "c.wav"]
    assert spoofs.place(1).endswith("m.csv:4")
    assert [row.path for row in manifest.filter(mic=("1", "3"))] == ["a.wav"]
    assert [row.path for row in manifest.filter(lambda row: row.path > "a.wav", label="spoof")] == ["c.wav"]
    assert manifest[1:].place(0).endswith("m.csv:3")
    with pytest.raises(ManifestError, match="no column 'mick'"):
        manifest.filter(mick="1")
    assert len(manifest.filter(system="x")) == 0


def test_paths_follow_the_file(tmp_path: Path) -> None:
    manifest = Manifest([Row("a.wav", "spoof")], root=tmp_path / "deep" / "clips")
    write_manifest(manifest, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv")[0].path == "deep/clips/a.wav"
    write_manifest(manifest, tmp_path / "other" / "m.csv")
    assert read_manifest(tmp_path / "other" / "m.csv")[0].path == str(tmp_path / "deep" / "clips" / "a.wav")
    write_manifest(manifest, tmp_path / "kept.csv", keep_paths=True)
    assert read_manifest(tmp_path / "kept.csv", root=manifest.root).file(manifest[0]) == manifest.file(manifest[0])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.jsonl"
    write_manifest(sample(tmp_path), file)
    before = file.read_bytes()

    def fail(*_: Any, **__: Any) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(json, "dumps", fail)
    with pytest.raises(OSError, match="disk full"):
        write_manifest(sample(tmp_path)[:1], file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_missing_files_by_index(tmp_path: Path) -> None:
    (tmp_path / "a, b.wav").touch()
    assert sample(tmp_path).missing() == [1, 2]


@pytest.mark.corpus
def test_the_project_corpus(shared: Path) -> None:
    manifest = read_manifest(shared / "corpus" / "manifest.csv")
    assert len(manifest) == 11_844
    assert len(manifest.filter(split="train", label="spoof")) == 5_387
    assert manifest[0].extra["source_rate"] == "22050"
