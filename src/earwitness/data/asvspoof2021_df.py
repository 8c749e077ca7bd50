"""ASVspoof 2021 DF: deepfake track – media codecs over ASVspoof 2019, VCC 2018 and VCC 2020 speech, 16 kHz FLAC.

Tree (``root`` holds these; the audio comes in four parts that may be unpacked side by side or together)::

    ASVspoof2021_DF_eval/flac/DF_E_1234567.flac        (or flac/…)
    keys/DF/CM/trial_metadata.txt                      (or DF-keys-full/keys/DF/CM/…)

Key lines: speaker, trial, codec, source corpus, attack, key, trim, phase, vocoder family, then task, team, gender pair
and language for the VCC trials (``-`` elsewhere). The phase is the split. Licence: ODC-By 1.0. Citation: as ASVspoof
2021 LA.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.asvspoof2019_la import KINDS
from earwitness.data.asvspoof2021_la import key_file, phase_of
from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, first_folder, generator, label_of, protocol_lines

LICENCE = "ODC-By 1.0"
EXPECTED = {("", BONAFIDE): 22_617, ("", SPOOF): 589_212, ("eval", BONAFIDE): 14_869, ("eval", SPOOF): 519_059}
EXTRA = ("codec", "vocoder", "task", "team", "gender_pair", "vcc_language")


def rows(root: Path) -> Iterator[Row]:
    """The rows of the key file; ``source`` is the source corpus, further columns are kept under their names.

    Raises
    ------
    ManifestError
        If there is no key file, or a line is malformed, has an unknown key or phase or contradicts itself.
    """
    audio = first_folder(root, "ASVspoof2021_DF_eval/flac", "flac")
    for place, cells in protocol_lines(key_file(root, "DF"), (9, 13)):
        speaker, trial, codec, corpus, attack, key, trim, phase = cells[:8]
        label = label_of(key, place)
        system = generator(label, attack, place)
        extra = {"trim": trim, "phase": phase, "listed_in": place}
        extra |= {name: cell for name, cell in zip(EXTRA, (codec, *cells[8:]), strict=False) if cell != "-"}
        yield Row(
            (audio / f"{trial}.flac").relative_to(root).as_posix(),
            label,
            id=trial,
            system=system,
            kind=HUMAN if system == HUMAN else KINDS.get(system, "vc" if corpus.startswith("vcc") else ""),
            speaker=speaker,
            split=phase_of(phase, place),
            source=corpus,
            extra=extra,
        )
