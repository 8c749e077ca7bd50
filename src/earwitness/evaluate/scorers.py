"""Anybody's detector as a scorer: a detector folder, a Python callable, a command, an HTTP service.

A scorer is asked for files and answers with one :class:`Answer` a file: a number in *its own* direction, or the reason
why there is none. :func:`score_manifest` turns the direction and makes :class:`~earwitness.evaluate.scores.Scores`.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import AudioError, ConfigError, ManifestError
from earwitness.evaluate.scores import Direction, Scores, meta_of, turned

if TYPE_CHECKING:
    from earwitness.detector import Detector

#: called after each file with the number of files done
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Answer:
    """What a scorer says about one file: ``score``, or None and the ``reason``; ``facts`` go beside the score."""

    score: float | None
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class Scorer(Protocol):
    """Anything that scores files; ``direction`` is what its higher scores speak for."""

    name: str
    direction: Direction

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """One answer a file, in the order of the files."""
        ...


@dataclass(frozen=True)
class Scored:
    """Scores and how long they took, in seconds of wall clock."""

    scores: Scores
    seconds: float


def score_manifest(scorer: Scorer, manifest: Manifest, *, progress: Progress | None = None) -> Scored:
    """Score every file of a manifest.

    Raises
    ------
    ManifestError
        If a file does not exist (before any is scored), or not one file got a score.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.wav", "b.wav"):
    ...     _ = (folder / name).write_bytes(b"RIFF")
    >>> manifest = Manifest([Row("a.wav", "spoof"), Row("b.wav", "bonafide")], root=folder)
    >>> scorer = CallableScorer(lambda path: 1.0 if path.endswith("a.wav") else None, direction="bonafide")
    >>> scored = score_manifest(scorer, manifest)
    >>> scored.scores.scores.tolist(), dict(scored.scores.missing)
    ([-1.0], {'b.wav': 'the function gave no score'})
    """
    absent = manifest.missing()
    if absent:
        raise ManifestError(
            f"{manifest.place(absent[0])}: {manifest.file(manifest[absent[0]])} does not exist; "
            f"{len(absent):,} of {len(manifest):,} files are missing",
            hint="is the manifest's root right? see --root",
            code="missing-files",
        )
    start = time.perf_counter()
    answers = []
    for answer in scorer.answers([manifest.file(row) for row in manifest]):
        answers.append(answer)
        if progress is not None:
            progress(len(answers))
    if len(answers) != len(manifest):
        raise ManifestError(f"{scorer.name}: {len(answers):,} answers for {len(manifest):,} files")
    return Scored(assembled(scorer, manifest, answers), time.perf_counter() - start)


def assembled(scorer: Scorer, manifest: Manifest, answers: Sequence[Answer]) -> Scores:
    """Scores in the house direction from the answers to the rows of ``manifest``, in order."""
    good: list[tuple[Row, Answer, float]] = []
    missing: dict[str, str] = {}
    for row, answer in zip(manifest, answers, strict=True):
        if answer.score is None or math.isnan(answer.score):
            missing[row.id] = answer.reason or "the score is not a number"
        else:
            good.append((row, answer, answer.score))
    if not good:
        first = next(iter(missing.items()))
        raise ManifestError(
            f"{scorer.name}: none of the {len(missing):,} files has a score",
            hint=f"the first, {first[0]}: {first[1]}",
        )
    rows = [row for row, _, _ in good]
    meta = meta_of(rows)
    for column in dict.fromkeys(key for _, answer, _ in good for key in answer.facts):
        own = meta.get(column, ("",) * len(rows))
        # What the manifest states goes before what the scan measured.
        meta[column] = tuple(own[i] or answer.facts.get(column, "") for i, (_, answer, _) in enumerate(good))
    return Scores(
        ids=tuple(row.id for row in rows),
        scores=turned(np.array([score for _, _, score in good], dtype=np.float64), scorer.direction),
        labels=np.array([row.spoof for row in rows], dtype=np.bool_),
        meta=meta,
        name=scorer.name,
        missing=missing,
        where=f"{scorer.name} on {manifest.where}",
    )


def in_order(work: Callable[[Path], Answer], files: Sequence[Path], jobs: int) -> Iterator[Answer]:
    """``work`` on each file by ``jobs`` threads, answers in the order of the files."""
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; at least 1 is needed")
    if jobs == 1:
        yield from map(work, files)
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(work, files)


class DetectorScorer:
    """A detector folder: the log-likelihood ratio of every recording, with the quality facts of the scan.

    A recording counts whatever its verdict: *inconclusive* is a label, not a missing score. Only what cannot be decoded
    or is under .3 s has none.

    Parameters
    ----------
    detector:
        A loaded :class:`~earwitness.detector.Detector`.
    jobs:
        Recordings scored at a time, by threads.
    """

    direction: Direction = "spoof"

    def __init__(self, detector: Detector, *, jobs: int = 1, name: str | None = None) -> None:
        self.detector = detector
        self.jobs = jobs
        self.name = name or detector.info.id

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """The scan of each file; see :meth:`Scorer.answers`."""
        return in_order(self._one, files, self.jobs)

    def _one(self, file: Path) -> Answer:
        try:
            heard = self.detector.score_file(file)
        except AudioError as error:
            return Answer(None, error.message)
        return Answer(heard.llr, heard.reason or "", {**_facts(heard), **self._limits(heard)})

    def _limits(self, heard: Any) -> dict[str, str]:
        """The limits for audio like this, where the detector has wider ones for some."""
        if not self.detector.info.limits.wider:
            return {}
        own, _ = self.detector.limits_for(heard.quality.to_dict(), str(heard.source.to_dict().get("codec", "")))
        return {"human_limit": repr(own.human), "synthetic_limit": repr(own.synthetic)}


def _facts(heard: Any) -> dict[str, str]:
    from earwitness.error_cells import codec_family

    quality, source = heard.quality.to_dict(), heard.source.to_dict()
    facts = {
        "seconds": quality.get("seconds") or source.get("duration"),
        "speech_seconds": heard.speech,
        "snr_db": quality.get("snr_db"),
        "bandwidth_hz": quality.get("bandwidth_hz"),
        "codec": codec_family(str(source.get("codec", ""))) or source.get("codec"),
        "container": source.get("container"),
        "gate": heard.reason,
    }
    return {k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in facts.items() if v not in (None, "")}


class CallableScorer:
    """A Python function from a path to a number, None or NaN; an exception for a file ends the run and names the file.

    Examples
    --------
    >>> scorer = CallableScorer(lambda path: len(path), direction="spoof", name="length")
    >>> [a.score for a in scorer.answers([Path("ab.wav")])]
    [6.0]
    """

    def __init__(
        self, function: Callable[[str], float | None], *, direction: Direction, name: str | None = None, jobs: int = 1
    ) -> None:
        self.function = function
        self.direction = direction
        self.name: str = name or getattr(function, "__name__", "") or "callable"
        self.jobs = jobs

    @classmethod
    def named(cls, target: str, *, direction: Direction, jobs: int = 1) -> CallableScorer:
        """The function ``module:name``, the module found from the working folder as well.

        Raises
        ------
        ConfigError
            If there is no such module or function.
        """
        module, colon, attribute = target.partition(":")
        if not colon or not attribute:
            raise ConfigError(f"{target!r}: expected module:function", hint="for example mydetector:score")
        here = os.getcwd()
        added = here not in sys.path
        if added:
            sys.path.insert(0, here)
        try:
            function = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{target!r} cannot be imported: {error}") from None
        finally:
            if added:
                sys.path.remove(here)
        return cls(function, direction=direction, name=target, jobs=jobs)

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """The function's value for each file; see :meth:`Scorer.answers`."""
        return in_order(self._one, files, self.jobs)

    def _one(self, file: Path) -> Answer:
        try:
            value = self.function(str(file))
        except Exception as error:
            raise ManifestError(f"{self.name} failed on {file}: {type(error).__name__}: {error}") from error
        return Answer(None if value is None else float(value), "the function gave no score")
