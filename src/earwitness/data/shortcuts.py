"""The shortcut probe: how well does each trivial cue alone, and a small model over all of them, tell the labels apart?

A detector that is trained on a corpus where they do learns them first. The small model's figure is the *trivial
baseline* of the corpus: a detector that is not clearly better has shown nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.data.manifest import Manifest, Row
from earwitness.data.measure import Measured
from earwitness.errors import MissingExtraError
from earwitness.metrics import auc, eer

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NUMBERS = {
    "seconds": "duration",
    "peak_db": "peak level",
    "rms_db": "mean level",
    "clipped_share": "clipping",
    "dc": "DC offset",
    "lead_seconds": "leading silence",
    "trail_seconds": "trailing silence",
    "zero_share": "digital silence",
    "floor_db": "noise floor",
    "snr_db": "loud over quiet frames",
    "active_share": "active share",
    "speech_share": "speech share",
    "rate": "sample rate",
    "channels": "channels",
    "bit_depth": "bit depth",
    "bit_rate": "bit rate",
    "bandwidth_hz": "bandwidth",
    "high_db": "share above 4 kHz",
    "tilt_db": "spectral tilt",
    "hole_share": "codec holes",
    "step_share": "8-bit grid",
}
WORDS = {"container": "container", "codec": "codec", "encoder": "encoder tag"}
DECLARED = {"source_rate": "original rate", "source_container": "original container", "language": "language"}
"""Columns of the manifest that a model does not hear, but whose traces it may."""

FOLDS = 5
_FEWEST = 20


@dataclass(frozen=True)
class Cue:
    """How one cue tells the labels apart.

    Parameters
    ----------
    name, title:
        Column and words.
    auc:
        For numbers: area under the ROC curve of the value itself, turned so that it is .5 or more.
    higher:
        Which label has the higher values, or ``""`` for words.
    tree_auc:
        Area of a tree of depth 3 over this cue alone on sources that it has not seen: finds "22,050 Hz is always fake",
        which the value itself does not order. ``None`` where it cannot be cross-validated.
    medians:
        Median, or most frequent word, of bonafide and of spoof.
    declared:
        From the manifest and not from the audio; not part of the baseline.
    """

    name: str
    title: str
    auc: float | None
    higher: str
    tree_auc: float | None
    medians: tuple[str, str]
    declared: bool = False

    @property
    def strength(self) -> float:
        """The larger of the two areas, .5 when neither is known."""
        return max(self.auc or 0.5, self.tree_auc or 0.5)


@dataclass(frozen=True)
class Probe:
    """Result of the shortcut probe.

    Parameters
    ----------
    cues:
        From the strongest to the weakest.
    auc, eer:
        Of the small model over all measured cues, on sources that it has not seen; ``None`` where that is impossible.
    interval:
        95 % interval of ``auc`` (Hanley and McNeil, clips taken as independent, so too narrow when sources are few).
    splits:
        Split -> ``auc``, ``eer``, ``clips`` of the model that was fitted on ``train``.
    reason:
        Why there is no figure.
    """

    cues: tuple[Cue, ...]
    auc: float | None = None
    eer: float | None = None
    interval: tuple[float, float] | None = None
    splits: dict[str, dict[str, float]] = field(default_factory=dict)
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The figures as they stand in ``<manifest>.audit.json`` under ``trivial_baseline``."""
        return {
            "auc": self.auc,
            "eer": self.eer,
            "interval": self.interval,
            "model": "gradient boosting, 50 trees of at most 8 leaves, cross-validated by source",
            "cues": {cue.name: round(cue.strength, 4) for cue in self.cues if not cue.declared},
            "splits": self.splits,
            "reason": self.reason,
            "details": [asdict(cue) for cue in self.cues],
        }


def groups_of(manifest: Manifest) -> list[str]:
    """What must stay together in cross-validation: the source; of copies, that of their original; else the speaker."""
    by_id = {row.id: row for row in manifest}

    def group(row: Row) -> str:
        row = by_id.get(row.pair, row)
        return next((f"{c}:{v}" for c in ("source", "speaker", "id") if (v := row.get(c))), row.id)

    names = [group(row) for row in manifest]
    if len(set(names)) > 1:
        return names
    # One corpus under one source name: then speakers are the next best, then each clip for itself.
    return [f"speaker:{row.speaker}" if row.speaker else f"id:{row.pair or row.id}" for row in manifest]


def probe(manifest: Manifest, clips: Sequence[Measured], *, seed: int = 0) -> Probe:
    """Probe every cue and the small model, on one thread.

    Parameters
    ----------
    manifest:
        Rows that could be measured.
    clips:
        Their measurements, in the same order.
    seed:
        For the folds.

    Raises
    ------
    MissingExtraError
        Without scikit-learn.
    """
    _sklearn()
    from threadpoolctl import threadpool_limits

    # Trees this small gain nothing from threads, and on a busy machine the threads wait for each other: 82 s against
    # 0.8 s for 80 clips, measured on two cores with four other processes.
    with threadpool_limits(1):
        return _probe(manifest, clips, seed)


def _probe(manifest: Manifest, clips: Sequence[Measured], seed: int) -> Probe:
    labels = np.array([row.spoof for row in manifest], bool)
    fewest = int(min(labels.sum(), (~labels).sum())) if len(labels) else 0
    columns = {name: np.array([getattr(c, name) for c in clips], float) for name in NUMBERS}
    texts = {name: [str(getattr(c, name)) for c in clips] for name in WORDS}
    declared = {name: [row.get(name) for row in manifest] for name in DECLARED}
    if fewest == 0:
        return Probe((), reason="there is one class only, so nothing can be told apart")
    folds = _folds(labels, groups_of(manifest), seed) if fewest >= _FEWEST else []
    cues = [_number_cue(name, title, columns[name], labels, folds) for name, title in NUMBERS.items()]
    for words, titles, is_declared in ((texts, WORDS, False), (declared, DECLARED, True)):
        for name, title in titles.items():
            if len(set(words[name])) > 1:
                cues.append(_word_cue(name, title, words[name], labels, folds, declared=is_declared))
    cues.sort(key=lambda cue: -cue.strength)
    if not folds:
        reason = f"fewer than {_FEWEST} clips of a class" if fewest < _FEWEST else "fewer than two sources"
        return Probe(tuple(cues), reason=f"no baseline: {reason}")
    table = np.column_stack([*columns.values(), *(_codes(texts[name]) for name in WORDS)])
    scores = _out_of_fold(table, labels, folds, _boosting)
    known = np.isfinite(scores)
    area = auc(scores[known], labels[known])
    return Probe(
        tuple(cues),
        auc=round(area, 4),
        eer=round(eer(scores[known], labels[known]), 4),
        interval=interval(area, int(labels[known].sum()), int((~labels[known]).sum())),
        splits=_splits(manifest, table, labels),
    )


@dataclass(frozen=True)
class Foretold:
    """How well the measured cues foretell some yes or no about clips, on sources that were not seen.

    Parameters
    ----------
    clips, yes:
        How many clips, and for how many the answer is yes.
    auc, interval:
        Of a tree of depth 3 over all cues, cross-validated by source, with its 95 % interval (see :func:`interval`);
        None where that is impossible.
    cues:
        Cue and area under its own ROC curve, turned so that it is .5 or more, and whether yes goes with higher values.
    used:
        Cue and importance in a tree that was fitted on all clips.
    reason:
        Why there is no figure.
    """

    clips: int
    yes: int
    auc: float | None
    interval: tuple[float, float] | None
    cues: tuple[tuple[str, float, bool], ...]
    used: tuple[tuple[str, float], ...] = ()
    reason: str = ""


def foretell(manifest: Manifest, clips: Sequence[Measured], target: Bools, *, seed: int = 0) -> Foretold:
    """Whether a small tree on the cues foretells ``target``, such as a detector's errors.

    Parameters
    ----------
    manifest, clips:
        Rows and their measurements, in one order.
    target:
        (n,) the yes or no of each.
    seed:
        For the folds.

    Raises
    ------
    MissingExtraError
        Without scikit-learn.
    """
    _sklearn()
    from threadpoolctl import threadpool_limits

    yes = np.asarray(target, dtype=np.bool_)
    count, positive = len(yes), int(yes.sum())
    if min(positive, count - positive) < _FEWEST:
        return Foretold(count, positive, None, None, (), reason=f"fewer than {_FEWEST} clips of a kind")
    table = np.column_stack([[getattr(c, name) for c in clips] for name in NUMBERS]).astype(np.float64)
    areas = [(name, auc(table[:, i], yes)) for i, name in enumerate(NUMBERS) if np.ptp(table[:, i]) > 0]
    cues = sorted(((n, round(max(a, 1 - a), 4), a >= 0.5) for n, a in areas), key=lambda c: -c[1])
    with threadpool_limits(1):
        folds = _folds(yes, groups_of(manifest), seed)
        importance = _tree(table, yes).feature_importances_
        scores = _out_of_fold(table, yes, folds, _tree)
    used = [(name, round(float(v), 3)) for name, v in zip(NUMBERS, importance, strict=True) if v > 0]
    used.sort(key=lambda item: -item[1])
    known = np.isfinite(scores)
    if len(set(yes[known].tolist())) < 2:
        return Foretold(count, positive, None, None, tuple(cues), tuple(used), "fewer than two sources")
    area = auc(scores[known], yes[known])
    limits = interval(area, int(yes[known].sum()), int((~yes[known]).sum()))
    return Foretold(count, positive, round(area, 4), limits, tuple(cues), tuple(used))


def _sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        hint = "pip install 'earwitness[train]'"
        raise MissingExtraError("the shortcut probe needs scikit-learn", hint=hint) from None


def _folds(labels: Bools, groups: Sequence[str], seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(set(groups)))
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    import warnings

    with warnings.catch_warnings():
        # Sources of one class make unequal folds; the pooled scores of all folds are what counts.
        warnings.simplefilter("ignore")
        folds = list(splitter.split(np.zeros(len(labels)), labels, list(groups)))
    return [(train, test) for train, test in folds if len(set(labels[train])) == 2 and len(test)]


def _boosting(table: Floats, labels: Bools) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    words = list(range(len(NUMBERS), table.shape[1]))
    model = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=8,
        learning_rate=0.15,
        early_stopping=False,
        categorical_features=words,
        random_state=0,
    )
    return model.fit(table, labels)


def _tree(table: Floats, labels: Bools) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    least = max(5, len(labels) // 100)
    model = DecisionTreeClassifier(max_depth=3, min_samples_leaf=least, class_weight="balanced", random_state=0)
    return model.fit(table, labels)


def _out_of_fold(table: Floats, labels: Bools, folds: Sequence[Any], fit: Any) -> Floats:
    scores = np.full(len(labels), np.nan)
    for train, test in folds:
        scores[test] = fit(table[train], labels[train]).predict_proba(table[test])[:, 1]
    return scores


def _tree_auc(table: Floats, labels: Bools, folds: Sequence[Any]) -> float | None:
    if not folds:
        return None
    scores = _out_of_fold(table, labels, folds, _tree)
    known = np.isfinite(scores)
    if len(set(labels[known])) < 2:
        return None
    return round(auc(scores[known], labels[known]), 4)


def _number_cue(name: str, title: str, values: Floats, labels: Bools, folds: Sequence[Any]) -> Cue:
    area = auc(values, labels)
    medians = (f"{np.median(values[~labels]):g}", f"{np.median(values[labels]):g}")
    # A cue that is the same everywhere costs five trees to learn nothing.
    tree = _tree_auc(values[:, None], labels, folds) if len(np.unique(values)) > 1 else None
    higher = "" if area == 0.5 else "spoof" if area > 0.5 else "bonafide"
    return Cue(name, title, round(max(area, 1 - area), 4), higher, tree, medians)


def _word_cue(
    name: str, title: str, words: Sequence[str], labels: Bools, folds: Sequence[Any], *, declared: bool
) -> Cue:
    kinds = sorted(set(words))
    common = sorted(kinds, key=lambda w: -words.count(w))[:30]
    table = np.column_stack([np.array([w == kind for w in words], float) for kind in common])
    medians = []
    for label in (False, True):
        own = [w for w, y in zip(words, labels, strict=True) if y == label]
        medians.append(max(sorted(set(own)), key=own.count))
    tree = _tree_auc(table, labels, folds)
    return Cue(name, title, None, "", tree, (medians[0], medians[1]), declared)


def _codes(words: Sequence[str]) -> Floats:
    """Numbers for words; the rare ones, of which a tree learns nothing, share one."""
    kinds = sorted(set(words), key=lambda w: (-words.count(w), w))[:200]
    place = {w: i for i, w in enumerate(kinds)}
    return np.array([place.get(w, len(kinds)) for w in words], float)


def _splits(manifest: Manifest, table: Floats, labels: Bools) -> dict[str, dict[str, float]]:
    names = np.array([row.split for row in manifest])
    train = names == "train"
    if min(int((labels & train).sum()), int((~labels & train).sum())) < _FEWEST:
        return {}
    model = _boosting(table[train], labels[train])
    result = {}
    for name in sorted(set(names) - {"train", ""}):
        own = names == name
        if len(set(labels[own])) == 2:
            scores = model.predict_proba(table[own])[:, 1]
            area, error = auc(scores, labels[own]), eer(scores, labels[own])
            result[str(name)] = {"auc": round(area, 4), "eer": round(error, 4), "clips": int(own.sum())}
    return result


def interval(area: float, spoofs: int, humans: int) -> tuple[float, float]:
    """95 % interval of an area under the ROC curve, clips taken as independent (Hanley and McNeil, 1982).

    Examples
    --------
    >>> interval(0.8, 100, 100)
    (0.7385, 0.8615)
    """
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (spoofs - 1) * (one - area**2) + (humans - 1) * (two - area**2)
    half = 1.96 * float(np.sqrt(max(variance, 0) / (spoofs * humans)))
    return round(max(0.0, area - half), 4), round(min(1.0, area + half), 4)
