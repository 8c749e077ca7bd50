"""Score files in and out: lines ``utt score`` and ``utt attack key score``, and CSV or TSV with a header.

Every reader asks for the direction, what a higher score speaks for; nothing is guessed from the numbers. ``.gz`` files
are read as well.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Literal, TextIO

from earwitness.data.files import replacing
from earwitness.data.manifest import BONAFIDE
from earwitness.data.protocols import AUDIO_SUFFIXES, HUMAN
from earwitness.errors import ManifestError
from earwitness.evaluate.lines import LABEL_COLUMNS, TextFile, label_in, number_in
from earwitness.evaluate.scores import Direction, Scores, turned

SCORE_COLUMNS = ("score", "llr", "cm-score", "cm_score", "logit")

Format = Literal["asvspoof2019", "asvspoof5", "csv"]
FORMATS = ("asvspoof2019", "asvspoof5", "csv")
NATURAL: dict[str, Direction] = {"asvspoof2019": "bonafide", "asvspoof5": "bonafide", "csv": "spoof"}


def read_scores(path: Path | str, *, direction: Direction, name: str | None = None) -> Scores:
    """The scores in a file, turned to the house direction.

    Parameters
    ----------
    path:
        Lines ``utt score``; lines ``utt attack key score``; or CSV/TSV with a header that names an id column (``id``,
        ``utt``, ``path``, ``file`` …), a score column (``score``, ``llr``, ``cm-score`` …) and optionally ``label`` or
        ``key`` and any further columns, which are kept. An empty score cell is a trial without a score.
    direction:
        What a higher score in this file speaks for.
    name:
        Name in tables; the file's name unless given.

    Raises
    ------
    ManifestError
        With file and line, for a missing or empty file, an unknown format, a score that is not a number, an unknown
        label or an id that occurs twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "s.txt"
    >>> _ = file.write_text("LA_E_1 - bonafide 2.5\\nLA_E_2 A07 spoof -1.5\\n")
    >>> scores = read_scores(file, direction="bonafide")
    >>> scores.scores.tolist(), scores.words(), scores.column("system")
    ([-2.5, 1.5], ('bonafide', 'spoof'), ('human', 'A07'))
    """
    path = Path(path)
    file = TextFile.read(path)
    title = name if name is not None else path.name.removesuffix(".gz").rsplit(".", 1)[0]
    score_column = file.column(*SCORE_COLUMNS)
    if score_column:
        return _table(file, score_column, direction, title)
    return _plain(file, direction, title)


def _plain(file: TextFile, direction: Direction, name: str) -> Scores:
    ids, values, labels, systems = [], [], [], []
    number, first = file.lines[0]
    # Tabs are the only separator where there are any: a path may hold blanks.
    separator = file.delimiter if file.delimiter == "\t" else None
    width = len(first.split(separator))
    if width not in (2, 4):
        raise ManifestError(
            f"{file.path}:{number}: {width} columns and no header with a score, found {first.strip()[:80]!r}",
            hint="expected 'utt score', 'utt attack key score', or CSV/TSV with a header that names path and score",
        )
    for number, text in file.lines:
        cells, place = text.split(separator), f"{file.path}:{number}"
        if len(cells) != width:
            raise ManifestError(f"{place}: {len(cells)} columns, the first line has {width}")
        ids.append(cells[0])
        values.append(number_in(cells[-1], place))
        if width == 4:
            labels.append(label_in(cells[2], place))
            systems.append(HUMAN if labels[-1] == BONAFIDE else cells[1])
    meta = {"system": systems} if labels else {}
    return Scores.of(ids, values, labels or None, direction=direction, meta=meta, name=name, where=str(file.path))


def _table(file: TextFile, score_column: str, direction: Direction, name: str) -> Scores:
    id_column, label_column = file.id_column(), file.column(*LABEL_COLUMNS)
    other = [c for c in file.header if c not in (id_column, score_column, label_column, "reason")]
    ids, values, labels = [], [], []
    meta: dict[str, list[str]] = {c: [] for c in other}
    missing: dict[str, str] = {}
    for place, row in file.records():
        if not row[score_column]:
            missing[row[id_column]] = row.get("reason") or "no score in the file"
            continue
        ids.append(row[id_column])
        values.append(number_in(row[score_column], place))
        if label_column:
            labels.append(label_in(row[label_column], place))
        for column in other:
            meta[column].append(row[column])
    scores = Scores.of(
        ids,
        values,
        labels if label_column else None,
        direction=direction,
        meta={k: v for k, v in meta.items() if any(v)},
        name=name,
        where=str(file.path),
    )
    return replace(scores, missing=missing)


def write_scores(
    scores: Scores, path: Path | str, *, form: Format = "csv", direction: Direction | None = None
) -> Direction:
    """Write a score file; the answer is the direction it was written in.

    ``asvspoof2019``: ``utt attack key score`` (``utt score`` without labels). ``asvspoof5``: TSV with the header
    ``filename<TAB>cm-score``. ``csv``: ``id, label, score`` and the known columns, and a row with an empty score and
    its ``reason`` for each trial without one; the other formats have no place for those. Unless given, the direction is
    the custom of the format: higher = bonafide for ASVspoof, higher = spoof for CSV. Numbers read back exactly.

    Raises
    ------
    ManifestError
        For an unknown format or direction, or when names collide without folders and endings (ASVspoof formats).

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "s.tsv"
    >>> write_scores(Scores.of(["clips/a.wav"], [1.5]), file, form="asvspoof5")
    'bonafide'
    >>> file.read_text()
    'filename\\tcm-score\\na\\t-1.5\\n'
    """
    if form not in FORMATS:
        raise ManifestError(f"unknown score format {form!r}", hint="known: " + ", ".join(FORMATS))
    heading: Direction = NATURAL[form] if direction is None else direction
    values = [repr(float(v)) for v in turned(scores.scores, heading)]
    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            _write_csv(scores, values, file)
        elif form == "asvspoof5":
            file.write("filename\tcm-score\n")
            file.writelines(f"{u}\t{v}\n" for u, v in zip(_utterances(scores), values, strict=True))
        elif scores.labels is None:
            file.writelines(f"{u} {v}\n" for u, v in zip(_utterances(scores), values, strict=True))
        else:
            rows = zip(_utterances(scores), scores.column("system"), scores.words(), values, strict=True)
            for utterance, system, word, value in rows:
                attack = "-" if word == BONAFIDE else "_".join(system.split()) or "unknown"
                file.write(f"{utterance} {attack} {word} {value}\n")
    return heading


def _write_csv(scores: Scores, values: Sequence[str], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    columns = [c for c in scores.meta if c not in ("id", "label", "score", "reason")]
    labelled = scores.labels is not None
    writer.writerow(
        ["id", *(["label"] if labelled else []), "score", *columns, *(["reason"] if scores.missing else [])]
    )
    words = scores.words() if labelled else ("",) * len(scores)
    blank = [""] if scores.missing else []
    for index, (name, word, value) in enumerate(zip(scores.ids, words, values, strict=True)):
        facts = [scores.meta[c][index] for c in columns]
        writer.writerow([name, *([word] if labelled else []), value, *facts, *blank])
    for name, why in scores.missing.items():
        writer.writerow([name, *([""] if labelled else []), "", *([""] * len(columns)), why])


def _utterances(scores: Scores) -> list[str]:
    """Names as the challenges write them: without folder and audio ending."""
    paths = [PurePath(name) for name in scores.ids]
    names = [p.stem if p.suffix.lower() in AUDIO_SUFFIXES else p.name for p in paths]
    if len(set(names)) < len(names):
        raise ManifestError(
            f"{scores.where}: trials of different folders have one name once the folder is cut off",
            hint="write --format csv",
        )
    if any(len(n.split()) != 1 for n in names):
        raise ManifestError(f"{scores.where}: the name of a trial holds a blank", hint="write --format csv")
    return names
