"""Where in a recording is the generated part? Segment EER, range-based EER and overlap of spans.

Times are seconds; a span is ``(start, end)`` with ``end > start``. Frame scores follow the house: higher = spoof.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError
from earwitness.metrics.ranked import Floats, checked_scores
from earwitness.metrics.ranking import Convention, eer

Span = tuple[float, float]


def segment_eer(
    scores: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike], *, convention: Convention = "interpolated"
) -> float:
    """Equal error rate over all frames of all recordings, each frame one trial.

    ``scores[i]`` and ``labels[i]`` have the shape ``(frames of recording i,)``; 1 = spoof. A frame counts as spoof when
    the reference says so, however short the part of it that is: the value depends on the frame length, which
    :func:`range_eer` avoids. Range, ties and undefined cases as in :func:`~earwitness.metrics.eer`.
    Source: Zhang et al., "The PartialSpoof database and countermeasures", TASLP 2023.

    Raises
    ------
    MetricError
        When a recording has as many scores as labels not, or as in :func:`~earwitness.metrics.eer`.

    Examples
    --------
    >>> segment_eer([[-1.0, 2.0], [3.0, -2.0]], [[0, 1], [1, 0]])
    0.0
    """
    if len(scores) != len(labels):
        raise MetricError(f"{len(scores)} recordings with scores, {len(labels)} with labels")
    for index, (found, true) in enumerate(zip(scores, labels, strict=True)):
        if np.shape(found) != np.shape(true):
            raise MetricError(f"recording {index}: {np.shape(found)} scores, {np.shape(true)} labels")
    if not len(scores):
        raise MetricError("no recordings")
    return eer(
        np.concatenate([np.asarray(s, dtype=np.float64) for s in scores]),
        np.concatenate([np.asarray(v) for v in labels]),
        convention=convention,
    )


def range_eer(
    scores: Sequence[npt.ArrayLike],
    spoofed: Sequence[Sequence[Span]],
    *,
    hop: float,
    seconds: Sequence[float] | None = None,
) -> float:
    """Equal error rate measured in seconds of audio instead of frames, against exact boundaries.

    Frame ``j`` of a recording covers ``[j hop, (j + 1) hop)``, the last one ends with the recording. False-alarm rate =
    seconds of bonafide in frames called spoof / all seconds of bonafide; miss rate likewise for spoof. A frame across a
    boundary counts on both sides by its parts, so the value does not depend on how the reference was cut into frames.
    The EER is interpolated as in :func:`~earwitness.metrics.eer`.

    Parameters
    ----------
    scores:
        One vector of frame scores a recording.
    spoofed:
        Its generated spans, in seconds; empty for a bonafide recording.
    hop:
        Seconds a frame.
    seconds:
        Durations; None = ``frames × hop``.

    Raises
    ------
    MetricError
        For another number of recordings, ``hop`` not above 0, a span that ends before it starts, NaN, or one class.

    Source: Zhang, Cooper, Wang and Yamagishi, "Range-based equal error rate for spoof localization", Interspeech 2023.

    Examples
    --------
    >>> range_eer([[-1.0, 2.0, -1.0]], [[(0.1, 0.2)]], hop=0.1)
    0.0
    >>> round(range_eer([[-1.0, 2.0]], [[(0.05, 0.2)]], hop=0.1), 4)
    0.25
    """
    if len(scores) != len(spoofed) or (seconds is not None and len(seconds) != len(scores)):
        raise MetricError("scores, spans and durations must be given for the same recordings")
    if not hop > 0:
        raise MetricError(f"hop is {hop}", hint="it is the number of seconds a frame and must be above 0")
    values, fake, human = [], [], []
    for index, (frames, spans) in enumerate(zip(scores, spoofed, strict=True)):
        found = checked_scores(frames, name=f"scores of recording {index}")
        edges: Floats = np.arange(len(found) + 1, dtype=np.float64) * hop
        if seconds is not None:
            edges[-1] = max(seconds[index], edges[-2])
        overlap = sum((_overlap(edges, span) for span in merged(spans)), np.zeros(len(found)))
        values.append(found)
        fake.append(overlap)
        human.append(np.maximum(np.diff(edges) - overlap, 0.0))
    both = np.concatenate(values)
    labels = np.repeat([True, False], len(both))
    return eer(np.tile(both, 2), labels, weights=np.concatenate([*fake, *human]))


def _overlap(edges: Floats, span: Span) -> Floats:
    inside = np.clip(edges, span[0], span[1])
    return np.asarray(np.diff(inside))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans sorted, overlapping and touching ones joined; one that ends before it starts is a :class:`MetricError`.

    Examples
    --------
    >>> merged([(2.0, 3.0), (0.0, 1.0), (0.5, 1.5)])
    [(0.0, 1.5), (2.0, 3.0)]
    """
    out: list[Span] = []
    for start, end in sorted(spans):
        if not end >= start:
            raise MetricError(f"the span {start} to {end} s ends before it starts")
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def iou(found: Iterable[Span], true: Iterable[Span]) -> float:
    """Intersection over union, in seconds, of the spans found and the true ones. Range [0, 1].

    1.0 when both are empty: nothing was there and nothing was claimed. Source: Jaccard 1912.

    Examples
    --------
    >>> iou([(0.0, 2.0)], [(1.0, 3.0)]), iou([], [])
    (0.3333333333333333, 1.0)
    """
    mine, theirs = merged(found), merged(true)
    both = sum(max(0.0, min(b, d) - max(a, c)) for a, b in mine for c, d in theirs)
    union = sum(b - a for a, b in mine) + sum(d - c for c, d in theirs) - both
    return both / union if union > 0 else 1.0
