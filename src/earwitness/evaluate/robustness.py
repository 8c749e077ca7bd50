"""What each condition costs a detector: the same clips after noise, codecs, rooms, cuts, compared clip by clip.

Every condition writes files and has them scored, by whatever scorer there is, so that decoder and resampler of the
detector are part of what is measured. Answers are kept as they come: a run that was interrupted goes on. Nothing is
chosen here: limits are the detector's own, and a threshold is given or was chosen on other trials.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earwitness.augment.conditions import AS_IS, ROBUSTNESS, Condition
from earwitness.calibrate import Thresholds
from earwitness.data.manifest import Manifest, Row
from earwitness.errors import ConfigError
from earwitness.evaluate.bootstrap import Difference, Interval, common, differences, intervals
from earwitness.evaluate.breakdown import with_width
from earwitness.evaluate.measures import VERDICTS, Measures
from earwitness.evaluate.scorers import Answer, Scorer, assembled
from earwitness.evaluate.scores import Scores

BLOCK = 256
"""Clips that are written to disk and handed to the scorer together."""
LEAST = 20
"""Fewest clips of a kind for an EER of its own."""

#: called with the condition and clips done of all
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Bench:
    """How to measure.

    Parameters
    ----------
    conditions:
        Names in :data:`~earwitness.augment.conditions.ROBUSTNESS`; ``as it is`` comes first whatever is named.
    limits:
        The two limits of a detector's verdicts; None for a scorer without.
    threshold:
        At and above it a trial is called spoof, where there are no limits.
    seed:
        Of what is drawn, and of the bootstrap.
    keep:
        Folder for the answers.
    identity:
        What the scorer is, to the bit: answers of another are not taken for its own.
    """

    conditions: Sequence[str] = tuple(ROBUSTNESS)
    limits: Thresholds | None = None
    threshold: float = 0.0
    seed: int = 0
    keep: Path | None = None
    identity: str = ""
    by: Sequence[str] = ("source",)
    draws: int = 1000
    jobs: int = 1

    def __post_init__(self) -> None:
        unknown = [name for name in self.conditions if name not in ROBUSTNESS]
        if unknown:
            raise ConfigError(f"unknown condition {unknown[0]!r}", hint="known: " + ", ".join(ROBUSTNESS))


@dataclass(frozen=True)
class Measured:
    """What was found under one condition.

    ``figures`` has ``eer``, and ``wrong_synthetic, wrong_human, inconclusive`` with limits or ``false_alarm, miss``
    without; ``change`` is the EER's difference to the clips as they are, on the clips scored under both.
    """

    condition: Condition
    figures: dict[str, Interval]
    change: Difference | None
    kinds: dict[str, float] = field(default_factory=dict)
    bonafide: int = 0
    spoof: int = 0
    without: int = 0


def robustness(
    scorer: Scorer, manifest: Manifest, bench: Bench | None = None, *, progress: Progress | None = None
) -> list[Measured]:
    """Measure every condition, the clips as they are first.

    Parameters
    ----------
    scorer:
        Ours or anybody's.
    manifest:
        Labelled clips that were used for no choice.
    bench:
        How to measure.
    progress:
        Called after each block of clips.

    Raises
    ------
    ConfigError
        For an unknown condition.
    ManifestError
        If a file is missing, or none gets a score.
    """
    how = bench or Bench()
    names = [name for name in ROBUSTNESS if name == AS_IS or name in how.conditions]
    base: Scores | None = None
    out = []
    for name in names:
        scores = heard(scorer, manifest, ROBUSTNESS[name], how, progress=progress)
        out.append(_measured(ROBUSTNESS[name], scores, base, how))
        base = scores if base is None else base
    return out


def heard(
    scorer: Scorer, manifest: Manifest, condition: Condition, how: Bench, *, progress: Progress | None = None
) -> Scores:
    """The scores of all clips under one condition, from what is kept and else from the scorer."""
    rows = list(manifest)
    kept = _Kept(how, condition.name)
    todo = [row for row in rows if row.id not in kept.answers]
    for start in range(0, len(todo), BLOCK):
        part = todo[start : start + BLOCK]
        with tempfile.TemporaryDirectory(prefix="earwitness-") as folder:
            files = _written(manifest, part, condition, Path(folder), how)
            for row, answer in zip(part, scorer.answers(files), strict=True):
                kept.add(row.id, answer)
        if progress is not None:
            progress(condition.name, len(rows) - len(todo) + start + len(part), len(rows))
    return assembled(scorer, manifest, [kept.answers[row.id] for row in rows])


def _written(manifest: Manifest, rows: Sequence[Row], condition: Condition, folder: Path, how: Bench) -> list[Path]:
    """The clips after the condition as files; as they are, the files themselves."""
    if condition.name == AS_IS:
        return [manifest.file(row) for row in rows]

    def one(item: tuple[int, Row]) -> Path:
        from earwitness.audio import decode

        number, row = item
        content, ending = condition.file(decode(manifest.file(row)).samples, seed=how.seed, clip=row.id)
        path = folder / f"{number:05d}.{ending}"
        path.write_bytes(content)
        return path

    if how.jobs == 1:
        return list(map(one, enumerate(rows)))
    with ThreadPoolExecutor(how.jobs) as pool:
        return list(pool.map(one, enumerate(rows)))


class _Kept:
    """The answers of one scorer under one condition, on disk as they come."""

    def __init__(self, how: Bench, condition: str) -> None:
        self.answers: dict[str, Answer] = {}
        self._path: Path | None = None
        if how.keep is None:
            return
        key = hashlib.sha256(json.dumps([how.identity, condition, how.seed]).encode()).hexdigest()[:20]
        how.keep.mkdir(parents=True, exist_ok=True)
        self._path = how.keep / f"{key}.jsonl"
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    clip, score, reason, facts = json.loads(line)
                except ValueError:
                    # the last line of a run that was cut off; the clip is scored again
                    continue
                self.answers[clip] = Answer(score, reason, facts)

    def add(self, clip: str, answer: Answer) -> None:
        self.answers[clip] = answer
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([clip, answer.score, answer.reason, dict(answer.facts)]) + "\n")


def _measured(condition: Condition, scores: Scores, base: Scores | None, how: Bench) -> Measured:
    names = ("eer", *VERDICTS) if how.limits is not None else ("eer", "false_alarm", "miss")
    measures = _measures(scores, how)
    drawn = intervals(measures, names, by=how.by, draws=how.draws, seed=how.seed)
    found = {name: with_width(interval, scores, name, how.by) for name, interval in drawn.items()}
    change = None
    if base is not None:
        (mine, theirs), _ = common([scores, base])
        pair = {condition.name: _measures(mine, how), AS_IS: _measures(theirs, how)}
        change = differences(pair, ("eer",), by=how.by, draws=how.draws, seed=how.seed)[0]
    counts = scores.counts()
    return Measured(
        condition,
        found,
        change,
        _by_kind(scores, how),
        counts["bonafide"],
        counts["spoof"],
        counts["without_score"],
    )


def _measures(scores: Scores, how: Bench) -> Measures:
    return Measures(scores, threshold=how.threshold, limits=how.limits)


def _by_kind(scores: Scores, how: Bench) -> dict[str, float]:
    kinds, truth = np.array(scores.column("kind")), scores.truth
    out = {}
    for kind in sorted(set(kinds[truth].tolist()) - {""}):
        mine = truth & (kinds == kind)
        if mine.sum() >= LEAST:
            out[str(kind)] = _measures(scores.where_true(mine | ~truth), how).values(["eer"])["eer"]
    return out


def rise_together(found: Sequence[Measured]) -> float | None:
    """Rank correlation (Spearman) over conditions of the EER and the share left inconclusive; None without limits.

    A detector that knows what it does not know answers less where it errs more.
    """
    pairs = [(m.figures["eer"].value, m.figures["inconclusive"].value) for m in found if "inconclusive" in m.figures]
    if len(pairs) < 3:
        return None
    ranks = [_ranks(np.array(column)) for column in zip(*pairs, strict=True)]
    if any(np.ptp(r) == 0 for r in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing the mean of theirs."""
    ordered = np.sort(values)
    low, high = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((low + high - 1) / 2.0)
