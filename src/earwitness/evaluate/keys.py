"""Keys: the labels that belong to a score file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earwitness.data.manifest import BONAFIDE, Manifest, Row, read_manifest
from earwitness.data.protocols import HUMAN
from earwitness.errors import ManifestError
from earwitness.evaluate.lines import LABEL_COLUMNS, LABEL_WORDS, TextFile, label_in, number_in

_TEXTS = frozenset({"system", "kind", "speaker", "language", "split", "source", "pair"})


def read_key(path: Path | str) -> Manifest:
    """Labels for scores: a manifest, a CSV/TSV with id and label, or a protocol of ASVspoof 2019, 2021 or 5.

    Protocol lines are told by their number of cells: 5 (2019: speaker, trial, –, attack, key), 8 to 13 with the key in
    column 6 (2021), 9 or 10 with the key in column 9 (5). ``.gz`` files are read as well.

    Raises
    ------
    ManifestError
        With file and line, for an unknown format or label, or an id that occurs twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "protocol.txt"
    >>> _ = file.write_text("LA_0039 LA_E_1 - A11 spoof\\n")
    >>> row = read_key(file)[0]
    >>> row.id, row.label, row.system, row.speaker
    ('LA_E_1', 'spoof', 'A11', 'LA_0039')
    """
    path = Path(path)
    if path.suffix in (".jsonl", ".parquet"):
        return read_manifest(path)
    file = TextFile.read(path)
    if file.column(*LABEL_COLUMNS):
        id_column, numbers = file.id_column(), [n for n, _ in file.lines[1:]]
        rows = [_row(record, id_column, place) for place, record in file.records()]
    else:
        numbers = [n for n, _ in file.lines]
        rows = [_protocol(text.split(), f"{path}:{number}") for number, text in file.lines]
    return Manifest(rows, root=path.parent, where=str(path), lines=numbers)


def _row(record: dict[str, str], id_column: str, place: str) -> Row:
    label_column = next(c for c in LABEL_COLUMNS if c in record)
    seconds = record.get("seconds", "")
    fixed = _TEXTS | {id_column, label_column, "path", "seconds"}
    texts: dict[str, Any] = {k: v for k, v in record.items() if k in _TEXTS}
    if not record[id_column]:
        raise ManifestError(f"{place}: the column {id_column!r} is empty")
    return Row(
        record.get("path") or record[id_column],
        label_in(record[label_column], place),
        id=record[id_column],
        seconds=number_in(seconds, place, what="number of seconds") if seconds else None,
        extra={k: v for k, v in record.items() if v and k not in fixed},
        **texts,
    )


def _protocol(cells: Sequence[str], place: str) -> Row:
    extra: dict[str, str] = {}
    if len(cells) == 5:
        speaker, trial, attack, key = cells[0], cells[1], cells[3], cells[4]
    elif len(cells) in range(8, 14) and cells[5] in LABEL_WORDS:
        speaker, trial, attack, key = cells[0], cells[1], cells[4], cells[5]
        extra = {"codec": cells[2], "phase": cells[7]}
    elif len(cells) in (9, 10) and cells[8] in LABEL_WORDS:
        speaker, trial, attack, key = cells[0], cells[1], cells[7], cells[8]
        extra = {"sex": cells[2], "codec": cells[3]}
    else:
        raise ManifestError(
            f"{place}: not a known key line: {' '.join(cells)[:80]!r}",
            hint="expected a manifest, a table with id and label, or a protocol of ASVspoof 2019, 2021 or 5",
        )
    label = label_in(key, place)
    kept = {k: v for k, v in extra.items() if v != "-"}
    return Row(trial, label, id=trial, system=HUMAN if label == BONAFIDE else attack, speaker=speaker, extra=kept)
