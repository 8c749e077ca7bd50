"""The trivial baseline of the audit, to stand beside a detector: what a model of durations, levels and formats reaches.

``earwitness audit`` writes it to ``<manifest>.audit.json``. A detector that is not clearly better has shown nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import ManifestError


@dataclass(frozen=True)
class Baseline:
    """EER and AUC of the trivial baseline, and on what it was measured."""

    eer: float
    auc: float
    measured_on: str

    def to_dict(self) -> dict[str, float | str]:
        """For JSON."""
        return dict(vars(self))


def find_audit(manifest: Path) -> Path | None:
    """The audit beside a manifest, if there is one."""
    place = manifest.with_name(manifest.name + ".audit.json")
    for candidate in (place, manifest.with_suffix(".audit.json")):
        if candidate.is_file():
            return candidate
    return None


def read_baseline(path: Path, *, split: str = "") -> Baseline | None:
    """The baseline in an audit file, for ``split`` where the audit has it; None where the audit could not make one.

    The figure for a split is that of a model fitted on train; the other is cross-validated by source over all clips.

    Raises
    ------
    ManifestError
        If the file is not an audit.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "m.csv.audit.json"
    >>> _ = file.write_text('{"trivial_baseline": {"auc": 0.7, "eer": 0.35, "splits": {}}}')
    >>> read_baseline(file)
    Baseline(eer=0.35, auc=0.7, measured_on='all clips of the audit, cross-validated by source')
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["trivial_baseline"]
        own = (found.get("splits") or {}).get(split)
        if own:
            return Baseline(float(own["eer"]), float(own["auc"]), f"{split}, fitted on train")
        if found.get("eer") is None:
            return None
        return Baseline(float(found["eer"]), float(found["auc"]), "all clips of the audit, cross-validated by source")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"{path}: not an audit: {error!r}", hint="make one with: earwitness audit MANIFEST"
        ) from None
