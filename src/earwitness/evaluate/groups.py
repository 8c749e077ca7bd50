"""How trials fall into groups for the breakdown tables: bands of duration, SNR and bandwidth, codes, novelty."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from earwitness.data.families import Novelty, is_classical
from earwitness.evaluate.scores import Scores

DURATION_EDGES = (2.0, 5.0, 10.0)
SNR_EDGES = (10.0, 20.0, 30.0)
BANDWIDTH_EDGES = (4.0, 7.0)

BY_SPOOF = ("system", "kind", "technique", "novelty")
"""Groups of spoof trials; each is set against all human trials."""
BY_TRIAL = ("corpus", "source", "language", "sex", "codec", "duration", "snr", "bandwidth")
"""Groups of trials of both classes."""
OPTIONAL = {"sex": ("sex", "gender"), "codec": ("codec",), "corpus": ("dataset", "corpus")}
"""Tables that a manifest may have a column for, under one of these names."""

_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")


def group_names(scores: Scores, by: str, *, train_systems: Iterable[str] | None = None) -> tuple[str, ...]:
    """The group of each trial, empty where it has none.

    Parameters
    ----------
    by:
        Of :data:`BY_SPOOF` and :data:`BY_TRIAL`.
    train_systems:
        What the detector was trained on; ``novelty`` is empty without it.

    Examples
    --------
    >>> s = Scores.of("abc", [1, 2, 3], meta={"seconds": ["1.5", "4", ""], "language": ["en", "en/ja", "de"]})
    >>> group_names(s, "duration"), group_names(s, "language")
    (('under 2 s', '2 to 5 s', ''), ('en', '', 'de'))
    """
    if by == "novelty":
        if train_systems is None:
            return ("",) * len(scores)
        known = Novelty(train_systems)
        return tuple(known(system) for system in scores.column("system"))
    if by == "technique":
        return tuple(_technique(system) for system in scores.column("system"))
    if by == "language":
        # Mixed codes (en/ja, multi) say nothing about one language.
        return tuple(c if _CODE.fullmatch(c) and c not in ("multi", "mul", "und") else "" for c in scores.column(by))
    if by == "duration":
        return _banded(scores, "seconds", DURATION_EDGES, "s")
    if by == "snr":
        return _banded(scores, "snr_db", SNR_EDGES, "dB")
    if by == "bandwidth":
        return _banded(scores, "bandwidth_hz", BANDWIDTH_EDGES, "kHz", unit=1000.0)
    for column in OPTIONAL.get(by, (by,)):
        cells = scores.column(column)
        if any(cells):
            return cells
    return ("",) * len(scores)


def _technique(system: str) -> str:
    if system in ("", "human", "unknown"):
        return ""
    return "classical synthesis" if is_classical(system) else "neural"


def _banded(scores: Scores, column: str, edges: tuple[float, ...], word: str, *, unit: float = 1.0) -> tuple[str, ...]:
    names = [f"under {edges[0]:g} {word}"]
    names += [f"{low:g} to {high:g} {word}" for low, high in itertools.pairwise(edges)]
    names.append(f"over {edges[-1]:g} {word}")
    out = []
    for value in (scores.numbers(column) / unit).tolist():
        out.append("" if value != value else names[sum(value >= edge for edge in edges)])
    return tuple(out)
