"""``earwitness models``: what can be built, and which recipes ship."""

from __future__ import annotations

from typing import Annotated

import typer

from earwitness.cli.common import say


def models(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """List networks, front ends, augmentations and losses, and the recipes with their parameters."""
    import json

    from earwitness.augment import AUGMENTS
    from earwitness.features import FRONTENDS
    from earwitness.models import MODELS
    from earwitness.train.losses import LOSSES
    from earwitness.train.recipe import Network, load_recipe, recipe_names

    tables = {"models": MODELS, "front ends": FRONTENDS, "augmentations": AUGMENTS, "losses": LOSSES}
    recipes = []
    for name in recipe_names():
        recipe = load_recipe(name)
        parameters = sum(p.numel() for p in Network(recipe).parameters())
        recipes.append({"name": name, "parameters": parameters, "about": recipe.about})
    if as_json:
        say(json.dumps({**{k: sorted(v) for k, v in tables.items()}, "recipes": recipes}, indent=1))
        return
    for title, table in tables.items():
        say(f"{title}: {', '.join(sorted(table))}")
    for row in recipes:
        say(f"recipe {row['name']}: {row['parameters']:,} parameters; {row['about']}")
