"""Splits: shares, disjoint columns, pairs, seeds; merging."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from earwitness.data.manifest import Manifest, Row
from earwitness.data.splits import merge_manifests, split_manifest
from earwitness.errors import ConfigError, ManifestError

THREE = {"train": 0.7, "dev": 0.15, "test": 0.15}


def corpus(clips: int = 600) -> Manifest:
    rng = random.Random(0)
    rows = []
    for i in range(clips):
        fake = i % 3 == 0
        system = f"s{rng.randrange(30)}" if fake else "human"
        rows.append(
            Row(
                f"{i}.wav",
                "spoof" if fake else "bonafide",
                system=system,
                speaker=f"p{rng.randrange(40)}",
                source=f"q{rng.randrange(25)}",
                language=rng.choice(["en", "de"]),
            )
        )
    return Manifest(rows)


def share(manifest: Manifest, **columns: str) -> Counter[str]:
    return Counter(row.split for row in manifest.filter(**columns))


def test_shares_are_exact_in_every_stratum() -> None:
    parts = split_manifest(corpus(), THREE, stratify=("label", "language"))
    for label in ("bonafide", "spoof"):
        for language in ("en", "de"):
            counts = share(parts, label=label, language=language)
            total = counts.total()
            for part, wanted in THREE.items():
                assert abs(counts[part] - wanted * total) <= 1


@pytest.mark.parametrize("column", ["speaker", "source", "system"])
def test_disjoint_columns_share_no_value(column: str) -> None:
    parts = split_manifest(corpus(), {"train": 0.8, "test": 0.2}, disjoint=[column])
    places: dict[str, set[str]] = defaultdict(set)
    for row in parts:
        if not (column == "system" and not row.spoof):
            places[row.get(column)].add(row.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert 0.15 < share(parts)["test"] / len(parts) < 0.25
    assert all(share(parts, label=label)["test"] for label in ("bonafide", "spoof"))


def test_seed_and_order() -> None:
    manifest = corpus()
    one = {row.id: row.split for row in split_manifest(manifest, THREE, seed=1)}
    shuffled = Manifest(random.Random(5).sample(list(manifest), len(manifest)))
    assert {row.id: row.split for row in split_manifest(shuffled, THREE, seed=1)} == one
    other = {row.id: row.split for row in split_manifest(manifest, THREE, seed=2)}
    assert sum(one[i] != other[i] for i in one) > 100


def test_pairs_stay_together() -> None:
    human = [Row(f"h{i}.wav", "bonafide", id=f"h{i}") for i in range(100)]
    copies = [Row(f"c{i}-{k}.wav", "spoof", id=f"c{i}-{k}", pair=f"h{i}") for i in range(100) for k in range(3)]
    parts = split_manifest(Manifest([*copies, *human]), THREE)
    splits = {row.id: row.split for row in parts}
    assert all(splits[row.id] == splits[row.pair] for row in parts if row.pair)
    assert abs(share(parts, label="bonafide")["test"] - 15) <= 1


def test_rows_without_a_value() -> None:
    manifest = Manifest([*corpus(), *(Row(f"x{i}.wav", "spoof", source="q1") for i in range(10))])
    with pytest.raises(ManifestError, match="no speaker; so it is in 10 of 610"):
        split_manifest(manifest, THREE, disjoint=["speaker"])
    assert len(split_manifest(manifest, THREE, disjoint=["speaker"], unknown="drop")) == 600
    assert len(split_manifest(manifest, THREE, disjoint=["speaker"], unknown="alone")) == 610


def test_impossible_splits_are_errors() -> None:
    one_source = Manifest([Row(f"{i}.wav", label, source="q") for i, label in enumerate(["bonafide", "spoof"] * 9)])
    with pytest.raises(ManifestError, match="would have no"):
        split_manifest(one_source, THREE, disjoint=["source"])
    with pytest.raises(ManifestError, match="no column 'speaker'"):
        split_manifest(one_source, THREE, disjoint=["speaker"])
    for shares in ({"train": 1.0}, {"train": 0.8, "test": 0.3}, {"train": 1.2, "test": -0.2}, {}):
        with pytest.raises(ConfigError):
            split_manifest(one_source, shares)
    with pytest.raises(ConfigError):
        split_manifest(one_source, THREE, unknown="guess")


def test_merge_keeps_pairs_and_refuses_collisions() -> None:
    one = Manifest([Row("a.wav", "bonafide", id="1"), Row("b.wav", "spoof", id="2", pair="1")], root="/one")
    two = Manifest([Row("a.wav", "bonafide", id="1")], root="/two")
    with pytest.raises(ManifestError, match="'1' stands in one and in two"):
        merge_manifests({"one": one, "two": two})
    merged = merge_manifests({"one": one, "two": two}, prefix=True)
    assert [(row.id, row.pair, row.path) for row in merged] == [
        ("one:1", "", "/one/a.wav"),
        ("one:2", "one:1", "/one/b.wav"),
        ("two:1", "", "/two/a.wav"),
    ]
