"""Measuring every clip of a manifest: several processes, a cache that survives interruption, one record per clip."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TextIO

from earwitness.data.manifest import Manifest
from earwitness.data.measure import Measured, measure, signature
from earwitness.errors import EarwitnessError

_CHUNK = 8
_AHEAD = 4

Outcome = Measured | str
"""What came of a clip: its measurements, or why it cannot be read."""

Progress = Callable[[int, int], None]
"""Called with clips done and clips in all."""


def measure_all(
    manifest: Manifest, *, jobs: int = 1, cache: Path | None = None, progress: Progress | None = None
) -> list[Outcome]:
    """The outcome of each row, in the order of the rows.

    Parameters
    ----------
    manifest:
        The clips. A file that occurs twice is measured once.
    jobs:
        Processes; 1 measures in this one.
    cache:
        A file to which finished clips are added as they come, and from which they are taken as long as size and time
        of change of the file are the same. A run that was interrupted goes on where it was.
    progress:
        See :data:`Progress`.

    Raises
    ------
    EarwitnessError
        If a worker process dies; what was measured until then is in the cache.
    """
    files = [manifest.file(row) for row in manifest]
    keys = [_key(file) for file in files]
    done = _read_cache(cache) if cache else {}
    todo = list({key: file for key, file in zip(keys, files, strict=True) if key not in done}.items())
    total, finished = len(set(keys)), len(set(keys)) - len(todo)
    if progress:
        progress(finished, total)
    store = _Store(cache) if cache and todo else None
    try:
        for key, outcome in _outcomes(todo, jobs):
            done[key] = outcome
            finished += 1
            if store:
                store.add(key, outcome)
            if progress:
                progress(finished, total)
    finally:
        if store:
            store.close()
    return [done[key] for key in keys]


def _key(file: Path) -> str:
    try:
        stat = file.stat()
    except OSError:
        return f"{os.path.abspath(file)}|absent"
    return f"{os.path.abspath(file)}|{stat.st_size}|{stat.st_mtime_ns}"


def _outcomes(todo: Sequence[tuple[str, Path]], jobs: int) -> Iterator[tuple[str, Outcome]]:
    if jobs <= 1 or len(todo) <= _CHUNK:
        for item in todo:
            yield from _measure_chunk([item])
        return
    chunks = iter([todo[i : i + _CHUNK] for i in range(0, len(todo), _CHUNK)])
    # Not fork: the decoder's threads and locks of this process must not be copied half-way.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            waiting: set[Future[list[tuple[str, Outcome]]]] = set()
            while True:
                # A few chunks ahead and no more: an interruption must not wait for a queue of thousands.
                while len(waiting) < jobs * _AHEAD and (chunk := next(chunks, None)) is not None:
                    waiting.add(pool.submit(_measure_chunk, chunk))
                if not waiting:
                    return
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield from future.result()
    except BrokenProcessPool:
        raise EarwitnessError(
            "a measuring process died, perhaps for want of memory", hint="run again, it goes on; or use --jobs 1"
        ) from None


def _measure_chunk(chunk: Sequence[tuple[str, Path]]) -> list[tuple[str, Outcome]]:
    results: list[tuple[str, Outcome]] = []
    for key, file in chunk:
        try:
            results.append((key, measure(file)))
        except EarwitnessError as error:
            results.append((key, error.message))
    return results


class _Store:
    """Adds one line per clip, so that an interruption loses at most the last line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file: TextIO = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def add(self, key: str, outcome: Outcome) -> None:
        value = outcome if isinstance(outcome, str) else outcome.to_json()
        self._file.write(json.dumps({"by": signature(), "key": key, "clip": value}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _read_cache(path: Path) -> dict[str, Outcome]:
    """Finished clips; lines that another version made and torn ones are passed over, because they can be made again."""
    done: dict[str, Outcome] = {}
    if not path.is_file():
        return done
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                record = json.loads(line)
                if record["by"] == signature():
                    clip = record["clip"]
                    done[record["key"]] = clip if isinstance(clip, str) else Measured.from_json(clip)
            except (ValueError, KeyError, TypeError):
                continue
    return done
