"""What came of attacks: how often they succeed, by method, signal-to-noise ratio, and way of judging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earwitness import metrics
from earwitness.metrics.shares import wilson
from earwitness.train.attack import Judged, Trial

PLAIN, RANDOMISED = "plain", "randomised"
NONE = "none"
"""The method of rows on clips that nothing was done to."""
_WRONG = {True: "likely human", False: "likely synthetic"}


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes
    ----------
    method, aimed, input:
        The attack, its signal-to-noise ratio in dB (None for no attack), and how the clip was judged.
    clips:
        Clips that were attacked.
    snr:
        Median measured signal-to-noise ratio, dB.
    success, interval:
        Of the clips on the right side of 0 before, the share on the wrong side after, with Wilson's 95 % interval over
        clips; without an attack, the share of all clips on the wrong side.
    confident_wrong, inconclusive:
        Shares of all clips that got the wrong verdict, and none.
    eer:
        Equal error rate afterwards; NaN with one label only.
    """

    method: str
    aimed: float | None
    input: str
    clips: int
    snr: float
    success: float
    interval: tuple[float, float]
    confident_wrong: float
    inconclusive: float
    eer: float


def summary(trials: Sequence[Trial]) -> list[Line]:
    """A line for each method, signal-to-noise ratio and way of judging, after the two for clips as they are."""
    first: dict[str, Trial] = {}
    for trial in trials:
        first.setdefault(trial.clip, trial)
    calm = list(first.values())
    lines = []
    for way in (PLAIN, RANDOMISED):
        before = [t.before if way == PLAIN else t.before_randomised for t in calm]
        lines.append(_line(NONE, None, way, calm, before, before))
    for method, aimed in dict.fromkeys((t.method, t.aimed) for t in trials):
        mine = [t for t in trials if (t.method, t.aimed) == (method, aimed)]
        for way in (PLAIN, RANDOMISED):
            before = [t.before if way == PLAIN else t.before_randomised for t in mine]
            after = [t.after if way == PLAIN else t.randomised for t in mine]
            lines.append(_line(method, aimed, way, mine, before, after))
    return lines


def _line(
    method: str,
    aimed: float | None,
    way: str,
    trials: Sequence[Trial],
    before: Sequence[Judged],
    after: Sequence[Judged],
) -> Line:
    spoof = np.array([t.spoof for t in trials])
    was, now = (np.array([j.llr for j in each]) for each in (before, after))
    counted = np.ones_like(spoof) if method == NONE else (was > 0) == spoof
    wrong = ((now > 0) != spoof)[counted]
    share = float(wrong.mean()) if wrong.size else float("nan")
    return Line(
        method=method,
        aimed=aimed,
        input=way,
        clips=len(trials),
        snr=float(np.median([t.snr for t in trials])) if method != NONE else float("nan"),
        success=share,
        interval=wilson(share, int(wrong.size)) if wrong.size else (float("nan"), float("nan")),
        confident_wrong=float(np.mean([j.label == _WRONG[s] for j, s in zip(after, spoof.tolist(), strict=True)])),
        inconclusive=float(np.mean([j.label == "inconclusive" for j in after])),
        eer=metrics.eer(now, spoof) if 0 < spoof.sum() < spoof.size else float("nan"),
    )
