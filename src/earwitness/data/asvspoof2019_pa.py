"""ASVspoof 2019 PA: physical access – replayed recordings, simulated rooms, 16 kHz FLAC.

A replay is a loudspeaker's voice, not a generated one: ``kind`` is ``replay``. Keep it apart from the generated kinds.

Tree (``root`` is the folder that holds these, or the one above it, then named ``PA``)::

    ASVspoof2019_PA_cm_protocols/ASVspoof2019.PA.cm.{train.trn,dev.trl,eval.trl}.txt
    ASVspoof2019_PA_{train,dev,eval}/flac/PA_T_1234567.flac

Protocol lines: speaker, trial, environment (three letters: room size, reverberation, distance), attack (two letters:
distance to the talker, quality of the device) or ``-``, key. Licence: ODC-By 1.0. Citation: as ASVspoof 2019 LA.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, first_folder, generator, label_of, present, protocol_lines

LICENCE = "ODC-By 1.0"
EXPECTED = {
    ("train", BONAFIDE): 5_400,
    ("train", SPOOF): 48_600,
    ("dev", BONAFIDE): 5_400,
    ("dev", SPOOF): 24_300,
    ("eval", BONAFIDE): 18_090,
    ("eval", SPOOF): 116_640,
}
FILES = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


def rows(root: Path) -> Iterator[Row]:
    """The rows of every split whose protocol is there; the environment stands in the column ``environment``.

    Raises
    ------
    ManifestError
        If no protocol is there, or a line is malformed, has an unknown key or contradicts itself.
    """
    base = first_folder(root, "PA")
    folder = base / "ASVspoof2019_PA_cm_protocols"
    protocols = {split: folder / f"ASVspoof2019.PA.cm.{name}.txt" for split, name in FILES.items()}
    for split, protocol in present(root, protocols).items():
        audio = base / f"ASVspoof2019_PA_{split}" / "flac"
        yield from protocol_rows(protocol, split=split, audio=audio.relative_to(root))


def protocol_rows(protocol: Path, *, split: str, audio: Path) -> Iterator[Row]:
    """The rows of one protocol file; ``audio`` is the folder of the clips as it shall stand in the paths."""
    for place, (speaker, trial, environment, attack, key) in protocol_lines(protocol, (5,)):
        label = label_of(key, place)
        system = generator(label, attack, place)
        yield Row(
            (audio / f"{trial}.flac").as_posix(),
            label,
            id=trial,
            system=system if system == HUMAN else f"replay-{system}",
            kind=HUMAN if system == HUMAN else "replay",
            speaker=speaker,
            language="en",
            split=split,
            source="ASVspoof2019-PA",
            extra={"environment": environment, "listed_in": place},
        )
