"""The report: all that is said about one detector on one set of trials, as plain data.

:func:`make_report` measures; the terminal, JSON, CSV rows and the page only show what stands in :class:`Report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from earwitness import metrics
from earwitness.calibrate import Thresholds
from earwitness.evaluate.bootstrap import FEW_CLUSTERS, Interval, intervals
from earwitness.evaluate.breakdown import Breakdown, Group, Settings, breakdowns, human_false_alarms, with_width
from earwitness.evaluate.measures import ALL, VERDICTS, Costs, Measures, rounded
from earwitness.evaluate.scores import Scores
from earwitness.evaluate.thresholds import Chosen, bayes
from earwitness.metrics import AsvRates, Confusion
from earwitness.metrics.ranking import Convention

MOST_DRAWN = 50_000_000
"""Draws × trials of one bootstrap; with more trials fewer draws are made, never under 100, and the report says so."""


@dataclass(frozen=True)
class ReportSettings:
    """How to measure.

    Parameters
    ----------
    chosen:
        The threshold and what chose it; the Bayes threshold at even odds unless given.
    limits:
        The two limits of a detector's three verdicts, if it has them.
    convention:
        Of the EER.
    costs:
        For minDCF and actDCF.
    cluster:
        One or two clusterings of the main interval.
    also:
        Further clusterings, for the EER alone.
    draws, seed, level:
        Of the bootstrap; tables by group take a fifth of the draws.
    train_systems:
        What the detector was trained on, for *seen* and *unseen*; None = not known.
    asv:
        Error rates of a verifier, for min t-DCF.
    dataset, split:
        Names for tables and result rows.
    """

    chosen: Chosen = field(default_factory=bayes)
    limits: Thresholds | None = None
    convention: Convention = "interpolated"
    costs: Costs = field(default_factory=Costs)
    cluster: tuple[str, ...] = ("source",)
    also: tuple[tuple[str, ...], ...] = (("speaker",), ("system",), ("source", "system"))
    draws: int = 1000
    seed: int = 0
    level: float = 0.95
    train_systems: tuple[str, ...] | None = None
    asv: AsvRates | None = None
    dataset: str = ""
    split: str = ""


@dataclass(frozen=True)
class Report:
    """What was measured. Rates are fractions; ``points`` holds every figure, ``intervals`` those that have one."""

    scores: Scores
    settings: ReportSettings
    points: Mapping[str, float]
    intervals: Mapping[str, Interval]
    other_intervals: Mapping[str, Interval]
    confusion: Confusion
    classification: Mapping[str, Mapping[str, float]]
    verdicts: Mapping[str, Mapping[str, int]] | None
    tables: Sequence[Breakdown]
    notes: Sequence[str]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.scores.name

    @property
    def has_systems(self) -> bool:
        """Whether the generator of any trial is known."""
        return any(name not in ("", "human") for name in self.scores.column("system"))

    @property
    def human_false_alarms(self) -> list[tuple[str, Group]]:
        """Groups of human speech by their false-alarm rate, worst first."""
        return human_false_alarms(self.tables)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: figures at the top level as fractions, NaN as null."""
        s = self.settings
        counts = Counter(self.scores.missing.values())
        return {
            "name": self.name,
            "dataset": s.dataset,
            "split": s.split,
            "trials": self.scores.counts(),
            "reasons_without_score": dict(counts.most_common(10)),
            **rounded(self.points),
            "convention": s.convention,
            "costs": dict(vars(s.costs)),
            "threshold": s.chosen.to_dict(),
            "confusion": self.confusion.to_dict(),
            "classification": {k: rounded(v) for k, v in self.classification.items()},
            "verdicts": self.verdicts,
            "limits": None if s.limits is None else {"human": s.limits.human, "synthetic": s.limits.synthetic},
            "intervals": {k: v.to_dict() for k, v in self.intervals.items()},
            "eer_intervals": {k: v.to_dict() for k, v in self.other_intervals.items()},
            "breakdowns": [t.to_dict() for t in self.tables],
            "human_false_alarms": [{"by": by, **g.to_dict()} for by, g in self.human_false_alarms],
            "notes": list(self.notes),
            **self.facts,
        }


def make_report(
    scores: Scores, settings: ReportSettings | None = None, *, facts: Mapping[str, Any] | None = None
) -> Report:
    """Measure everything.

    Parameters
    ----------
    scores:
        Trials with labels, both classes.
    settings:
        How to measure.
    facts:
        What else is known and belongs in the JSON, such as the seconds the scoring took.

    Raises
    ------
    ManifestError
        Without labels.
    MetricError
        With one class only.

    Examples
    --------
    >>> labels = ["bonafide", "bonafide", "spoof", "spoof"]
    >>> report = make_report(Scores.of("abcd", [-2, 1, 1, 2], labels), ReportSettings(draws=20))
    >>> report.points["eer"], report.confusion.false_alarm
    (0.25, 1.0)
    """
    chosen = settings or ReportSettings()
    draws = min(chosen.draws, max(100, MOST_DRAWN // len(scores)))
    threshold = chosen.chosen.value
    measures = Measures(
        scores, threshold=threshold, costs=chosen.costs, convention=chosen.convention, limits=chosen.limits
    )
    common: dict[str, Any] = {"draws": draws, "seed": chosen.seed, "level": chosen.level}
    main = intervals(measures, (*ALL, *VERDICTS) if chosen.limits else ALL, by=chosen.cluster, **common)
    main = {name: with_width(found, scores, name, chosen.cluster) for name, found in main.items()}
    others = {
        "+".join(by): intervals(measures, ["eer"], by=by, **common)["eer"]
        for by in chosen.also
        if by != chosen.cluster and _worth(scores, by)
    }
    table_settings = Settings(
        threshold=threshold,
        convention=chosen.convention,
        by=chosen.cluster,
        draws=max(1, draws // 5),
        seed=chosen.seed,
        train_systems=chosen.train_systems,
    )
    return Report(
        scores=scores,
        settings=chosen,
        points={k: v.value for k, v in main.items()} | _points(scores, chosen),
        intervals=main,
        other_intervals=others,
        confusion=metrics.confusion_matrix(scores.scores, scores.truth, threshold=threshold),
        classification=metrics.classification_report(scores.scores, scores.truth, threshold=threshold),
        verdicts=_verdicts(measures) if chosen.limits else None,
        tables=breakdowns(scores, table_settings),
        notes=_notes(scores, chosen, main, draws),
        facts=facts or {},
    )


def _worth(scores: Scores, by: Sequence[str]) -> bool:
    return all(any(scores.column(name)) for name in by)


def _points(scores: Scores, settings: ReportSettings) -> dict[str, float]:
    """Figures without an interval."""
    values, truth = scores.scores, scores.truth
    finite = bool(np.isfinite(values).all())
    out = {
        "min_cllr": metrics.min_cllr(values, truth),
        "brier": metrics.brier(values, truth) if finite else float("nan"),
        "ece": metrics.ece(values, truth) if finite else float("nan"),
        "eer_asvspoof": metrics.eer(values, truth, convention="asvspoof"),
        "eer_interpolated": metrics.eer(values, truth),
    }
    if settings.asv is not None:
        for form in ("2019", "2021"):
            out[f"min_tdcf_{form}"] = metrics.min_tdcf(values, truth, settings.asv, form=form)
        out["asv_eer"] = (settings.asv.miss + settings.asv.false_alarm) / 2.0
    return out


def _verdicts(measures: Measures) -> dict[str, dict[str, int]]:
    """How many trials of each class got each of the three verdicts; the gate's *inconclusive* counts as that."""
    human, synthetic = measures.likely_human, measures.likely_synthetic
    return {
        word: {
            "likely human": int((human & side).sum()),
            "inconclusive": int((~human & ~synthetic & side).sum()),
            "likely synthetic": int((synthetic & side).sum()),
        }
        for word, side in (("bonafide", ~measures.spoof), ("spoof", measures.spoof))
    }


def _notes(scores: Scores, settings: ReportSettings, main: Mapping[str, Interval], draws: int) -> list[str]:
    """What a reader must know before trusting a number, in words."""
    notes = []
    counts = scores.counts()
    if scores.missing:
        notes.append(f"{len(scores.missing):,} trials have no score and are in no figure.")
    if min(counts["bonafide"], counts["spoof"]) < 30:
        notes.append(f"Only {counts['bonafide']} human and {counts['spoof']} spoof trials: read every figure loosely.")
    interval = main["eer"]
    by = "+".join(settings.cluster)
    if interval.clusters == len(scores) and settings.cluster != ("trial",):
        notes.append(f"No trial has a name for {by}: the intervals treat trials as independent and are too narrow.")
    elif interval.clusters < FEW_CLUSTERS:
        notes.append(f"The intervals rest on {interval.clusters} clusters ({by}) and are likely too narrow.")
    if draws < settings.draws:
        notes.append(f"{draws} bootstrap draws instead of {settings.draws}, for the number of trials.")
    if settings.chosen.chosen_on == "nothing":
        notes.append(
            f"The threshold {settings.chosen.value:.4g} was not chosen on data: it is right only for scores that are "
            "natural-log likelihood ratios."
        )
    systems = np.array(scores.column("system"))[scores.truth]
    if settings.train_systems is None and any(systems):
        notes.append("Seen and unseen generators cannot be told apart: the training systems are not known.")
    if main["eer"].value > 0.5:
        notes.append("The EER is above one half: is the direction of the scores right?")
    known = np.array([bool(s) for s in scores.column("speaker")])
    if known.any() and not known.all():
        notes.append(f"The speaker is known for {known.mean():.0%} of the trials; figures are not speaker-disjoint.")
    if any(systems) and not all(systems):
        notes.append("Spoof trials of unknown systems count as one system in the mean over systems.")
    return notes
