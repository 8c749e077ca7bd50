"""Findings from the shortcut probe: which cues give the labels away, and how much all of them together do."""

from __future__ import annotations

from collections.abc import Iterator

from earwitness.data.findings import Finding, Severity, found
from earwitness.data.manifest import Manifest
from earwitness.data.shortcuts import Cue, Probe, interval

LEVELS: tuple[tuple[float, Severity], ...] = ((0.9, "error"), (0.75, "warning"), (0.62, "note"))
"""Severity by the lower end of the area's 95 % interval."""


def severity_of(area: float, spoofs: int, humans: int) -> Severity | None:
    """How bad it is that something reaches this area under the ROC curve, given how many clips say so.

    Examples
    --------
    >>> severity_of(0.95, 500, 500), severity_of(0.7, 500, 500), severity_of(0.7, 10, 10)
    ('error', 'note', None)
    """
    low = interval(area, spoofs, humans)[0]
    return next((severity for least, severity in LEVELS if low >= least), None)


def cue_findings(probe: Probe, manifest: Manifest) -> Iterator[Finding]:
    """The cues, and then the baseline, that tell the labels apart."""
    spoofs = sum(row.spoof for row in manifest)
    humans = len(manifest) - spoofs
    if not spoofs or not humans:
        return
    for cue in probe.cues:
        severity = severity_of(cue.strength, spoofs, humans)
        if severity is not None:
            yield _cue(cue, severity, len(manifest))
    if probe.auc is not None and (severity := severity_of(probe.auc, spoofs, humans)) is not None:
        yield found(
            "trivial-baseline",
            severity,
            f"all trivial cues together tell the labels apart with AUC {probe.auc:.3f} (EER {probe.eer:.1%})",
            effect="a detector can reach this without hearing the voice",
            advice="print this figure beside every result on this corpus; even out the strongest cues",
            count=len(manifest),
        )


def _cue(cue: Cue, severity: Severity, rows: int) -> Finding:
    human, spoof = cue.medians
    if cue.auc is not None and cue.auc >= (cue.tree_auc or 0.5):
        how = f"AUC {cue.auc:.3f}: {cue.higher} is higher; medians {human} bonafide, {spoof} spoof"
    else:
        how = f"AUC {cue.tree_auc:.3f} for a small tree; most typical {human} bonafide, {spoof} spoof"
    where = "the column " if cue.declared else ""
    return found(
        f"shortcut-{cue.name.replace('_', '-')}",
        severity,
        f"{where}{cue.title} alone tells the labels apart ({how})",
        effect="its traces are learnt instead of the voice" if cue.declared else "it is learnt instead of the voice",
        advice=ADVICE.get(cue.name, "make both classes alike in this, or randomise it in both alike"),
        count=rows,
    )


ADVICE = {
    "seconds": "cut both classes to the same lengths, at random places",
    "peak_db": "randomise the level of both classes alike",
    "rms_db": "randomise the level of both classes alike",
    "lead_seconds": "trim the silence at both ends of both classes, or randomise it in both",
    "trail_seconds": "trim the silence at both ends of both classes, or randomise it in both",
    "zero_share": "add faint noise to both classes alike",
    "floor_db": "add noise of random level to both classes alike",
    "rate": "bring all clips to one rate by one resampler, then limit the band of both classes alike",
    "bandwidth_hz": "limit the band of both classes at random",
    "high_db": "limit the band of both classes at random",
    "container": "decode all clips and store them in one format",
    "codec": "pass both classes through the same codecs",
    "encoder": "decode all clips and store them by one program",
    "bit_rate": "pass both classes through the same codecs",
    "hole_share": "pass both classes through the same codecs",
    "source_rate": "limit the band of both classes at random; sample evenly over the rates",
    "source_container": "pass both classes through the same codecs; sample evenly over the containers",
    "language": "sample evenly over the languages of both classes",
}
