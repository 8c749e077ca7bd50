"""A folder of mel-spectrogram images as training material, in place of the front end ``mel_image``."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.config import build
from earwitness.data.images import SETTINGS, TABLE
from earwitness.data.manifest import Manifest, Row, read_manifest
from earwitness.data.png import read_png
from earwitness.errors import ConfigError, TrainingError
from earwitness.features.mel_image import MelImageSettings


def is_picture_folder(path: Path) -> bool:
    """Whether ``path`` is what ``earwitness data images`` wrote: the folder, or the table in it."""
    if path.is_dir():
        return (path / TABLE).is_file()
    return path.name == TABLE and (path.parent / SETTINGS).is_file()


class PictureFolder:
    """What ``earwitness data images`` wrote: its rows, its settings, and the picture of each clip.

    Parameters
    ----------
    path:
        The folder, or ``images.csv`` in it.

    Raises
    ------
    TrainingError
        If the settings beside the pictures are missing or damaged.
    ManifestError
        If the table is.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        self.manifest = read_manifest(self.folder / TABLE)
        place = self.folder / SETTINGS
        try:
            self.settings = build(MelImageSettings, json.loads(place.read_text(encoding="utf-8")), where=str(place))
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{place}: cannot be read: {error}", hint="make the pictures with: earwitness data images"
            ) from None

    def picture(self, row: Row) -> NDArray[np.float32]:
        """The picture of a row, ``(1, height, width)``, values from 0 to 1.

        Raises
        ------
        TrainingError
            If it is not of the folder's size.
        ManifestError
            If it cannot be read.
        """
        file = self.manifest.file(row)
        image = read_png(file)
        wanted = (self.settings.height, self.settings.width)
        if image.shape != wanted:
            raise TrainingError(f"{file}: a picture of {image.shape} pixels, settings.json says {wanted}")
        return image[None]

    def recordings(self) -> Manifest:
        """The clips that the pictures show, from the column ``audio``: a detector is measured on those.

        Raises
        ------
        ManifestError
            If the table has no such column.
        """
        self.manifest.require("audio")
        rows = [replace(row, path=row.extra["audio"]) for row in self.manifest]
        return Manifest(rows, root=self.folder, where=self.manifest.where)

    def check(self, frontend: object) -> None:
        """Raise :class:`ConfigError` unless the front end would make the same pictures of the same clips.

        Parameters
        ----------
        frontend:
            The settings of the recipe's front end.
        """
        if not isinstance(frontend, MelImageSettings):
            raise ConfigError(
                f"{self.folder}: pictures train a network on mel_image, and the recipe has another front end",
                hint="give the manifest of the clips instead",
            )
        mine, theirs = dataclasses.asdict(self.settings), dataclasses.asdict(frontend)
        other = [f"{name}={mine[name]}" for name in mine if mine[name] != theirs[name]]
        if other:
            raise ConfigError(
                f"{self.folder}: the pictures were made with other settings than the recipe's: {', '.join(other)}",
                hint=" ".join(f"--set frontend.settings.{each}" for each in other),
            )
