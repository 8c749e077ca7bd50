"""What commands share: colours where someone looks, none in a pipe; errors; a progress bar on long work."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = ".:-=+*%#"


def coloured(stream: TextIO) -> bool:
    """Whether to write colours to ``stream``: a terminal, unless ``NO_COLOR`` is set (no-color.org) or it is dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Painter:
    """Puts colours around text, or not.

    Examples
    --------
    >>> Painter(on=False)("hello", "bold", "red")
    'hello'
    """

    def __init__(self, *, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, *styles: str) -> str:
        """``text`` in the named styles."""
        if not self.on or not styles:
            return text
        return f"\033[{';'.join(_CODES[s] for s in styles)}m{text}\033[0m"


def can_print(text: str, stream: TextIO) -> bool:
    """Whether the encoding of ``stream`` has all characters of ``text``."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(text: str) -> str:
    """``text`` with control characters shown as codes: a file name must not steer the terminal.

    Examples
    --------
    >>> printable("a" + chr(27)) == "a" + chr(92) + "x1b"
    True
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def say(text: str, stream: TextIO | None = None, *, end: str = "\n") -> None:
    """Print ``text``; a character that the stream cannot write is replaced, never an error."""
    out = stream or sys.stdout
    if not can_print(text, out):
        encoding = out.encoding or "ascii"
        text = text.encode(encoding, "replace").decode(encoding)
    print(text, file=out, end=end, flush=True)


def complain(message: str, hint: str = "") -> None:
    """An error for people, on standard error."""
    paint = Painter(on=coloured(sys.stderr))
    say(paint("error: ", "bold", "red") + printable(message), sys.stderr)
    if hint:
        say(paint("hint: ", "bold") + printable(hint), sys.stderr)


def graph(values: list[float | None], *, reach: float = 6.0, plain: bool = False) -> str:
    """A line of bars for log-likelihood ratios, from ``-reach`` (lowest) to ``reach``; None is a gap.

    Examples
    --------
    >>> graph([-6, 0, 6, None], plain=True)
    '.+# '
    """
    bars = _PLAIN_BARS if plain else _BARS
    out = []
    for value in values:
        if value is None:
            out.append(" ")
        else:
            share = (min(max(value, -reach), reach) + reach) / (2 * reach)
            out.append(bars[min(int(share * len(bars)), len(bars) - 1)])
    return "".join(out)


def clock(seconds: float) -> str:
    """Minutes and seconds with one decimal, hours where there are any.

    Examples
    --------
    >>> clock(75.04), clock(3600)
    ('1:15.0', '1:00:00.0')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{front}:{rest / 10:04.1f}"


class Silent:
    """A progress bar that shows nothing."""

    def update(self, done: float, total: float | None = None, text: str = "") -> None:
        """Ignore."""

    def hide(self) -> None:
        """Ignore."""


class Bar:
    """A progress bar (rich) on standard error that appears once the work has taken ``patience`` seconds."""

    def __init__(self, patience: float = 1.0) -> None:
        self._start, self._patience = time.monotonic(), patience
        self._bar: Any = None
        self._task: Any = None

    def update(self, done: float, total: float | None = None, text: str = "") -> None:
        """Show ``done`` of ``total``; None = not known."""
        if self._bar is None:
            if time.monotonic() - self._start < self._patience:
                return
            self._open()
        self._bar.update(self._task, completed=done, total=total, description=text)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def hide(self) -> None:
        """Take it away, until the next update."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def progress(*, wanted: bool = True) -> Iterator[Bar | Silent]:
    """A :class:`Bar` if someone looks at standard error, else a :class:`Silent` one."""
    if not (wanted and sys.stderr.isatty()):
        yield Silent()
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.hide()
