"""What ``evaluate``, ``score`` and ``calibrate`` share: manifests to score, scorers to ask, progress to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import ConfigError

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.detector import Detector
    from earwitness.evaluate.scorers import Scored, Scorer
    from earwitness.evaluate.scores import Direction

#: stands for the detector that ships with the package
DEFAULT = "default"


def is_detector(name: str) -> bool:
    """Whether a word of the command line names a detector: a folder with ``detector.json``, or ``default``."""
    return name == DEFAULT or Path(name, "detector.json").is_file()


def open_detector(name: str, *, jobs: int, profile: Path | None = None) -> Detector:
    """The detector that a word names, one thread each where several recordings are scored at a time."""
    from earwitness.detector import load_detector
    from earwitness.detector_profile import with_profile

    found = load_detector(None if name == DEFAULT else name, threads=1 if jobs > 1 else None)
    return found if profile is None else with_profile(found, profile)


def open_manifest(
    file: Path | None, data: tuple[str, Path] | None, *, root: Path | None = None, reals: Path | None = None
) -> tuple[Manifest, str]:
    """The trials and what they are called: from a manifest file, or from a corpus folder by a name of ``DATASETS``."""
    if data is not None:
        if file is not None:
            raise ConfigError("a manifest and --data", hint="give one of them")
        from earwitness.data.building import build

        name, folder = data
        return build(name, folder, reals=reals).manifest, name
    if file is None:
        raise ConfigError("nothing to score", hint="give a manifest, or --data NAME ROOT")
    if file.is_dir():
        raise ConfigError(
            f"{file} is a folder",
            hint="a detector folder has detector.json in it; a corpus folder goes by --data NAME ROOT",
        )
    from earwitness.data.manifest import read_manifest

    found = read_manifest(file, root=root)
    return found, file.name.split(".")[0] if file.stem != "manifest" else file.resolve().parent.name


def directions(given: Sequence[str] | None, count: int) -> list[Direction]:
    """One direction for each of ``count`` foreign scorers; one given stands for all.

    Raises
    ------
    ConfigError
        If none is given, or another number than one or ``count``.

    Examples
    --------
    >>> directions(["bonafide"], 2)
    ['bonafide', 'bonafide']
    """
    found = [] if given is None else list(given)
    if count and not found:
        raise ConfigError(
            "the direction of the scores is not given",
            hint="say what a higher score speaks for: --direction bonafide or --direction spoof",
        )
    if unknown := [d for d in found if d not in ("bonafide", "spoof")]:
        raise ConfigError(f"unknown direction {unknown[0]!r}", hint="bonafide or spoof")
    if len(found) not in (1, count) and count:
        raise ConfigError(f"{len(found)} directions for {count} scorers", hint="give one for all, or one for each")
    return (found * count if len(found) == 1 else found)[:count]  # type: ignore[return-value]


def run_scorer(scorer: Scorer, manifest: Manifest) -> Scored:
    """Score a manifest with a progress bar where someone looks."""
    from earwitness.cli.common import progress
    from earwitness.evaluate.scorers import score_manifest

    with progress() as bar:
        total = len(manifest)
        return score_manifest(
            scorer, manifest, progress=lambda done: bar.update(done, total, f"scoring: {scorer.name}")
        )


def foreign_scorer(kind: str, value: str, direction: Direction, *, field: str, jobs: int) -> Scorer:
    """The scorer behind ``--command``, ``--url`` or ``--callable`` (``kind`` is ``function`` for the last)."""
    from earwitness.evaluate.external import CommandScorer, UrlScorer
    from earwitness.evaluate.scorers import CallableScorer

    if kind == "command":
        return CommandScorer(value, direction=direction)
    if kind == "url":
        return UrlScorer(value, field=field, direction=direction, jobs=jobs)
    return CallableScorer.named(value, direction=direction, jobs=jobs)


def drawn(manifest: Manifest, limit: int, *, seed: int) -> Manifest:
    """At most ``limit`` rows (0 = all), half of each label, drawn by ``seed``, in the manifest's order."""
    import numpy as np

    if not limit or limit >= len(manifest):
        return manifest
    rng, chosen = np.random.default_rng(seed), set()
    for spoof in (False, True):
        mine = [row.id for row in manifest if row.spoof == spoof]
        chosen |= {mine[i] for i in rng.permutation(len(mine))[: limit // 2]}
    return manifest.filter(lambda row: row.id in chosen)


def console() -> Any:
    """A rich console: colours where someone looks, wide enough for tables in a pipe."""
    import sys

    from rich.console import Console

    from earwitness.cli.common import coloured

    looked_at = sys.stdout.isatty()
    return Console(no_color=not coloured(sys.stdout), width=None if looked_at else 140, highlight=False)
