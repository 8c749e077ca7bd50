"""What a batch has done so far, on disk, so that it can be stopped at any moment and go on.

The journal ``OUT.part`` is lines of JSON: first what the batch is, then a row for each recording as it is done. A line
that a kill left unfinished is cut off when the batch goes on. At the end the rows are written to ``OUT`` at once, in
order, and the journal goes; ``OUT.json`` says what the batch was, so that a later run can add to it.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from earwitness.batch.items import Keys, digest
from earwitness.batch.rows import Row, dumped
from earwitness.errors import ConfigError

FLUSH_SECONDS = 1.0
"""At most this much work is done again after a kill."""


class Journal:
    """The rows so far, open to be added to.

    Parameters
    ----------
    out:
        The file that the batch will write.
    facts:
        What must be equal for a batch to go on: see :meth:`earwitness.batch.items.Job.facts`.
    retry:
        Whether recordings whose row is an error count as not done.

    Raises
    ------
    ConfigError
        If the journal is that of a batch with other settings, or another process writes it.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any], *, retry: bool = False) -> None:
        self.path = journal_path(out)
        self._file: IO[bytes] = self.path.open("a+b")
        try:
            _lock(self._file, out)
            self._done, self.resumed = self._read(dict(facts), retry)
        except BaseException:
            self._file.close()
            raise
        self._flushed = time.monotonic()

    def _read(self, facts: dict[str, Any], retry: bool) -> tuple[Keys, int]:
        """Check the first line, cut off an unfinished last one, and note which ids are done."""
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._file.write(json.dumps(facts).encode() + b"\n")
            self._file.flush()
            return np.zeros(0, dtype=np.uint64), 0
        _check(json.loads(first), facts, self.path)
        end, done = self._file.tell(), array("Q")
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            row = json.loads(line)
            if not (retry and row["error_code"]):
                done.append(digest(row["id"]))
            end += len(line)
        self._file.truncate(end)
        return np.unique(np.frombuffer(done, dtype=np.uint64)), len(done)

    @property
    def done(self) -> Keys:
        """The digests of the ids that were done before this run, sorted."""
        return self._done

    def append(self, row: Row) -> None:
        """Add a row; it is on disk within :data:`FLUSH_SECONDS`."""
        self._file.write(dumped(row).encode() + b"\n")
        now = time.monotonic()
        if now - self._flushed >= FLUSH_SECONDS:
            self.flush()
            self._flushed = now

    def flush(self) -> None:
        """Hand all rows to the system."""
        self._file.flush()

    def lines(self, order: Keys | None) -> Iterator[bytes]:
        """Every row once, the newest for each id: in the order of ``order`` (digests), or as they were done.

        Rows whose id is not in ``order`` come last: recordings that are no longer in the source.
        """
        self.flush()
        keys, starts = array("Q"), array("Q")
        with self.path.open("rb") as file:
            at = len(file.readline())
            for line in file:
                keys.append(digest(json.loads(line)["id"]))
                starts.append(at)
                at += len(line)
            places = np.frombuffer(starts, dtype=np.uint64)
            for start in places[_arranged(np.frombuffer(keys, dtype=np.uint64), order)].tolist():
                file.seek(start)
                yield file.readline()

    def close(self, *, remove: bool = False) -> None:
        """Close it, and take it away when what it holds stands in the output."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _arranged(keys: Keys, order: Keys | None) -> NDArray[np.intp]:
    """Which rows to write, and in what order: the last row of each key, by the first place of the key in ``order``."""
    unique, last = np.unique(keys[::-1], return_index=True)
    newest = keys.size - 1 - last
    if order is None:
        return np.sort(newest)
    wanted, first = np.unique(order, return_index=True)
    at = np.searchsorted(wanted, unique)
    known = at < wanted.size
    known[known] = wanted[at[known]] == unique[known]
    rank = np.full(unique.size, np.iinfo(np.int64).max, dtype=np.int64)
    rank[known] = first[at[known]]
    arranged: NDArray[np.intp] = newest[np.lexsort((newest, rank))]
    return arranged


def journal_path(out: Path) -> Path:
    """Where the journal of an output lies."""
    return out.with_name(out.name + ".part")


def _check(found: Any, facts: dict[str, Any], path: Path) -> None:
    for part in ("detector", "settings"):
        mine, theirs = facts[part], found.get(part)
        if mine != theirs:
            differs = [k for k in mine if not isinstance(theirs, dict) or theirs.get(k) != mine[k]]
            raise ConfigError(
                f"{path}: begun with another {' and '.join(differs)} ({part})",
                hint="use the same settings to go on, or --overwrite to begin anew",
            )


def _lock(file: IO[bytes], out: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows, where a second writer is not noticed
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(f"{out}: another process is writing it", hint="wait for it, or name another file") from None
