"""``earwitness reproduce``: a suite of recipes, each trained, exported and measured on one corpus, in one table."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earwitness.cli.common import say
from earwitness.cli.progress import Bar
from earwitness.errors import TrainingError

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.train.classical_recipe import ClassicalRecipe
    from earwitness.train.recipe import Recipe
    from earwitness.train.suites import System

PAGE = Path("docs/systems.md")


def reproduce(
    manifest: Annotated[
        Path, typer.Option("--manifest", "-m", help="Rows with the splits train, dev and eval.", show_default=False)
    ],
    suite: Annotated[str, typer.Option(help="systems or full.")] = "systems",
    budget: Annotated[
        float | None,
        typer.Option(help="Minutes of training for each system; 12 for systems, none for full.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where runs and detectors go.")] = Path("runs/systems"),
    results: Annotated[Path, typer.Option(help="The table.")] = Path("results/systems.csv"),
    page: Annotated[Path, typer.Option(help="The page made of it; what stands in NAME-notes.md follows.")] = PAGE,
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from.")] = None,
    cache: Annotated[Path, typer.Option(help="Where decoded audio is kept between runs.")] = Path(".cache/audio"),
    jobs: Annotated[int, typer.Option(help="Systems side by side, each in one core.", min=1)] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Only the system of this recipe; several times.")] = None,
    split: Annotated[str, typer.Option(help="The split that is reported.")] = "eval",
    dataset: Annotated[str, typer.Option(help="Name of the data in the table; the manifest's unless given.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of all recipes, as name=value; for trials.")
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="No: begin from random weights, and say so.")
    ] = True,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Train, export and measure every recipe of a suite, each with the same budget, and write one table and its page.

    Weights and thresholds are chosen on dev, figures are for the reported split. Rows are added as systems end. Called
    again, it goes on: finished systems are kept, interrupted ones go on training. The budget counts training alone.
    """
    from earwitness.data.manifest import read_manifest
    from earwitness.train import suites

    systems = suites.suite(suite, only)
    limit = suites.BUDGETS[suite] if budget is None else budget
    rows = read_manifest(manifest, root=root)
    work = Suite(rows, systems, limit, out, cache, settings or [], pretrained, split, dataset or manifest.stem)
    if child:
        work.one(systems[0])
        return
    failed = work.all(jobs, results, page)
    say(f"{results}: {len(systems) - len(failed)} of {len(systems)} systems")
    say(str(page))
    if failed:
        raise TrainingError(f"{len(failed)} systems failed: {', '.join(failed)}", hint=f"see log.txt below {out}")


class Suite:
    """A suite on a manifest: what its systems share, one of them, all of them."""

    def __init__(
        self,
        rows: Manifest,
        systems: list[System],
        budget: float,
        out: Path,
        cache: Path,
        overrides: list[str],
        pretrained: bool,
        split: str,
        dataset: str,
    ) -> None:
        self.rows, self.systems, self.budget, self.out, self.cache = rows, systems, budget, out, cache
        self.overrides, self.pretrained, self.split, self.dataset = overrides, pretrained, split, dataset

    def all(self, jobs: int, results: Path, page: Path) -> list[str]:
        """Every system, ``jobs`` side by side; gives the recipes that failed."""
        from earwitness.evaluate.systems import systems_page, write_rows

        self._prepare(jobs)
        done = {s.recipe: row for s in self.systems if (row := self._finished(s)) is not None}
        failed: list[str] = []
        notes = page.with_name(f"{page.stem}-notes.md")

        def write() -> None:
            table = [done[s.recipe] for s in self.systems if s.recipe in done]
            write_rows(results, table)
            page.parent.mkdir(parents=True, exist_ok=True)
            text = notes.read_text(encoding="utf-8") if notes.exists() else ""
            from earwitness.evaluate.systems import read_rows

            page.write_text(systems_page(read_rows(results), command=_command(), notes=text), encoding="utf-8")

        write()
        waiting = [s for s in self.systems if s.recipe not in done]
        with ThreadPoolExecutor(jobs) as pool:
            for system, row in zip(waiting, pool.map(self._spawn, waiting), strict=True):
                if row is None:
                    failed.append(system.recipe)
                    say(f"{system.name}: failed, see {self.out / system.recipe / 'log.txt'}", sys.stderr)
                    continue
                done[system.recipe] = row
                write()
                say(f"{system.name}: EER {row['eer']:.1%}, stopped by {row['stopped_by']}", sys.stderr)
        return failed

    def _prepare(self, jobs: int) -> None:
        """What systems share is made once, before they start side by side."""
        from earwitness.train.material import Recordings
        from earwitness.train.recipe import Recipe
        from earwitness.train.suites import need_pictures

        missing = [s for s in self.systems if self._finished(s) is None]
        if any(s.pictures for s in missing):
            with Bar("pictures", len(self.rows)) as bar:
                need_pictures(self.out / "pictures", self.rows, bar)
        for system in missing:
            recipe = self._recipe(system)
            if not system.pictures and isinstance(recipe, Recipe):
                Recordings(self.rows, recipe, self.cache, jobs=jobs)
                return

    def _recipe(self, system: System) -> Recipe | ClassicalRecipe:
        from earwitness.train.suites import system_recipe

        return system_recipe(system, budget=self.budget, pretrained=self.pretrained, overrides=self.overrides)

    def _key(self, system: System) -> str:
        from earwitness.train.suites import key_of

        return key_of(self._recipe(system), self.rows, self.split)

    def _finished(self, system: System) -> dict[str, Any] | None:
        place = self.out / system.recipe / "row.json"
        if not place.exists():
            return None
        kept: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return kept["row"] if kept["key"] == self._key(system) else None

    def _spawn(self, system: System) -> dict[str, Any] | None:
        folder = self.out / system.recipe
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [a for a in sys.argv[1:] if a != "--child"]
        command = [sys.executable, "-m", "earwitness", *_without_only(arguments), "--only", system.recipe, "--child"]
        # one core each, whatever libraries would take by themselves
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "POLARS", "LOKY")}
        environment = {**os.environ, **(threads if self.budget else {})}
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            done = subprocess.run(command, stdout=log, stderr=log, check=False, env=environment)
        return self._finished(system) if done.returncode == 0 else None

    def one(self, system: System) -> None:
        """Train and measure one system, and keep its row in ``row.json``."""
        from earwitness.detector import Detector
        from earwitness.evaluate.systems import COLUMNS, system_figures
        from earwitness.train.history import revision
        from earwitness.train.suites import train_system

        folder, recipe = self.out / system.recipe, self._recipe(system)
        pictures = self.out / "pictures"
        facts = train_system(system, recipe, self.rows, folder, cache=self.cache, pictures=pictures)
        detector = Detector.load(folder / "detector", threads=1)
        row = {
            "system": system.name,
            "recipe": system.recipe,
            "commit": revision(),
            "dataset": self.dataset,
            "split": self.split,
            "chosen_on": "dev",
            **facts,
            **system_figures(detector, self.rows, split=self.split, dataset=self.dataset),
        }
        text = json.dumps({"key": self._key(system), "row": {name: row[name] for name in COLUMNS}}, indent=1)
        (folder / "row.json").write_text(text, encoding="utf-8")


def _command() -> str:
    return shlex.join(["earwitness", *(a for a in sys.argv[1:])])


def _without_only(arguments: list[str]) -> list[str]:
    out, skip = [], False
    for argument in arguments:
        if skip or argument.startswith("--only="):
            skip = False
            continue
        if argument == "--only":
            skip = True
            continue
        out.append(argument)
    return out
