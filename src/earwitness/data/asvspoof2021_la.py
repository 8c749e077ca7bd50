"""ASVspoof 2021 LA: the logical-access evaluation set after real telephone transmission, 16 kHz FLAC.

Tree (``root`` holds these; the keys are a separate download and may lie beside or inside)::

    ASVspoof2021_LA_eval/flac/LA_E_1234567.flac        (or flac/…)
    keys/LA/CM/trial_metadata.txt                      (or LA-keys-full/keys/LA/CM/…, ASVspoof2021_LA_eval/keys/…)

Key lines: speaker, trial, codec, transmission, attack, key, trim, phase (``eval``, ``progress``, ``hidden``). The phase
is the split: headline figures use ``eval`` alone. Licence: ODC-By 1.0.
Citation: Liu et al., "ASVspoof 2021: towards spoofed and deepfake speech detection in the wild", TASLP 31, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.asvspoof2019_la import KINDS
from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import first_folder, generator, label_of, protocol_lines
from earwitness.errors import ManifestError

LICENCE = "ODC-By 1.0"
EXPECTED = {("", BONAFIDE): 18_452, ("", SPOOF): 163_114, ("eval", BONAFIDE): 14_816, ("eval", SPOOF): 133_360}
PHASES = ("eval", "progress", "hidden")


def rows(root: Path) -> Iterator[Row]:
    """The rows of the key file, with the columns ``codec``, ``transmission``, ``trim`` and ``phase`` kept.

    Raises
    ------
    ManifestError
        If there is no key file, or a line is malformed, has an unknown key or phase or contradicts itself.
    """
    audio = first_folder(root, "ASVspoof2021_LA_eval/flac", "flac")
    for place, cells in protocol_lines(key_file(root, "LA"), (8,)):
        speaker, trial, codec, transmission, attack, key, trim, phase = cells
        label = label_of(key, place)
        system = generator(label, attack, place)
        yield Row(
            (audio / f"{trial}.flac").relative_to(root).as_posix(),
            label,
            id=trial,
            system=system,
            kind=KINDS.get(system, ""),
            speaker=speaker,
            language="en",
            split=phase_of(phase, place),
            source="ASVspoof2021-LA",
            extra={"codec": codec, "transmission": transmission, "trim": trim, "phase": phase, "listed_in": place},
        )


def key_file(root: Path, track: str) -> Path:
    """The countermeasure key of a track (``LA`` or ``DF``) below ``root``.

    Raises
    ------
    ManifestError
        If it is in none of the usual places.
    """
    tail = Path(track, "CM", "trial_metadata.txt")
    tops = ("keys", f"{track}-keys-full/keys", f"{track}-keys-full", f"ASVspoof2021_{track}_eval/keys", ".")
    for top in tops:
        for path in (root / top / tail, root / top / "CM" / "trial_metadata.txt"):
            if path.is_file():
                return path
    raise ManifestError(
        f"{root}: no {'keys' / tail}", hint=f"unpack {track}-keys-full.tar.gz from asvspoof.org beside the audio"
    )


def phase_of(phase: str, place: str) -> str:
    """The phase, checked."""
    if phase not in PHASES:
        raise ManifestError(f"{place}: unknown phase {phase!r}", hint="expected " + ", ".join(PHASES))
    return phase
