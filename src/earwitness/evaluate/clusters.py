"""Which trials belong together: the clusters that a bootstrap draws instead of single trials.

Trials of one speaker, of one page or of one generator are alike, so that intervals over single trials are too narrow.
Where a name is not known, the next best is taken: speaker → source → the trial itself; system → source (all human
speech) → the trial. Copy-synthesis clips belong to the source of the human clip they were made from, classical
synthesisers, which share one source name, to their system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from earwitness.errors import ConfigError
from earwitness.evaluate.scores import Scores
from earwitness.metrics.ranked import Ints

CLUSTERS = ("source", "speaker", "system", "trial")
SHARED_SOURCES = {"copy-synthesis": "pair", "classical-tts": "system"}
"""Source names that stand for many unrelated clips, and the column to go by instead."""


_KEPT = "cluster by "


def cluster_names(scores: Scores, by: str) -> list[str]:
    """The name of each trial's cluster, marked with the column it comes from.

    Parameters
    ----------
    by:
        ``source``, ``speaker``, ``system`` or ``trial``.

    Raises
    ------
    ConfigError
        For another word.

    Examples
    --------
    >>> s = Scores.of("abc", [1, 2, 3], meta={"speaker": ["p1", "", ""], "source": ["x", "y", ""]})
    >>> cluster_names(s, "speaker")
    ['speaker=p1', 'source=y', 'trial=c']
    """
    if by not in CLUSTERS:
        raise ConfigError(f"unknown cluster {by!r}", hint="known: " + ", ".join(CLUSTERS))
    if _KEPT + by in scores.meta:
        return list(scores.meta[_KEPT + by])
    sources = _sources(scores)
    if by == "trial":
        return [f"trial={name}" for name in scores.ids]
    if by == "source":
        return sources
    column = scores.column(by)
    spoof = scores.labels if by == "system" else None
    return [f"{by}={name}" if name and (spoof is None or spoof[i]) else sources[i] for i, name in enumerate(column)]


def keeping_clusters(scores: Scores, by: Sequence[str]) -> Scores:
    """The same scores with their cluster names beside them, so that parts of them need not work them out again."""
    names = {_KEPT + name: tuple(cluster_names(scores, name)) for name in by}
    return replace(scores, meta={**scores.meta, **names})


def by_trial_where(scores: Scores, by: Sequence[str], members: Iterable[int]) -> Scores:
    """The same scores, the trials at ``members`` a cluster each."""
    chosen = list(members)
    meta = dict(scores.meta)
    for name in by:
        names = cluster_names(scores, name)
        for index in chosen:
            names[index] = f"trial={scores.ids[index]}"
        meta[_KEPT + name] = tuple(names)
    return replace(scores, meta=meta)


def _sources(scores: Scores) -> list[str]:
    source, system, pair = (scores.column(c) for c in ("source", "system", "pair"))
    origin = dict(zip(scores.ids, source, strict=True))
    names = []
    for index, name in enumerate(source):
        instead = SHARED_SOURCES.get(name)
        if instead == "pair" and pair[index]:
            name = origin.get(pair[index]) or f"pair of {pair[index]}"
        elif instead == "system" and system[index]:
            name = f"{name} {system[index]}"
        elif instead == "pair":
            name = ""
        names.append(f"source={name}" if name else f"trial={scores.ids[index]}")
    return names


def cluster_codes(scores: Scores, by: str) -> tuple[Ints, int]:
    """Cluster numbers from 0, one a trial, and how many clusters there are.

    Examples
    --------
    >>> cluster_codes(Scores.of("ab", [1, 2], meta={"source": ["x", "x"]}), "source")[1]
    1
    """
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(name, len(numbers)) for name in cluster_names(scores, by)]
    return np.array(codes, dtype=np.intp), len(numbers)


def parse_clusters(text: str) -> tuple[str, ...]:
    """``"source"`` or two at once, ``"source+system"``.

    Examples
    --------
    >>> parse_clusters("speaker+system")
    ('speaker', 'system')
    """
    names: Sequence[str] = text.split("+")
    unknown = [n for n in names if n not in CLUSTERS]
    if unknown or len(set(names)) < len(names) or len(names) > 2:
        raise ConfigError(f"unknown clustering {text!r}", hint="one of " + ", ".join(CLUSTERS) + ", or two joined by +")
    return tuple(names)
