"""The bench: several detectors of any kind on the same trials, each with its threshold, then side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from earwitness.calibrate import Thresholds
from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.bootstrap import Difference, common, differences
from earwitness.evaluate.measures import Costs, Measures
from earwitness.evaluate.report import Report, ReportSettings, make_report
from earwitness.evaluate.scores import Scores
from earwitness.evaluate.thresholds import Chosen, bayes, check_disjoint, choose

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.detector import Detector

REPORTED = ("eval", "test")
"""Splits that are reported when none is named, in this order."""
COMPARED = ("eer", "auc", "cllr")


@dataclass(frozen=True)
class Entry:
    """A detector on the bench: its scores, and what is known about it.

    ``own`` and ``limits`` are the threshold and the two limits that it brought along; ``facts`` go into the report.
    """

    scores: Scores
    own: Chosen | None = None
    limits: Thresholds | None = None
    train_systems: tuple[str, ...] | None = None
    recipe: str = ""
    commit: str = ""
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ThresholdChoice:
    """How thresholds are chosen: a fixed ``value``, or a ``rule`` on the split ``dev_split`` or on ``dev`` scores.

    Without any of these, a detector's own threshold is taken, and the Bayes threshold at ``costs`` where it has none.
    """

    value: float | None = None
    rule: str | None = None
    dev_split: str | None = None
    dev: Scores | None = None
    costs: Costs = field(default_factory=lambda: Costs(prior=0.5, miss=1.0, false_alarm=1.0))

    def __post_init__(self) -> None:
        if self.value is not None and self.rule is not None:
            raise ConfigError("a threshold and a rule for one", hint="give one of them")
        if self.rule not in (None, "bayes") and self.dev_split is None and self.dev is None:
            raise ConfigError(
                f"the rule {self.rule!r} needs trials to choose on",
                hint="name a development split or development scores; the reported trials choose nothing",
            )


def entry_of(detector: Detector, scores: Scores, seconds: float) -> Entry:
    """A detector folder on the bench, with what its ``detector.json`` knows."""
    data = detector.info.data
    train = data.get("train") or {}
    chosen_on = str((data.get("thresholds") or {}).get("chosen_on") or "dev")
    systems = data.get("train_systems")
    return Entry(
        scores=scores,
        own=Chosen(0.0, "bayes (prior 0.5, equal costs) on calibrated scores", chosen_on),
        limits=detector.info.thresholds,
        train_systems=tuple(systems) if systems else None,
        recipe=str(train.get("recipe") or detector.info.id),
        commit=str(train.get("commit") or ""),
        seconds=seconds,
        facts={"detector": detector.info.name},
    )


def reported_split(splits: Sequence[str], wanted: str | None, where: str) -> str:
    """The split to report: the one named, else ``eval`` or ``test`` where there is one, else all (empty).

    Raises
    ------
    ManifestError
        If the named one is not there.

    Examples
    --------
    >>> reported_split(["train", "dev", "eval"], None, "m.csv"), reported_split(["", ""], None, "m.csv")
    ('eval', '')
    """
    present = set(splits)
    if wanted is not None:
        if wanted and wanted not in present:
            known = ", ".join(sorted(present - {""})) or "none"
            raise ManifestError(f"{where}: no trials of the split {wanted!r}", hint=f"splits: {known}")
        return wanted
    return next((name for name in REPORTED if name in present), "")


def needed(manifest: Manifest, split: str, dev_split: str | None) -> Manifest:
    """The rows that have to be scored: those of the reported and of the choosing split."""
    if not split:
        return manifest
    return manifest.filter(split=[s for s in (split, dev_split) if s])


def measure(entry: Entry, settings: ReportSettings, choice: ThresholdChoice) -> Report:
    """The report of one detector on ``settings.split`` of its scores, with the threshold that ``choice`` gives.

    Raises
    ------
    ManifestError
        If the choosing trials are reported as well.
    """
    scores, dev = entry.scores, choice.dev
    splits = np.array(scores.column("split"))
    if settings.split and (splits != "").any():
        reported_split(splits.tolist(), settings.split, scores.where)
        if choice.dev_split is not None:
            dev = scores.where_true(splits == choice.dev_split)
        scores = scores.where_true(splits == settings.split)
    elif choice.dev_split is not None:
        raise ManifestError(f"{scores.where}: the trials have no splits", hint="give the development scores apart")
    chosen = _chosen(entry, scores, dev, choice)
    facts = {"scoring_seconds": entry.seconds, **entry.facts}
    changed = replace(settings, chosen=chosen, limits=entry.limits, train_systems=entry.train_systems)
    return make_report(scores, changed, facts=facts)


def _chosen(entry: Entry, scores: Scores, dev: Scores | None, choice: ThresholdChoice) -> Chosen:
    if choice.value is not None:
        return Chosen(choice.value, "given", "the command line")
    if choice.rule == "bayes":
        return bayes(choice.costs)
    if choice.rule is not None and dev is not None:
        check_disjoint(dev, scores)
        return choose(dev, choice.rule, chosen_on=choice.dev_split or dev.where, costs=choice.costs)
    return entry.own or bayes(choice.costs)


def compare(
    reports: Sequence[Report], *, names: Sequence[str] = COMPARED, draws: int = 1000, seed: int = 0
) -> tuple[list[Difference], int]:
    """Paired differences between all pairs on the trials that all of them scored, and how many trials are left out."""
    scores, left_out = common([r.scores for r in reports])
    first = reports[0].settings
    measured = {
        report.name: Measures(
            own, threshold=report.settings.chosen.value, costs=first.costs, convention=first.convention
        )
        for report, own in zip(reports, scores, strict=True)
    }
    if len(measured) < len(reports):
        raise ConfigError("two detectors have the same name", hint="give names with --name")
    return differences(measured, names, by=first.cluster, draws=draws, seed=seed, level=first.level), left_out
