"""A process that hears recordings one after another. If it dies over one, the others are heard by its successor.

It has one thread and one session of the network: decoding, gate and network of a recording follow each other on one
core, so as many processes as cores fill a machine without any two waiting for each other.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from earwitness.batch.items import Item, Job
from earwitness.batch.remote import fetched, is_url
from earwitness.batch.rows import Row, failed, row_of
from earwitness.errors import AudioError, ConfigError, DetectorError, EarwitnessError

if TYPE_CHECKING:
    from earwitness.detector import Detector
    from earwitness.verdict import Verdict

#: libraries that would start threads of their own, one pool per process
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def hear(detector: Detector, item: Item, settings: dict[str, Any]) -> Row:
    """The row of one item, whatever happens but a crash of the process.

    Parameters
    ----------
    detector:
        With its profile, if it has one.
    item:
        What to hear.
    settings:
        Those of a scan.
    """
    if item.error is not None:
        return failed(item, item.error)
    try:
        return row_of(item, _scan(detector, item, settings))
    except (ConfigError, DetectorError):
        raise
    except AudioError as error:
        return failed(item, {k: _named(text, item) for k, text in error.to_dict().items()})
    except Exception as error:
        # a fault of ours in one recording must not cost the rows of the others
        words = f"{item.path}: fault in earwitness: {error!r}"
        return failed(item, {"code": "internal", "message": words, "hint": "please report it with the recording"})


def _scan(detector: Detector, item: Item, settings: dict[str, Any]) -> Verdict:
    if item.data is not None:
        return detector.scan(item.data, path=item.path, **settings)
    if item.spooled:
        try:
            return detector.scan(item.spooled, path=item.path, **settings)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(item.spooled)
    if is_url(item.path):
        with fetched(item.path) as file:
            return detector.scan(file, path=item.path, **settings)
    return detector.scan(item.path, **settings)


def _named(text: str, item: Item) -> str:
    """A message about contents, with the item's name in place of those that contents have."""
    for name in ("<bytes>", "<stream>", item.spooled):
        text = text.replace(name, item.path) if name else text
    return text


def work(pipe: Any, job: Job) -> None:
    """Load the detector, then answer each item that comes through ``pipe`` with its row, until the other end closes."""
    # Ctrl-C goes to the whole group; the parent decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        detector = job.load()
    except EarwitnessError as error:
        pipe.send(error)
        return
    pipe.send(None)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(hear(detector, pipe.recv(), job.scan))
