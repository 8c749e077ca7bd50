"""What a detector's errors have in common: can trivial cues foretell them, and which sources and systems have most.

A false alarm is a human clip at or above the threshold, a miss a generated clip below it. If a small tree on duration,
level, silence and bandwidth foretells errors on sources that it has not seen, the detector leans on those cues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earwitness.data.manifest import Manifest, Row
from earwitness.data.measure import Measured
from earwitness.data.shortcuts import NUMBERS, Foretold, foretell
from earwitness.evaluate.rows import ResultRow, machine_name
from earwitness.evaluate.scores import Scores
from earwitness.metrics.shares import wilson

TOLERATED = 0.65
"""An area under the curve above which a cue has to be named."""
SIDES = {"false_alarm": "bonafide", "miss": "spoof"}
GROUPINGS = ("source", "system", "kind", "language", "dataset", "source_rate", "source_container")
LEAST = 10
"""Groups with fewer clips are not listed."""
MOST = 12


@dataclass(frozen=True)
class Group:
    """Clips that have one value in one column: how many, how many of them wrong, and Wilson's 95 % interval."""

    by: str
    name: str
    clips: int
    wrong: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of its clips, those that are wrong."""
        return self.wrong / self.clips


@dataclass(frozen=True)
class Side:
    """One kind of error: what foretells it, the groups with most of it, thirds of the strongest cues, worst clips."""

    name: str
    foretold: Foretold
    groups: tuple[Group, ...]
    thirds: tuple[tuple[str, tuple[float, float, float], tuple[float, float]], ...]
    worst: tuple[tuple[str, str, str, float], ...]

    @property
    def share(self) -> float:
        """Of all its clips, those that are wrong."""
        return self.foretold.yes / max(self.foretold.clips, 1)


def analyse(
    scores: Scores, manifest: Manifest, clips: Sequence[Measured | str], *, threshold: float = 0.0, seed: int = 0
) -> list[Side]:
    """False alarms and misses of one detector, apart.

    Parameters
    ----------
    scores:
        Labelled, higher = spoof.
    manifest:
        The rows.
    clips:
        What the audit measured of each row (see :func:`earwitness.data.measuring.measure_all`); a text says why not.
    threshold:
        At and above it a clip is called generated.
    seed:
        For the folds.
    """
    llr = dict(zip(scores.ids, scores.scores.tolist(), strict=True))
    out = []
    for name, label in SIDES.items():
        keep = [
            i
            for i, (row, clip) in enumerate(zip(manifest, clips, strict=True))
            if row.label == label and row.id in llr and not isinstance(clip, str)
        ]
        rows = [manifest[i] for i in keep]
        measured = [clip for clip in (clips[i] for i in keep) if not isinstance(clip, str)]
        values = np.array([llr[row.id] for row in rows])
        wrong = values >= threshold if label == "bonafide" else values < threshold
        found = foretell(manifest.keeping(keep), measured, wrong, seed=seed)
        worst = np.argsort(values if name == "miss" else -values)[:MOST]
        out.append(
            Side(
                name,
                found,
                tuple(_groups(rows, wrong)),
                tuple(_thirds(found, measured, wrong)),
                tuple((rows[i].id, rows[i].source, rows[i].system, float(values[i])) for i in worst if wrong[i]),
            )
        )
    return out


def _groups(rows: Sequence[Row], wrong: np.ndarray) -> list[Group]:
    found = []
    for by in GROUPINGS:
        counts: Counter[str] = Counter(row.get(by) for row in rows)
        bad: Counter[str] = Counter(row.get(by) for row, w in zip(rows, wrong.tolist(), strict=True) if w)
        named = {k: v for k, v in counts.items() if k and v >= LEAST}
        if len(named) > 1:
            found += [Group(by, k, v, bad[k], *wilson(bad[k] / v, v)) for k, v in named.items()]
    return sorted(found, key=lambda g: (GROUPINGS.index(g.by), -g.share, g.name))


def _thirds(
    found: Foretold, clips: Sequence[Measured], wrong: np.ndarray
) -> list[tuple[str, tuple[float, float, float], tuple[float, float]]]:
    """Share of errors in the lower, middle and upper third of each of the strongest cues, and the two cuts."""
    out = []
    for name, _, _ in found.cues[:6]:
        values = np.array([getattr(clip, name) for clip in clips], dtype=np.float64)
        cuts = np.quantile(values, [1 / 3, 2 / 3])
        place = np.searchsorted(cuts, values, side="right")
        shares = [float(wrong[place == k].mean()) if (place == k).any() else float("nan") for k in range(3)]
        out.append((name, (shares[0], shares[1], shares[2]), (float(cuts[0]), float(cuts[1]))))
    return out


def result_rows(sides: Sequence[Side], *, recipe: str, commit: str, dataset: str, split: str) -> list[ResultRow]:
    """Rows: the areas for both kinds of error, of each cue, and the share of errors of each group."""
    fixed, place, rows = (recipe, commit, dataset, split, "dev"), machine_name(), []
    for side in sides:
        found = side.foretold
        low, high = found.interval or (None, None)
        rows.append(ResultRow(*fixed, f"AUC of trivial cues for {side.name}", found.auc, low, high, machine=place))
        rows.append(ResultRow(*fixed, side.name, side.share, *wilson(side.share, max(found.clips, 1)), machine=place))
        for name, area, _ in found.cues[:10]:
            rows.append(ResultRow(*fixed, f"AUC of {name} for {side.name}", area, machine=place))
        for g in side.groups:
            rows.append(ResultRow(*fixed, f"{side.name}[{g.by}={g.name}]", g.share, g.low, g.high, machine=place))
    return rows


def page(sides: Sequence[Side], *, name: str, place: str, command: str) -> str:
    """The findings in Markdown."""
    lines = [
        "# What the errors have in common",
        "",
        f"Generated by `{command}`; {name}, {place}.",
        "A clip counts as called generated from a log-likelihood ratio of 0",
        "on: every clip is right or wrong here, none inconclusive. Intervals: Wilson's, over clips.",
    ]
    for side in sides:
        lines += ["", *_side(side)]
    return "\n".join(lines) + "\n"


def _side(side: Side) -> list[str]:
    found = side.foretold
    title = {"false_alarm": "False alarms: people called generated", "miss": "Misses: generated speech called human"}
    lines = [f"## {title[side.name]}", "", f"{found.yes:,} of {found.clips:,} clips ({100 * side.share:.1f} %)."]
    if found.auc is None:
        lines[-1] += f" No tree: {found.reason}."
    else:
        low, high = found.interval or (float("nan"), float("nan"))
        verdict = "at most" if found.auc <= TOLERATED else "**above**"
        used = ", ".join(f"{NUMBERS[cue]} ({share:.0%})" for cue, share in found.used[:4])
        lines[-1] += (
            f" A tree of depth 3 on the trivial cues foretells them on unseen sources with an AUC of {found.auc:.2f}"
            f" ({low:.2f} to {high:.2f}), {verdict} {TOLERATED}. It splits by {used}."
        )
    if side.thirds:
        lines += ["", "| cue | AUC alone | lower third | middle | upper third | cuts |", "|---|---|---|---|---|---|"]
        areas = {cue: area for cue, area, _ in found.cues}
        for cue, shares, cuts in side.thirds:
            cells = " | ".join("–" if s != s else f"{100 * s:.0f} %" for s in shares)
            lines.append(f"| {NUMBERS[cue]} | {areas[cue]:.2f} | {cells} | {cuts[0]:.3g}, {cuts[1]:.3g} |")
    worst = [g for by in GROUPINGS for g in [g for g in side.groups if g.by == by][:4] if g.wrong]
    if worst:
        lines += ["", "| by | group | wrong | of | share | 95 % |", "|---|---|---|---|---|---|"]
        for g in worst:
            limits = f"{100 * g.low:.0f}–{100 * g.high:.0f}"
            lines.append(f"| {g.by} | {g.name} | {g.wrong} | {g.clips} | {100 * g.share:.0f} % | {limits} |")
    if side.worst:
        lines += ["", "Furthest on the wrong side:", ""]
        lines += [f"- `{clip}` ({system}; {source}): {value:+.1f}" for clip, source, system, value in side.worst]
    return lines
