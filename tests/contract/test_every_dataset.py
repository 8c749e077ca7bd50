"""Every corpus reader: a miniature that this file builds, and what each reader must do with it and refuse."""

from __future__ import annotations

import csv
import importlib
import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.data import DATASETS
from earwitness.data.building import build
from earwitness.data.manifest import LABELS, read_manifest, write_manifest
from earwitness.errors import ConfigError, EarwitnessError, ManifestError


@dataclass
class Miniature:
    """What a builder made: where, with which options, how many rows, and how to put an unknown label into it."""

    root: Path
    rows: int
    spoil: Callable[[], None]
    options: dict[str, Any] = field(default_factory=dict)
    place: str = r":\d+: "


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"not decoded here")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def spoiler(file: Path, old: str, new: str) -> Callable[[], None]:
    def spoil() -> None:
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def asvspoof2019(root: Path, track: str, lines: str) -> Miniature:
    protocol = root / f"ASVspoof2019_{track}_cm_protocols" / f"ASVspoof2019.{track}.cm.train.trn.txt"
    write(protocol, lines)
    write(protocol.with_name(f"ASVspoof2019.{track}.cm.dev.trl.txt"), lines.replace("_T_", "_D_"))
    for name in re.findall(r" (\w+_T_\d+) ", lines):
        touch(root / f"ASVspoof2019_{track}_train" / "flac" / f"{name}.flac")
        touch(root / f"ASVspoof2019_{track}_dev" / "flac" / f"{name.replace('_T_', '_D_')}.flac")
    return Miniature(root, 4, spoiler(protocol, "bonafide", "human"), place=r"train\.trn\.txt:1: ")


def asvspoof2019_la(root: Path) -> Miniature:
    return asvspoof2019(root, "LA", "LA_0079 LA_T_1 - - bonafide\nLA_0079 LA_T_2 - A01 spoof\n")


def asvspoof2019_pa(root: Path) -> Miniature:
    return asvspoof2019(root, "PA", "PA_0079 PA_T_1 aaa - bonafide\nPA_0079 PA_T_2 abc AA spoof\n")


def asvspoof2021(root: Path, track: str, lines: str) -> Miniature:
    key = root / "keys" / track / "CM" / "trial_metadata.txt"
    write(key, lines)
    touch(*(root / f"ASVspoof2021_{track}_eval" / "flac" / f"{name}.flac" for name in re.findall(r"\w\w_E_\d", lines)))
    return Miniature(root, 4, spoiler(key, " spoof ", " Spoof "), place=r"trial_metadata\.txt:2: ")


def asvspoof2021_la(root: Path) -> Miniature:
    return asvspoof2021(
        root,
        "LA",
        "LA_0009 LA_E_1 alaw ita_tx bonafide bonafide notrim eval\nLA_0009 LA_E_2 none loc_tx A07 spoof notrim eval\n"
        "LA_0010 LA_E_3 opus sin_tx - bonafide trim hidden\nLA_0010 LA_E_4 gsm mad_tx A19 spoof notrim progress\n",
    )


def asvspoof2021_df(root: Path) -> Miniature:
    return asvspoof2021(
        root,
        "DF",
        "LA_0023 DF_E_1 nocodec asvspoof bonafide bonafide notrim eval bonafide - - - -\n"
        "TEF2 DF_E_2 low_m4a vcc2020 Task1-team20 spoof notrim eval neural_vocoder_autoregressive Task1 team20 FF E\n"
        "LA_0023 DF_E_3 mp3m4a asvspoof A14 spoof trim hidden traditional_vocoder - - - -\n"
        "VCC2SF1 DF_E_4 high_ogg vcc2018 - bonafide notrim progress bonafide - - - -\n",
    )


def asvspoof5(root: Path) -> Miniature:
    train = root / "ASVspoof5.train.tsv"
    write(train, "T_4850 T_1 F - - - AC3 A05 spoof -\nT_4850 T_2 F - - - - bonafide bonafide -\n")
    write(
        root / "ASVspoof5.eval.track_1.tsv",
        "E_0001 E_1 M C05 4 E_77 AC1 A20 spoof -\nE_0001 E_2 M - 0 - - bonafide bonafide -\n",
    )
    touch(*(root / "flac_T" / f"T_{i}.flac" for i in (1, 2)), *(root / "flac_E_eval" / f"E_{i}.flac" for i in (1, 2)))
    return Miniature(root, 4, spoiler(train, "spoof -", "fake -"), place=r"train\.tsv:1: ")


def demo_pages(root: Path) -> Miniature:
    source = root / "corpus"
    rows = [("a", "train", "bonafide"), ("b", "train", "spoof"), ("c", "dev", "bonafide"), ("d", "eval", "spoof")]
    write(
        source / "manifest.csv",
        "id,path,shard,label,system,kind,speaker,language,split,source,pair,seconds,source_rate,license\n"
        + "".join(f"{i},{s}/{i}.opus,{s}.tar,{y},x,tts,,en,{s},page,,1.5,22050,none\n" for i, s, y in rows),
    )
    for name, split, _ in rows:
        touch(root / "made" / split / f"{name}.opus")
    for split in ("train", "dev", "eval"):
        with tarfile.open(source / f"{split}.tar", "w") as tar:
            tar.add(root / "made" / split, split)
    spoil = spoiler(source / "manifest.csv", "bonafide", "real")
    return Miniature(source, 4, spoil, {"unpack": root / "unpacked"}, place=r"manifest\.csv:2: ")


def fake_or_real(root: Path) -> Miniature:
    touch(*(root / "for-norm" / s / y / "1.wav" for s in ("training", "testing") for y in ("real", "fake")))
    touch(root / "for-2sec" / "for-2seconds" / "validation" / "fake" / "1.wav")
    return Miniature(root, 5, lambda: touch(root / "for-norm" / "training" / "maybe" / "1.wav"), place="maybe")


def folders(root: Path) -> Miniature:
    touch(root / "train" / "Real" / "1.wav", root / "train" / "fake" / "hifigan" / "1.flac")
    touch(root / "test" / "human" / "deep" / "2.mp3", root / "test" / "ai" / "2.m4a")
    return Miniature(root, 4, lambda: touch(root / "train" / "unsure" / "3.wav"), place=r"unsure/3\.wav: ")


def in_the_wild(root: Path) -> Miniature:
    folder = root / "release_in_the_wild"
    names = ("Alan Watts,spoof", "Alan Watts,bona-fide", '"Doe, Jane",spoof', '"Doe, Jane",bona-fide')
    write(folder / "meta.csv", "file,speaker,label\n" + "".join(f"{i}.wav,{n}\n" for i, n in enumerate(names)))
    touch(*(folder / f"{i}.wav" for i in range(4)))
    return Miniature(root, 4, spoiler(folder / "meta.csv", "bona-fide", "bonafide"), place=r"meta\.csv:3: ")


def librisevoc(root: Path) -> Miniature:
    touch(*(root / "gt" / f"{i}_1_000.wav" for i in (1034, 2000)))
    touch(*(root / vocoder / "1034_1_000_gen.wav" for vocoder in ("melgan", "wavernn")))
    return Miniature(root, 4, lambda: touch(root / "unknownvoc" / "1.wav"), place="unknownvoc")


def mlaad(root: Path) -> Miniature:
    fakes, reals = root / "MLAAD", root / "M-AILABS"
    original = "en_US/by_book/female/judy/sea_fairies/wavs/sea_01.wav"
    table = fakes / "fake" / "en" / "vits" / "meta.csv"
    write(
        table,
        "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript\n"
        f'./fake/en/vits/a.wav|{original}|en|True|3.2|LJSpeech|tts/vits|VITS|he said "so\n'
        f"./fake/en/vits/b.wav|{original}|en|True|3.2|LJSpeech|tts/vits|VITS|again\n"
        "c.wav|-|en|True|3.2|LJSpeech|tts/vits|VITS|without an original\n",
    )
    touch(*(table.parent / f"{n}.wav" for n in "abc"), reals / original)
    return Miniature(fakes, 4, spoiler(table, "|language|", "|tongue|"), {"reals": reals}, place=r"meta\.csv:1: ")


def partialspoof(root: Path) -> Miniature:
    base = root / "database"
    protocol = base / "protocols" / "PartialSpoof_LA_cm_protocols" / "PartialSpoof.LA.cm.train.trl.txt"
    lines = "LA_0079 LA_T_1 - - bonafide\nLA_0079 CON_T_1 - CON spoof\n"
    write(protocol, lines + lines.replace("_T_1", "_T_2"))
    touch(*(base / "train" / "con_wav" / f"{n}.wav" for n in ("LA_T_1", "CON_T_1", "LA_T_2", "CON_T_2")))
    labels: Any = {"LA_T_1": np.array(["1", "1"]), "CON_T_1": np.array(["1", "0", "0", "1"])}
    (base / "segment_labels").mkdir()
    np.save(base / "segment_labels" / "train_seglab_0.16.npy", labels, allow_pickle=True)
    return Miniature(root, 4, spoiler(protocol, "bonafide", "genuine"), place=r"train\.trl\.txt:1: ")


def table(root: Path) -> Miniature:
    file = root / "mine.tsv"
    write(file, "file\tclass\tmic\n" + "".join(f"{i}.wav\t{w}\t{i}\n" for i, w in enumerate(("real", "fake") * 2)))
    touch(*(root / f"{i}.wav" for i in range(4)))
    options = {"columns": {"path": "file", "label": "class"}, "words": {"real": "bonafide", "fake": "spoof"}}
    return Miniature(file, 4, spoiler(file, "fake", "fakke"), options, place=r"mine\.tsv:3: ")


def wavefake(root: Path) -> Miniature:
    base, reals = root / "generated_audio", root / "originals"
    touch(reals / "LJSpeech-1.1" / "wavs" / "LJ001-0001.wav", reals / "jsut" / "BASIC5000_0001.wav")
    touch(base / "ljspeech_melgan" / "LJ001-0001_gen.wav", base / "ljspeech_hifiGAN" / "LJ001-0001_generated.wav")
    touch(base / "jsut_parallel_wavegan" / "BASIC5000_0001_gen.wav")
    cv = base / "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
    touch(cv / "gen_0.wav", cv / "generated" / "gen_0.wav")
    spoil = lambda: touch(base / "ljspeech_unheard_of" / "LJ001-0001.wav")  # noqa: E731
    return Miniature(root, 6, spoil, {"reals": reals}, place="ljspeech_unheard_of")


MINIATURES: dict[str, Callable[[Path], Miniature]] = {
    "asvspoof2019-la": asvspoof2019_la,
    "asvspoof2019-pa": asvspoof2019_pa,
    "asvspoof2021-df": asvspoof2021_df,
    "asvspoof2021-la": asvspoof2021_la,
    "asvspoof5": asvspoof5,
    "demo-pages": demo_pages,
    "fake-or-real": fake_or_real,
    "folders": folders,
    "in-the-wild": in_the_wild,
    "librisevoc": librisevoc,
    "mlaad": mlaad,
    "partialspoof": partialspoof,
    "table": table,
    "wavefake": wavefake,
}


@pytest.fixture(params=sorted(DATASETS))
def miniature(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Miniature]:
    name: str = request.param
    assert name in MINIATURES, f"no miniature for {name}: add one to this file"
    return name, MINIATURES[name](tmp_path / "corpus")


def test_rows_are_valid_and_survive_a_file(miniature: tuple[str, Miniature], tmp_path: Path) -> None:
    name, made = miniature
    manifest = build(name, made.root, **made.options).manifest
    assert len(manifest) == made.rows
    assert {row.label for row in manifest} == set(LABELS)
    assert len({row.id for row in manifest}) == len({manifest.file(row) for row in manifest}) == made.rows
    assert not manifest.missing()
    for row in manifest:
        assert (row.system == "human") == (row.kind == "human") == (not row.spoof) or row.system in ("", "x")
        assert not row.pair or row.pair in {other.id for other in manifest}
    # A file belongs to one split alone.
    splits = Counter((manifest.file(row), row.split) for row in manifest)
    assert len(splits) == made.rows
    write_manifest(manifest, tmp_path / "elsewhere" / "m.csv")
    again = read_manifest(tmp_path / "elsewhere" / "m.csv")
    assert not again.missing()
    assert [(r.id, r.label, r.system, r.split, dict(r.extra)) for r in again] == [
        (r.id, r.label, r.system, r.split, dict(r.extra)) for r in manifest
    ]


def test_an_unknown_label_is_an_error_with_its_place(miniature: tuple[str, Miniature]) -> None:
    name, made = miniature
    build(name, made.root, **made.options)
    made.spoil()
    with pytest.raises(ManifestError, match=made.place):
        build(name, made.root, **made.options)


def test_a_missing_file_is_an_error_and_can_be_left_out(miniature: tuple[str, Miniature]) -> None:
    name, made = miniature
    if name in ("folders", "fake-or-real", "wavefake", "librisevoc"):
        manifest = build(name, made.root, **made.options).manifest
        manifest.file(manifest[-1]).unlink()
        # These readers list the files that are there, so one that is gone is one row less and no error.
        assert len(build(name, made.root, **made.options).manifest) == made.rows - 1
        return
    manifest = build(name, made.root, **made.options).manifest
    gone = manifest[-1]
    manifest.file(gone).unlink()
    for shard in made.root.glob("*.tar") if made.root.is_dir() else ():
        shutil.move(shard, shard.with_suffix(".gone"))
    with pytest.raises(ManifestError, match=r"does not exist; 1 of|no such shard"):
        build(name, made.root, **made.options)
    if name == "demo-pages":
        return
    built = build(name, made.root, allow_missing=True, **made.options)
    assert built.missing == (gone.id,)
    assert any(gone.id in note for note in built.notes())


def test_same_rows_every_time(miniature: tuple[str, Miniature]) -> None:
    name, made = miniature
    assert list(build(name, made.root, **made.options).manifest) == list(
        build(name, made.root, **made.options).manifest
    )


def test_documentation(miniature: tuple[str, Miniature]) -> None:
    name, made = miniature
    module = importlib.import_module(DATASETS[name].partition(":")[0])
    doc = module.__doc__ or ""
    assert module.LICENCE
    if name not in ("folders", "table", "demo-pages"):
        assert "Citation" in doc
        assert "Licence" in doc
        assert hasattr(module, "EXPECTED") or hasattr(module, "expected")
    with pytest.raises(ConfigError, match="no option 'colour'"):
        build(name, made.root, colour="red")


def test_counts_are_checked(tmp_path: Path) -> None:
    built = build("in-the-wild", in_the_wild(tmp_path).root)
    assert [str(count) for count in built.counts] == [
        "bonafide: 19,963 expected, 2 found",
        "spoof: 11,816 expected, 2 found",
    ]
    assert built.notes()
    per_model = build("mlaad", (made := mlaad(tmp_path / "m")).root, **made.options)
    assert str(per_model.counts[0]) == "MLAAD/en/vits: 1,000 expected, 3 found"


def test_a_tar_member_that_points_outside_is_refused(tmp_path: Path) -> None:
    made = demo_pages(tmp_path)
    text = (made.root / "manifest.csv").read_text().replace("train/a.opus", "../a.opus")
    (made.root / "manifest.csv").write_text(text)
    with tarfile.open(made.root / "train.tar", "w") as tar:
        tar.add(tmp_path / "made" / "train" / "a.opus", "../a.opus")
        tar.add(tmp_path / "made" / "train" / "b.opus", "train/b.opus")
    with pytest.raises(ManifestError, match="not a plain file inside"):
        build("demo-pages", made.root, unpack=tmp_path / "unpacked")
    assert not (tmp_path / "a.opus").exists()


def test_unknown_corpus_lists_near_names(tmp_path: Path) -> None:
    with pytest.raises(EarwitnessError, match="asvspoof2019-la"):
        build("asvspoof2019la", tmp_path)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("track", "name", "split", "human", "fake"),
    [
        ("la", "ASVspoof2019.LA.cm.train.trn.txt.gz", "train", 2_580, 22_800),
        ("la", "ASVspoof2019.LA.cm.dev.trl.txt.gz", "dev", 2_548, 22_296),
        ("la", "ASVspoof2019.LA.cm.eval.trl.txt.gz", "eval", 7_355, 63_882),
        ("pa", "ASVspoof2019.PA.cm.train.trn.txt.gz", "train", 5_400, 48_600),
        ("pa", "ASVspoof2019.PA.cm.dev.trl.txt.gz", "dev", 5_400, 24_300),
    ],
)
def test_real_protocols_parse_completely(
    shared: Path, track: str, name: str, split: str, human: int, fake: int
) -> None:
    module = importlib.import_module(f"earwitness.data.asvspoof2019_{track}")
    rows = list(module.protocol_rows(shared / "oracles" / "protocols" / name, split=split, audio=Path("flac")))
    assert Counter(row.label for row in rows) == {"bonafide": human, "spoof": fake}
    assert len({row.id for row in rows}) == human + fake
    assert module.EXPECTED[split, "bonafide"] == human
    assert module.EXPECTED[split, "spoof"] == fake


@pytest.mark.corpus
def test_real_demo_pages_and_in_the_wild_key(shared: Path, tmp_path: Path) -> None:
    built = build("demo-pages", shared / "corpus", check_files=False)
    assert not built.wrong()
    import gzip

    key = gzip.decompress((shared / "oracles" / "scores" / "in-the-wild.key.csv.gz").read_bytes()).decode()
    rows = list(csv.DictReader(key.splitlines()))
    meta = "".join(f"{r['file_name']},,{'spoof' if r['label'] == 'spoof' else 'bona-fide'}\n" for r in rows)
    (tmp_path / "meta.csv").write_text("file,speaker,label\n" + meta)
    assert not build("in-the-wild", tmp_path, check_files=False).wrong()
