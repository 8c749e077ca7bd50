"""In-the-Wild: politicians and celebrities, human and cloned, gathered from the web; 16 kHz WAV. For testing.

Tree: ``release_in_the_wild/*.wav`` and ``release_in_the_wild/meta.csv`` with the header ``file,speaker,label`` and the
labels ``bona-fide`` and ``spoof``; ``root`` is that folder or the one above it. Licence: Apache-2.0 as stated by the
authors; the recordings belong to their owners.
Citation: Müller et al., "Does audio deepfake detection generalize?", Interspeech 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.formats import read_records
from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, first_folder, label_of
from earwitness.errors import ManifestError

LICENCE = "Apache-2.0 (as stated by the authors)"
EXPECTED = {("", BONAFIDE): 19_963, ("", SPOOF): 11_816}
WORDS = {"bona-fide": BONAFIDE, "spoof": SPOOF}


def rows(root: Path) -> Iterator[Row]:
    """The rows of ``meta.csv``. The generators are not known, so ``system`` of the spoofs is empty.

    Raises
    ------
    ManifestError
        If the table is missing, lacks a column or has an unknown label.
    """
    folder = first_folder(root, "release_in_the_wild")
    table = folder / "meta.csv"
    for line, record in read_records(table):
        place = f"{table.name}:{line}"
        if lacking := {"file", "speaker", "label"} - record.keys():
            raise ManifestError(f"{table}:1: no column {min(lacking)!r}", hint="expected file, speaker, label")
        label = label_of(record["label"], place, WORDS)
        yield Row(
            (folder / record["file"]).relative_to(root).as_posix(),
            label,
            id=Path(record["file"]).stem,
            system=HUMAN if label == BONAFIDE else "",
            kind=HUMAN if label == BONAFIDE else "",
            speaker=record["speaker"],
            language="en",
            source="In-the-Wild",
            extra={"listed_in": place},
        )
