"""What a run trains and looks on: decoded recordings, or pictures that were made of them before."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from earwitness.augment.signals import Samples
from earwitness.config import build
from earwitness.data.manifest import Manifest, Row, read_manifest
from earwitness.errors import ConfigError
from earwitness.features import FRONTENDS
from earwitness.registry import find
from earwitness.train.batches import Clips, Crops, cache_folder
from earwitness.train.cache import AudioCache, build_cache, cache_key
from earwitness.train.devset import dev_logits
from earwitness.train.pictures import PictureFolder, is_picture_folder
from earwitness.train.recipe import Recipe

_MOST_VARIANTS = 8


class Material(Protocol):
    """Rows of train and dev, training clips, and logits of dev."""

    train: Manifest
    dev: Manifest

    def clips(self, recipe: Recipe) -> Clips:
        """What batches are made of."""
        ...

    def recordings(self) -> Manifest:
        """The clips themselves, for measuring the finished detector."""
        ...

    def logits(self, network: nn.Module, device: torch.device) -> list[NDArray[np.float64]]:
        """Logits of all dev rows: of the clips as they are, then, where there are any, of their coded copies."""
        ...


class Recordings:
    """Decoded audio of the splits train and dev; dev has one codec variant, so that choosing hears coded audio too.

    Parameters
    ----------
    manifest:
        The clips.
    recipe:
        For the codec variants of training clips and the length of a window.
    base:
        Folder for decoded audio, shared between runs.
    jobs:
        Processes that decode.
    """

    def __init__(self, manifest: Manifest, recipe: Recipe, base: Path, *, jobs: int = 1) -> None:
        self.manifest, self.window = manifest, recipe.window
        self._train = split_cache(manifest.filter(split="train"), recipe.run.codec_variants, base, "train", jobs)
        self._dev = split_cache(manifest.filter(split="dev"), 1, base, "dev", jobs)
        self.train = manifest.filter(lambda r: r.id in self._train, split="train")
        self.dev = manifest.filter(lambda r: r.id in self._dev, split="dev")

    def clips(self, recipe: Recipe) -> Clips:
        """Augmented crops."""
        r = recipe.run
        return Crops(self._train, recipe.augment, variants=r.codec_variants, steps=r.steps, seed=recipe.seed)

    def recordings(self) -> Manifest:
        """The manifest."""
        return self.manifest

    def logits(self, network: nn.Module, device: torch.device) -> list[NDArray[np.float64]]:
        """The mean over the windows of each clip, as it is and after a codec."""
        ids = [row.id for row in self.dev]
        return [dev_logits(network, self._dev, ids, variant=v, window=self.window, device=device) for v in (0, 1)]


def split_cache(rows: Manifest, variants: int, base: Path, split: str, jobs: int) -> AudioCache:
    """The cache of a split; one with more codec variants than wanted is as good."""
    for more in range(variants, _MOST_VARIANTS + 1):
        folder = cache_folder(base, cache_key(rows, more, 1, 30.0), split)
        if (folder / "index.json").exists():
            return AudioCache(folder)
    folder = cache_folder(base, cache_key(rows, variants, 1, 30.0), split)
    return build_cache(rows, folder, variants=variants, seed=1, jobs=jobs)


class Pictures:
    """Pictures on disk, which go to the model in place of the front end's output.

    Raises
    ------
    ConfigError
        If the recipe's front end would make other pictures, or the recipe changes waveforms: there are none.
    """

    def __init__(self, folder: PictureFolder, recipe: Recipe) -> None:
        kind = find(FRONTENDS, recipe.frontend.name, kind="front end")
        folder.check(build(kind.Settings, recipe.frontend.settings, where="frontend.settings"))
        if recipe.augment.some or set(recipe.augment.always) - {"gain"}:
            raise ConfigError(
                f"{folder.folder}: the recipe changes waveforms, and pictures are made already",
                hint="train on the manifest of the clips, or --set augment.some={}",
            )
        self.folder = folder
        self.train, self.dev = folder.manifest.filter(split="train"), folder.manifest.filter(split="dev")

    def clips(self, recipe: Recipe) -> Clips:  # noqa: ARG002
        """The picture of each row. The augmentation ``gain`` has nothing to change: level is no part of a picture."""
        return self._clip

    def _clip(self, row: Row, step: int, length: int, start: float) -> Samples:  # noqa: ARG002
        return self.folder.picture(row)

    def recordings(self) -> Manifest:
        """The clips that the pictures show."""
        return self.folder.recordings()

    def logits(self, network: nn.Module, device: torch.device) -> list[NDArray[np.float64]]:
        """Of every picture; there are no coded copies."""
        out = []
        network.eval()
        with torch.inference_mode():
            for first in range(0, len(self.dev), 32):
                stacked = np.stack([self.folder.picture(row) for row in self.dev[first : first + 32]])
                out.append(network.score(torch.from_numpy(stacked).to(device)).float().cpu().numpy())  # type: ignore[operator]
        return [np.concatenate(out).astype(np.float64)]


def open_material(
    path: Path, recipe: Recipe, cache: Path, *, root: Path | None = None, jobs: int = 1
) -> Recordings | Pictures:
    """A manifest of clips, decoded into ``cache``, or the folder of pictures that ``earwitness data images`` wrote.

    Parameters
    ----------
    path:
        The manifest, the folder, or ``images.csv`` in it.
    root:
        The folder that the manifest's paths start from.
    jobs:
        Processes that decode.
    """
    if is_picture_folder(path):
        return Pictures(PictureFolder(path), recipe)
    return Recordings(read_manifest(path, root=root), recipe, cache, jobs=jobs)
