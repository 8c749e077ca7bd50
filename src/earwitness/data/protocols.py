"""What the corpus readers share: protocol lines, label words, file lists. Each error names file and line."""

from __future__ import annotations

import gzip
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.errors import ManifestError

HUMAN = "human"
"""``system`` and ``kind`` of every bona fide row, so that tables by system have a name for people."""

WORDS = {BONAFIDE: BONAFIDE, SPOOF: SPOOF}

AUDIO_SUFFIXES = frozenset(
    {
        ".wav",
        ".flac",
        ".mp3",
        ".m4a",
        ".aac",
        ".ogg",
        ".oga",
        ".opus",
        ".webm",
        ".amr",
        ".wma",
        ".aiff",
        ".aif",
        ".aifc",
    }
    | {".au", ".caf", ".3gp", ".mp4", ".mkv", ".mov"}
)


@dataclass(frozen=True)
class Count:
    """How many clips a part of a corpus should have, as published, and how many there are."""

    part: str
    expected: int
    found: int

    def __str__(self) -> str:
        return f"{self.part}: {self.expected:,} expected, {self.found:,} found"


def protocol_lines(path: Path, columns: Container[int]) -> Iterator[tuple[str, list[str]]]:
    """Each non-empty line of a space- or tab-separated protocol as ``("file:line", cells)``; ``.gz`` is read as well.

    Parameters
    ----------
    path:
        The protocol.
    columns:
        The allowed numbers of cells.

    Raises
    ------
    ManifestError
        If the file is missing or a line has another number of cells.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                cells = text.split()
                if not cells:
                    continue
                if len(cells) not in columns:
                    raise ManifestError(
                        f"{path}:{number}: {len(cells)} columns, found {text.strip()!r}",
                        hint="is this the countermeasure (cm) protocol of this corpus?",
                    )
                yield f"{path.name}:{number}", cells
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such protocol", hint="see docs/data for the expected folders") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None


def label_of(word: str, place: str, words: Mapping[str, str] = WORDS) -> str:
    """``bonafide`` or ``spoof`` for the corpus's own word; any other word is an error with its place.

    Examples
    --------
    >>> label_of("bona-fide", "meta.csv:2", {"bona-fide": "bonafide", "spoof": "spoof"})
    'bonafide'
    """
    try:
        return words[word]
    except KeyError:
        known = ", ".join(words)
        raise ManifestError(f"{place}: unknown label {word!r}", hint=f"this corpus uses: {known}") from None


def generator(label: str, name: str, place: str) -> str:
    """``human`` for bona fide rows, else the generator's name; an attack name on a bona fide row is an error.

    Examples
    --------
    >>> generator("spoof", "A07", "protocol:1"), generator("bonafide", "-", "protocol:2")
    ('A07', 'human')
    """
    known = name not in ("-", "", "bonafide")
    if known != (label == SPOOF):
        raise ManifestError(f"{place}: label {label!r} with attack {name!r}", hint="the protocol contradicts itself")
    return name if known else HUMAN


def first_folder(root: Path, *names: str) -> Path:
    """``root`` itself or the first of the given subfolders that exists; ``root`` when none does."""
    return next((root / name for name in names if (root / name).is_dir()), root)


def present(root: Path, protocols: Mapping[str, Path]) -> dict[str, Path]:
    """The splits whose protocol exists (plain or ``.gz``).

    Raises
    ------
    ManifestError
        If none does.
    """
    found = {}
    for split, path in protocols.items():
        for candidate in (path, path.with_name(path.name + ".gz")):
            if candidate.is_file():
                found[split] = candidate
                break
    if not found:
        first = next(iter(protocols.values()))
        raise ManifestError(f"{root}: no protocol found, looked for {first}", hint="see docs/data for the folders")
    return found


def audio_files(folder: Path) -> list[Path]:
    """Every audio file below ``folder`` (by suffix, hidden ones left out), sorted: the same order everywhere.

    Raises
    ------
    ManifestError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES:
                found.append(Path(place, name))
    return sorted(found)


def sibling_reals(root: Path, reals: Path | None, corpus: str) -> Path:
    """The folder of the bona fide recordings that a fakes-only corpus needs.

    Raises
    ------
    ManifestError
        If it is not given or does not exist.
    """
    if reals is None:
        raise ManifestError(f"{root}: {corpus} holds generated speech only", hint="give its originals with --reals")
    if not reals.is_dir():
        raise ManifestError(f"{reals}: no such folder", hint=f"the originals of {corpus}")
    return reals


def relative(file: Path, root: Path) -> str:
    """``file`` as written in a row: relative to ``root`` below it, absolute elsewhere."""
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return file.absolute().as_posix()


def human(path: str, **columns: object) -> Row:
    """A bona fide row, with ``human`` as system and kind."""
    return Row(path, BONAFIDE, system=HUMAN, kind=HUMAN, **columns)  # type: ignore[arg-type]
