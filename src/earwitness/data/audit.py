"""The audit: everything that is wrong with a corpus before a model learns it.

``audit`` measures every clip, applies the rules of :mod:`earwitness.data.findings` and the shortcut probe of
:mod:`earwitness.data.shortcuts`, and returns an :class:`Audit` that is written as JSON and as one HTML page.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.data.cue_rules import cue_findings
from earwitness.data.files import replacing
from earwitness.data.findings import (
    SEVERITIES,
    Finding,
    clip_findings,
    duplicate_findings,
    file_findings,
    found,
    label_findings,
    leak_findings,
)
from earwitness.data.fingerprint import matches
from earwitness.data.manifest import LABELS, Manifest
from earwitness.data.measure import Measured
from earwitness.data.measuring import Progress, measure_all
from earwitness.data.shortcuts import NUMBERS, Probe, probe
from earwitness.errors import ManifestError

QUANTILES = (5, 25, 50, 75, 95)
FORMATS = ("container", "codec", "rate", "channels", "bit_depth")

LIMITS = (
    "A few labels that were swapped at random (in 2 % of the rows, say) leave no trace that a rule could find, and "
    "none is claimed here: listen to samples of each class, and look at the clips that a model gets most wrong.",
    "Speakers are compared by name. Voices without a name, or with two, are not recognised.",
    "The probe knows the cues that are listed. A shortcut outside of them (a jingle, a text, a room) stays unseen.",
    "Near duplicates are the same recording over .6 s and more, after re-encoding and at any level; a change of pitch "
    "or speed hides them.",
)


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    where, rows, measured:
        The manifest, its rows, and how many of them could be decoded.
    findings:
        Errors first.
    probe:
        The shortcut probe.
    counts:
        (split, label) -> rows and hours.
    formats:
        Fact of the file -> value -> label -> rows.
    spread:
        Cue -> label -> the quantiles of :data:`QUANTILES`.
    histograms:
        (split, label) -> mean share of samples per amplitude bin from -1 to 1.
    seconds, clips_per_second:
        Time of this run and what it measured per second; cached clips count as measured.
    """

    where: str
    rows: int
    measured: int
    findings: tuple[Finding, ...]
    probe: Probe
    counts: dict[tuple[str, str], tuple[int, float]]
    formats: dict[str, dict[str, dict[str, int]]]
    spread: dict[str, dict[str, list[float]]]
    histograms: dict[tuple[str, str], list[float]]
    seconds: float
    clips_per_second: float

    def worst(self) -> str:
        """``error``, ``warning``, ``note``, or ``""`` when nothing was found."""
        return next((s for s in SEVERITIES if any(f.severity == s for f in self.findings)), "")

    def fails(self, limit: str) -> bool:
        """Whether there is a finding of this severity or a worse one."""
        return any(SEVERITIES.index(f.severity) <= SEVERITIES.index(limit) for f in self.findings)

    def verdict(self) -> str:
        """The shortcut probe in words.

        The words follow the lower end of the baseline's interval, so that few clips do not sound like proof.
        """
        if self.probe.auc is None or self.probe.interval is None:
            return f"The shortcut probe gives no figure: {self.probe.reason}."
        low = self.probe.interval[0]
        words = next(text for least, text in _WORDS if low >= least)
        return (
            f"A small model that sees only trivial cues and never the voice reaches AUC {self.probe.auc:.3f} "
            f"(EER {self.probe.eer:.1%}) on sources it has not seen: {words}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON. ``trivial_baseline`` is what evaluation prints beside its figures."""
        return {
            "manifest": self.where,
            "rows": self.rows,
            "measured": self.measured,
            "verdict": self.verdict(),
            "findings": [finding.to_dict() for finding in self.findings],
            "trivial_baseline": self.probe.to_dict(),
            "counts": [
                {"split": split, "label": label, "rows": rows, "hours": round(hours, 4)}
                for (split, label), (rows, hours) in self.counts.items()
            ],
            "formats": self.formats,
            "spread": {"quantiles": QUANTILES, "cues": self.spread},
            "histograms": [
                {"split": split, "label": label, "shares": shares} for (split, label), shares in self.histograms.items()
            ],
            "limits": LIMITS,
            "seconds": round(self.seconds, 1),
            "clips_per_second": round(self.clips_per_second, 1),
        }


_WORDS = (
    (0.9, "the labels can be told without listening. A detector trained or tested here proves nothing about voices."),
    (0.75, "strong shortcuts. Compare every figure on this corpus with this one, and break the cues before training."),
    (0.6, "there are shortcuts. A detector has to be clearly better than this to have shown anything."),
    (0.0, "no strong shortcut among the cues that were looked at."),
)


def audit(
    manifest: Manifest, *, jobs: int = 1, cache: Path | None = None, progress: Progress | None = None, seed: int = 0
) -> Audit:
    """Audit a corpus.

    Parameters
    ----------
    manifest, jobs, cache, progress:
        See :func:`earwitness.data.measuring.measure_all`.
    seed:
        For the folds of the probe.

    Raises
    ------
    ManifestError
        If not one clip can be decoded.
    MissingExtraError
        Without scikit-learn (extra ``train``).
    """
    start = time.perf_counter()
    outcomes = measure_all(manifest, jobs=jobs, cache=cache, progress=progress)
    good = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Measured)]
    clips = [outcome for outcome in outcomes if isinstance(outcome, Measured)]
    if not clips:
        raise ManifestError(
            f"{manifest.where}: not one of {len(manifest):,} files can be read; the first: {outcomes[0]}"
        )
    readable = manifest.keeping(good)
    probed = probe(readable, clips, seed=seed)
    near = matches([clip.words for clip in clips])
    findings = [
        *file_findings(manifest, outcomes),
        *label_findings(manifest),
        *duplicate_findings(readable, clips, near),
        *leak_findings(manifest),
        *cue_findings(probed, readable),
        *_mixed_formats(clips),
        *clip_findings(readable, clips),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    seconds = time.perf_counter() - start
    return Audit(
        where=manifest.where,
        rows=len(manifest),
        measured=len(clips),
        findings=tuple(findings),
        probe=probed,
        counts=_counts(readable, clips),
        formats=_formats(readable, clips),
        spread=_spread(readable, clips),
        histograms=_histograms(readable, clips),
        seconds=seconds,
        clips_per_second=len(manifest) / seconds,
    )


def write_json(result: Audit, path: Path) -> None:
    """Write the audit as JSON; the file is replaced as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _mixed_formats(clips: Sequence[Measured]) -> Iterator[Finding]:
    for name, title in (("rate", "sample rates"), ("channels", "channel counts")):
        values = Counter(getattr(clip, name) for clip in clips)
        if len(values) > 1:
            text = ", ".join(f"{value:,} ({count:,} clips)" for value, count in values.most_common(6))
            yield found(
                f"mixed-{name}",
                "note",
                f"{len(values)} {title}: {text}",
                effect="bandwidth and mixing leave traces; the tables show whether the classes differ",
                advice="nothing, when both classes have the same mixture",
                count=len(clips) - values.most_common(1)[0][1],
            )


def _counts(manifest: Manifest, clips: Sequence[Measured]) -> dict[tuple[str, str], tuple[int, float]]:
    rows: Counter[tuple[str, str]] = Counter()
    hours: Counter[tuple[str, str]] = Counter()
    for row, clip in zip(manifest, clips, strict=True):
        rows[row.split, row.label] += 1
        hours[row.split, row.label] += clip.seconds / 3600  # type: ignore[assignment]
    return {key: (rows[key], float(hours[key])) for key in sorted(rows)}


def _formats(manifest: Manifest, clips: Sequence[Measured]) -> dict[str, dict[str, dict[str, int]]]:
    tables: dict[str, dict[str, dict[str, int]]] = {}
    for name in FORMATS:
        values = Counter(str(getattr(clip, name)) for clip in clips)
        table = {value: dict.fromkeys(LABELS, 0) for value, _ in values.most_common()}
        for row, clip in zip(manifest, clips, strict=True):
            table[str(getattr(clip, name))][row.label] += 1
        tables[name] = table
    return tables


def _spread(manifest: Manifest, clips: Sequence[Measured]) -> dict[str, dict[str, list[float]]]:
    spoof = np.array([row.spoof for row in manifest])
    result: dict[str, dict[str, list[float]]] = {}
    for name in NUMBERS:
        values = np.array([getattr(clip, name) for clip in clips], float)
        result[name] = {
            label: [round(float(q), 5) for q in np.percentile(values[own], QUANTILES)]
            for label, own in (("bonafide", ~spoof), ("spoof", spoof))
            if own.any()
        }
    return result


def _histograms(manifest: Manifest, clips: Sequence[Measured]) -> dict[tuple[str, str], list[float]]:
    groups: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row, clip in zip(manifest, clips, strict=True):
        groups.setdefault((row.split, row.label), []).append(clip.histogram)
    return {key: [round(float(v), 6) for v in np.mean(own, axis=0)] for key, own in sorted(groups.items())}
