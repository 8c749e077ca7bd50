"""Which clips a batch is made of."""

from __future__ import annotations

from collections import Counter

import pytest

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import TrainingError
from earwitness.train.plain import EvenSampler, ShuffleSampler, make_sampler
from earwitness.train.sampling import GROUP, GroupSampler, SamplingSettings, source_classes


def rows() -> list[Row]:
    out = []
    for page, (human, fake) in {"a": (30, 10), "b": (5, 5), "c": (3, 0), "d": (0, 4)}.items():
        out += [Row(f"{page}/h{i}.wav", "bonafide", source=page) for i in range(human)]
        out += [Row(f"{page}/f{i}.wav", "spoof", system=f"s{i % 2}", source=page) for i in range(fake)]
    out += [Row(f"v/{i}.wav", "spoof", system="world", source="copy-synthesis", pair=f"a/h{i}.wav") for i in range(6)]
    return out


def sampler(**settings: float) -> GroupSampler:
    return GroupSampler(Manifest(rows(), root="."), SamplingSettings(**settings), seed=3)


def test_two_humans_then_two_generated() -> None:
    drawn = sampler()
    for group in drawn.groups(0, 50):
        assert len(group) == GROUP
        assert [drawn.rows[i].label for i in group] == ["bonafide", "bonafide", "spoof", "spoof"]


def test_step_alone_decides() -> None:
    assert sampler().groups(7, 20) == sampler().groups(7, 20)
    assert sampler().groups(7, 20) != sampler().groups(8, 20)


def test_within_source_means_one_source() -> None:
    drawn = sampler(within_source=1.0, pairs=0.0)
    for group in drawn.groups(0, 100):
        sources = {drawn.rows[i].source for i in group} - {"copy-synthesis"}
        assert len(sources) == 1
        assert sources <= {"a", "b"}


def test_pairs_are_a_clip_and_its_own_copy() -> None:
    drawn = sampler(within_source=0.0, pairs=1.0)
    for group in drawn.groups(0, 30):
        first, second, fake, other = (drawn.rows[i] for i in group)
        assert (fake.pair, other.pair) == (first.id, second.id)


def test_copies_of_many_sources_count_as_one_source() -> None:
    many = []
    for page in range(20):
        many += [Row(f"{page}/h{i}.wav", "bonafide", source=f"p{page}") for i in range(2)]
        many += [Row(f"{page}/f{i}.wav", "spoof", system=f"s{page}", source=f"p{page}") for i in range(4)]
        copy = {"system": "world", "source": "copy-synthesis", "pair": f"{page}/h0.wav"}
        many += [Row(f"v/{page}-{i}.wav", "spoof", **copy) for i in range(4)]

    def share(settings: SamplingSettings) -> float:
        drawn = GroupSampler(Manifest(many, root="."), settings, seed=3)
        fakes = [drawn.rows[i] for step in range(20) for group in drawn.groups(step, 25) for i in group[2:]]
        return sum(row.source == "copy-synthesis" for row in fakes) / len(fakes)

    alone = share(SamplingSettings(within_source=0.0))
    beside = share(SamplingSettings(within_source=0.0, no_pair_source=("copy-synthesis",)))
    # eighty copies of one source against twenty sources of four clips, by the square root; or twenty against twenty
    assert alone == pytest.approx(80**0.5 / (80**0.5 + 20 * 2), abs=0.04)
    assert beside == pytest.approx(0.5, abs=0.05)


def test_tempering_zero_is_even_over_sources() -> None:
    drawn = sampler(within_source=1.0, pairs=0.0, tempering=0.0)
    counts = Counter(drawn.rows[group[0]].source for step in range(20) for group in drawn.groups(step, 50))
    assert abs(counts["a"] - counts["b"]) < 120
    assert sum(counts.values()) == 1000


def test_one_label_alone_is_an_error() -> None:
    only = Manifest([Row("a.wav", "bonafide")], root=".")
    with pytest.raises(TrainingError, match="spoof"):
        GroupSampler(only, SamplingSettings(), seed=0)


def test_shuffle_takes_every_clip_once_in_turn() -> None:
    manifest = Manifest(rows(), root=".")
    drawn = ShuffleSampler(manifest, seed=1)
    count = len(manifest)
    flat = [i for step in range(count) for group in drawn.groups(step, 2) for i in group]
    for turn in range(8):
        assert sorted(flat[turn * count : (turn + 1) * count]) == list(range(count))
    assert flat[:count] != flat[count : 2 * count]
    assert ShuffleSampler(manifest, seed=1).groups(5, 2) == drawn.groups(5, 2)


def test_even_over_labels_then_systems() -> None:
    drawn = EvenSampler(Manifest(rows(), root="."), ["label", "system"], seed=1)
    found = Counter(drawn.rows[i].system or "human" for step in range(400) for g in drawn.groups(step, 4) for i in g)
    total = sum(found.values())
    assert found["human"] / total == pytest.approx(1 / 2, abs=0.03)
    for system in ("s0", "s1", "world"):
        assert found[system] / total == pytest.approx(1 / 6, abs=0.03)


def test_even_over_sources() -> None:
    drawn = EvenSampler(Manifest(rows(), root="."), ["source"], seed=1)
    found = Counter(drawn.rows[i].source for step in range(400) for g in drawn.groups(step, 4) for i in g)
    for source in ("a", "b", "c", "d", "copy-synthesis"):
        assert found[source] / sum(found.values()) == pytest.approx(1 / 5, abs=0.03)


@pytest.mark.parametrize(
    ("law", "kind"), [("groups", GroupSampler), ("shuffle", ShuffleSampler), ("even", EvenSampler)]
)
def test_laws(law: str, kind: type) -> None:
    made = make_sampler(Manifest(rows(), root="."), SamplingSettings(law=law), seed=0)
    assert isinstance(made, kind)
    with pytest.raises(TrainingError, match="no row with the label spoof"):
        make_sampler(Manifest(rows()[:3], root="."), SamplingSettings(law=law), seed=0)


def test_copies_count_to_the_source_of_their_pair() -> None:
    made = list(Manifest(rows(), root="."))
    classes, count = source_classes(made, SamplingSettings(no_pair_source=("copy-synthesis",)))
    by_source = {row.source: c for row, c in zip(made, classes, strict=True)}
    assert (by_source["a"], by_source["b"], by_source["c"], by_source["d"]) == (0, 1, -1, -1)
    assert by_source["copy-synthesis"] == 0
    assert count == 2
    alone, _ = source_classes(made, SamplingSettings())
    assert {c for row, c in zip(made, alone, strict=True) if row.source == "copy-synthesis"} == {-1}
