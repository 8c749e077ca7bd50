"""WaveFake: ten sets of vocoded or synthesised speech over LJSpeech and JSUT; WAV at 22.05 or 24 kHz. Fakes only.

Tree: ``root`` is ``generated_audio`` or the folder above it::

    generated_audio/ljspeech_melgan/LJ001-0001_gen.wav          (LJ001-0001_generated.wav, LJ001-0001.wav in some sets)
    generated_audio/jsut_parallel_wavegan/BASIC5000_0001_gen.wav
    generated_audio/common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech/…

The originals come from ``reals``: a folder that holds ``LJSpeech-1.1/wavs`` and ``jsut_ver1.1/basic5000/wav`` (either
may be missing), or is one of them. Copies carry the id of their original in ``pair``. Licence: CC BY-SA 4.0; LJSpeech
is in the public domain, JSUT's licence allows research and non-commercial use.
Citation: Frank & Schönherr, "WaveFake: a data set to facilitate audio deepfake detection", NeurIPS 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import audio_files, first_folder, human, relative, sibling_reals
from earwitness.errors import ManifestError

LICENCE = "CC BY-SA 4.0 (LJSpeech: public domain; JSUT: its own, non-commercial)"
EXPECTED = {("", BONAFIDE): 18_100, ("", SPOOF): 134_266}
SETS = {
    "ljspeech_full_band_melgan": "vocoder",
    "ljspeech_hifiGAN": "vocoder",
    "ljspeech_melgan": "vocoder",
    "ljspeech_melgan_large": "vocoder",
    "ljspeech_multi_band_melgan": "vocoder",
    "ljspeech_parallel_wavegan": "vocoder",
    "ljspeech_waveglow": "vocoder",
    "jsut_multi_band_melgan": "vocoder",
    "jsut_parallel_wavegan": "vocoder",
    "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech": "tts",
}
_ENDING = re.compile(r"_gen(erated)?$")
_VOICES = {"ljspeech": ("LJ", "en"), "jsut": ("JSUT", "ja"), "common": ("LJ", "en")}


def rows(root: Path, *, reals: Path | None = None) -> Iterator[Row]:
    """The generated sets and, from ``reals``, LJSpeech and the part of JSUT that was vocoded (basic5000).

    Raises
    ------
    ManifestError
        If a folder beside the known ones lies in ``generated_audio``, or ``reals`` is not given.
    """
    base = first_folder(root, "generated_audio")
    originals: set[str] = set()
    for row in _reals(sibling_reals(root, reals, "WaveFake"), root):
        originals.add(row.id)
        yield row
    folders = sorted(p for p in base.iterdir() if p.is_dir() and not p.name.startswith("."))
    unknown = [p for p in folders if p.name not in SETS and p.resolve() != (reals or p / "x").resolve()]
    if unknown:
        raise ManifestError(f"{unknown[0]}: not a set of WaveFake", hint="known: " + ", ".join(SETS))
    for folder in (p for p in folders if p.name in SETS):
        speaker, language = _VOICES[folder.name.split("_")[0]]
        for file in audio_files(folder):
            # One set holds every clip a second time in a folder "generated" (verified by users of the set).
            if file.parent != folder:
                continue
            original = _ENDING.sub("", file.stem)
            yield Row(
                relative(file, root),
                SPOOF,
                id=f"{folder.name}/{file.stem}",
                system=folder.name.split("_", 1)[1]
                if not folder.name.startswith("common")
                else "conformer_fastspeech2_pwg",
                kind=SETS[folder.name],
                speaker=speaker,
                language=language,
                source="WaveFake",
                pair=original if original in originals and SETS[folder.name] == "vocoder" else "",
            )


def _reals(reals: Path, root: Path) -> Iterator[Row]:
    found = False
    for file in audio_files(reals):
        if re.fullmatch(r"LJ\d{3}-\d{4}", file.stem):
            speaker, language, source = "LJ", "en", "LJSpeech"
        elif file.stem.startswith("BASIC5000_"):
            speaker, language, source = "JSUT", "ja", "JSUT"
        else:
            continue
        found = True
        yield human(relative(file, root), id=file.stem, speaker=speaker, language=language, source=source)
    if not found:
        raise ManifestError(
            f"{reals}: no LJSpeech or JSUT recordings", hint="files named LJ001-0001.wav, BASIC5000_0001.wav"
        )
