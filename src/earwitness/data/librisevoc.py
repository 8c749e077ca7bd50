"""LibriSeVoc: LibriTTS utterances copied through six neural vocoders; WAV at 24 kHz.

Tree: ``root/gt/<speaker>_<chapter>_….wav`` (human) and one folder per vocoder, ``diffwave, melgan, parallel_wave_gan,
wavegrad, wavenet, wavernn``, with the same names ending in ``_gen``. Licence: as stated on the authors' page, research
use; LibriTTS is CC BY 4.0.
Citation: Sun et al., "AI-synthesized voice detection using neural vocoder artifacts", CVPR workshops 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import audio_files, human, relative
from earwitness.errors import ManifestError

LICENCE = "research use as stated by the authors (LibriTTS: CC BY 4.0)"
EXPECTED = {("", BONAFIDE): 13_201, ("", SPOOF): 79_206}
VOCODERS = ("diffwave", "melgan", "parallel_wave_gan", "wavegrad", "wavenet", "wavernn")


def rows(root: Path) -> Iterator[Row]:
    """The human clips and the copies of every vocoder folder that is there, paired with their original.

    Raises
    ------
    ManifestError
        If ``gt`` or all vocoder folders are missing, or a folder of another name is there.
    """
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    unknown = [name for name in folders if name not in ("gt", *VOCODERS)]
    if unknown or "gt" not in folders or len(folders) < 2:
        found = ", ".join(folders) or "nothing"
        raise ManifestError(f"{root}: found {found}", hint="expected gt and " + ", ".join(VOCODERS))
    originals = set()
    for file in audio_files(root / "gt"):
        originals.add(file.stem)
        yield human(
            relative(file, root), id=file.stem, speaker=file.stem.split("_")[0], language="en", source="LibriSeVoc"
        )
    for vocoder in folders:
        for file in audio_files(root / vocoder) if vocoder != "gt" else ():
            original = file.stem.removesuffix("_gen")
            yield Row(
                relative(file, root),
                SPOOF,
                id=f"{vocoder}/{file.stem}",
                system=vocoder,
                kind="vocoder",
                speaker=original.split("_")[0],
                language="en",
                source="LibriSeVoc",
                pair=original if original in originals else "",
            )
