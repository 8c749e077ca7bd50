"""Which clips a batch is made of."""

from __future__ import annotations

from collections import Counter

import pytest

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import TrainingError
from earwitness.train.sampling import GROUP, GroupSampler, SamplingSettings


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


def test_tempering_zero_is_even_over_sources() -> None:
    drawn = sampler(within_source=1.0, pairs=0.0, tempering=0.0)
    counts = Counter(drawn.rows[group[0]].source for step in range(20) for group in drawn.groups(step, 50))
    assert abs(counts["a"] - counts["b"]) < 120
    assert sum(counts.values()) == 1000


def test_one_label_alone_is_an_error() -> None:
    only = Manifest([Row("a.wav", "bonafide")], root=".")
    with pytest.raises(TrainingError, match="spoof"):
        GroupSampler(only, SamplingSettings(), seed=0)
