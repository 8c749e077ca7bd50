"""Mel-spectrogram images of a manifest, as PNG files and a manifest of them.

The pixels are those of the front end ``mel_image`` to within 1/255: rows are mel frequency with the highest at the top,
columns are time from left to right over the whole clip, white is the loudest point and black lies ``range_db`` below.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earwitness.data.files import replacing
from earwitness.data.manifest import Manifest, write_manifest
from earwitness.data.png import write_png
from earwitness.errors import AudioError, ManifestError

if TYPE_CHECKING:
    from earwitness.features.mel_image import MelImage, MelImageSettings

SETTINGS = "settings.json"
TABLE = "images.csv"
_LEAST = 16_000


def write_images(
    manifest: Manifest,
    folder: Path,
    settings: MelImageSettings | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write one image per clip into ``folder/<split>/<label>/`` and the manifest ``folder/images.csv``.

    Images that are there already are kept, so an interrupted run goes on; other settings than those of the folder are
    an error. The column ``audio`` of the new manifest names the clip.

    Parameters
    ----------
    manifest:
        The clips.
    folder:
        Where to.
    settings:
        Of the front end; its defaults unless given. They are kept in ``folder/settings.json``.
    progress:
        Called with images done and in all.

    Raises
    ------
    ManifestError
        If a clip cannot be read (with file and line) or the folder holds images of other settings.
    """
    from earwitness.features.mel_image import MelImage, MelImageSettings

    settings = settings or MelImageSettings()
    _same_settings(folder, settings)
    front_end = MelImage(settings).eval()
    rows = []
    for index, row in enumerate(manifest):
        image = Path(*filter(None, (safe_name(row.split), row.label, f"{safe_name(row.id)}.png")))
        if not (folder / image).is_file():
            try:
                write_png(folder / image, image_of(manifest.file(row), front_end))
            except AudioError as error:
                raise ManifestError(f"{manifest.place(index)}: {error.message}", hint=error.hint) from None
        audio = {"audio": manifest.file(row).absolute().as_posix()}
        rows.append(replace(row, path=image.as_posix(), extra={**row.extra, **audio}))
        if progress:
            progress(index + 1, len(manifest))
    made = Manifest(rows, root=folder)
    write_manifest(made, folder / TABLE)
    return made


def image_of(file: Path, front_end: MelImage) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The image of one recording, ``(height, width)``, values from 0 to 1, exactly as the front end gives it.

    Clips under 1 s are repeated until they fill it, as the lab does before every front end.
    """
    import torch

    from earwitness.audio import open_audio

    with open_audio(file) as stream:
        samples = np.concatenate([*stream, np.zeros(0, np.float32)])
    if not len(samples):
        raise AudioError(f"{file}: no samples", code="empty-audio")
    if len(samples) < _LEAST:
        samples = np.tile(samples, -(-_LEAST // len(samples)))[:_LEAST]
    with torch.no_grad():
        image: np.ndarray[tuple[int, int], np.dtype[np.float32]] = front_end(torch.from_numpy(samples)[None])[
            0, 0
        ].numpy()
    return image


def _same_settings(folder: Path, settings: MelImageSettings) -> None:
    wanted = dataclasses.asdict(settings)
    file = folder / SETTINGS
    if file.is_file():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != wanted:
            raise ManifestError(f"{file}: the images there were made with other settings", hint="take an empty folder")
        return
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")


def safe_name(name: str) -> str:
    """A file name for an id, whatever is in it; different ids get different names."""
    plain = re.sub(r"[^\w.-]", "_", name).strip(".")[:80]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
