"""Fake-or-Real (FoR): speech of commercial and open synthesisers beside human speech, in four versions.

Tree: ``root`` holds one or more of the versions, or is one::

    for-{original,norm,2sec,rerec}/{training,validation,testing}/{real,fake}/*.wav  (also for-2seconds, for-rerecorded)

The versions are the same recordings, normalised, cut to 2 s, or re-recorded: do not split one against another.
Licence: LGPL as stated by the authors; sources keep theirs. Known defects: in ``for-2sec`` most training fakes were
MP3 and no test fake is.
Citation: Reimao & Tzerpos, "FoR: a dataset for synthetic speech detection", SpeD 2019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, Count, audio_files, relative
from earwitness.errors import ManifestError

LICENCE = "LGPL (as stated by the authors)"
TOTALS = {"norm": 69_300, "2sec": 17_870, "rerec": 13_268}
"""Clips of a version, both labels and all splits; the paper gives no exact figure for ``original``."""

NAMES = {
    "for-original": "original",
    "for-norm": "norm",
    "for-2sec": "2sec",
    "for-2seconds": "2sec",
    "for-rerec": "rerec",
    "for-rerecorded": "rerec",
}
SPLITS = {"training": "train", "validation": "dev", "testing": "test"}
LABELS = {"real": BONAFIDE, "fake": SPOOF}


def rows(root: Path, *, version: str | None = None) -> Iterator[Row]:
    """The rows of every version found, or of one (``original``, ``norm``, ``2sec``, ``rerec``).

    Raises
    ------
    ManifestError
        If no version is found, or a clip lies in a folder that is neither ``real`` nor ``fake``.
    """
    if version is not None and version not in NAMES.values():
        raise ManifestError(f"unknown version {version!r}", hint="known: " + ", ".join(dict.fromkeys(NAMES.values())))
    found = {name: folder for name, folder in _versions(root) if version in (None, name)}
    if not found:
        raise ManifestError(f"{root}: no folder with training, validation, testing", hint="such as for-norm")
    for name, folder in found.items():
        for file in audio_files(folder):
            parts = file.relative_to(folder).parts
            if len(parts) < 3 or parts[0] not in SPLITS or parts[1] not in LABELS:
                raise ManifestError(f"{file}: outside of training|validation|testing / real|fake")
            label = LABELS[parts[1]]
            yield Row(
                relative(file, root),
                label,
                id=relative(file, root),
                system=HUMAN if label == BONAFIDE else "",
                kind=HUMAN if label == BONAFIDE else "tts",
                language="en",
                split=SPLITS[parts[0]],
                source=f"FoR-{name}",
                extra={"version": name},
            )


def expected(rows: Sequence[Row]) -> list[Count]:
    """The published counts of the versions in ``rows`` that have one."""
    found = Counter(row.extra["version"] for row in rows)
    return [Count(f"for-{name}", TOTALS[name], count) for name, count in found.items() if name in TOTALS]


def _versions(root: Path) -> Iterator[tuple[str, Path]]:
    if _is_version(root):
        if root.name not in NAMES:
            raise ManifestError(f"{root}: which version is this?", hint="name the folder " + ", ".join(NAMES))
        yield NAMES[root.name], root
        return
    for name, version in NAMES.items():
        # The archives unpack to a folder within a folder, such as for-2sec/for-2seconds.
        for folder in (root / name, *(root / name / inner for inner in NAMES)):
            if _is_version(folder):
                yield version, folder


def _is_version(folder: Path) -> bool:
    return any((folder / split).is_dir() for split in SPLITS)
