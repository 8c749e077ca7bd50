"""Scores: checks, direction, keys, and score files in and out."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import ManifestError, MetricError
from earwitness.evaluate.keys import read_key
from earwitness.evaluate.score_files import read_scores, write_scores
from earwitness.evaluate.scores import Scores, turned


def manifest(*rows):
    return Manifest([Row(path, label, id=name) for name, path, label in rows], where="key.csv")


def test_scores_are_checked():
    with pytest.raises(ManifestError, match="NaN"):
        Scores.of("ab", [1.0, float("nan")])
    with pytest.raises(ManifestError, match="'a' occurs 2 times"):
        Scores.of("aa", [1.0, 2.0])
    with pytest.raises(MetricError, match="length"):
        Scores.of("abc", [1.0, 2.0])
    with pytest.raises(ManifestError, match="fake"):
        Scores.of("a", [1.0], ["fake"])
    with pytest.raises(ManifestError, match="direction"):
        turned(np.zeros(1), "up")
    with pytest.raises(ManifestError, match="--key"):
        _ = Scores.of("a", [1.0]).truth


def test_direction_is_turned_once_at_the_border():
    assert Scores.of("ab", [1.0, -2.0], direction="bonafide").scores.tolist() == [-1.0, 2.0]
    assert Scores.of("ab", [1.0, -2.0], direction="spoof").scores.tolist() == [1.0, -2.0]


def test_key_gives_labels_and_columns_in_its_own_order():
    key = Manifest([Row("y.wav", "spoof", id="b", system="vits"), Row("x.wav", "bonafide", id="a", extra={"sex": "f"})])
    found = Scores.of("ab", [1.0, 2.0]).keyed(key)
    assert found.ids == ("b", "a")
    assert found.scores.tolist() == [2.0, 1.0]
    assert found.truth.tolist() == [True, False]
    assert found.column("system") == ("vits", "")
    assert found.column("sex") == ("", "f")


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        (["clips/a.wav", "clips/b.wav"], [("a", "clips/a.wav", "spoof"), ("b", "clips/b.wav", "bonafide")]),
        (["/data/clips/a.flac", "/data/clips/b.flac"], [("a", "x.wav", "spoof"), ("b", "y.wav", "bonafide")]),
        (["a", "b"], [("1", "clips/a.wav", "spoof"), ("2", "clips/b.wav", "bonafide")]),
    ],
)
def test_ids_fit_by_path_and_by_file_name(ids, rows):
    assert Scores.of(ids, [1.0, 2.0]).keyed(manifest(*rows)).truth.tolist() == [True, False]


def test_left_over_ids_are_an_error_with_counts():
    with pytest.raises(ManifestError, match=r"1 scores without a label \(c\), 2 labels without a score \(d, e\)"):
        Scores.of("abc", [1.0, 2.0, 3.0]).keyed(
            manifest(*[(n, f"{n}.wav", "spoof") for n in "abde"]),
        )


def test_a_name_twice_once_folders_are_cut_is_an_error():
    with pytest.raises(ManifestError, match="'a' once folders"):
        Scores.of(["x/a.wav", "y/a.wav"], [1.0, 2.0]).keyed(manifest(("a", "q", "spoof"), ("b", "r", "spoof")))


def test_trials_without_a_score_need_none(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("id,score,reason\na,1.5,\nb,,too short\n")
    scores = read_scores(file, direction="spoof").keyed(manifest(("a", "a.wav", "spoof"), ("b", "b.wav", "bonafide")))
    assert scores.ids == ("a",)
    assert dict(scores.missing) == {"b": "too short"}
    assert scores.counts() == {"bonafide": 0, "spoof": 1, "without_score": 1}


@pytest.mark.parametrize(
    ("text", "ids", "values", "labels"),
    [
        ("u1 1.5\nu2 -2\n", ("u1", "u2"), [1.5, -2.0], None),
        ("u1 - bonafide 1.5\nu2 A07 spoof -2\n", ("u1", "u2"), [1.5, -2.0], ("bonafide", "spoof")),
        ("filename\tcm-score\nu1\t1.5\nu2\t-2\n", ("u1", "u2"), [1.5, -2.0], None),
        (
            "path,score,label\na b.wav,1.5,spoof\nc.wav,-2,bonafide\n",
            ("a b.wav", "c.wav"),
            [1.5, -2.0],
            ("spoof", "bonafide"),
        ),
        ("utt,score\nu1,1e3\n\nu2,-inf\n", ("u1", "u2"), [1000.0, -np.inf], None),
        ("a b.wav\t1.5\nc.wav\t-2\n", ("a b.wav", "c.wav"), [1.5, -2.0], None),
    ],
)
def test_formats_are_read(tmp_path, text, ids, values, labels):
    for file, data in ((tmp_path / "s.txt", text.encode()), (tmp_path / "s.txt.gz", gzip.compress(text.encode()))):
        file.write_bytes(data)
        scores = read_scores(file, direction="spoof")
        assert scores.ids == ids
        assert scores.scores.tolist() == values
        assert (None if scores.labels is None else scores.words()) == labels
        assert scores.name == "s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("u1 1.5\nu2 x\n", r"s.txt:2: the score is 'x'"),
        ("u1 nan\n", r"s.txt:1: the score is 'nan'"),
        ("u1 1.5\nu2\n", r"s.txt:2: 1 columns"),
        ("u1 - fake 1.5\n", r"s.txt:1: unknown label 'fake'"),
        ("a b c d e\n", r"s.txt:1: 5 columns"),
        ("score,label\n1,spoof\n", "no column names the trial"),
        ("utt,score,label\nu1,1\n", r"s.txt:2: 2 cells"),
        ("utt,score,label\nu1,1,real\n", r"s.txt:2: unknown label 'real'"),
        ("u1 1\nu1 2\n", "'u1' occurs 2 times"),
    ],
)
def test_broken_files_name_file_and_line(tmp_path, text, message):
    file = tmp_path / "s.txt"
    file.write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_scores(file, direction="spoof")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        read_scores(tmp_path / "none.txt", direction="spoof")
    with pytest.raises(ManifestError, match="folder"):
        read_scores(tmp_path, direction="spoof")
    file = tmp_path / "broken.gz"
    file.write_bytes(b"\x1f\x8b\x08nothing")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_scores(file, direction="spoof")


@given(
    values=st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20),
    form=st.sampled_from(["csv", "asvspoof2019", "asvspoof5"]),
    direction=st.sampled_from(["bonafide", "spoof"]),
    labelled=st.booleans(),
)
def test_written_files_read_back_exactly(tmp_path_factory, values, form, direction, labelled):
    words = ["spoof" if i % 2 else "bonafide" for i in range(len(values))] if labelled else None
    scores = Scores.of([f"LA_E_{i}" for i in range(len(values))], values, words)
    file = tmp_path_factory.mktemp("s") / "s.txt"
    assert write_scores(scores, file, form=form, direction=direction) == direction
    back = read_scores(file, direction=direction)
    assert back.ids == scores.ids
    assert np.array_equal(back.scores, scores.scores)
    if labelled and form != "asvspoof5":
        assert back.words() == scores.words()


def test_formats_have_their_customs(tmp_path):
    scores = Scores.of(["x/a.wav", "x/b.wav"], [1.0, -1.0], ["spoof", "bonafide"], meta={"system": ["my tts", "human"]})
    assert write_scores(scores, tmp_path / "a", form="asvspoof2019") == "bonafide"
    assert (tmp_path / "a").read_text() == "a my_tts spoof -1.0\nb - bonafide 1.0\n"
    assert write_scores(scores, tmp_path / "b", form="csv") == "spoof"
    assert (tmp_path / "b").read_text().splitlines()[:2] == ["id,label,score,system", "x/a.wav,spoof,1.0,my tts"]
    with pytest.raises(ManifestError, match="format"):
        write_scores(scores, tmp_path / "c", form="other")
    with pytest.raises(ManifestError, match="one name"):
        write_scores(Scores.of(["x/a.wav", "y/a.wav"], [1.0, 2.0]), tmp_path / "d", form="asvspoof5")
    with pytest.raises(ManifestError, match="blank"):
        write_scores(Scores.of(["a b.wav"], [1.0]), tmp_path / "e", form="asvspoof5")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "LA_0039 LA_E_1 - A11 spoof\nLA_1 LA_E_2 - - bonafide\n",
            [("LA_E_1", "spoof", "A11"), ("LA_E_2", "bonafide", "human")],
        ),
        ("LA_1 LA_E_9 alaw ita_tx A07 spoof notrim eval\n", [("LA_E_9", "spoof", "A07")]),
        ("E_1 E_2 F - - - AC3 A17 spoof -\n", [("E_2", "spoof", "A17")]),
        ("file,speaker,label\n0.wav,x,spoof\n1.wav,y,bona-fide\n", [("0.wav", "spoof", ""), ("1.wav", "bonafide", "")]),
        ("path,label,system,extra\na.wav,spoof,vits,7\n", [("a.wav", "spoof", "vits")]),
    ],
)
def test_keys_are_read(tmp_path, text, rows):
    file = tmp_path / "key.txt"
    file.write_text(text)
    assert [(r.id, r.label, r.system) for r in read_key(file)] == rows


def test_broken_keys_name_file_and_line(tmp_path):
    file = tmp_path / "key.txt"
    for text, message in (
        ("a b c\n", r"key.txt:1: not a known key line"),
        ("utt,label\na,real\n", r"key.txt:2: unknown label 'real'"),
        ("label,x\nspoof,1\n", "no column names the trial"),
        ("utt,label\n,spoof\n", r"key.txt:2: the column 'utt' is empty"),
    ):
        file.write_text(text)
        with pytest.raises(ManifestError, match=message):
            read_key(file)


@pytest.mark.corpus
def test_published_protocols_and_scores_fit(shared):
    folder = shared / "oracles"
    key = read_key(folder / "protocols" / "ASVspoof2019.LA.cm.eval.trl.txt.gz")
    scores = read_scores(folder / "scores" / "asvspoof2019-la-eval.air-softmax.txt.gz", direction="bonafide")
    again = scores.keyed(key)
    assert len(key) == len(again) == 71_237
    place = {name: i for i, name in enumerate(scores.ids)}
    order = [place[name] for name in again.ids]
    assert np.array_equal(again.truth, scores.truth[order])
    assert set(again.column("system")) == {"human", *(f"A{n:02d}" for n in range(7, 20))}
