"""The HTML report on a scan that the service made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ORIGIN = "The scan ran on a server of Earwitness, which sent the recording nowhere."
NOT_KEPT = "the service does not keep recordings"


def report(verdict: Mapping[str, Any], *, kept: bool) -> str:
    """The report as text.

    Parameters
    ----------
    verdict:
        As it is recorded; a signature on it is not shown.
    kept:
        Whether ``verdict["path"]`` is a recording to be decoded once more for its spectrogram. Only a worker may do
        that; without it no file is opened.

    Examples
    --------
    >>> error = {"code": "empty-file", "message": "a.wav: 0 bytes", "hint": ""}
    >>> "a.wav: 0 bytes" in report({"path": "a.wav", "error": error}, kept=False)
    True
    """
    from earwitness.report.page import page
    from earwitness.verdict import Verdict

    facts = {key: value for key, value in verdict.items() if key not in ("key_id", "signature")}
    found = Verdict.from_dict(facts)
    made = datetime.now().astimezone()
    return page([found], command=_command(facts), made=made, origin=ORIGIN, no_pictures="" if kept else NOT_KEPT)


def _command(facts: Mapping[str, Any]) -> str:
    """The command that scans the same file with the same settings."""
    words = ["earwitness", "scan"]
    costs = facts.get("costs") or {}
    for option, value, usual in (
        ("--prior", facts.get("prior"), 0.5),
        ("--cost-miss", costs.get("miss"), 1.0),
        ("--cost-false-alarm", costs.get("false_alarm"), 1.0),
    ):
        if value is not None and value != usual:
            words += [option, f"{value:g}"]
    name = (facts.get("source") or {}).get("name") or "FILE"
    return shlex.join([*words, "--", str(name)])
