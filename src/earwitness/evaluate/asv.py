"""Scores of a speaker verifier, for the tandem metrics: lines ``source role score`` or ``role score``."""

from __future__ import annotations

from pathlib import Path

from earwitness.errors import ManifestError
from earwitness.evaluate.lines import TextFile, number_in
from earwitness.metrics import AsvRates, asv_rates

ROLES = ("target", "nontarget", "spoof")


def read_asv(path: Path | str) -> AsvRates:
    """Error rates of the verifier, at its equal error rate, from its scores (higher = accept).

    Parameters
    ----------
    path:
        One line a trial: ``bonafide target 7.98``, ``A07 spoof -3.2`` (ASVspoof 2019), or without the first word.

    Raises
    ------
    ManifestError
        With file and line, for another role or a score that is not a number, or when a role is missing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "asv.txt"
    >>> _ = file.write_text("bonafide target 3\\nbonafide nontarget -1\\nA07 spoof 2.5\\n")
    >>> read_asv(file).miss
    0.0
    """
    file = TextFile.read(Path(path))
    groups: dict[str, list[float]] = {role: [] for role in ROLES}
    for number, text in file.lines:
        cells, place = text.split(), f"{path}:{number}"
        if len(cells) not in (2, 3) or cells[-2] not in groups:
            raise ManifestError(
                f"{place}: not a verifier score: {text.strip()[:80]!r}",
                hint="source, role, score; roles: " + ", ".join(ROLES),
            )
        groups[cells[-2]].append(number_in(cells[-1], place))
    for role, values in groups.items():
        if not values:
            raise ManifestError(f"{path}: no {role} trials", hint="all of " + ", ".join(ROLES) + " are needed")
    return asv_rates(groups["target"], groups["nontarget"], groups["spoof"])
