"""Suites: the recipes that stand in one table, each trained, exported and measured in the same way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earwitness.data.images import write_images
from earwitness.data.manifest import Manifest
from earwitness.errors import UnknownNameError
from earwitness.features.mel_image import MelImageSettings
from earwitness.models import MODELS
from earwitness.registry import find
from earwitness.train.classical_recipe import ClassicalRecipe, is_classical, load_classical
from earwitness.train.history import revision
from earwitness.train.loop import Run
from earwitness.train.material import Material, Pictures, Recordings
from earwitness.train.pictures import PictureFolder
from earwitness.train.publish import publish
from earwitness.train.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class System:
    """One row of the table: its name, its recipe, and whether it is trained on files of pictures."""

    name: str
    recipe: str
    pictures: bool = False


_GROUND = (
    System("S1 ResNet-101", "s1-resnet101", pictures=True),
    System("S1 EfficientNet-B4", "s1-efficientnet-b4", pictures=True),
    System("S2a classical models", "classical-comparison"),
    System("S2b mel CNN", "s2b-mel-cnn"),
    System("S2c ResNet-18", "s2c-resnet18"),
    System("S3 EfficientNet-B0, frozen", "s3-efficientnet-frozen"),
    System("S3 EfficientNet-B0, unfrozen", "s3-efficientnet-unfrozen"),
    System("S4 MFCC CNN", "s4-mfcc-cnn"),
    System("S4 MFCC CNN, dropout", "s4-mfcc-cnn-dropout"),
    System("S5 mel CNN", "s5-mel-cnn"),
    System("LFCC-LCNN", "lfcc-lcnn"),
    System("CRNN-LSTM", "crnn-lstm"),
    System("CRNN-GRU", "crnn-gru"),
    System("SE-ResNet", "se-resnet"),
    System("Res2Net", "res2net"),
    System("AASIST-L", "aasist-l"),
    System("RawNet2", "rawnet2"),
)
_LARGE = (
    System("AASIST", "aasist"),
    System("wav2vec 2.0, linear", "wav2vec2-linear"),
    System("HuBERT, linear", "hubert-linear"),
    System("XLS-R, AASIST", "xlsr-aasist"),
    System("WavLM, attentive", "wavlm-attentive"),
    System("Whisper, linear", "whisper-linear"),
    System("AST", "ast"),
)
SUITES: dict[str, tuple[System, ...]] = {"systems": _GROUND, "full": (*_GROUND, *_LARGE)}
"""``systems`` fits a budget of minutes on a CPU; ``full`` is for a GPU and has no limit."""

BUDGETS = {"systems": 12.0, "full": 0.0}
"""Minutes of training that each system has, 0 for no limit."""


def suite(name: str, only: list[str] | None = None) -> list[System]:
    """The systems of a suite, or those whose recipes are named.

    Examples
    --------
    >>> [system.name for system in suite("systems", ["rawnet2"])]
    ['RawNet2']
    """
    if name not in SUITES:
        raise UnknownNameError(f"there is no suite named {name!r}", hint="known: " + ", ".join(SUITES))
    known = {system.recipe: system for system in SUITES[name]}
    for wanted in only or []:
        if wanted not in known:
            raise UnknownNameError(f"the suite {name} has no recipe {wanted!r}", hint="known: " + ", ".join(known))
    return [known[wanted] for wanted in only] if only else list(known.values())


def system_recipe(system: System, *, budget: float, pretrained: bool, overrides: list[str]) -> Recipe | ClassicalRecipe:
    """The recipe as the suite trains it: with the limit of time, and in one process.

    Parameters
    ----------
    overrides:
        Settings of the recipes that are trained by steps; classical ones have none in common with them.
    """
    if is_classical(system.recipe):
        return load_classical(system.recipe, [f"classical.minutes={budget}"] if budget else [])
    # minutes of one core, however many systems or strangers share the machine
    changed = [f"run.minutes={budget}", "run.workers=0", "run.clock='processor'"] if budget else []
    changed += [] if pretrained else ["pretrained=false"]
    return load_recipe(system.recipe, [*changed, *overrides])


def need_pictures(folder: Path, manifest: Manifest, progress: Callable[[int, int], None] | None = None) -> Path:
    """The pictures of train and dev as S1 sees them, made where they are missing."""
    rows = manifest.filter(split=("train", "dev"))
    recipe = load_recipe("s1-resnet101")
    write_images(rows, folder, MelImageSettings(**recipe.frontend.settings), progress=progress)
    return folder


def train_system(
    system: System,
    recipe: Recipe | ClassicalRecipe,
    manifest: Manifest,
    folder: Path,
    *,
    cache: Path,
    pictures: Path,
) -> dict[str, Any]:
    """Train one system and write its detector to ``folder/detector``; gives the facts that its row needs.

    The detector's calibration, limits and error rates come from dev as it is, without the conditions that a detector
    for use is heard under: the table has no need of them, and they cost more than the training.

    Parameters
    ----------
    system, recipe:
        What to train.
    manifest:
        Rows with the splits train and dev.
    folder:
        Where to; a run that is there is gone on with.
    cache, pictures:
        Decoded audio, and the folder of pictures.
    """
    if isinstance(recipe, ClassicalRecipe):
        return _classical(recipe, manifest, folder, cache)
    material: Material = (
        Pictures(PictureFolder(pictures), recipe) if system.pictures else Recordings(manifest, recipe, cache)
    )
    run = Run(recipe, material, folder / "run")
    parameters = sum(p.numel() for p in run.network.parameters())
    outcome = run.fit()
    publish([folder / "run"], manifest, folder / "detector", commit=revision(), conditions=("as it is",))
    return {
        "pretrained": weights_of(recipe),
        "params": parameters,
        "clips_seen": outcome.clips,
        "epochs_done": round(outcome.epochs, 2),
        "stopped_by": outcome.stopped_by,
        "minutes": round(outcome.minutes, 2),
    }


def _classical(recipe: ClassicalRecipe, manifest: Manifest, folder: Path, cache: Path) -> dict[str, Any]:
    from earwitness.train.classical import train_classical

    detector = folder / "detector"
    outcome = train_classical(
        recipe, manifest, folder / "run", cache=cache, detector=detector, commit=revision(), conditions=("as it is",)
    )
    return {
        "pretrained": "none foreseen",
        "params": outcome.parameters,
        "clips_seen": outcome.clips,
        "epochs_done": 1.0,
        "stopped_by": f"{outcome.stopped_by}; {outcome.model}",
        "minutes": round(outcome.minutes, 2),
    }


def weights_of(recipe: Recipe) -> str:
    """Which weights a recipe begins from, in words.

    Examples
    --------
    >>> weights_of(load_recipe("rawnet2")), weights_of(load_recipe("s2c-resnet18", ["pretrained=false"]))
    ('none foreseen', 'from random weights')
    """
    usual = getattr(find(MODELS, recipe.model.name, kind="model").Settings, "pretrained", None)
    if usual is None:
        return "none foreseen"
    return str(recipe.model.settings.get("pretrained", usual)) if recipe.pretrained else "from random weights"


def key_of(recipe: Recipe | ClassicalRecipe, manifest: Manifest, split: str) -> str:
    """What a finished row is of: the recipe as trained, and the rows. A row of another key is made again."""
    rows = [[row.id, row.label, row.split] for row in manifest]
    text = json.dumps([asdict(recipe), rows, split], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
