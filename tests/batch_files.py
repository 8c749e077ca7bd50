"""A folder of recordings for tests of ``batch``: many short voices, some broken files, some that are none."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from audio_files import voice, wav_bytes

BROKEN = {"empty.wav": b"", "text.mp3": b"this is no sound " * 40, "cut.flac": b"fLaC\0\0"}


def write_folder(folder: Path, count: int = 12, *, seconds: float = 1.2) -> Path:
    """``count`` voices in two folders, the broken files, and a note that is no recording."""
    for number in range(count):
        place = folder / ("a" if number % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"voice-{number:03d}.wav").write_bytes(wav_bytes(voice(seconds, seed=number)))
    for name, content in BROKEN.items():
        (folder / "a" / name).write_bytes(content)
    (folder / "notes.txt").write_text("no recording")
    return folder


def write_shards(folder: Path, recordings: Path, count: int = 2) -> list[Path]:
    """The recordings below a folder, dealt out to ``count`` tar files with a JSON beside each, as WebDataset does."""
    files = sorted(p for p in recordings.rglob("*") if p.is_file() and p.suffix != ".txt")
    shards = [folder / f"part-{number:02d}.tar" for number in range(count)]
    for number, shard in enumerate(shards):
        with tarfile.open(shard, "w") as tar:
            for file in files[number::count]:
                for name, content in ((file.name, file.read_bytes()), (f"{file.stem}.json", b"{}")):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return shards
