"""Tables of a detector's errors by group, the worst group first, each with its counts and interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from earwitness.data.families import SEEN, UNSEEN_FAMILY, UNSEEN_NAME
from earwitness.evaluate.bootstrap import Interval, intervals
from earwitness.evaluate.clusters import by_trial_where, cluster_names, keeping_clusters
from earwitness.evaluate.groups import BY_SPOOF, BY_TRIAL, group_names
from earwitness.evaluate.measures import Measures
from earwitness.evaluate.scores import Scores
from earwitness.metrics.ranked import Bools
from earwitness.metrics.ranking import Convention
from earwitness.metrics.shares import wilson

#: rates over the clips of one label
OF_SPOOF = {"miss", "wrong_human"}
OF_BONAFIDE = {"false_alarm", "wrong_synthetic"}

MIN_CLIPS = 10
"""A rate of fewer trials than this is not printed."""
MIN_CLUSTERS = 3
"""A class with fewer clusters than this is drawn by trial."""


@dataclass(frozen=True)
class Group:
    """One row of a table. ``eer``, ``false_alarm`` and ``miss`` are None where there are under ten trials for them.

    ``false_alarm`` is the share of the group's human trials called spoof, ``miss`` the share of its spoof trials called
    human, both at the report's threshold.
    """

    name: str
    bonafide: int
    spoof: int
    eer: Interval | None
    false_alarm: Interval | None
    miss: Interval | None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        rates = {"eer": self.eer, "false_alarm": self.false_alarm, "miss": self.miss}
        return {
            "name": self.name,
            "bonafide": self.bonafide,
            "spoof": self.spoof,
            **{k: v.to_dict() if v is not None else None for k, v in rates.items()},
        }


@dataclass(frozen=True)
class Breakdown:
    """A table. ``against_all_human`` says that each group of spoofs was set against all human trials."""

    by: str
    against_all_human: bool
    groups: tuple[Group, ...]
    unnamed: int

    @property
    def worst(self) -> Group | None:
        """The group with the highest EER, or where none has one, the highest rate; None with one group."""
        return self.groups[0] if len(self.groups) > 1 and _badness(self.groups[0]) > (0, -1.0) else None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "by": self.by,
            "against_all_human": self.against_all_human,
            "trials_without_a_group": self.unnamed,
            "groups": [group.to_dict() for group in self.groups],
        }


@dataclass(frozen=True)
class Settings:
    """What all tables of a report share."""

    threshold: float = 0.0
    convention: Convention = "interpolated"
    by: tuple[str, ...] = ("source",)
    draws: int = 200
    seed: int = 0
    train_systems: tuple[str, ...] | None = None


def breakdowns(scores: Scores, settings: Settings | None = None) -> list[Breakdown]:
    """Every table for which the trials name at least two groups (one is enough for system, kind and novelty).

    Examples
    --------
    >>> labels = ["bonafide"] * 10 + ["spoof"] * 10
    >>> s = Scores.of([str(i) for i in range(20)], range(20), labels, meta={"kind": ["human"] * 10 + ["tts"] * 10})
    >>> [(t.by, t.groups[0].name, t.groups[0].eer.value) for t in breakdowns(s)]
    [('kind', 'tts', 0.0)]
    """
    chosen = settings or Settings()
    scores = keeping_clusters(scores, chosen.by)
    tables = [by_spoof(scores, by, chosen) for by in BY_SPOOF] + [by_trial(scores, by, chosen) for by in BY_TRIAL]
    return [t for t in tables if len(t.groups) > (0 if t.by in ("system", "kind", "novelty") else 1)]


def by_spoof(scores: Scores, by: str, settings: Settings) -> Breakdown:
    """Groups of spoof trials, each against all human trials.

    For ``novelty`` the row *unseen by name* holds all systems under another name than in training, and *unseen by
    family* those of them without a sibling there.
    """
    spoof = scores.truth
    names = np.array(group_names(scores, by, train_systems=settings.train_systems), dtype=object)
    groups = []
    for name in _present(names[spoof]):
        members = spoof & (names == name)
        if by == "novelty" and name == UNSEEN_NAME:
            members = spoof & np.isin(names, (UNSEEN_NAME, UNSEEN_FAMILY))
        groups.append(_group(scores, name, ~spoof | members, settings, against=True))
    if by == "novelty" and groups and not any(g.name == UNSEEN_NAME for g in groups):
        members = spoof & (names == UNSEEN_FAMILY)
        if members.any():
            groups.append(_group(scores, UNSEEN_NAME, ~spoof | members, settings, against=True))
    ordered = sorted(groups, key=_novelty_rank) if by == "novelty" else _worst_first(groups)
    return Breakdown(by, True, tuple(ordered), int((spoof & (names == "")).sum()))


def by_trial(scores: Scores, by: str, settings: Settings) -> Breakdown:
    """Groups of trials of both classes."""
    names = np.array(group_names(scores, by), dtype=object)
    groups = [_group(scores, name, names == name, settings, against=False) for name in _present(names)]
    return Breakdown(by, False, tuple(_worst_first(groups)), int((names == "").sum()))


def human_false_alarms(tables: Iterable[Breakdown]) -> list[tuple[str, Group]]:
    """All groups of human speech with a false-alarm rate, worst first, as (table, group)."""
    found = [(t.by, g) for t in tables if not t.against_all_human for g in t.groups if g.false_alarm is not None]
    return sorted(found, key=lambda pair: -pair[1].false_alarm.value if pair[1].false_alarm else 0.0)


def _present(names: Sequence[str] | np.ndarray) -> list[str]:
    return sorted({str(name) for name in names if name})


def _group(scores: Scores, name: str, members: Bools, settings: Settings, *, against: bool) -> Group:
    part = scores.where_true(members)
    spoof = int(part.truth.sum())
    human = len(part) - spoof
    wanted = []
    if min(spoof, human) >= MIN_CLIPS:
        wanted.append("eer")
    if spoof >= MIN_CLIPS:
        wanted.append("miss")
    if human >= MIN_CLIPS and not against:
        wanted.append("false_alarm")
    found: dict[str, Interval] = {}
    if wanted:
        part, freed = _freed(part, settings.by)
        measures = Measures(part, threshold=settings.threshold, convention=settings.convention)
        found = intervals(measures, wanted, by=settings.by, draws=settings.draws, seed=settings.seed)
        found = {k: with_width(replace(v, by=v.by + freed), part, k, settings.by) for k, v in found.items()}
    return Group(name, human, spoof, found.get("eer"), found.get("false_alarm"), found.get("miss"))


def _freed(scores: Scores, by: Sequence[str]) -> tuple[Scores, str]:
    """Scores whose classes have clusters enough to draw, and what had to be done for it, in words.

    The clips of one generator often come from one page: drawing pages then draws all of them or none, and the interval
    has no width. The clips of such a class are drawn one by one, which is too narrow as well, and said.
    """
    truth, done, freed = scores.truth, [], scores
    pairs = list(zip(*(cluster_names(scores, name) for name in by), strict=True))
    for word, side in (("bonafide", ~truth), ("spoof", truth)):
        members = np.flatnonzero(side).tolist()
        if 0 < len({pairs[i] for i in members}) < min(MIN_CLUSTERS, len(members)):
            done.append(word)
            freed = by_trial_where(freed, by, members)
    return freed, f" ({' and '.join(done)} by trial)" if done else ""


def with_width(found: Interval, scores: Scores, name: str, by: Sequence[str]) -> Interval:
    """A rate of exactly 0 or 1 has no width in any draw; then Wilson's interval over the clusters of the class."""
    if name not in OF_SPOOF | OF_BONAFIDE or found.low != found.high or found.value not in (0.0, 1.0):
        return found
    side = scores.truth if name in OF_SPOOF else ~scores.truth
    low, high = wilson(found.value, len(set(cluster_names(scores.where_true(side), by[0]))))
    return replace(found, low=low, high=high, by=f"{found.by}, Wilson")


def _badness(group: Group) -> tuple[int, float]:
    """Groups with an EER first, then those with one class only, then those too small for any rate."""
    if group.eer is not None:
        return 2, group.eer.value
    rates = [r.value for r in (group.false_alarm, group.miss) if r is not None]
    return (1, max(rates)) if rates else (0, -1.0)


def _worst_first(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda g: (*(-x for x in _badness(g)), g.name))


def _novelty_rank(group: Group) -> int:
    return (SEEN, UNSEEN_NAME, UNSEEN_FAMILY).index(group.name)
