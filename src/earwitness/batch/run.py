"""Run a batch: have what is not done yet heard by a backend, keep every row, write the output at the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from earwitness.batch import BACKENDS
from earwitness.batch.items import Item, Job, Keys
from earwitness.batch.journal import Journal, journal_path
from earwitness.batch.output import kind_of, write
from earwitness.batch.rows import Row
from earwitness.batch.shards import ShardSource
from earwitness.batch.sources import Source
from earwitness.batch.todo import Todo
from earwitness.errors import ConfigError, EarwitnessError
from earwitness.registry import find


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Parameters
    ----------
    backend:
        A name in :data:`earwitness.batch.BACKENDS`.
    jobs:
        Processes of the local backend, or actors of Ray; 0 = one for each core.
    ray_address:
        A running Ray cluster (``auto``, ``host:port``, ``ray://host:port``); None starts one on this machine.
    gpus:
        GPUs of each Ray actor, a fraction where several share one.
    object_store:
        Bytes that Ray may hold in its object store for this batch; None leaves it to Ray.
    """

    backend: str = "local"
    jobs: int = 0
    ray_address: str | None = None
    gpus: float = 0.0
    object_store: int | None = None


@dataclass
class Progress:
    """How far a batch is; handed to the caller after each row.

    ``done`` counts recordings with those of earlier runs, ``total`` is None where it is not known; ``fresh`` and
    ``heard`` count this run's recordings and seconds of audio, ``seconds`` its wall clock.
    """

    done: int = 0
    total: int | None = None
    fresh: int = 0
    heard: float = 0.0
    failed: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Recordings a second in this run."""
        return self.fresh / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left at this rate; None where the total is not known or nothing is done yet."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0, self.total - self.done) / self.rate


@dataclass
class Summary:
    """What a batch came to.

    ``verdicts`` counts the rows by verdict, ``errors`` by the code of the error; ``hours`` is the audio in all rows;
    ``fresh``, ``fresh_hours`` and ``seconds`` are those of this run.
    """

    rows: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    hours: float = 0.0
    fresh: int = 0
    fresh_hours: float = 0.0
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return sum(self.errors.values())

    def add(self, row: Row) -> None:
        """Count a row of the output."""
        self.rows += 1
        counts, name = (self.errors, row["error_code"]) if row["error_code"] else (self.verdicts, row["verdict"])
        counts[name] = counts.get(name, 0) + 1
        self.hours += (row["seconds"] or 0.0) / 3600


def score_many(items: Iterable[Item], job: Job | None = None, crew: Crew | None = None) -> Iterator[Row]:
    """The rows of many recordings, in the order in which they are done.

    Parameters
    ----------
    items:
        Such as an open source (:func:`earwitness.batch.sources.open_source`).
    job, crew:
        How to hear them, and who does.

    Raises
    ------
    UnknownNameError
        If there is no such backend.
    DetectorError
        If the detector cannot be loaded.

    Examples
    --------
    >>> list(score_many([], Job(), Crew(jobs=1)))
    []
    """
    job, crew = job or Job(), crew or Crew()
    backend = find(BACKENDS, crew.backend, kind="backend")
    yield from backend(items if isinstance(items, Todo) else Todo(items), job, crew)


def run_batch(
    source: Source | ShardSource,
    out: Path,
    *,
    job: Job | None = None,
    crew: Crew | None = None,
    ordered: bool = True,
    overwrite: bool = False,
    retry: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Hear every recording of a source that has no row yet, and write all rows to ``out``.

    Parameters
    ----------
    source:
        From :func:`earwitness.batch.sources.open_source`.
    out:
        ``.parquet``, ``.jsonl`` or ``.csv``. What was done of it before is kept: a run that was stopped goes on, a
        finished one is added to.
    job, crew:
        How to hear them, and who does.
    ordered:
        Whether rows stand in the source's order, or in that in which they were done.
    overwrite:
        Begin anew.
    retry:
        Hear those again whose row is an error.
    progress:
        Called after each row.

    Raises
    ------
    ConfigError
        If ``out`` is of another kind, was made with other settings or detector, or is no output of a batch.
    """
    job, crew = job or Job(), crew or Crew()
    kind_of(out)
    find(BACKENDS, crew.backend, kind="backend")
    facts = job.facts(job.load())
    out.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        for path in (journal_path(out), out, facts_path(out)):
            path.unlink(missing_ok=True)
    elif out.exists() and not journal_path(out).exists():
        _reopen(out)
    begun = time.monotonic()
    journal = Journal(out, facts, retry=retry)
    try:
        todo = Todo(source, journal.done)
        state = Progress(done=journal.resumed)
        if progress is not None:
            # the work need not wait until a large bucket has been counted
            threading.Thread(target=_count, args=(source, state), daemon=True).start()
        for row in score_many(todo, job, crew):
            journal.append(row)
            _note(state, row, source, time.monotonic() - begun)
            if progress is not None:
                progress(state)
        summary = Summary(fresh=state.fresh, fresh_hours=state.heard / 3600, seconds=time.monotonic() - begun)
        write(out, _counted(journal, todo.order() if ordered else None, summary))
        facts_path(out).write_text(json.dumps({**facts, "summary": asdict(summary)}, indent=1) + "\n", encoding="utf-8")
    except BaseException:
        journal.close()
        raise
    journal.close(remove=True)
    return summary


def facts_path(out: Path) -> Path:
    """Where it stands what an output was made with, and its summary."""
    return out.with_name(out.name + ".json")


def _count(source: Source | ShardSource, state: Progress) -> None:
    # what cannot be listed is met by the batch itself, which says so
    with suppress(EarwitnessError):
        state.total = source.count()


def _note(state: Progress, row: Row, source: Source | ShardSource, seconds: float) -> None:
    state.done += 1
    state.fresh += 1
    state.heard += row["seconds"] or 0.0
    state.failed += row["error_code"] is not None
    state.seconds = seconds
    if isinstance(source, ShardSource):
        state.total = source.estimate


def _counted(journal: Journal, order: Keys | None, summary: Summary) -> Iterator[Row]:
    for line in journal.lines(order):
        row = json.loads(line)
        summary.add(row)
        yield row


def _reopen(out: Path) -> None:
    """Make a finished output a journal again, so that it can be added to."""
    try:
        made = json.loads(facts_path(out).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"{out}: exists, and {facts_path(out).name} does not say how it was made",
            hint="name another file, or give --overwrite",
        ) from None
    made.pop("summary", None)
    path = journal_path(out)
    draft = path.with_name(path.name + ".tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(made) + "\n")
        file.writelines(json.dumps(row) + "\n" for row in kind_of(out).read(out))
    draft.replace(path)
