"""ASVspoof 2019 LA: logical access – text-to-speech and voice conversion over VCTK voices, 16 kHz FLAC.

Tree (``root`` is the folder that holds these, or the one above it, then named ``LA``)::

    ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{train.trn,dev.trl,eval.trl}.txt
    ASVspoof2019_LA_{train,dev,eval}/flac/LA_T_1234567.flac

Protocol lines: speaker, trial, ``-``, attack, key. Licence: ODC-By 1.0.
Citation: Wang et al., "ASVspoof 2019: a large-scale public database of synthesized, converted and replayed speech",
Computer Speech & Language 64, 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, first_folder, generator, label_of, present, protocol_lines
from earwitness.errors import ManifestError

LICENCE = "ODC-By 1.0"
EXPECTED = {
    ("train", BONAFIDE): 2_580,
    ("train", SPOOF): 22_800,
    ("dev", BONAFIDE): 2_548,
    ("dev", SPOOF): 22_296,
    ("eval", BONAFIDE): 7_355,
    ("eval", SPOOF): 63_882,
}
FILES = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}

# Table 2 of the paper: text-to-speech, voice conversion, and conversion of synthetic speech.
KINDS = {
    **dict.fromkeys(("A01", "A02", "A03", "A04", "A07", "A08", "A09", "A10", "A11", "A12", "A16"), "tts"),
    **dict.fromkeys(("A05", "A06", "A17", "A18", "A19"), "vc"),
    **dict.fromkeys(("A13", "A14", "A15"), "tts+vc"),
    HUMAN: HUMAN,
}


def rows(root: Path) -> Iterator[Row]:
    """The rows of every split whose protocol is there.

    Raises
    ------
    ManifestError
        If no protocol is there, or a line is malformed, has an unknown key or contradicts itself.
    """
    base = first_folder(root, "LA")
    folder = base / "ASVspoof2019_LA_cm_protocols"
    protocols = {split: folder / f"ASVspoof2019.LA.cm.{name}.txt" for split, name in FILES.items()}
    for split, protocol in present(root, protocols).items():
        audio = base / f"ASVspoof2019_LA_{split}" / "flac"
        yield from protocol_rows(protocol, split=split, audio=audio.relative_to(root))


def protocol_rows(protocol: Path, *, split: str, audio: Path) -> Iterator[Row]:
    """The rows of one protocol file; ``audio`` is the folder of the clips as it shall stand in the paths."""
    for place, (speaker, trial, _, attack, key) in protocol_lines(protocol, (5,)):
        label = label_of(key, place)
        system = generator(label, attack, place)
        if system not in KINDS:
            raise ManifestError(f"{place}: unknown attack {system!r}", hint="expected A01 to A19")
        yield Row(
            (audio / f"{trial}.flac").as_posix(),
            label,
            id=trial,
            system=system,
            kind=KINDS[system],
            speaker=speaker,
            language="en",
            split=split,
            source="ASVspoof2019-LA",
            extra={"listed_in": place},
        )
