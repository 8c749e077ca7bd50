"""A recipe: everything that makes a detector what it is, as one TOML file with differences from the defaults."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from earwitness.audio.windows import WindowPlan
from earwitness.config import build, read_toml, with_overrides
from earwitness.errors import ConfigError, UnknownNameError
from earwitness.features import FRONTENDS
from earwitness.models import MODELS
from earwitness.models.pretrained import model_settings
from earwitness.registry import find
from earwitness.train.adversary import AdversarySettings
from earwitness.train.batches import AugmentSettings
from earwitness.train.descent import OptimizerSettings
from earwitness.train.losses import LOSSES
from earwitness.train.sampling import SamplingSettings
from earwitness.train.teacher import TeacherSettings


@dataclass(frozen=True)
class RunSettings:
    """How long, how much at once, and when to look.

    Parameters
    ----------
    steps:
        Optimizer steps of the whole run.
    epochs:
        Times that as many clips are drawn as the train split has, in place of ``steps``; 0 counts steps.
    minutes:
        Training stops when so many were spent in steps, looks at dev not counted; 0 sets no limit. Such a run cannot
        be repeated to the bit.
    clock:
        What minutes are: ``"wall"``, or ``"processor"``: the time that processors spent on this process, which a
        machine shared with other work does not change. Data is then best prepared in it, with ``workers = 0``.
    batch:
        Clips a step, over all processes; a multiple of 4.
    seconds:
        Crop lengths; one is drawn a step.
    evaluate_every:
        Steps between looks at dev; 0 looks after each epoch.
    look_minutes:
        Minutes of training after which there is a look in any case; 0 counts steps only.
    patience:
        Looks without a better dev value before training stops; 0 never stops early.
    precision:
        ``"no"`` or ``"bf16"``.
    workers:
        Processes that prepare batches.
    codec_variants:
        Lossy copies of each clip in the cache.
    """

    steps: int = 2000
    epochs: float = 0.0
    minutes: float = 0.0
    clock: Literal["wall", "processor"] = "wall"
    batch: int = 48
    seconds: tuple[float, ...] = (2.0, 3.0, 4.0)
    evaluate_every: int = 250
    look_minutes: float = 0.0
    patience: int = 0
    precision: str = "bf16"
    workers: int = 1
    codec_variants: int = 0


@dataclass(frozen=True)
class Part:
    """A name in one of the tables with the settings that differ from its defaults."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Extra:
    """A further loss: its name, its share of the sum, and its settings."""

    name: str
    share: float
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """Where ``earwitness tune`` looks for a setting: between two ends, or among ``choices``.

    Parameters
    ----------
    low, high:
        Ends of the range.
    log:
        Whether ratios count rather than differences.
    whole:
        Whether only whole numbers are tried.
    choices:
        Values to choose from, in place of a range.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a detector; see ``recipes/*.toml``.

    ``start_from`` is a run folder of the same network whose best weights training starts from; empty starts afresh.
    ``pretrained`` is false to train a network with a pretrained part from random weights; it has no effect on others.
    ``search`` is the search space of ``earwitness tune``: a setting such as ``optimizer.lr`` and its range.
    ``also`` are losses added to ``loss``. ``mixup`` is the alpha of mixup, 0 for none.
    ``window`` is what the detector hears at once; a network of one fixed input length has ``min_seconds = seconds``.
    """

    name: str
    about: str
    model: Part
    frontend: Part
    loss: Part = field(default_factory=lambda: Part("bce"))
    also: tuple[Extra, ...] = ()
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    mixup: float = 0.0
    seed: int = 1
    start_from: str = ""
    pretrained: bool = True
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)
    window: WindowPlan = field(default_factory=lambda: WindowPlan(4.0, 2.0, 1.0))
    search: Mapping[str, Range] = field(default_factory=dict)


class Network(nn.Module):
    """Front end and model as one: waveform ``(batch, samples)`` to outputs; :meth:`score` gives the logit.

    Pictures ``(batch, channels, height, width)`` that were made before go straight to the model.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        frontend = find(FRONTENDS, recipe.frontend.name, kind="front end")
        self.frontend = frontend(build(frontend.Settings, recipe.frontend.settings, where="frontend.settings"))
        model = find(MODELS, recipe.model.name, kind="model")
        settings = model_settings(model, recipe.model.settings, no_pretrained=not recipe.pretrained)
        self.model = model(settings, channels=self.frontend.channels, bins=self.frontend.settings.bins)
        last = getattr(find(LOSSES, recipe.loss.name, kind="loss"), "last", None)
        if last is not None:
            self.model.last = last(self.model.width)

    @property
    def width(self) -> int:
        """Numbers in the embedding."""
        result: int = self.model.width
        return result

    def picture(self, waveform: Tensor, mask: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """What the model reads; ``mask`` changes it while training."""
        if waveform.ndim == 4:
            picture = waveform
        elif self.training:
            # half precision is for the network; the front end's logarithms need single
            with torch.autocast(waveform.device.type, enabled=False):
                picture = self.frontend(waveform).contiguous(memory_format=torch.channels_last)
        else:
            picture = self.frontend(waveform)
        return picture if mask is None else mask(picture)

    def forward(self, waveform: Tensor) -> Tensor:
        """Outputs ``(batch, 1 or 2)``."""
        result: Tensor = self.model(self.picture(waveform))
        return result

    def answer(self, waveform: Tensor, mask: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Outputs ``(batch, 1 or 2)`` and the embedding ``(batch, width)`` that they are made of."""
        embedding = self.model.embedding(self.picture(waveform, mask))
        return self.model.last(embedding), embedding

    def score(self, waveform: Tensor) -> Tensor:
        """The logit ``(batch,)`` that the voice is generated."""
        result: Tensor = self.model.score(self.forward(waveform))
        return result


class Fused(nn.Module):
    """Several networks as one: the score is the mean of theirs, inside one exported graph."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def score(self, waveform: Tensor) -> Tensor:
        """The mean logit ``(batch,)``."""
        scores = [network.score(waveform) for network in self.networks]  # type: ignore[operator]
        return torch.stack(scores).mean(dim=0)


def settled(recipe: Recipe, clips: int) -> Recipe:
    """The recipe with epochs counted in steps, for a train split of ``clips`` clips.

    Examples
    --------
    >>> run = RunSettings(epochs=2.0, batch=16, evaluate_every=0)
    >>> made = settled(Recipe("x", "", Part("se_resnet"), Part("log_spectrogram"), run=run), 100)
    >>> made.run.steps, made.run.evaluate_every
    (13, 6)
    """
    r = recipe.run
    steps = math.ceil(r.epochs * clips / r.batch) if r.epochs else r.steps
    every = r.evaluate_every or max(1, clips // r.batch)
    return replace(recipe, run=replace(r, steps=steps, evaluate_every=every))


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package, but for those of :mod:`earwitness.train.classical_recipe`."""
    names = (p.name for p in files("earwitness.recipes").iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml") and not n.startswith("classical-"))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by its name in the package or by the path of a TOML file, with ``--set``-style overrides put in.

    Raises
    ------
    UnknownNameError
        If there is neither a recipe of that name nor such a file.
    ConfigError
        If a setting is unknown or of the wrong type.
    """
    path = Path(name)
    if not name.endswith(".toml"):
        if name not in recipe_names():
            raise UnknownNameError(f"there is no recipe named {name!r}", hint="known: " + ", ".join(recipe_names()))
        path = Path(str(files("earwitness.recipes") / f"{name}.toml"))
    recipe = build(Recipe, with_overrides(read_toml(path), overrides), where=str(path))
    if recipe.run.batch % 4:
        raise ConfigError(f"{path}: run.batch is {recipe.run.batch}", hint="batches are made of groups of 4")
    return recipe
