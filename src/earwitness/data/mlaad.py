"""MLAAD: a growing multi-language set of text-to-speech, one folder per language and model. Fakes only.

Tree: ``root/fake/<language>/<model>/meta.csv`` (separated by ``|``, header
``path|original_file|language|is_original_language| duration|training_data|model_name|architecture|transcript``) beside
the WAV files. ``path`` starts at ``root`` (``./fake/…``) or at the folder of the table. The originals are M-AILABS
recordings: ``reals`` is its folder, of which the files named in ``original_file`` are taken, each once; fakes carry
their original in ``pair``.

Licence: CC BY-NC 4.0; M-AILABS has its own, permissive one. The number of models grows with every version, so only
"1,000 clips per model" can be checked. Citation: Müller et al., "MLAAD: the multi-language audio anti-spoofing
dataset", IJCNN 2024.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from earwitness.data.manifest import SPOOF, Row
from earwitness.data.protocols import Count, human, relative, sibling_reals
from earwitness.errors import ManifestError

LICENCE = "CC BY-NC 4.0 (reals: M-AILABS licence)"
CLIPS_PER_MODEL = 1_000


def rows(root: Path, *, reals: Path | None = None) -> Iterator[Row]:
    """The fakes of every table and, from ``reals``, the recordings that they were made from.

    Raises
    ------
    ManifestError
        If there is no table, a table lacks a column or names a file outside, or ``reals`` is not given.
    """
    originals = sibling_reals(root, reals, "MLAAD")
    tables = sorted(root.glob("fake/*/*/meta.csv"))
    if not tables:
        raise ManifestError(f"{root}: no fake/<language>/<model>/meta.csv")
    used: set[str] = set()
    for table in tables:
        for place, record in _records(table):
            original = record.get("original_file", "").strip().removeprefix("./")
            original = "" if original in ("-", "") else _inside(original, place)
            if original and original not in used:
                used.add(original)
                yield _real(original, originals, root)
            yield _fake(record, place, table, root, original)


def expected(rows: Sequence[Row]) -> list[Count]:
    """1,000 clips for each language and model."""
    found = Counter(row.source for row in rows if row.label == SPOOF)
    return [Count(name, CLIPS_PER_MODEL, count) for name, count in found.items()]


def _records(table: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        # Transcripts hold unbalanced quotation marks, so quoting is off.
        reader = csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        if lacking := {"path", "language"} - set(reader.fieldnames or ()):
            raise ManifestError(f"{table}:1: no column {min(lacking)!r}", hint="expected path|original_file|language|…")
        for record in reader:
            if record["path"] is None or record["language"] is None:
                raise ManifestError(f"{table}:{reader.line_num}: too few cells")
            yield f"{table.parent.parent.name}/{table.parent.name}/meta.csv:{reader.line_num}", record


def _inside(path: str, place: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ManifestError(f"{place}: {path!r} points outside of the corpus")
    return PurePosixPath(path).as_posix()


def _fake(record: Mapping[str, str], place: str, table: Path, root: Path, original: str) -> Row:
    path = _inside(record["path"].strip().removeprefix("./"), place)
    file = root / path if path.startswith("fake/") else table.parent / path
    model = (record.get("model_name") or table.parent.name).strip()
    extra = {k: v.strip() for k in ("architecture", "training_data") if (v := record.get(k) or "")}
    return Row(
        relative(file, root),
        SPOOF,
        id=relative(file, root).removesuffix(file.suffix),
        system=model,
        kind="tts",
        language=record["language"].strip(),
        source=f"MLAAD/{table.parent.parent.name}/{table.parent.name}",
        pair=f"mailabs/{original}" if original else "",
        extra=extra | {"listed_in": place},
    )


def _real(original: str, reals: Path, root: Path) -> Row:
    # M-AILABS: <language>/by_book/<gender>/<speaker>/<book>/wavs/<file>; books read by many have gender "mix"
    # and no speaker.
    parts = PurePosixPath(original).parts
    speaker = parts[3] if len(parts) >= 7 and parts[1] == "by_book" and parts[2] != "mix" else ""
    return human(
        relative(reals / original, root),
        id=f"mailabs/{original}",
        speaker=speaker,
        language=parts[0].split("_")[0],
        source="M-AILABS",
    )
