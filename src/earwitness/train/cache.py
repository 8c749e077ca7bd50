"""Decoded audio on disk, so that epochs do not decode again: one flat int16 file and an index.

Beside each clip may stand *codec variants*: the clip after a pass through a drawn lossy codec. They are made once,
because encoding on the way would take a core from the network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from earwitness.augment.signals import RATE, Samples, clip_seed
from earwitness.data.manifest import Manifest
from earwitness.errors import AudioError, TrainingError

FORMAT = 1


class AudioCache:
    """Clips of one manifest, decoded: ``cache.samples(id, variant)`` gives float32 mono at 16 kHz.

    Build it with :func:`build_cache`; opening maps the file and reads nothing.

    Parameters
    ----------
    folder:
        Where ``index.json`` and ``audio.i16`` lie.

    Raises
    ------
    TrainingError
        If the folder holds no finished cache.
    """

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / "index.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            raise TrainingError(f"{folder}: no finished cache of decoded audio", hint="build it again") from None
        self.key: str = index["key"]
        self.variants: int = index["variants"]
        self.failed: dict[str, str] = index["failed"]
        self._clips: dict[str, list[list[float]]] = index["clips"]
        self._audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")

    def __contains__(self, clip: str) -> bool:
        return clip in self._clips

    def __len__(self) -> int:
        return len(self._clips)

    def seconds(self, clip: str) -> float:
        """Length of the clip."""
        return self._clips[clip][0][1] / RATE

    def length(self, clip: str, variant: int = 0) -> int:
        """Samples of the clip or of one of its codec variants, which may be a few longer or shorter."""
        return int(self._clips[clip][variant][1])

    def samples(self, clip: str, variant: int = 0) -> Samples:
        """The clip itself (``variant=0``) or one of its codec variants (1 … ``variants``)."""
        start, count, scale = self._clips[clip][variant]
        piece = self._audio[int(start) : int(start) + int(count)]
        return piece.astype(np.float32) * np.float32(scale)


def _decoded(job: tuple[str, str, int, int, float]) -> tuple[str, list[tuple[bytes, float]] | str]:
    from earwitness.audio import decode
    from earwitness.augment.codec import Codec

    clip, path, variants, seed, longest = job
    try:
        samples = decode(path, max_seconds=longest).samples
        if len(samples) < RATE // 4:
            return clip, f"only {len(samples) / RATE:.2f} s of audio"
        several = [samples]
        for number in range(1, variants + 1):
            several.append(Codec()(samples, np.random.default_rng(clip_seed(seed, number, clip))))
    except AudioError as error:
        return clip, str(error)
    out: list[tuple[bytes, float]] = []
    for each in several:
        peak = max(float(np.abs(each).max(initial=0.0)), 1e-4)
        out.append((np.round(each * (32767.0 / peak)).astype(np.int16).tobytes(), peak / 32767.0))
    return clip, out


def cache_key(manifest: Manifest, variants: int, seed: int, longest: float) -> str:
    """Name of the cache's content: changes when a path, an id, the number of variants, the seed or the length does."""
    digest = hashlib.sha256(json.dumps([FORMAT, variants, seed, longest]).encode())
    for row in manifest:
        digest.update(f"{row.id}\t{row.path}\n".encode())
    return digest.hexdigest()[:16]


def build_cache(
    manifest: Manifest, folder: Path, *, variants: int = 0, seed: int = 0, longest: float = 30.0, jobs: int = 1
) -> AudioCache:
    """Decode every clip of ``manifest`` into ``folder`` (or take what is there, if it is of the same content).

    Parameters
    ----------
    variants:
        Codec variants to make of each clip.
    longest:
        Seconds of each recording that are kept, from its beginning.
    jobs:
        Processes; 1 decodes in this one.

    Raises
    ------
    TrainingError
        If no clip could be decoded. Single clips that cannot be decoded are listed in :attr:`AudioCache.failed`.
    """
    key = cache_key(manifest, variants, seed, longest)
    if (folder / "index.json").exists():
        cache = AudioCache(folder)
        if cache.key == key:
            return cache
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    clips: dict[str, list[list[float]]] = {}
    failed: dict[str, str] = {}
    work = ((row.id, str(manifest.file(row)), variants, seed, longest) for row in manifest)
    with (folder / "audio.i16").open("wb") as file:
        for clip, result in _run(work, jobs):
            if isinstance(result, str):
                failed[clip] = result
                continue
            places = []
            for data, scale in result:
                places.append([file.tell() // 2, len(data) // 2, scale])
                file.write(data)
            clips[clip] = places
    if not clips:
        first = next(iter(failed.values()), "the manifest is empty")
        raise TrainingError(f"{manifest.where}: no clip could be decoded; the first says: {first}")
    index = {"format": FORMAT, "key": key, "variants": variants, "failed": failed, "clips": clips}
    (folder / "index.json").write_text(json.dumps(index))
    return AudioCache(folder)


def _run(
    work: Iterator[tuple[str, str, int, int, float]], jobs: int
) -> Iterator[tuple[str, list[tuple[bytes, float]] | str]]:
    if jobs <= 1:
        yield from map(_decoded, work)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(_decoded, work, chunksize=16)
