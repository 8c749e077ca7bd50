"""Recipes of classical models: a table ``[classical]`` in place of a network and its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from earwitness.audio.windows import WindowPlan
from earwitness.config import build, read_toml, with_overrides
from earwitness.errors import ConfigError, UnknownNameError
from earwitness.models.classical import CLASSICAL, Classical
from earwitness.registry import find
from earwitness.train.recipe import Part

PREFIX = "classical-"
"""Names of the recipes that are read here begin with this."""


@dataclass(frozen=True)
class ClassicalSettings:
    """What is compared and how.

    Parameters
    ----------
    models:
        Names in :data:`earwitness.models.classical.CLASSICAL`, in the order in which they are compared.
    folds:
        Parts of the training clips; all clips of a source stand in one part.
    settings:
        Name of a model to the settings that differ from its own.
    minutes:
        Processor minutes of this process after which no model but the first is begun, measuring the features
        included; 0 compares all.
    """

    models: tuple[str, ...] = tuple(CLASSICAL)
    folds: int = 3
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    minutes: float = 0.0


@dataclass(frozen=True)
class ClassicalRecipe:
    """A recipe with a table ``[classical]`` in place of a network and its training."""

    name: str
    about: str
    classical: ClassicalSettings = field(default_factory=ClassicalSettings)
    frontend: Part = field(default_factory=lambda: Part("statistics"))
    seed: int = 1
    window: WindowPlan = field(default_factory=lambda: WindowPlan(4.0, 2.0, 1.0))


def classical_names() -> list[str]:
    """Names of the classical recipes that ship with the package.

    Examples
    --------
    >>> classical_names()
    ['classical-comparison']
    """
    names = (p.name for p in files("earwitness.recipes").iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.startswith(PREFIX) and n.endswith(".toml"))


def is_classical(name: str) -> bool:
    """Whether ``name`` is a recipe of this kind: one of the package, or a TOML file with a table ``[classical]``."""
    if name.endswith(".toml"):
        return "classical" in read_toml(Path(name))
    return name.startswith(PREFIX)


def load_classical(name: str, overrides: Sequence[str] = ()) -> ClassicalRecipe:
    """A classical recipe by its name or the path of a TOML file, with ``--set``-style overrides put in.

    Raises
    ------
    UnknownNameError
        If there is no such recipe, or it names a model that there is not.
    ConfigError
        If a setting is unknown or out of range.
    """
    path = Path(name)
    if not name.endswith(".toml"):
        if name not in classical_names():
            raise UnknownNameError(f"there is no recipe named {name!r}", hint="known: " + ", ".join(classical_names()))
        path = Path(str(files("earwitness.recipes") / f"{name}.toml"))
    recipe = build(ClassicalRecipe, with_overrides(read_toml(path), overrides), where=str(path))
    if recipe.classical.folds < 2 or not recipe.classical.models:
        raise ConfigError(f"{path}: classical needs at least 2 folds and one model")
    for model in (*recipe.classical.models, *recipe.classical.settings):
        configured(recipe, model)
    return recipe


def configured(recipe: ClassicalRecipe, model: str) -> Classical:
    """The model of that name with the recipe's settings."""
    kind = find(CLASSICAL, model, kind="classical model")
    made: Classical = build(kind, recipe.classical.settings.get(model, {}), where=f"classical.settings.{model}")
    return made
