"""What a finding is, and the rules over labels, splits and files. Each says what it does to a model and what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from earwitness.data.fingerprint import Match
from earwitness.data.manifest import BONAFIDE, LABELS, Manifest
from earwitness.data.measure import HISTOGRAM_BINS, Measured
from earwitness.data.measuring import Outcome

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

KEPT = 10_000
"""Rows that a finding names at most; all are counted."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a corpus.

    Parameters
    ----------
    code:
        A stable word for programs.
    severity:
        ``error``: figures on this corpus are wrong or worthless; ``warning``: they are doubtful; ``note``: worth
        knowing.
    title:
        What was found, in one sentence with its numbers.
    effect:
        What it does to a model.
    advice:
        What to do.
    count:
        Rows (or pairs) concerned.
    rows:
        They, as ``id`` or ``id = id``; at most :data:`KEPT`.
    """

    code: str
    severity: Severity
    title: str
    effect: str
    advice: str
    count: int = 0
    rows: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def found(
    code: str,
    severity: Severity,
    title: str,
    *,
    effect: str,
    advice: str,
    rows: Sequence[str] = (),
    count: int | None = None,
) -> Finding:
    """A finding that names its rows, up to :data:`KEPT`, and counts all."""
    return Finding(code, severity, title, effect, advice, len(rows) if count is None else count, tuple(rows[:KEPT]))


def file_findings(manifest: Manifest, outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Files that cannot be read, and files under two labels."""
    bad = [f"{manifest.place(i)}: {text}" for i, text in enumerate(outcomes) if isinstance(text, str)]
    if bad:
        yield found(
            "unreadable",
            "error",
            f"{len(bad):,} files cannot be read",
            effect="training stops at them or skips them unseen",
            advice="restore the files or take the rows out",
            rows=bad,
        )
    labels: dict[str, set[str]] = defaultdict(set)
    for row in manifest:
        labels[str(manifest.file(row))].add(row.label)
    if both := [path for path, own in labels.items() if len(own) > 1]:
        yield found(
            "file-with-two-labels",
            "error",
            f"{len(both):,} files stand in the manifest as bonafide and as spoof",
            effect="the model is taught a contradiction",
            advice="find out which label is right; remove the other row",
            rows=both,
        )


def label_findings(manifest: Manifest) -> Iterator[Finding]:
    """Classes: one only, missing in a split, far from even; sources that give the label away."""
    counts = Counter(row.label for row in manifest)
    for label in LABELS:
        if not counts[label]:
            yield found(
                "one-class",
                "error",
                f"every one of the {len(manifest):,} rows is {next(iter(counts))}",
                effect="a model that always answers the same is right everywhere; no figure means anything",
                advice=f"look at how the labels were made; add {label} recordings",
                count=len(manifest),
            )
            return
    splits = Counter((row.split, row.label) for row in manifest)
    for split in sorted({row.split for row in manifest} - {""}):
        if lacking := [label for label in LABELS if not splits[split, label]]:
            yield found(
                "split-with-one-class",
                "error",
                f"the split {split!r} has no {lacking[0]} row",
                effect="no error rate can be computed on it",
                advice="earwitness data split makes stratified parts",
                count=sum(splits[split, label] for label in LABELS),
            )
    share = min(counts.values()) / len(manifest)
    if share < 0.35:
        rare = min(counts, key=lambda label: counts[label])
        yield found(
            "imbalance",
            "warning" if share < 0.15 else "note",
            f"{rare} rows are {share:.1%} of all ({counts[rare]:,} of {len(manifest):,})",
            effect="accuracy flatters a model that answers the common class; the loss sees little of the rare one",
            advice="sample evenly in training; report EER, not accuracy",
            count=counts[rare],
        )
    yield from _sources_of_one_class(manifest)


def _sources_of_one_class(manifest: Manifest) -> Iterator[Finding]:
    own: dict[str, set[str]] = defaultdict(set)
    for row in manifest:
        if row.source:
            own[row.source].add(row.label)
    single = {source for source, labels in own.items() if len(labels) == 1}
    if len(own) > 1 and single:
        rows = sum(row.source in single for row in manifest)
        share = rows / len(manifest)
        yield found(
            "sources-of-one-class",
            "warning" if share > 0.5 else "note",
            f"{len(single):,} of {len(own):,} sources have one class only ({share:.0%} of the rows)",
            effect="microphone, room and codec of the source tell the label",
            advice="add the other class from the same sources, or sample evenly over sources that have both",
            rows=sorted(single),
            count=rows,
        )


def leak_findings(manifest: Manifest) -> Iterator[Finding]:
    """Speakers, sources and pairs on both sides of a split."""
    for column, severity, effect in (
        ("speaker", "warning", "the model can know the voice; figures are too good, and how much is unknown"),
        ("source", "warning", "the model can know the microphone, the text and the codec of the source"),
        ("system", "note", "figures on these generators say nothing about unseen ones"),
    ):
        places: dict[str, set[str]] = defaultdict(set)
        rows: Counter[str] = Counter()
        for row in manifest:
            # Everyone is "human", and people of unknown name are not the same person.
            if row.split and row.get(column) and not (column == "system" and row.label == BONAFIDE):
                places[row.get(column)].add(row.split)
                rows[row.get(column)] += 1
        shared = sorted((v for v, splits in places.items() if len(splits) > 1), key=lambda v: -rows[v])
        if shared:
            known = sum(bool(row.get(column)) for row in manifest)
            yield found(
                f"{column}-in-several-splits",
                severity,  # type: ignore[arg-type]
                f"{len(shared):,} of {len(places):,} {column}s stand in more than one split "
                f"({column} is known for {known / len(manifest):.0%} of the rows)",
                effect=effect,
                advice=f"earwitness data split --disjoint {column}, or report seen and unseen apart",
                rows=[f"{value} ({', '.join(sorted(places[value]))})" for value in shared],
                count=sum(rows[value] for value in shared),
            )
    splits = {row.id: row.split for row in manifest}
    apart = [f"{row.id} = {row.pair}" for row in manifest if splits.get(row.pair, row.split) != row.split]
    if apart:
        yield found(
            "pair-in-two-splits",
            "error",
            f"{len(apart):,} copies stand in another split than the clip they were made from",
            effect="the text, the voice and the channel of a test clip were seen in training",
            advice="earwitness data split keeps pairs together",
            rows=apart,
        )


def duplicate_findings(manifest: Manifest, clips: Sequence[Measured], near: Sequence[Match]) -> Iterator[Finding]:
    """Exact duplicates (decoded samples) and near ones (fingerprint): opposite labels, across splits, within one.

    Declared pairs, and copies of the same original, are alike by nature and are left out of the near ones.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        same[clip.pcm].append(index)
    exact = [(group[0], other) for group in same.values() for other in group[1:]]
    yield from _pairs_found(manifest, exact, "duplicate", "the same samples")
    known = set(exact)
    alike = []
    for match in near:
        one, two = manifest[match.first], manifest[match.second]
        related = one.pair == two.id or two.pair == one.id or (one.pair and one.pair == two.pair)
        if (
            not related
            and (match.first, match.second) not in known
            and clips[match.first].pcm != clips[match.second].pcm
        ):
            alike.append((match.first, match.second))
    yield from _pairs_found(manifest, alike, "near-duplicate", "the same recording (fingerprint)")
    yield from _other_voices(manifest, [*exact, *alike])


def _other_voices(manifest: Manifest, pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    rows = []
    for first, second in pairs:
        one, two = manifest[first], manifest[second]
        human = one.label == two.label == BONAFIDE
        if human and one.speaker and two.speaker and one.speaker != two.speaker:
            rows.append(f"{one.id} ({one.speaker}) = {two.id} ({two.speaker})")
    if rows:
        yield found(
            "recording-under-two-speakers",
            "warning",
            f"{len(rows):,} pairs of bonafide clips are the same recording under two speakers",
            effect="one name is wrong, or one clip is a converted voice that is labelled human",
            advice="listen to both; a converted voice is spoof",
            rows=rows,
        )


def _pairs_found(manifest: Manifest, pairs: Sequence[tuple[int, int]], code: str, what: str) -> Iterator[Finding]:
    exact = code == "duplicate"
    kinds: dict[str, list[str]] = defaultdict(list)
    for first, second in pairs:
        one, two = manifest[first], manifest[second]
        kind = "labels" if one.label != two.label else "splits" if one.split != two.split else "within"
        kinds[kind].append(f"{one.id} ({one.split or one.label}) = {two.id} ({two.split or two.label})")
    if rows := kinds["labels"]:
        yield found(
            f"{code}-with-opposite-labels",
            "error" if exact else "warning",
            f"{len(rows):,} pairs of clips are {what} with opposite labels",
            effect="one of the two labels is wrong"
            if exact
            else "a label is wrong, or one is a vocoded copy of the other",
            advice="listen to them; remove the wrong row" if exact else "listen; declare copies in the column pair",
            rows=rows,
        )
    if rows := kinds["splits"]:
        yield found(
            f"{code}-across-splits",
            "error",
            f"{len(rows):,} pairs of clips are {what} in different splits",
            effect="the model has seen test clips in training: figures are too good",
            advice="remove them from one side",
            rows=rows,
        )
    if rows := kinds["within"]:
        yield found(
            f"{code}-within-a-split",
            "warning" if exact else "note",
            f"{len(rows):,} pairs of clips are {what} with the same label and split",
            effect="they weigh double, and intervals come out too narrow",
            advice="keep one of each",
            rows=rows,
        )


_CLIP_RULES: tuple[tuple[str, Severity, str, Callable[[Measured], bool], str, str], ...] = (
    ("silent", "warning", "have no sound above -60 dB", lambda c: c.peak_db < -60, "they teach nothing", "remove them"),
    (
        "clipped",
        "note",
        "are clipped (over 1 in 1,000 samples)",
        lambda c: c.clipped_share > 1e-3,
        "clipping is a cue of the recording",
        "look whether one class has more of it",
    ),
    (
        "dc-offset",
        "note",
        "have a DC offset over .01",
        lambda c: c.dc > 0.01,
        "an offset marks the device or the generator",
        "take the mean away in both classes",
    ),
    ("short", "note", "are shorter than 1 s", lambda c: c.seconds < 1, "too little speech to judge", "leave them out"),
    (
        "decoder-warnings",
        "note",
        "were decoded with warnings",
        lambda c: bool(c.warnings),
        "the end or a part may be missing",
        "fetch the files again",
    ),
)


def clip_findings(manifest: Manifest, clips: Sequence[Measured]) -> Iterator[Finding]:
    """Single clips that are odd: silent, clipped, off zero, short, of another length than stated, of odd histogram."""
    for code, severity, text, holds, effect, advice in _CLIP_RULES:
        rows = [manifest[i].id for i, clip in enumerate(clips) if holds(clip)]
        if rows:
            title = f"{len(rows):,} clips {text}"
            yield found(code, severity, title, effect=effect, advice=advice, rows=rows)
    stated = [
        f"{row.id} ({row.seconds:g} s stated, {clip.seconds:g} s decoded)"
        for row, clip in zip(manifest, clips, strict=True)
        if row.seconds is not None and abs(row.seconds - clip.seconds) > 0.1
    ]
    if stated:
        yield found(
            "other-length-than-stated",
            "warning",
            f"{len(stated):,} clips differ from the stated duration by more than .1 s",
            effect="the file may not be the one that the row means",
            advice="compare with the original corpus",
            rows=stated,
        )
    yield from _odd_histograms(manifest, clips)


def _odd_histograms(manifest: Manifest, clips: Sequence[Measured]) -> Iterator[Finding]:
    """Clips whose amplitudes are spread unlike those of their class: the anomaly search of histogram inspection."""
    odd: list[tuple[float, str]] = []
    for label in LABELS:
        own = [i for i, row in enumerate(manifest) if row.label == label]
        if len(own) < 20:
            continue
        table = np.array([clips[i].histogram for i in own]).reshape(-1, HISTOGRAM_BINS)
        distance = np.abs(table - np.median(table, axis=0)).sum(1) / 2
        middle = float(np.median(distance))
        spread = 1.4826 * float(np.median(np.abs(distance - middle))) + 1e-6
        odd += [(d, manifest[i].id) for d, i in zip(distance, own, strict=True) if (d - middle) / spread > 5]
    if odd:
        yield found(
            "odd-amplitudes",
            "note",
            f"{len(odd):,} clips have an amplitude histogram unlike the others of their class",
            effect="levels, offsets or broken files that mark single clips",
            advice="listen to the first ones",
            rows=[name for _, name in sorted(odd, reverse=True)],
        )
