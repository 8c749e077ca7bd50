"""PartialSpoof: ASVspoof 2019 LA speech with generated segments spliced in; 16 kHz WAV, labels per segment.

Tree: ``root`` is ``database`` or the folder above it::

    protocols/PartialSpoof_LA_cm_protocols/PartialSpoof.LA.cm.{train,dev,eval}.trl.txt
    {train,dev,eval}/con_wav/CON_T_0000000.wav
    segment_labels/{train,dev,eval}_seglab_{0.01,0.02,…,0.64}.npy

Protocol lines: speaker, trial, ``-``, ``CON`` or ``-``, key. A clip is ``spoof`` when any part of it is. The generated
parts are kept in the column ``spoof_spans`` (``start-end;…`` in seconds) from the finest segment labels that are there
(1 = bona fide, 0 = spoof, 2 = non-speech in the ``.vad`` variant). Licence: CC BY 4.0.
Citation: Zhang et al., "The PartialSpoof database and countermeasures for the detection of short fake speech segments
embedded in an utterance", TASLP 31, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earwitness.data.asvspoof2019_la import EXPECTED as EXPECTED_LA
from earwitness.data.manifest import BONAFIDE, Row
from earwitness.data.protocols import HUMAN, first_folder, label_of, present, protocol_lines
from earwitness.data.segments import read_segment_labels, spans_of, spans_text
from earwitness.errors import ManifestError

LICENCE = "CC BY 4.0"
EXPECTED = EXPECTED_LA
SPLITS = ("train", "dev", "eval")
RESOLUTIONS = ("0.01", "0.02", "0.04", "0.08", "0.16", "0.32", "0.64")


def rows(root: Path) -> Iterator[Row]:
    """The rows of every split whose protocol is there, with ``spoof_spans`` where segment labels are.

    Raises
    ------
    ManifestError
        For a missing or malformed protocol, an unknown key, or segment labels that contradict the key.
    """
    base = first_folder(root, "database")
    folder = base / "protocols" / "PartialSpoof_LA_cm_protocols"
    protocols = {split: folder / f"PartialSpoof.LA.cm.{split}.trl.txt" for split in SPLITS}
    for split, protocol in present(root, protocols).items():
        resolution, labels = _segment_labels(base / "segment_labels", split)
        for place, (speaker, trial, _, _, key) in protocol_lines(protocol, (5,)):
            label = label_of(key, place)
            extra = {"listed_in": place}
            if trial in labels:
                spans = spans_of(labels[trial], resolution)
                if bool(spans) != (label != BONAFIDE):
                    raise ManifestError(f"{place}: key {key!r}, but {len(spans)} generated segments are labelled")
                extra |= {"spoof_spans": spans_text(spans)} if spans else {}
            yield Row(
                (base / split / "con_wav" / f"{trial}.wav").relative_to(root).as_posix(),
                label,
                id=trial,
                system=HUMAN if label == BONAFIDE else "",
                kind=HUMAN if label == BONAFIDE else "partial",
                speaker="" if speaker == "-" else speaker,
                language="en",
                split=split,
                source="PartialSpoof",
                extra=extra,
            )


def _segment_labels(folder: Path, split: str) -> tuple[float, Mapping[str, Any]]:
    for resolution in RESOLUTIONS:
        path = folder / f"{split}_seglab_{resolution}.npy"
        if path.is_file():
            return float(resolution), read_segment_labels(path)
    return 0.0, {}
