"""Train, dev and test parts: by ratio, stratified, seeded, and disjoint by speaker, system, source or any column.

A clip and the clip that it was made from (``pair``) always stay on one side, because a copy gives its original away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from earwitness.data.manifest import BONAFIDE, LABELS, Manifest, Row
from earwitness.errors import ConfigError, ManifestError

UNKNOWN = ("error", "alone", "drop")


def split_manifest(
    manifest: Manifest,
    ratios: Mapping[str, float],
    *,
    disjoint: Sequence[str] = (),
    stratify: Sequence[str] = ("label",),
    unknown: str = "error",
    seed: int = 0,
) -> Manifest:
    """The manifest with a new ``split`` in every row.

    Groups (rows that must stay together) are dealt from the largest to the smallest, equal ones in the order of the
    seed, each to the part that is furthest behind its share of the group's strata. The result depends on ids, not on
    the order of the rows.

    Parameters
    ----------
    manifest:
        The rows.
    ratios:
        Part -> share, such as ``{"train": .7, "dev": .15, "test": .15}``; shares are positive and add up to 1.
    disjoint:
        Columns of which no value may stand in two parts. ``system`` binds generated clips only: people are in every
        part. Several columns bind together, which may leave few, large groups.
    stratify:
        Columns whose mixture shall be the same in every part.
    unknown:
        What to do with rows that have no value in a ``disjoint`` column: ``error``, ``alone`` (each its own group: it
        may share a speaker with another part, unknown to us) or ``drop``.
    seed:
        Another seed, another split.

    Raises
    ------
    ConfigError
        For shares that do not add up or an unknown word.
    ManifestError
        If rows have no value in a ``disjoint`` column, or a part ends without rows or without one of the classes.

    Examples
    --------
    >>> rows = [Row(f"{s}{i}-{label}.wav", label, speaker=s) for s in "abcd" for i in range(5) for label in LABELS]
    >>> parts = split_manifest(Manifest(rows), {"train": 0.5, "test": 0.5}, disjoint=["speaker"])
    >>> {split: sorted({r.speaker for r in parts.filter(split=split)}) for split in ("train", "test")}
    {'train': ['b', 'c'], 'test': ['a', 'd']}
    """
    _check_ratios(ratios, unknown)
    manifest.require(*disjoint)
    lacking = [i for i, row in enumerate(manifest) if any(not row.get(c) for c in _binding(row, disjoint))]
    if lacking and unknown == "error":
        raise ManifestError(
            f"{manifest.place(lacking[0])}: no {' or '.join(disjoint)}; so it is in {len(lacking):,} of "
            f"{len(manifest):,} rows",
            hint="say --unknown alone or --unknown drop",
        )
    if lacking and unknown == "drop":
        gone = set(lacking)
        manifest = manifest.keeping(i for i in range(len(manifest)) if i not in gone)
    groups = _groups(manifest, disjoint)
    part_of = _deal(manifest, groups, ratios, stratify, seed)
    result = manifest.map(lambda row: replace(row, split=part_of[row.id]))
    _check_parts(result, ratios, len(set(groups.values())), disjoint)
    return result


def _check_ratios(ratios: Mapping[str, float], unknown: str) -> None:
    if unknown not in UNKNOWN:
        raise ConfigError(f"unknown={unknown!r}", hint="allowed: " + ", ".join(UNKNOWN))
    if len(ratios) < 2 or min(ratios.values()) <= 0 or abs(sum(ratios.values()) - 1) > 1e-6:
        text = ", ".join(f"{name}={share:g}" for name, share in ratios.items())
        raise ConfigError(f"shares {text or 'are missing'}", hint="at least two, positive, adding up to 1")


def _binding(row: Row, disjoint: Sequence[str]) -> list[str]:
    return [c for c in disjoint if not (c == "system" and row.label == BONAFIDE)]


def _groups(manifest: Manifest, disjoint: Sequence[str]) -> dict[str, str]:
    """The group of each id: rows are joined by every shared value of a disjoint column, and by ``pair``."""
    parent: dict[Any, Any] = {}

    def top(node: Any) -> Any:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    ids = {row.id for row in manifest}
    for row in manifest:
        own = ("", row.id)
        for column in _binding(row, disjoint):
            if row.get(column):
                parent[top(own)] = top((column, row.get(column)))
        if row.pair in ids:
            parent[top(own)] = top(("", row.pair))
    smallest: dict[Any, str] = {}
    for row in sorted(manifest, key=lambda row: row.id):
        smallest.setdefault(top(("", row.id)), row.id)
    return {row.id: smallest[top(("", row.id))] for row in manifest}


def _deal(
    manifest: Manifest, groups: Mapping[str, str], ratios: Mapping[str, float], stratify: Sequence[str], seed: int
) -> dict[str, str]:
    strata: dict[tuple[str, ...], int] = {}
    counts: dict[str, Counter[int]] = {}
    for row in sorted(manifest, key=lambda row: row.id):
        stratum = strata.setdefault(tuple(row.get(c) for c in stratify), len(strata))
        counts.setdefault(groups[row.id], Counter())[stratum] += 1
    names = list(ratios)
    totals = Counter[int]()
    for counter in counts.values():
        totals.update(counter)
    # What each part still lacks of each stratum, as a share of the stratum, so that rare strata count as much
    # as common.
    want = np.array([[ratios[n]] * len(strata) for n in names]) * np.array([totals[s] for s in range(len(strata))])
    size = np.array([max(1, totals[s]) for s in range(len(strata))], float)
    order = sorted(counts)
    order = [order[i] for i in np.random.default_rng(seed).permutation(len(order))]
    order.sort(key=lambda g: -sum(counts[g].values()))
    chosen: dict[str, str] = {}
    for group in order:
        at = list(counts[group])
        amount = np.array([counts[group][s] for s in at], float)
        lack = want[:, at] / size[at]
        # Change of the squared lack when the group goes to a part; the smallest sum wins.
        change = ((lack - amount / size[at]) ** 2 - lack**2).sum(1)
        part = int(change.argmin())
        want[part, at] -= amount
        chosen[group] = names[part]
    return {row_id: chosen[group] for row_id, group in groups.items()}


def _check_parts(manifest: Manifest, ratios: Mapping[str, float], groups: int, disjoint: Sequence[str]) -> None:
    found = Counter((row.split, row.label) for row in manifest)
    labels = {row.label for row in manifest}
    for part in ratios:
        for label in LABELS:
            if label in labels and not found[part, label]:
                how = f"disjoint by {', '.join(disjoint)}" if disjoint else "pairs kept together"
                raise ManifestError(
                    f"the part {part!r} would have no {label} clip: {len(manifest):,} rows fall into {groups:,} groups "
                    f"({how})",
                    hint="fewer columns in --disjoint, fewer parts, or --unknown alone",
                )


def merge_manifests(manifests: Mapping[str, Manifest], *, prefix: bool = False) -> Manifest:
    """One manifest of several, with absolute paths.

    Parameters
    ----------
    manifests:
        Name -> manifest.
    prefix:
        Put ``name:`` before every id and pair, for corpora whose ids collide.

    Raises
    ------
    ManifestError
        If an id stands in two manifests.

    Examples
    --------
    >>> one, two = (Manifest([Row("a.wav", label, id="1")], root="/data") for label in LABELS)
    >>> [row.id for row in merge_manifests({"one": one, "two": two}, prefix=True)]
    ['one:1', 'two:1']
    """
    rows: list[Row] = []
    owner: dict[str, str] = {}
    for name, manifest in manifests.items():
        for row in manifest:
            new = replace(row, path=manifest.file(row).absolute().as_posix())
            if prefix:
                new = replace(new, id=f"{name}:{row.id}", pair=f"{name}:{row.pair}" if row.pair else "")
            if owner.setdefault(new.id, name) != name:
                raise ManifestError(
                    f"id {new.id!r} stands in {owner[new.id]} and in {name}", hint="keep both apart with --prefix"
                )
            rows.append(new)
    return Manifest(rows, root="/", where=" + ".join(manifests))
