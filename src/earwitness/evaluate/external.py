"""Detectors outside this process: a command that reads a list of files, and an HTTP service.

The command is started without a shell. The service is asked with one POST a file (``multipart/form-data``), and only at
the address that the user gave; redirects are not followed.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.lines import number_in
from earwitness.evaluate.scorers import Answer, in_order
from earwitness.evaluate.scores import Direction

_TAIL = 400


class CommandScorer:
    """A command with ``{list}`` (a text file, one path a line) and ``{out}`` (to be written: ``path<TAB>score``).

    Parameters
    ----------
    command:
        Such as ``python score.py {list} {out}``; split like a shell would, but run without one.
    direction:
        What its higher scores speak for.
    timeout:
        Seconds, None = no limit.

    An empty score or ``nan`` in the output says that the file has none.

    Raises
    ------
    ConfigError
        If a placeholder is missing or the command cannot be split.
    """

    def __init__(
        self, command: str, *, direction: Direction, name: str | None = None, timeout: float | None = None
    ) -> None:
        try:
            self.parts = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"the command cannot be read: {error}: {command!r}") from None
        for place in ("{list}", "{out}"):
            if place not in command:
                raise ConfigError(f"the command has no {place}: {command!r}", hint="such as: score.py {list} {out}")
        self.direction = direction
        self.name = name or Path(self.parts[0]).name
        self.timeout = timeout

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """Run the command once for all files; see :meth:`earwitness.evaluate.scorers.Scorer.answers`."""
        paths = [os.path.abspath(file) for file in files]
        if any("\n" in path or "\t" in path for path in paths):
            raise ManifestError("a path holds a tab or a line break", hint="the list for a command is one path a line")
        with tempfile.TemporaryDirectory(prefix="earwitness-") as folder:
            listed, out = Path(folder, "list.txt"), Path(folder, "scores.txt")
            listed.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
            self._run([p.replace("{list}", str(listed)).replace("{out}", str(out)) for p in self.parts])
            found = self._read(out)
        known = set(paths)
        absent, extra = [p for p in paths if p not in found], [p for p in found if p not in known]
        if absent or extra:
            raise ManifestError(
                f"{self.name}: {len(absent):,} of {len(paths):,} files have no line in the output and {len(extra):,} "
                f"lines name other files",
                hint=f"the first: {(absent + extra)[0]}; write each path as it stands in the list",
                code="unmatched-ids",
            )
        for path in paths:
            yield found[path]

    def _run(self, parts: list[str]) -> None:
        try:
            done = subprocess.run(parts, capture_output=True, text=True, errors="replace", timeout=self.timeout)
        except FileNotFoundError:
            raise ConfigError(f"{parts[0]}: no such command") from None
        except OSError as error:
            raise ConfigError(f"{parts[0]}: cannot be started: {error}") from None
        except subprocess.TimeoutExpired:
            raise ManifestError(f"{self.name}: not done after {self.timeout:g} s") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-_TAIL:]
            raise ManifestError(f"{self.name}: ended with code {done.returncode}", hint=said)

    def _read(self, out: Path) -> dict[str, Answer]:
        if not out.is_file():
            raise ManifestError(f"{self.name}: wrote no {{out}} file", hint="one line a file: path<TAB>score")
        found: dict[str, Answer] = {}
        for number, line in enumerate(out.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            path, tab, score = line.rpartition("\t")
            place = f"{self.name}: output line {number}"
            if not tab:
                raise ManifestError(f"{place}: no tab in {line[:80]!r}", hint="one line a file: path<TAB>score")
            if path in found:
                raise ManifestError(f"{place}: {path} occurs twice")
            if score.strip().lower() in ("", "nan"):
                found[path] = Answer(None, "the command gave no score")
            else:
                found[path] = Answer(number_in(score.strip(), place))
        return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class UrlScorer:
    """A service that takes a file and answers with JSON.

    Parameters
    ----------
    url:
        ``http://`` or ``https://``; asked by POST with the file in the field ``file`` of a multipart form.
    field:
        JSON pointer (RFC 6901) of the score in the answer, such as ``/llr`` or ``/results/0/score``.
    direction:
        What its higher scores speak for.
    jobs:
        Requests at a time.
    timeout:
        Seconds a request.

    An answer with an HTTP error from 400 to 499, or without a number at the pointer, is a file without a score, with
    the reason; no connection and errors from 500 on end the run.
    """

    def __init__(
        self,
        url: str,
        *,
        field: str = "/llr",
        direction: Direction,
        name: str | None = None,
        jobs: int = 1,
        timeout: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(f"{url!r} is not an http or https address")
        if field and not field.startswith("/"):
            raise ConfigError(f"{field!r} is not a JSON pointer", hint="it starts with /, such as /llr")
        self.url, self.field, self.direction, self.timeout, self.jobs = url, field, direction, timeout, jobs
        self.name = name or parts.netloc
        self._opener = urllib.request.build_opener(_NoRedirect)

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """One request a file; see :meth:`earwitness.evaluate.scorers.Scorer.answers`."""
        return in_order(self._one, files, self.jobs)

    def _one(self, file: Path) -> Answer:
        body, kind = multipart(file)
        request = urllib.request.Request(self.url, data=body, headers={"Content-Type": kind}, method="POST")
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(_TAIL).decode("utf-8", "replace").strip()
            if 400 <= error.code < 500:
                return Answer(None, f"HTTP {error.code}: {said}")
            raise ManifestError(f"{self.url}: HTTP {error.code} for {file.name}", hint=said) from None
        except (urllib.error.URLError, TimeoutError, OSError) as error:
            raise ManifestError(f"{self.url}: no answer for {file.name}: {error}", hint="is it running?") from None
        except ValueError:
            raise ManifestError(f"{self.url}: the answer for {file.name} is not JSON") from None
        value = at_pointer(answer, self.field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Answer(None, f"no number at {self.field}: {str(value)[:80]}")
        return Answer(float(value))


def at_pointer(answer: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901); None where there is none.

    Examples
    --------
    >>> at_pointer({"a/b": [{"llr": 1.5}]}, "/a~1b/0/llr")
    1.5
    """
    value = answer
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def multipart(file: Path) -> tuple[bytes, str]:
    """The body and content type of a form with ``file`` in the field ``file``."""
    mark = secrets.token_hex(16)
    name = file.name.replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + file.read_bytes() + f"\r\n--{mark}--\r\n".encode()
    return body, f"multipart/form-data; boundary={mark}"
