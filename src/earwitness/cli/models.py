"""``earwitness models``: what can be built, how large it is, how it is drawn; published checkpoints as detectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earwitness.cli.common import say

if TYPE_CHECKING:
    from earwitness.models.catalog import Entry
    from earwitness.train.recipe import Recipe

app = typer.Typer(help="List, draw and convert networks.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="A model that 'earwitness models' lists, or a recipe.", show_default=False)]


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """List the networks with parameters, multiply-adds, input, and licence and source of their pretrained weights."""
    if context.invoked_subcommand:
        return
    import json

    from earwitness.augment import AUGMENTS
    from earwitness.features import FRONTENDS
    from earwitness.models.catalog import catalog
    from earwitness.train.losses import LOSSES

    entries = catalog()
    tables = {"front ends": FRONTENDS, "augmentations": AUGMENTS, "losses": LOSSES}
    recipes = _recipes()
    if as_json:
        rows: dict[str, Any] = {"models": [entry.to_dict() for entry in entries]}
        say(json.dumps({**rows, **{k: sorted(v) for k, v in tables.items()}, "recipes": recipes}, indent=1))
        return
    _show(entries)
    for title, table in tables.items():
        say(f"{title}: {', '.join(sorted(table))}")
    for row in recipes:
        size = "" if row["parameters"] is None else f"{row['parameters']:,} parameters; "
        say(f"recipe {row['name']}: {size}{row['about']}")


def _recipes() -> list[dict[str, Any]]:
    """The recipes that ship, with the parameters of their networks; those of other kinds of model have none."""
    from earwitness.models import MODELS
    from earwitness.models.catalog import hollow
    from earwitness.train.recipe import load_recipe, recipe_names

    rows: list[dict[str, Any]] = []
    for name in recipe_names():
        recipe = load_recipe(name)
        part, parameters = recipe.model, None
        if part.name in MODELS:
            model = hollow(part.name, part.settings, _picture(recipe))
            parameters = sum(p.numel() for p in model.parameters())
        rows.append({"name": name, "parameters": parameters, "about": recipe.about})
    return rows


def _picture(recipe: Recipe) -> tuple[int, int, int]:
    """(channels, bins, frames) that the recipe's front end makes of four seconds."""
    import torch

    from earwitness.config import build
    from earwitness.features import FRONTENDS
    from earwitness.registry import find

    kind = find(FRONTENDS, recipe.frontend.name, kind="front end")
    frontend = kind(build(kind.Settings, recipe.frontend.settings, where="frontend.settings")).eval()
    with torch.inference_mode():
        _, channels, bins, frames = frontend(torch.zeros(1, 64_000)).shape
    return channels, bins, frames


def _show(entries: list[Entry]) -> None:
    from rich import box
    from rich.table import Table

    from earwitness.cli.trials import console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("model", "parameters", "multiply-adds", "input", "weights (licence)", "source"):
        table.add_column(column, justify="right" if column in ("parameters", "multiply-adds") else "left")
    for entry in entries:
        f = entry.facts
        table.add_row(
            entry.name,
            f"{entry.parameters:,}",
            f"{entry.multiply_adds / 1e6:,.0f} M",
            f"{f.frontend} {' x '.join(map(str, f.shape))}",
            f"{f.weights} ({f.licence})" if f.weights else "none",
            f.source,
        )
    console().print(table)


@app.command("draw")
def draw(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="SVG file to write.", show_default=False)],
    depth: Annotated[int, typer.Option(min=1, help="Levels of modules that are opened.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Setting of the model, such as widths=[8,16].", show_default=False)
    ] = None,
) -> None:
    """Draw the architecture of a network: every layer, what it gives and how many numbers it holds."""
    import torch

    from earwitness.config import with_overrides
    from earwitness.models import MODELS
    from earwitness.models.catalog import hollow
    from earwitness.models.drawing import svg
    from earwitness.models.flow import flow
    from earwitness.train.recipe import load_recipe, recipe_names

    values: dict[str, Any] = {}
    title, shape = name, None
    if name not in MODELS and (name in recipe_names() or name.endswith(".toml")):
        recipe = load_recipe(name)
        name, values, shape = recipe.model.name, dict(recipe.model.settings), _picture(recipe)
    model = hollow(name, with_overrides(values, settings or []), shape)
    shape = shape or model.facts.shape
    boxes = flow(model, torch.empty(1, *shape, device="meta"), depth=depth)
    total = sum(p.numel() for p in model.parameters())
    about = f"{model.facts.about}; {total:,} parameters. Below a layer: its name · its result · its parameters"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(svg(boxes, title=title, about=about, shape=shape), encoding="utf-8")
    say(f"{out}: {len(boxes)} boxes")


@app.command("convert")
def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="AASIST.pth or AASIST-L.pth of github.com/clovaai/aasist.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Detector folder to write.", show_default=False)],
) -> None:
    """Write a published checkpoint as a detector folder, scored as its authors score and not calibrated."""
    from earwitness.train.official import convert_aasist

    detector = convert_aasist(checkpoint, out)
    train = detector.info.data["train"]
    say(f"{out}: {detector.info.id}, {train['parameters']:,} parameters, parity {train['onnx_parity']:.1e}")
