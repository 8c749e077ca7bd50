"""The HTML report of a scan: one file that needs no network and can be printed, filed and checked again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earwitness.verdict import Verdict

__all__ = ["write_report"]


def write_report(verdicts: Sequence[Verdict], path: Path, *, command: str, made: datetime | None = None) -> None:
    """Write the report on ``verdicts`` to ``path``, replacing a file that is there.

    Recordings that can still be read are read once more, block by block, for their spectrograms; one that has
    changed since the scan gets none, and the report says so.

    Parameters
    ----------
    verdicts:
        In the order in which they shall appear; failed ones are listed with their error.
    path:
        Where to write; the folder must exist.
    command:
        The command that reproduces the scan, as it was typed.
    made:
        The time to print; now, if None.

    Raises
    ------
    EarwitnessError
        With code ``report`` if ``path`` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from earwitness.errors import AudioError
    >>> from earwitness.verdict import Verdict
    >>> out = Path(tempfile.mkdtemp(), "report.html")
    >>> write_report([Verdict.failed("a.wav", AudioError("a.wav: 0 bytes"))], out, command="earwitness scan a.wav")
    >>> "a.wav: 0 bytes" in out.read_text(encoding="utf-8")
    True
    """
    from earwitness.errors import EarwitnessError
    from earwitness.report.page import page

    text = page(verdicts, command=command, made=made or datetime.now().astimezone())
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise EarwitnessError(
            f"{path}: the report cannot be written: {error.strerror or error}",
            hint="give a file in a folder that exists",
            code="report",
        ) from None
