"""Scores: one number a trial, in the house direction (higher = spoof), with labels and facts beside them.

Scores from elsewhere are turned around here, at the border, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal

import numpy as np
import numpy.typing as npt

from earwitness.data.manifest import BONAFIDE, LABELS, SPOOF, Manifest, Row
from earwitness.errors import ManifestError, MetricError
from earwitness.metrics.ranked import Bools, Floats

Direction = Literal["bonafide", "spoof"]
DIRECTIONS = ("bonafide", "spoof")
_NAMED = 3


@dataclass(frozen=True, eq=False)
class Scores:
    """What one detector said about a set of trials.

    Parameters
    ----------
    ids:
        Unique names of the trials.
    scores:
        Shape ``(trials,)``, higher = spoof; never NaN. Trials without a score stand in ``missing``.
    labels:
        Shape ``(trials,)``, True = spoof; None while there is no key.
    meta:
        Columns of text, one entry a trial, empty where not known: ``system, kind, speaker, language, source, split,
        pair, seconds`` and whatever the manifest or the scan adds.
    name:
        The detector's name in tables.
    missing:
        Id and reason of each trial that has no score.
    where:
        The file it came from, for messages.

    Examples
    --------
    >>> scores = Scores.of(["a", "b"], [0.5, -1.0], ["spoof", "bonafide"])
    >>> len(scores), scores.labels.tolist(), scores.column("system")
    (2, [True, False], ('', ''))
    """

    ids: tuple[str, ...]
    scores: Floats
    labels: Bools | None = None
    meta: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = "scores"
    missing: Mapping[str, str] = field(default_factory=dict)
    where: str = "scores"

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.scores), *(len(c) for c in self.meta.values())}
        if self.labels is not None:
            lengths.add(len(self.labels))
        if len(lengths) > 1 or self.scores.ndim != 1:
            raise MetricError(f"{self.where}: ids, scores, labels and columns differ in length: {sorted(lengths)}")
        if len(set(self.ids)) < len(self.ids):
            twice = Counter(self.ids).most_common(1)[0]
            raise ManifestError(f"{self.where}: the id {twice[0]!r} occurs {twice[1]} times", hint="ids must be unique")
        bad = np.flatnonzero(np.isnan(self.scores))
        if bad.size:
            raise ManifestError(
                f"{self.where}: {bad.size} scores are NaN, the first is that of {self.ids[bad[0]]!r}",
                hint="leave the line out, and say how many trials have no score",
            )

    @classmethod
    def of(
        cls,
        ids: Iterable[str],
        scores: npt.ArrayLike,
        labels: Iterable[str] | None = None,
        *,
        direction: Direction = "spoof",
        meta: Mapping[str, Sequence[str]] | None = None,
        name: str = "scores",
        where: str = "scores",
    ) -> Scores:
        """Scores from plain sequences; ``labels`` are the words ``bonafide`` and ``spoof``.

        Raises
        ------
        ManifestError
            For another word, an id that occurs twice, a NaN or an unknown direction.
        """
        values = np.array(scores, dtype=np.float64)
        truth = None if labels is None else spoof_flags(labels, where)
        columns = {k: tuple(v) for k, v in (meta or {}).items()}
        return cls(tuple(ids), turned(values, direction), truth, columns, name, {}, where)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truth(self) -> Bools:
        """The labels, True = spoof.

        Raises
        ------
        ManifestError
            When there are none.
        """
        if self.labels is None:
            raise ManifestError(f"{self.where}: the scores come without labels", hint="give the labels with --key")
        return self.labels

    def column(self, name: str) -> tuple[str, ...]:
        """A column of text; empty entries when there is no such column."""
        return self.meta.get(name, ("",) * len(self))

    def numbers(self, name: str) -> Floats:
        """A column as numbers; NaN where it is empty or not a number."""
        return np.array([_number(cell) for cell in self.column(name)], dtype=np.float64)

    def where_true(self, mask: npt.ArrayLike) -> Scores:
        """The trials for which ``mask`` (trials,) is true, in order."""
        keep = np.flatnonzero(np.asarray(mask, dtype=bool))
        labels = None if self.labels is None else self.labels[keep]
        meta = {name: tuple(column[i] for i in keep) for name, column in self.meta.items()}
        return replace(self, ids=tuple(self.ids[i] for i in keep), scores=self.scores[keep], labels=labels, meta=meta)

    def mapped(self, change: Callable[[Floats], Floats]) -> Scores:
        """The same trials with other scores, such as calibrated ones."""
        return replace(self, scores=np.asarray(change(self.scores), dtype=np.float64))

    def named(self, name: str) -> Scores:
        """The same scores under another name."""
        return replace(self, name=name)

    def keyed(self, key: Manifest) -> Scores:
        """The scores with the labels and columns of a key, in the key's order.

        Ids are compared as they stand; if none fits, without folders and endings (``flac/LA_E_1.flac`` = ``LA_E_1``).
        Trials that the scores list as ``missing`` need no score.

        Raises
        ------
        ManifestError
            When ids are left over on either side, with counts and the first names.
        """
        rows = list(key)
        mine, theirs = _matched(self, rows, key.where)
        place = {name: index for index, name in enumerate(mine)}
        excused = set(self.missing) | {_stem(i) for i in self.missing}
        absent = [name for name in theirs if name not in place and name not in excused]
        known = set(theirs)
        extra = [name for name in mine if name not in known]
        if absent or extra:
            raise ManifestError(
                f"{self.where} and {key.where} do not hold the same trials: {len(extra):,} scores without a label"
                f"{_some(extra)}, {len(absent):,} labels without a score{_some(absent)}",
                hint=f"{len(known & set(place)):,} of {len(place):,} scores and {len(known):,} labels match",
                code="unmatched-ids",
            )
        chosen = [(row, place[name]) for row, name in zip(rows, theirs, strict=True) if name in place]
        order = np.array([index for _, index in chosen], dtype=np.intp)
        own = {n: tuple(c[i] for i in order) for n, c in self.meta.items()}
        return replace(
            self,
            ids=tuple(self.ids[i] for i in order),
            scores=self.scores[order],
            labels=np.array([row.spoof for row, _ in chosen], dtype=np.bool_),
            meta={**own, **meta_of([row for row, _ in chosen])},
        )

    def words(self) -> tuple[str, ...]:
        """The labels as words."""
        return tuple(SPOOF if spoof else BONAFIDE for spoof in self.truth)

    def counts(self) -> dict[str, int]:
        """Trials by class, and those without a score."""
        spoof = int(self.truth.sum())
        return {BONAFIDE: len(self) - spoof, SPOOF: spoof, "without_score": len(self.missing)}


def turned(scores: Floats, direction: str) -> Floats:
    """Scores in the house direction, higher = spoof, from ``direction``: what a higher score speaks for.

    Examples
    --------
    >>> turned(np.array([1.0, -2.0]), "bonafide").tolist()
    [-1.0, 2.0]
    """
    if direction not in DIRECTIONS:
        raise ManifestError(f"unknown direction {direction!r}", hint="say what a higher score means: bonafide or spoof")
    return -scores if direction == "bonafide" else scores


def spoof_flags(words: Iterable[str], where: str) -> Bools:
    """Labels as flags, True = spoof; any word but the two is an error that names its position."""
    flags = []
    for index, word in enumerate(words):
        if word not in LABELS:
            raise ManifestError(f"{where}: unknown label {word!r} in row {index + 1}", hint="bonafide or spoof")
        flags.append(word == SPOOF)
    return np.array(flags, dtype=np.bool_)


def meta_of(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """The columns of manifest rows that hold anything, as text."""
    columns: dict[str, None] = dict.fromkeys(
        ("path", "system", "kind", "speaker", "language", "split", "source", "pair", "seconds")
    )
    for row in rows:
        columns.update(dict.fromkeys(row.extra))
    columns.pop("listed_in", None)
    table = {name: tuple(row.get(name) for row in rows) for name in columns}
    return {name: cells for name, cells in table.items() if any(cells)}


def _matched(scores: Scores, rows: Sequence[Row], where: str) -> tuple[list[str], list[str]]:
    """Names of both sides under which they fit: ids, the key's paths, or bare file names."""
    mine = list(scores.ids)
    known = {*mine, *scores.missing}
    for theirs in ([r.id for r in rows], [r.path for r in rows]):
        if known & set(theirs):
            return mine, theirs
    for name in ("id", "path"):
        theirs = [_stem(row.get(name)) for row in rows]
        bare = [_stem(i) for i in mine]
        if {*bare, *(_stem(i) for i in scores.missing)} & set(theirs):
            for side, names in ((scores.where, bare), (where, theirs)):
                if len(set(names)) < len(names):
                    twice = Counter(names).most_common(1)[0][0]
                    raise ManifestError(
                        f"{side}: several trials are named {twice!r} once folders and endings are cut off",
                        hint="give both files the same ids",
                    )
            return bare, theirs
    return mine, [r.id for r in rows]


def _stem(name: str) -> str:
    return PurePath(name).stem


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    return " (" + ", ".join(names[:_NAMED]) + (" …)" if len(names) > _NAMED else ")")


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
